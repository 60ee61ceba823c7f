import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(0)


def set_requires_grad(net, value):
    for p in net.parameters():
        p.requires_grad = value


net_g = nn.Sequential(nn.Linear(3, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 3))
net_d = nn.Sequential(nn.Linear(3, 8), nn.BatchNorm1d(8), nn.LeakyReLU(0.2), nn.Linear(8, 1))
optimizer_g = torch.optim.Adam(net_g.parameters(), lr=2e-4, betas=(0.5, 0.999))
optimizer_d = torch.optim.Adam(net_d.parameters(), lr=2e-4, betas=(0.5, 0.999))
gan_loss, l1 = nn.MSELoss(), nn.L1Loss()
for i in range(3):
    x, y = torch.randn(8, 3), torch.randn(8, 3)
    fake = net_g(x)
    set_requires_grad(net_d, False)
    optimizer_g.zero_grad()
    judged = net_d(fake)
    loss_g = gan_loss(judged, torch.ones_like(judged)) + 10 * l1(fake, y)
    loss_g.backward()
    optimizer_g.step()
    set_requires_grad(net_d, True)
    optimizer_d.zero_grad()
    on_real, on_fake = net_d(y), net_d(fake.detach())
    loss_d = 0.5 * (
        gan_loss(on_real, torch.tensor(1.0).expand_as(on_real)) + gan_loss(on_fake, torch.zeros(8, 1))
    )
    loss_d.backward()
    optimizer_d.step()
