"""Softmax regression on the digits by L-BFGS, which calls a closure several times in a step."""

import argparse

import torch
from sklearn.datasets import load_digits
from torch import nn

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--steps", type=int, default=5)
parser.add_argument("--max-iter", type=int, default=10)
args = parser.parse_args()

torch.manual_seed(4)
digits = load_digits()
x = torch.tensor(digits.data, dtype=torch.float64) / 16
y = torch.tensor(digits.target)
model = nn.Linear(64, 10).double()
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.LBFGS(
    model.parameters(), lr=0.8, max_iter=args.max_iter, line_search_fn="strong_wolfe"
)


def closure():
    optimizer.zero_grad()
    loss = criterion(model(x), y) + 1e-4 * sum(p.square().sum() for p in model.parameters())
    loss.backward()
    return loss


for i in range(args.steps):
    loss = optimizer.step(closure)
    print(f"step {i}: loss {loss.item():.17g}")
