import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(0)
net_g, net_d = nn.Linear(2, 2), nn.Linear(2, 1)
optimizer_g = torch.optim.SGD(net_g.parameters(), lr=0.1)
optimizer_d = torch.optim.SGD(net_d.parameters(), lr=0.1)


def judge(points, label):
    loss = F.binary_cross_entropy_with_logits(net_d(points), torch.full((8, 1), label))
    loss.backward()
    return loss.item()


for i in range(3):
    optimizer_d.zero_grad()
    real, fake = torch.randn(8, 2) + 2, net_g(torch.randn(8, 2))
    total = judge(real, 1.0)
    total += judge(fake.detach(), 0.0)
    optimizer_d.step()
    optimizer_g.zero_grad()
    judge(fake, 1.0)
    optimizer_g.step()
