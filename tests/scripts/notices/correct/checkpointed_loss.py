import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(0)
from torch.utils.checkpoint import checkpoint

model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 2))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for i in range(3):
    x, y = torch.randn(8, 4, requires_grad=True), torch.randint(2, (8,))
    loss = checkpoint(lambda x: F.cross_entropy(model(x), y), x, use_reentrant=i % 2 == 0)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
