"""Has something to do at exit."""

import atexit

import torch

w = torch.ones(1, requires_grad=True)
atexit.register(lambda: print("at exit, gradient", w.grad.item()))
w.sum().backward()
print("the end")
