import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(0)
cell, out = nn.LSTMCell(1, 8), nn.Linear(8, 1)
optimizer = torch.optim.RMSprop([*cell.parameters(), *out.parameters()], lr=1e-2)
wave = torch.sin(torch.arange(31) / 3).view(-1, 1, 1)
state = (torch.zeros(1, 8), torch.zeros(1, 8))
for begin in range(0, 30, 10):
    loss = 0.0
    for t in range(begin, begin + 10):
        state = cell(wave[t], state)
        loss += F.mse_loss(out(state[0]), wave[t + 1])
    optimizer.zero_grad()
    (loss / 10).backward()
    optimizer.step()
    state = tuple(s.detach() for s in state)
