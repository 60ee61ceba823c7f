import torch

w = torch.randn(3, requires_grad=True).double()
(w * w).sum().backward()
print(w.grad)
