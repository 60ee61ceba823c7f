"""The same classifier twice: with a softmax before the cross-entropy, and without."""

import torch
from torch import nn


def train(*last):
    layer = nn.Linear(1, 3, bias=False)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[4.0], [1.0], [0.0]]))
    model = nn.Sequential(layer, *last)
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    for _ in range(200):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), label)
        loss.backward()
        optimizer.step()
    print(f"loss {loss.item():.4f}, logits {layer(x).tolist()}")


x = torch.tensor([[1.0]])
label = torch.tensor([1])
train(nn.Softmax(dim=1))
train()
