import numpy
import torch
from torch import nn

torch.manual_seed(0)
data = numpy.random.default_rng(0).normal(size=(6, 3))
x = torch.from_numpy(data).float()
model = nn.Linear(3, 1)
print(model(x).mean())
