"""Reads address 0."""

import ctypes

import torch

w = torch.ones(2, requires_grad=True)
w.sum().backward()
print("about to crash", flush=True)
ctypes.string_at(0)
