import torch
from torch import nn

torch.manual_seed(0)
model = nn.Linear(4, 1)
x, y = torch.randn(6, 4), torch.randint(2, (6, 1))
loss = nn.BCEWithLogitsLoss()(model(x), y)
loss.backward()
