"""Training on another device, in a function; one layer is computed again in the backward pass, and has a pass
of its own within it."""

import sys

import accelerator
import torch
from torch import nn


class Again(torch.autograd.Function):
    @staticmethod
    def forward(ctx, layer, x):
        ctx.layer = layer
        ctx.save_for_backward(x)
        return layer(x)

    @staticmethod
    def backward(ctx, gradient):
        x = ctx.saved_tensors[0].detach().requires_grad_()
        with torch.enable_grad():
            y = ctx.layer(x)
        torch.autograd.backward(y, gradient)
        return None, x.grad


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(3, 4)
        self.second = nn.Linear(4, 1)

    def forward(self, x):
        hidden = torch.tanh(self.first(x))
        return Again.apply(self.second, hidden)


def main(device):
    torch.manual_seed(0)
    model = Net().to(device)
    x, y = torch.randn(8, 3).to(device), torch.randn(8, 1).to(device)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, foreach=False)
    for _ in range(3):
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(x), y)
        loss.backward()
        optimizer.step()
        print(f"{loss.item():.4f}")


main(sys.argv[1] if len(sys.argv) > 1 else accelerator.NAME)
