"""A few steps without a closure of every optimizer of PyTorch's own database, in every configuration: with a
parameter that gets no gradient and one that requires none."""

import torch
from torch import nn
from torch.testing._internal.common_optimizers import optim_db

for info in optim_db:
    if info.optim_cls is torch.optim.LBFGS:  # takes nothing but a closure
        continue
    for case in info.optim_inputs_func(device="cpu"):
        torch.manual_seed(0)
        if info.optim_cls is torch.optim.SparseAdam:
            used = nn.Embedding(6, 3, sparse=True)
        else:
            used = nn.Linear(3, 3, bias=info.optim_cls is not torch.optim.Muon)
        frozen = nn.Linear(3, 2, bias=False).requires_grad_(False)
        unused = nn.Linear(2, 2, bias=False)
        groups = [{"params": list(used.parameters())}, {"params": [*frozen.parameters(), unused.weight]}]
        optimizer = info.optim_cls(groups, **case.kwargs)
        x = torch.tensor([[0, 2, 5]]) if isinstance(used, nn.Embedding) else torch.randn(4, 3)
        for _ in range(3):
            optimizer.zero_grad()
            loss = frozen(used(x)).square().mean()
            loss.backward()
            optimizer.step()
        print(info.optim_cls.__name__, case.desc, loss.item())
