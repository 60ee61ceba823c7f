import torch
from torch import nn

torch.manual_seed(0)
model = nn.Linear(3, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
schedulers = [torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.9)]
x, y = torch.randn(8, 3), torch.randn(8, 1)
for epoch in range(3):
    optimizer.zero_grad()
    nn.functional.mse_loss(model(x), y).backward()
    optimizer.step()
    for scheduler in schedulers:
        scheduler.step()
