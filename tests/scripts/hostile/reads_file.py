"""Reads its own source a line at a time while it trains."""

import torch

w = torch.ones(1, requires_grad=True)
optimizer = torch.optim.SGD([w], lr=0.01)
with open(__file__) as lines:
    for line in lines:
        optimizer.zero_grad()
        (w * len(line)).sum().backward()
        optimizer.step()
        print(len(line), w.grad.item())
