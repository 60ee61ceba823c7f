import torch
from torch import nn

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 1))
groups = [{"params": model.parameters()}, {"params": model[1].parameters(), "lr": 0.01}]
optimizer = torch.optim.SGD(groups, lr=0.1)
nn.functional.mse_loss(model(torch.randn(8, 3)), torch.randn(8, 1)).backward()
optimizer.step()
