import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(0)
embed, out = nn.Embedding(7, 8), nn.Linear(8, 7)
q, k, v = (nn.Linear(8, 8) for _ in range(3))
layers = nn.ModuleList([embed, out, q, k, v])
optimizer = torch.optim.AdamW(layers.parameters(), lr=1e-2)
keep = torch.tril(torch.ones(5, 5))
additive = keep.log()
for i in range(3):
    tokens = torch.randint(7, (2, 6))
    x = embed(tokens[:, :-1])
    scores = q(x) @ k(x).transpose(1, 2) / 8**0.5
    scores = scores.masked_fill(keep == 0, float("-inf"))
    h = scores.softmax(-1) @ v(x)
    h = h + ((q(x) @ k(x).transpose(1, 2)) + additive).softmax(-1) @ v(x)
    loss = F.cross_entropy(out(h).flatten(0, 1), tokens[:, 1:].flatten())
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
