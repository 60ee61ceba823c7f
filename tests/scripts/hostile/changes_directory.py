"""Changes the working directory half way."""

import os
import tempfile

import torch

w = torch.ones(1, requires_grad=True)
w.sum().backward()
with tempfile.TemporaryDirectory() as folder:
    os.chdir(folder)
    torch.save(w, "w.pt")
    (torch.load("w.pt") * w).sum().backward()
    print(os.listdir("."))
    os.chdir("/")
print("gradient", w.grad.item())
