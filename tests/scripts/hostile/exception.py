"""Trains two iterations, then raises."""

import torch

model = torch.nn.Linear(2, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for i in range(4):
    optimizer.zero_grad()
    loss = model(torch.ones(3, 2)).mean()
    loss.backward()
    optimizer.step()
    print("iteration", i, flush=True)
    if i == 1:
        raise ValueError("the data ran out")
