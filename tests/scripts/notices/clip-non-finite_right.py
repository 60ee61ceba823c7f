import torch
from torch import nn

torch.manual_seed(0)
w = torch.tensor([1.0, 4.0], requires_grad=True)
optimizer = torch.optim.SGD([w], lr=0.1)
w.sqrt().sum().backward()
norm = nn.utils.clip_grad_norm_([w], 1.0)
optimizer.step()
print(norm, w)
