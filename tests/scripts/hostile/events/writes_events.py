"""Writes its losses as tensorboard does: in a thread of its own."""

import sys
from pathlib import Path

import torch
from tensorboard.summary.writer.event_file_writer import EventFileWriter
from torch import nn

path = Path(sys.argv[1], "events.txt")
torch.manual_seed(0)
writer = EventFileWriter(path)
model = nn.Linear(3, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
x = torch.randn(8, 3)
for i in range(30):
    optimizer.zero_grad()
    loss = model(x).square().mean()
    loss.backward()
    optimizer.step()
    writer.add_event(f"{i} {loss.item()}")
    if i % 10 == 0:
        writer.flush()
writer.close()
print(loss.item())
