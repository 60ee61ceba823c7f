"""A 784-256-10 perceptron on random pictures of MNIST's size."""

import argparse

import torch
from torch import nn

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--iterations", type=int, default=200)
parser.add_argument("--batch", type=int, default=64)
args = parser.parse_args()

torch.manual_seed(9)
prototypes = torch.rand(10, 784)
model = nn.Sequential(nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 10))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, nesterov=True)
criterion = nn.CrossEntropyLoss()
for i in range(args.iterations):
    labels = torch.randint(10, (args.batch,))
    images = prototypes[labels] + 0.3 * torch.randn(args.batch, 784)
    optimizer.zero_grad()
    loss = criterion(model(images), labels)
    loss.backward()
    optimizer.step()
    if i % 50 == 0 or i == args.iterations - 1:
        print(f"{i}: loss {loss.item():.9g}")
