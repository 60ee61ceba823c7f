import torch

x = torch.tensor([0.0, 1.0, 4.0], requires_grad=True)
safe = torch.where(x > 0, x.sqrt(), torch.zeros_like(x))
safe.sum().backward()
print(x.grad)
