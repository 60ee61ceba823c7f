import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(0)
model = nn.Linear(4, 3)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for i in range(3):
    batches = [(torch.randn(6, 4), torch.randn(6, 3)) for _ in range(3)]
    losses = [F.mse_loss(model(x), y) for x, y in batches]
    optimizer.zero_grad()
    for loss in losses:
        loss.backward()
    optimizer.step()
    print(sum(loss.item() for loss in losses))
