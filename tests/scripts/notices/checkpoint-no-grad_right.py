import torch
from torch import nn

torch.manual_seed(0)
from torch.utils.checkpoint import checkpoint

model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))
x = torch.randn(8, 3)
out = checkpoint(model, x, use_reentrant=False)
out.mean().backward()
