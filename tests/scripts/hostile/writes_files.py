"""Keeps a log open for writing and appends to another: `writes_files.py FOLDER`."""

import sys
from pathlib import Path

import torch

folder = Path(sys.argv[1])
w = torch.ones(1, requires_grad=True)
optimizer = torch.optim.SGD([w], lr=0.1)
with open(folder / "log.txt", "w") as log:
    for i in range(5):
        optimizer.zero_grad()
        (w**2).sum().backward()
        optimizer.step()
        log.write(f"{i} {w.item():.6f}\n")
        with open(folder / "appended.txt", "a") as appended:
            appended.write(f"{i}\n")
print((folder / "log.txt").read_text() + (folder / "appended.txt").read_text(), end="")
