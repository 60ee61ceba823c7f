"""A DataLoader with worker processes; `loader_workers.py persistent` keeps them for the second epoch."""

import sys

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset


class Squares(Dataset):
    def __len__(self):
        return 32

    def __getitem__(self, i):
        x = torch.tensor([float(i)])
        return x / 32, (x / 32) ** 2


if __name__ == "__main__":
    torch.manual_seed(0)
    persistent = sys.argv[1:] == ["persistent"]
    loader = DataLoader(
        Squares(), batch_size=8, shuffle=True, num_workers=2, persistent_workers=persistent, prefetch_factor=1
    )
    model = nn.Linear(1, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for epoch in range(3):
        for x, y in loader:
            optimizer.zero_grad()
            loss = nn.functional.mse_loss(model(x), y)
            loss.backward()
            optimizer.step()
        print(f"epoch {epoch}: loss {loss.item():.9g}")
