"""Tensors that have no numbers: of the meta device, and fake ones."""

import torch
from torch._subclasses.fake_tensor import FakeTensorMode


def train(model: torch.nn.Module, x: torch.Tensor) -> None:
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(2):
        optimizer.zero_grad()
        loss = model(x).square().mean()
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.mul_(0.99)
        print(loss.shape, loss.device)


train(torch.nn.Linear(3, 2, device="meta"), torch.ones(4, 3, device="meta"))
with FakeTensorMode():
    train(torch.nn.Linear(3, 2), torch.ones(4, 3))
