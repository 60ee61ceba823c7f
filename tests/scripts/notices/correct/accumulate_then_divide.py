import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(0)
model = nn.Linear(4, 3)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for i in range(2):
    optimizer.zero_grad()
    for _ in range(4):
        x, y = torch.randn(6, 4), torch.randn(6, 3)
        loss = F.mse_loss(model(x), y)
        loss.backward()
    for p in model.parameters():
        p.grad /= 4
    optimizer.step()
