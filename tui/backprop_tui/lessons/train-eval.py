"""A network with batch norm and dropout, evaluated in training mode and then in evaluation mode."""

import torch
from torch import nn

torch.manual_seed(0)
model = nn.Sequential(nn.BatchNorm1d(1), nn.Dropout(0.5), nn.Linear(1, 1))
nn.init.ones_(model[2].weight)
nn.init.zeros_(model[2].bias)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
x = torch.tensor([[1.0], [3.0], [5.0], [7.0]])
y = torch.tensor([[0.0], [1.0], [2.0], [3.0]])
held_out = torch.tensor([[8.0], [12.0]])
expected = torch.tensor([[3.5], [5.5]])

for _ in range(3):
    optimizer.zero_grad()
    loss = nn.functional.mse_loss(model(x), y)
    loss.backward()
    optimizer.step()

with torch.no_grad():
    first = nn.functional.mse_loss(model(held_out), expected)
    again = nn.functional.mse_loss(model(held_out), expected)
    print(f"training mode:   {first.item():.4f}, again {again.item():.4f}")
    model.eval()
    first = nn.functional.mse_loss(model(held_out), expected)
    again = nn.functional.mse_loss(model(held_out), expected)
    print(f"evaluation mode: {first.item():.4f}, again {again.item():.4f}")
