import torch

x = torch.tensor([-2.0, 2.0])
target = 3 * x + 1
w = torch.tensor(2.0, requires_grad=True)
b = torch.tensor(0.0, requires_grad=True)
optimizer = torch.optim.SGD([w, b], lr=0.01)

for epoch in range(10):
    optimizer.zero_grad()
    loss = ((w * x + b - target) ** 2).mean()
    loss.backward()
    optimizer.step()  # w += -lr * w.grad, and b in the same way
    print(epoch, loss.item())
