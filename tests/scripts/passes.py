"""Calls of backward, step and zero_grad in which code of the script's runs, or not all that could."""

import torch
from torch import nn
from torch.optim.optimizer import register_optimizer_step_post_hook
from torch.utils.checkpoint import checkpoint

torch.manual_seed(0)
x = torch.randn(4, 3)


def trained(net, make=lambda net: torch.optim.SGD(net.parameters(), lr=0.1), forward=None, clear=None, **how):
    optimizer = make(net)
    for _ in range(3):
        clear() if clear else optimizer.zero_grad()
        out = (forward or net)(x)
        loss = out.square().mean()
        loss.backward(**how)
        optimizer.step()
        print(loss.item())


def halves(gradient):
    return gradient * 0.5


def hooked(x):
    hidden = net(x)
    hidden.register_hook(halves)
    return hidden


net = nn.Linear(3, 2)
trained(net, forward=hooked)
trained(net, forward=lambda x: checkpoint(net, x, use_reentrant=False).tanh())
trained(net, forward=lambda x: checkpoint(net, x.clone().requires_grad_(), use_reentrant=True).tanh())
trained(net, inputs=[net.weight])
trained(net, clear=lambda: net.zero_grad(set_to_none=False))
trained(net, clear=net.zero_grad)
trained(net, lambda net: torch.optim.Adam(net.parameters(), foreach=True))
trained(net, lambda net: torch.optim.Adam(net.parameters(), fused=True))
trained(nn.Sequential(nn.Linear(3, 4), nn.ReLU(inplace=True), nn.Dropout(0.5), nn.Linear(4, 1)))


class Halving(torch.optim.SGD):
    def step(self, closure=None):
        for group in self.param_groups:
            for parameter in group["params"]:
                parameter.grad.mul_(0.5)
        return super().step(closure)


trained(net, lambda net: Halving(net.parameters(), lr=0.1))
handle = register_optimizer_step_post_hook(lambda optimizer, args, kwargs: net.weight.norm())
trained(net)
handle.remove()

each = {parameter: torch.optim.SGD([parameter], lr=0.1) for parameter in net.parameters()}


def update(parameter):
    each[parameter].step()
    each[parameter].zero_grad()


handles = [parameter.register_post_accumulate_grad_hook(update) for parameter in net.parameters()]
for _ in range(3):
    net(x).square().mean().backward()
for handle in handles:
    handle.remove()

for _ in range(2):
    leaf = torch.ones(2, requires_grad=True)
    leaf.backward(torch.ones(2))

loss = net(x).square().mean()
loss.backward()
try:
    loss.backward()
except RuntimeError as error:
    print(str(error)[:40])
print(net.weight.norm().item())
(gradient,) = torch.autograd.grad(net(x).square().mean(), net.weight, create_graph=True)
gradient.norm().backward()
try:
    net.zero_grad(to_none=True)
except TypeError as error:
    print(str(error)[-40:])
trained(net)
