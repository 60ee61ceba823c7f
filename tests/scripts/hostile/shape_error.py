"""A torch function raises: matrices that do not fit."""

import torch

model = torch.nn.Linear(2, 1)
print(model(torch.ones(1, 2)).shape)
model(torch.ones(1, 3))
