import torch
from torch import nn

torch.manual_seed(0)
model = nn.Linear(3, 1)
x = torch.randn(6, 3)
y = x.sum(1)
prediction = model(x)
loss = ((prediction - y.unsqueeze(1)) ** 2).mean()
loss.backward()
