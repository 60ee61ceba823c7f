import torch

w = torch.tensor([1.0, 2.0], requires_grad=True)
y = w.exp()
y = y + 1
y.sum().backward()
print(w.grad)
