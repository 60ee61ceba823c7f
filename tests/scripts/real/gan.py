"""A generative adversarial network for a ring of eight Gaussians: two networks, two optimizers."""

import argparse
import math

import torch
from torch import nn


def make(inputs, outputs, width=64):
    return nn.Sequential(
        nn.Linear(inputs, width),
        nn.LeakyReLU(0.2),
        nn.Linear(width, width),
        nn.LeakyReLU(0.2),
        nn.Linear(width, outputs),
    )


def real_points(n):
    angle = torch.randint(8, (n,)) * (math.pi / 4)
    return torch.stack([angle.cos(), angle.sin()], 1) * 2 + 0.05 * torch.randn(n, 2)


parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--iterations", type=int, default=300)
parser.add_argument("--batch", type=int, default=64)
args = parser.parse_args()

torch.manual_seed(3)
netG, netD = make(8, 2), make(2, 1)
optimizerG = torch.optim.Adam(netG.parameters(), lr=1e-3, betas=(0.5, 0.999))
optimizerD = torch.optim.Adam(netD.parameters(), lr=1e-3, betas=(0.5, 0.999))
criterion = nn.BCEWithLogitsLoss()
real_label, fake_label = 1.0, 0.0
for i in range(args.iterations):
    # Update D: maximise log(D(x)) + log(1 - D(G(z)))
    netD.zero_grad()
    real = real_points(args.batch)
    label = torch.full((args.batch, 1), real_label)
    errD_real = criterion(netD(real), label)
    errD_real.backward()
    fake = netG(torch.randn(args.batch, 8))
    label.fill_(fake_label)
    errD_fake = criterion(netD(fake.detach()), label)
    errD_fake.backward()
    errD = errD_real + errD_fake
    optimizerD.step()

    # Update G: maximise log(D(G(z)))
    netG.zero_grad()
    label.fill_(real_label)
    errG = criterion(netD(fake), label)
    errG.backward()
    optimizerG.step()
    if i % 50 == 0 or i == args.iterations - 1:
        print(f"[{i}/{args.iterations}] Loss_D: {errD.item():.9g} Loss_G: {errG.item():.9g}")
