import torch
from torch import nn

torch.manual_seed(0)
w = torch.tensor([20.0, -0.5], requires_grad=True)
target = torch.tensor([0.0, 1.0])
loss = nn.BCEWithLogitsLoss()(w, target)
loss.backward()
print(loss, w.grad)
