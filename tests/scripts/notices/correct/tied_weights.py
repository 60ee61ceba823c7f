import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(0)
embed = nn.Embedding(9, 8)
out = nn.Linear(8, 9, bias=False)
out.weight = embed.weight
optimizer = torch.optim.SGD(embed.parameters(), lr=0.1)
for i in range(3):
    tokens = torch.randint(9, (4, 6))
    loss = F.cross_entropy(out(embed(tokens[:, :-1])).flatten(0, 1), tokens[:, 1:].flatten())
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
