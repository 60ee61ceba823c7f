import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(0)
model = nn.Linear(3, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, foreach=True)
running, best = 0.0, float("inf")
for i in range(3):
    x = torch.randn(6, 3)
    out = model(x)
    loss = F.mse_loss(out.squeeze(-1), x.sum(1))
    optimizer.zero_grad(set_to_none=False)
    loss.backward()
    optimizer.step()
    running = 0.9 * running + 0.1 * loss.item()
    best = min(best, loss.detach())
    history = torch.cat([out.detach(), x], 1)
