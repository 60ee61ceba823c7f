import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(0)
features = (
    nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3), nn.ReLU()).eval().requires_grad_(False)
)
wanted = features(torch.rand(1, 3, 8, 8)).detach()
image = torch.rand(1, 3, 8, 8).requires_grad_()
optimizer = torch.optim.Adam([image], lr=0.05)
for i in range(4):
    with torch.no_grad():
        image.clamp_(0, 1)
    optimizer.zero_grad()
    loss = F.mse_loss(features(image), wanted)
    loss.backward()
    optimizer.step()
