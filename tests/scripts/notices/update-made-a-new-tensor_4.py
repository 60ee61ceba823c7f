import torch
from torch import nn

torch.manual_seed(0)
model = nn.Linear(3, 1)
model(torch.randn(4, 3)).mean().backward()
model.weight = model.weight - 0.1 * model.weight.grad
