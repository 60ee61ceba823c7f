"""torch.export takes note of every function that is called while it runs the model."""

import torch
from torch import nn

torch.manual_seed(0)
model, x = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 1)), torch.randn(5, 3)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for _ in range(2):
    optimizer.zero_grad()
    model(x).square().mean().backward()
    exported = torch.export.export(model, (x,))
    optimizer.step()
print(type(exported).__name__, exported.module()(x).sum().item())
