"""Clipping gradients at three places in the loop; only one of them is right."""

import torch
from torch import nn


def train(place):
    model = nn.Linear(2, 1, bias=False)
    nn.init.zeros_(model.weight)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(x), y)
        if place == "before backward":
            nn.utils.clip_grad_norm_(model.parameters(), max_norm=1.0)
        loss.backward()
        if place == "before step":
            nn.utils.clip_grad_norm_(model.parameters(), max_norm=1.0)
        optimizer.step()
        if place == "after step":
            nn.utils.clip_grad_norm_(model.parameters(), max_norm=1.0)
    print(f"clipped {place}: {model.weight.tolist()}")


x = torch.tensor([[3.0, 4.0]])
y = torch.tensor([[-5.0]])
train("before step")
train("before backward")
train("after step")
