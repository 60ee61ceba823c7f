"""Leaves with a status of its own."""

import sys

import torch

w = torch.ones(2, requires_grad=True)
w.sum().backward()
print("leaving", w.grad.tolist())
sys.exit(3)
