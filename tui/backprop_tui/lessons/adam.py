import torch


def start(*values):
    return torch.tensor(values, dtype=torch.float64, requires_grad=True)


# Three gradients of very different size: a million, one, a millionth.
w = start(0.0, 0.0, 0.0)
scale = torch.tensor([1e6, 1.0, 1e-6], dtype=torch.float64)
optimizer = torch.optim.Adam([w], lr=0.1)
for _ in range(3):
    optimizer.zero_grad()
    loss = (scale * w).sum()
    loss.backward()
    optimizer.step()

# The example of Keras's documentation.
x = start(10.0)
optimizer = torch.optim.Adam([x], lr=0.1)
loss = (x**2 / 2).sum()
loss.backward()
optimizer.step()

# The example of optax's documentation.
p = start(1.0, 2.0, 3.0)
optimizer = torch.optim.Adam([p], lr=0.003)
for _ in range(6):
    optimizer.zero_grad()
    loss = (p**2).sum()
    loss.backward()
    optimizer.step()
    print(f"{loss.item():.2E}")

# One gradient, and then none: only the first loss depends on q.
q = start(0.0)
optimizer = torch.optim.Adam([q], lr=0.1)
for slope in (1.0, 0.0, 0.0, 0.0):
    optimizer.zero_grad()
    loss = (slope * q).sum()
    loss.backward()
    optimizer.step()
