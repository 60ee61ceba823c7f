"""One weight learns 2 · w = 6. Without the line `optimizer.zero_grad()` it swings for ever."""

import torch
from torch import nn

model = nn.Linear(1, 1, bias=False)
nn.init.zeros_(model.weight)
optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
x = torch.tensor([[2.0]])
y = torch.tensor([[6.0]])

for epoch in range(12):
    optimizer.zero_grad()
    loss = nn.functional.mse_loss(model(x), y)
    loss.backward()
    optimizer.step()
    print(f"epoch {epoch + 1}: loss {loss.item():.4f}, w {model.weight.item():.4f}")
