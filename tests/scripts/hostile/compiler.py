"""Asks for torch's compiler without compiling anything, and for what it brings along."""

import sys

import torch
from torch.utils.checkpoint import checkpoint


@torch._dynamo.disable
def double(x):
    return x * 2


torch.manual_seed(0)
w = torch.nn.Parameter(torch.ones(2, device=torch.device("cpu")))
optimizer = torch.optim.SGD([w], lr=0.1)
(w.sum() * 2).backward()
optimizer.step()
print("early:", "sympy" in sys.modules)
loss = checkpoint(torch.sin, double(w), use_reentrant=False).sum()
loss.backward()
optimizer.step()

import torch._dynamo.utils  # noqa: E402
from torch._dynamo import config, graph_break, is_compiling  # noqa: E402

graph_break()
print(
    is_compiling(), config.suppress_errors, torch._dynamo.utils.istype(1, int), type(torch._dynamo).__name__
)
print(w.tolist(), torch.rand(2).tolist(), "sympy" in sys.modules)
torch._dynamo.reset()
