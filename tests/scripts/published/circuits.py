"""https://cs231n.github.io/optimization-2/ : (x + y)·z and a sigmoid neuron made of its parts."""

import torch

x, y, z = (torch.tensor(value, requires_grad=True) for value in (-2.0, 5.0, -4.0))
q = x + y
f = q * z
f.backward()

w0, x0, w1, x1, w2 = (torch.tensor(value, requires_grad=True) for value in (2.0, -1.0, -3.0, -2.0, -3.0))
dot = w0 * x0 + w1 * x1 + w2
sigmoid = 1 / (1 + torch.exp(-dot))
sigmoid.backward()
