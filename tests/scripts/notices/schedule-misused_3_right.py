import torch
from torch import nn

torch.manual_seed(0)
model = nn.Linear(3, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 2)
nn.functional.mse_loss(model(torch.randn(8, 3)), torch.randn(8, 1)).backward()
optimizer.step()
scheduler.step()
