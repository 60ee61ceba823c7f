"""The same training twice: with targets of shape (3,), then of shape (3, 1)."""

import torch
from torch import nn


def train(target):
    model = nn.Linear(1, 1)
    nn.init.ones_(model.weight)
    nn.init.zeros_(model.bias)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(60):
        optimizer.zero_grad()
        prediction = model(x)
        loss = nn.functional.mse_loss(prediction, target)
        loss.backward()
        optimizer.step()
    print(f"w {model.weight.item():.4f}, b {model.bias.item():.4f}, loss {loss.item():.4f}")


x = torch.tensor([[1.0], [2.0], [3.0]])
y = torch.tensor([1.0, 2.0, 3.0])
train(y)
train(y.unsqueeze(1))
