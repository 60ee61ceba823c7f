import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(0)
model = nn.Linear(3, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
x, wanted = torch.randn(6, 3), torch.randn(6)
for i in range(3):
    score = model(x)
    gaps = score - score.T
    order = torch.sign(wanted[:, None] - wanted[None, :])
    loss = F.softplus(-order * gaps).mean() + F.l1_loss(score.flatten() * 0, torch.zeros(6))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
