"""A network with batch norm and dropout, evaluated in training mode and in evaluation mode."""

import torch
from torch import nn

torch.manual_seed(0)
model = nn.Sequential(nn.BatchNorm1d(1), nn.Dropout(0.5), nn.Linear(1, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
x = torch.tensor([[1.0], [3.0], [5.0], [7.0]])
y = torch.tensor([[0.0], [1.0], [2.0], [3.0]])
held_out = torch.tensor([[2.0], [6.0]])

for epoch in range(3):
    optimizer.zero_grad()
    loss = nn.functional.mse_loss(model(x), y)
    loss.backward()
    optimizer.step()

with torch.no_grad():
    print("training mode:  ", model(held_out).flatten().tolist())
    print("again:          ", model(held_out).flatten().tolist())
    model.eval()
    print("evaluation mode:", model(held_out).flatten().tolist())
    print("again:          ", model(held_out).flatten().tolist())
