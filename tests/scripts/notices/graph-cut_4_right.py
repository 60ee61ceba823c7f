import torch
from torch import nn

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 1))
model[0].requires_grad_(False)
optimizer = torch.optim.SGD(model[2].parameters(), lr=0.1)
x, y = torch.randn(8, 3), torch.randn(8, 1)
optimizer.zero_grad()
loss = nn.functional.mse_loss(model(x), y)
loss.backward()
