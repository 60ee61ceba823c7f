import torch
from torch import nn

torch.manual_seed(0)
first, second = nn.Linear(2, 2), nn.Linear(2, 1)
optimizer = torch.optim.SGD([*first.parameters(), *second.parameters()], lr=0.1)
x = torch.randn(4, 2)
out = second(first(x)).mean()
loss = out.square()
optimizer.zero_grad()
loss.backward(retain_graph=True)
optimizer.step()
optimizer.zero_grad()
out.backward()
optimizer.step()
