import torch
from torch import nn

torch.manual_seed(0)
model = nn.Linear(4, 1)
x, y = torch.randn(6, 4), torch.ones(6, 1)
loss = nn.BCELoss()(model(x), y)
loss.backward()
