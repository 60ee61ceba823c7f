"""Writes to the standard output from C, past Python's buffers, and to the descriptor itself."""

import ctypes
import os

import torch

libc = ctypes.CDLL(None)
w = torch.ones(1, requires_grad=True)
print("from Python", flush=True)
libc.puts(b"from C")
libc.fflush(None)
w.sum().backward()
os.write(1, b"from the descriptor\n")
os.write(2, b"to the standard error\n")
libc.printf(b"without an end of line, at the end")
