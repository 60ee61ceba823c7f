import torch
from torch import nn

torch.manual_seed(0)
model = nn.Linear(4, 1)
x, y = torch.randn(6, 4), torch.rand(6).round()
loss = nn.functional.binary_cross_entropy_with_logits(model(x).squeeze(1), y)
loss.backward()
