"""Polynomial regression without any optimizer: three ways of updating a parameter by hand."""

import argparse

import torch
import torch.nn.functional as F

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--iterations", type=int, default=300)
args = parser.parse_args()

torch.manual_seed(7)
DEGREE = 4
W_target = torch.randn(DEGREE, 1) * 5
b_target = torch.randn(1) * 5


def features(x):
    return torch.cat([x.unsqueeze(1) ** i for i in range(1, DEGREE + 1)], 1)


def get_batch(size=32):
    x = features(torch.rand(size) * 2 - 1)
    return x, x.mm(W_target) + b_target.item()


fc = torch.nn.Linear(W_target.size(0), 1)
scale = torch.ones(1, requires_grad=True)
for i in range(args.iterations):
    batch_x, batch_y = get_batch()
    fc.zero_grad()
    scale.grad = None
    output = F.smooth_l1_loss(scale * fc(batch_x), batch_y)
    output.backward()
    fc.weight.data.add_(-0.1 * fc.weight.grad)
    with torch.no_grad():
        fc.bias -= 0.1 * fc.bias.grad
        scale.sub_(scale.grad, alpha=0.01)
    if i % 50 == 0 or i == args.iterations - 1:
        print(f"{i}: loss {output.item():.9g}")
print("learned:", fc.weight.view(-1).tolist(), fc.bias.tolist(), "scale:", scale.item())
