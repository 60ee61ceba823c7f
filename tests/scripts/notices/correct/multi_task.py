import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(0)
body, heads = nn.Linear(4, 8), nn.ModuleList([nn.Linear(8, 1), nn.Linear(8, 3)])
optimizer = torch.optim.SGD([*body.parameters(), *heads.parameters()], lr=0.1)
for i in range(3):
    x = torch.randn(8, 4)
    h = torch.tanh(body(x))
    first = F.mse_loss(heads[0](h), x.sum(1, keepdim=True))
    second = F.cross_entropy(heads[1](h), torch.randint(3, (8,)))
    optimizer.zero_grad()
    first.backward(retain_graph=True)
    second.backward()
    optimizer.step()
