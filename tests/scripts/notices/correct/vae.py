import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(0)
encode, decode = nn.Linear(6, 4), nn.Linear(2, 6)
optimizer = torch.optim.Adam([*encode.parameters(), *decode.parameters()], lr=1e-3)
for i in range(3):
    x = torch.rand(8, 6)
    mean, logvar = encode(x).chunk(2, dim=1)
    z = mean + torch.randn_like(mean) * torch.exp(0.5 * logvar)
    p = torch.sigmoid(decode(z))
    divergence = -0.5 * torch.sum(1 + logvar - mean.pow(2) - logvar.exp())
    loss = F.binary_cross_entropy(p, x, reduction="sum") + divergence
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    with torch.no_grad():
        print(torch.sigmoid(decode(torch.randn(2, 2))).mean().item())
