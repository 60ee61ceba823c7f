import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(0)
from torch.optim.swa_utils import SWALR, AveragedModel, update_bn

model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 1))
averaged = AveragedModel(model)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
scheduler = SWALR(optimizer, swa_lr=0.05, anneal_epochs=2)
data = [(torch.randn(8, 4), torch.randn(8, 1)) for _ in range(2)]
for epoch in range(3):
    for x, y in data:
        optimizer.zero_grad()
        F.mse_loss(model(x), y).backward()
        optimizer.step()
    averaged.update_parameters(model)
    scheduler.step()
update_bn(data, averaged)
averaged.eval()
with torch.no_grad():
    print(F.mse_loss(averaged(data[0][0]), data[0][1]).item())
