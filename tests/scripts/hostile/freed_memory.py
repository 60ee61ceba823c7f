"""Parameters whose memory is given back between two steps, as sharding does."""

import torch

torch.manual_seed(0)
flat = torch.randn(8)
weight = flat[4:].requires_grad_()
x = torch.ones(4)
for _ in range(3):
    loss = (weight * x).square().sum()
    loss.backward()
    kept = flat.clone()
    flat.untyped_storage().resize_(0)
    doubled = (x * 2).sum()
    print(loss.item(), doubled.item())
    flat.untyped_storage().resize_(32)
    flat.copy_(kept)
    with torch.no_grad():
        weight -= 0.1 * weight.grad
        weight.grad = None
