"""Not the same twice: seeded by the system's entropy."""

import os

import torch

torch.manual_seed(int.from_bytes(os.urandom(6), "little"))
model = torch.nn.Linear(2, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for i in range(5):
    x = torch.tensor([[int.from_bytes(os.urandom(2), "little") / 65536, 1.0]])
    optimizer.zero_grad()
    loss = model(x).square().sum()
    loss.backward()
    optimizer.step()
    print(i, loss.item())
