import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(0)


def encoder():
    return nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 4))


query, key = encoder(), encoder()
key.load_state_dict(query.state_dict())
key.requires_grad_(False)
optimizer = torch.optim.SGD(query.parameters(), lr=0.03, momentum=0.9, weight_decay=1e-4)
queue = F.normalize(torch.randn(4, 16), dim=0)
for i in range(3):
    x = torch.randn(8, 4)
    q = F.normalize(query(x + 0.1 * torch.randn(8, 4)), dim=1)
    with torch.no_grad():
        for slow, fast in zip(key.parameters(), query.parameters()):
            slow.mul_(0.99).add_(fast, alpha=0.01)
        k = F.normalize(key(x), dim=1)
    logits = torch.cat([(q * k).sum(1, keepdim=True), q @ queue], 1) / 0.07
    loss = F.cross_entropy(logits, torch.zeros(8, dtype=torch.long))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    queue = torch.cat([k.T, queue[:, :8]], 1)
