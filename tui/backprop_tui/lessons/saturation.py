"""Two neurons at once, each with a weight, a bias and the input 1: one begins at 1.5, one at 4."""

import torch


def train(activation, target, epochs):
    w = torch.tensor([0.6, 2.0], requires_grad=True)
    b = torch.tensor([0.9, 2.0], requires_grad=True)
    optimizer = torch.optim.SGD([w, b], lr=0.15)
    for _ in range(epochs):
        optimizer.zero_grad()
        a = activation(w * x + b)
        loss = ((target - a) ** 2 / 2).sum()
        loss.backward()
        optimizer.step()
    print(activation.__name__, activation(w * x + b).tolist())


x = torch.tensor(1.0)
train(torch.sigmoid, 0.0, epochs=300)
train(torch.relu, 1.0, epochs=20)
