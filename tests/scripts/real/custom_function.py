"""A custom autograd.Function, in-place operations, views, tensor hooks and activation checkpointing."""

import argparse

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint


class Swish(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, beta):
        gate = torch.sigmoid(beta * x)
        ctx.save_for_backward(x, beta, gate)
        return x * gate

    @staticmethod
    def backward(ctx, grad):
        x, beta, gate = ctx.saved_tensors
        slope = gate * (1 - gate)
        return grad * (gate + beta * x * slope), (grad * x * x * slope).sum()


class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.up = nn.Linear(width, 2 * width)
        self.down = nn.Linear(2 * width, width)
        self.dropout = nn.Dropout(0.1)
        self.beta = nn.Parameter(torch.tensor(1.0))

    def forward(self, x):
        h = Swish.apply(self.up(x), self.beta)
        return x + self.dropout(self.down(h))


class Net(nn.Module):
    def __init__(self, width=32, depth=3):
        super().__init__()
        self.blocks = nn.ModuleList(Block(width) for _ in range(depth))
        self.head = nn.Linear(width, 4)

    def forward(self, x, use_reentrant):
        for block in self.blocks:
            x = checkpoint(block, x, use_reentrant=use_reentrant)
        x = x.clone()
        x[:, ::2].mul_(0.5)
        x[:, 0] = 1.0
        x.clamp_(-5, 5)
        return self.head(torch.relu_(x))


parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--iterations", type=int, default=100)
args = parser.parse_args()

torch.manual_seed(8)
net = Net()
optimizer = torch.optim.Adagrad(net.parameters(), lr=0.02)
scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=20, gamma=0.7)
centres = torch.randn(4, 32)
for i in range(args.iterations):
    labels = torch.randint(4, (24,))
    inputs = (centres[labels] + 0.5 * torch.randn(24, 32)).requires_grad_()
    inputs.register_hook(lambda grad: grad * 2)
    penalise = i % 10 == 0
    # autograd.grad() does not work through re-entrant checkpoints.
    log_probabilities = torch.log_softmax(net(inputs, use_reentrant=not penalise), 1)
    loss = nn.functional.nll_loss(log_probabilities, labels)
    optimizer.zero_grad()
    if penalise:
        (gradient,) = torch.autograd.grad(loss, inputs, create_graph=True)
        (loss + gradient.square().sum()).backward()
    else:
        loss.backward()
    optimizer.step()
    scheduler.step()
    if i % 20 == 0 or i == args.iterations - 1:
        print(f"{i}: loss {loss.item():.9g} input gradient {inputs.grad.norm():.9g}")
