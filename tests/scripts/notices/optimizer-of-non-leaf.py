import torch

torch.manual_seed(0)
w = torch.randn(3, requires_grad=True) * 0.1
optimizer = torch.optim.SGD([w], lr=0.1)
w.square().sum().backward()
optimizer.step()
