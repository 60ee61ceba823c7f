import torch
from torch.optim.lr_scheduler import (
    ChainedScheduler,
    ConstantLR,
    ExponentialLR,
    LinearLR,
    MultiStepLR,
    StepLR,
)

w = torch.tensor(1.0, requires_grad=True)


def new_optimizer():
    return torch.optim.SGD([w], lr=0.05)


def train(optimizer, scheduler, epochs):
    used = []
    for _ in range(epochs):
        optimizer.zero_grad()
        loss = w**2
        loss.backward()
        used.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    print(type(scheduler).__name__, used[0], used[1], used[2], "...", used[-1])


# The examples in the documentation of these classes, one after the other.
optimizer = new_optimizer()
train(optimizer, StepLR(optimizer, step_size=30, gamma=0.1), epochs=90)

optimizer = new_optimizer()
train(optimizer, MultiStepLR(optimizer, milestones=[30, 80], gamma=0.1), epochs=100)

optimizer = new_optimizer()
train(optimizer, ConstantLR(optimizer, factor=0.5, total_iters=40), epochs=41)

optimizer = new_optimizer()
train(optimizer, LinearLR(optimizer, start_factor=0.05, total_iters=40), epochs=41)

optimizer = new_optimizer()
scheduler1 = ConstantLR(optimizer, factor=0.1, total_iters=20)
scheduler2 = ExponentialLR(optimizer, gamma=0.9)
train(optimizer, ChainedScheduler([scheduler1, scheduler2], optimizer=optimizer), epochs=22)
