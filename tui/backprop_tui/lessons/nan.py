"""A square root that should be 0 for what is not positive, written in two ways."""

import torch


def root(x):
    return torch.where(x > 0, x.sqrt(), torch.zeros_like(x))


def safe_root(x):
    inside = torch.where(x > 0, x, torch.ones_like(x))
    return torch.where(x > 0, inside.sqrt(), torch.zeros_like(x))


def train(function):
    w = torch.tensor([0.0, 1.0, 4.0], requires_grad=True)
    optimizer = torch.optim.SGD([w], lr=0.1)
    for _ in range(2):
        optimizer.zero_grad()
        loss = function(w).sum()
        loss.backward()
        optimizer.step()
    print(function.__name__, w.tolist())


train(root)
train(safe_root)
