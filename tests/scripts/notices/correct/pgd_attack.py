import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
model.eval().requires_grad_(False)
x, y = torch.rand(8, 4), torch.randint(3, (8,))
delta = torch.zeros_like(x, requires_grad=True)
for i in range(4):
    loss = F.cross_entropy(model(x + delta), y)
    loss.backward()
    delta.data = (delta + 0.1 * delta.grad.sign()).clamp(-0.3, 0.3)
    delta.grad.zero_()
