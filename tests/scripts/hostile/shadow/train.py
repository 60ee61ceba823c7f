"""Imports neighbours whose names are also names of modules of this program."""

import protocol
import random_names
import torch

import app

w = torch.ones(1, requires_grad=True)
(w * protocol.VALUE * app.VALUE).sum().backward()
print(protocol.__file__.rsplit("/", 2)[-2:], random_names.seeded(), "gradient", w.grad.item())
