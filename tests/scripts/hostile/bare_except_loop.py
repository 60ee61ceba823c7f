"""Swallows every exception, KeyboardInterrupt and SystemExit too."""

import torch

w = torch.ones(1, requires_grad=True)
count = 0
print("looping", flush=True)
while True:
    try:
        count += 1
        w.grad = None
        (w * count).sum().backward()
    except:
        pass
