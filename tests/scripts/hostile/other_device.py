"""A model on a device that is not the CPU, but is always there: torch's lazy one, on its TorchScript backend."""

import torch
import torch._lazy
import torch._lazy.ts_backend

torch._lazy.ts_backend.init()
torch.manual_seed(0)
model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 1)).to("lazy")
x = torch.randn(8, 3).to("lazy")
y = torch.randn(8, 1).to("lazy")
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
for _ in range(3):
    optimizer.zero_grad()
    loss = torch.nn.functional.mse_loss(model(x), y)
    loss.backward()
    optimizer.step()
    torch._lazy.mark_step()
    print(loss.item())
