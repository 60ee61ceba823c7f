import torch
from torch import nn

torch.manual_seed(0)
layers = []
for i in range(9):
    layers += [nn.Linear(10, 10), nn.Tanh()]
model = nn.Sequential(*layers, nn.Linear(10, 1))
x, y = torch.randn(16, 10), torch.randn(16, 1)
nn.functional.mse_loss(model(x), y).backward()
print(model[0].weight.grad.norm(), model[-1].weight.grad.norm())
