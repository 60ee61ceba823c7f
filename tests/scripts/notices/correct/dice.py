import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(0)
net = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 1, 1))
optimizer = torch.optim.Adam(net.parameters(), lr=1e-2)
for i in range(3):
    x = torch.randn(2, 1, 8, 8)
    y = (x > 0).float()
    p = torch.sigmoid(net(x))
    dice = (2 * (p * y).sum() + 1) / (p.sum() + y.sum() + 1)
    loss = 1 - dice
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
