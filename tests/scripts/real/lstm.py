"""An LSTM that continues sine waves, trained with truncated backpropagation through time."""

import argparse

import torch
from torch import nn, optim


class Sequence(nn.Module):
    def __init__(self, hidden):
        super().__init__()
        self.lstm = nn.LSTM(1, hidden, num_layers=2, batch_first=True, dropout=0.1)
        self.out = nn.Linear(hidden, 1)

    def forward(self, x, state=None):
        h, state = self.lstm(x, state)
        return self.out(h), state


parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--epochs", type=int, default=10)
parser.add_argument("--length", type=int, default=200)
args = parser.parse_args()

torch.manual_seed(2)
phase = torch.rand(16, 1) * 6.28
waves = torch.sin(phase + torch.arange(args.length + 1) / 6).unsqueeze(-1)
model = Sequence(32)
optimizer = optim.RMSprop(model.parameters(), lr=3e-3, momentum=0.5)
scheduler = optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=1)
criterion = nn.MSELoss()
for epoch in range(args.epochs):
    state, total = None, 0.0
    for start in range(0, args.length, 50):
        x = waves[:, start : start + 50]
        y = waves[:, start + 1 : start + x.shape[1] + 1]
        prediction, state = model(x, state)
        state = tuple(s.detach() for s in state)
        loss = criterion(prediction, y)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_value_(model.parameters(), 0.5)
        optimizer.step()
        total += loss.item()
    scheduler.step(total)
    print(f"epoch {epoch}: loss {total:.9g} lr {optimizer.param_groups[0]['lr']}")
