import torch

w = torch.tensor([1.0, 2.0], requires_grad=True)
y = w * 3
y.retain_grad()
y.square().sum().backward()
print(w.grad, y.grad)
