import torch
from torch import nn

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(2, 4), nn.BatchNorm1d(4), nn.Linear(4, 1))
data = torch.utils.data.TensorDataset(torch.randn(5, 2), torch.randn(5, 1))
loader = torch.utils.data.DataLoader(data, batch_size=2, drop_last=True)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for x, y in loader:
    optimizer.zero_grad()
    nn.functional.mse_loss(model(x), y).backward()
    optimizer.step()
