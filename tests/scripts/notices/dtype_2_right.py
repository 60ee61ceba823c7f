import numpy
import torch
from torch import nn

torch.manual_seed(0)
data = numpy.random.default_rng(0).normal(size=(6, 4))
x, y = torch.from_numpy(data[:, :3]).float(), torch.from_numpy(data[:, 3:]).float()
model = nn.Linear(3, 1)
loss = nn.functional.mse_loss(model(x), y)
loss.backward()
print(loss.dtype)
