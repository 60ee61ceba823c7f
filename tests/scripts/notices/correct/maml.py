import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(0)
model = nn.Linear(2, 1)
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
for episode in range(3):
    optimizer.zero_grad()
    total = 0.0
    for task in range(2):
        x, y = torch.randn(6, 2), torch.randn(6, 1)
        loss = F.mse_loss(model(x), y)
        gradients = torch.autograd.grad(loss, list(model.parameters()), create_graph=True)
        weight, bias = (p - 0.1 * g for p, g in zip(model.parameters(), gradients))
        total = total + F.mse_loss(F.linear(x, weight, bias), y)
    total.backward()
    optimizer.step()
