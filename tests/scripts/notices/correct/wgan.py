import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(0)
generator = nn.Sequential(nn.Linear(2, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 2))
critic = nn.Sequential(nn.Linear(2, 8), nn.LeakyReLU(0.2), nn.Linear(8, 1))
optimizer_g = torch.optim.RMSprop(generator.parameters(), lr=1e-3)
optimizer_c = torch.optim.RMSprop(critic.parameters(), lr=1e-3)
for i in range(3):
    for _ in range(2):
        optimizer_c.zero_grad()
        real = torch.randn(8, 2) + 3
        with torch.no_grad():
            fake = generator(torch.randn(8, 2))
        loss = critic(fake).mean() - critic(real).mean()
        loss.backward()
        optimizer_c.step()
        for p in critic.parameters():
            p.data.clamp_(-0.01, 0.01)
    optimizer_g.zero_grad()
    loss = -critic(generator(torch.randn(8, 2))).mean()
    loss.backward()
    optimizer_g.step()
