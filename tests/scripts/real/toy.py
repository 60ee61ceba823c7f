"""The smallest network worth the name, 2-2-1, for any number of iterations."""

import sys

import torch
from torch import nn

iterations = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
optimizer_name = sys.argv[2] if len(sys.argv) > 2 else "SGD"

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(2, 2, bias=False), nn.Linear(2, 1, bias=False))
optimizer = getattr(torch.optim, optimizer_name)(model.parameters(), lr=0.001)
loss_fn = nn.MSELoss()
x = torch.tensor([[2.0, 3.0]])
target = torch.tensor([[1.0]])
for i in range(iterations):
    optimizer.zero_grad()
    loss = loss_fn(model(x), target)
    loss.backward()
    optimizer.step()
print(f"loss after {iterations} iterations: {loss.item():.9g}")
