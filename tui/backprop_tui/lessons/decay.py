"""Two weights: one with a gradient of 1, one with a gradient of 0, so that only decay moves it."""

import torch

w = torch.tensor([1.0, 100.0], requires_grad=True)
optimizer = torch.optim.Adam([w], lr=0.1, weight_decay=0.1)
slope = torch.tensor([1.0, 0.0])

for epoch in range(3):
    optimizer.zero_grad()
    loss = (slope * w).sum()
    loss.backward()
    optimizer.step()
    print(epoch + 1, w.tolist())
