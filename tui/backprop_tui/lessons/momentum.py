import torch


def descend(x, loss_of, optimizer, steps, scheduler=None):
    for _ in range(steps):
        optimizer.zero_grad()
        loss = loss_of(x)
        loss.backward()
        optimizer.step()
        if scheduler is not None:
            scheduler.step()


def start(*values):
    return torch.tensor(values, dtype=torch.float64, requires_grad=True)


# A long, narrow valley: flat along the first direction, steep along the second.
x = start(-5.0, -2.0)
descend(x, lambda x: 0.1 * x[0] ** 2 + 2 * x[1] ** 2, torch.optim.SGD([x], lr=0.4), steps=20)
print("valley:", x.tolist())

# One weight, to see the velocity; the learning rate drops to a tenth after three steps.
p = start(1.0)
optimizer = torch.optim.SGD([p], lr=0.1, momentum=0.9)
descend(p, lambda p: (p**2 / 2).sum(), optimizer, 6, torch.optim.lr_scheduler.StepLR(optimizer, 3, 0.1))
print("lr outside the velocity:", p.item())

# The same with the learning rate inside: v = 0.9 v + lr g, p = p - v.
q, v = 1.0, 0.0
for lr in (0.1, 0.1, 0.1, 0.01, 0.01, 0.01):
    v = 0.9 * v + lr * q
    q = q - v
print("lr inside the velocity:", q)

# Three directions of different steepness, and the best learning rate for all of them.
steepness = torch.tensor([0.01, 0.1, 1.0], dtype=torch.float64)
y = start(1.0, 1.0, 1.0)
descend(y, lambda y: 0.5 * (steepness * y**2).sum(), torch.optim.SGD([y], lr=2 / (0.01 + 1.0)), steps=50)
print("three directions:", y.tolist())
