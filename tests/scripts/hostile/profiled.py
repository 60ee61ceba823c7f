"""Ranges for the profiler, in every form, and a profile of one step."""

import torch
from torch.autograd.profiler import profile


@torch.autograd.profiler.record_function("decorated")
def forward(model, inputs):
    return model(inputs).sum()


class Range(torch.autograd.profiler.record_function):
    """A range of the script's own kind."""


model = torch.nn.Linear(3, 2)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)


def step():
    optimizer.zero_grad()
    with torch.autograd.profiler.record_function("pass") as named:
        loss = forward(model, torch.ones(1, 3))
    with Range("backward"):
        loss.backward()
    optimizer.step()
    return named


print(step().name, isinstance(step(), torch.profiler.record_function))
with profile() as profiled:
    step()
wanted = ("decorated", "pass", "backward", "Optimizer")
print(sorted(event.key for event in profiled.key_averages() if event.key.startswith(wanted)))
