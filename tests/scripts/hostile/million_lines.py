"""Prints a great many lines."""

import sys

import torch

lines = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
w = torch.ones(1, requires_grad=True)
w.sum().backward()
for i in range(lines):
    print("line", i)
w.sum().backward()
print("gradient", w.grad.item())
