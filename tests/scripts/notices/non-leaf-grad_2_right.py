import torch

w = torch.randn(3, dtype=torch.float64, requires_grad=True)
(w * w).sum().backward()
print(w.grad)
