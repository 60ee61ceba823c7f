"""A thread prepares batches while the main thread trains; another one computes with torch."""

import queue
import threading

import torch
from torch import nn

batches = queue.Queue(maxsize=2)
sums = []


def produce():
    generator = torch.Generator().manual_seed(1)
    for _ in range(5):
        batches.put(torch.randn(4, 2, generator=generator))
    batches.put(None)


def compute():
    v = torch.ones(3, requires_grad=True)
    for _ in range(5):
        v.grad = None
        (v * 2).sum().backward()
        sums.append(v.grad.sum().item())


torch.manual_seed(0)
model = nn.Linear(2, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
workers = [threading.Thread(target=produce), threading.Thread(target=compute)]
for worker in workers:
    worker.start()
while (batch := batches.get()) is not None:
    optimizer.zero_grad()
    loss = model(batch).square().mean()
    loss.backward()
    optimizer.step()
for worker in workers:
    worker.join()
print(f"loss {loss.item():.9g}", sums)
