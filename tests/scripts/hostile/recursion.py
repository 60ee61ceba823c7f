"""Recurses too deep, inside operations."""

import torch

w = torch.ones(1, requires_grad=True)


def deeper(x):
    return deeper(x * 1.0)


try:
    deeper(w)
except RecursionError:
    print("caught a RecursionError")
w.sum().backward()
print("gradient", w.grad.item())
deeper(w)
