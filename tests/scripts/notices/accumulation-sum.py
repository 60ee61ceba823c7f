import torch
from torch import nn

torch.manual_seed(0)
model = nn.Linear(3, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
criterion = nn.MSELoss()
micro_batches = 4
for i in range(3):
    optimizer.zero_grad()
    for _ in range(micro_batches):
        x, y = torch.randn(2, 3), torch.randn(2, 1)
        loss = criterion(model(x), y)
        loss.backward()
    optimizer.step()
