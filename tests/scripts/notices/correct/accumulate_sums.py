import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(0)
model = nn.Linear(4, 3)
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
criterion = nn.CrossEntropyLoss(reduction="sum")
for i in range(2):
    optimizer.zero_grad()
    for _ in range(4):
        x, y = torch.randn(6, 4), torch.randint(3, (6,))
        criterion(model(x), y).backward()
    optimizer.step()
