"""Gradient accumulation: several micro-batches add to .grad before one optimizer step."""

import argparse

import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--epochs", type=int, default=3)
parser.add_argument("--micro-batches", type=int, default=4)
parser.add_argument("--samples", type=int, default=1797)
args = parser.parse_args()

torch.manual_seed(5)
digits = load_digits()
data = TensorDataset(
    torch.tensor(digits.data, dtype=torch.float32)[: args.samples] / 16,
    torch.tensor(digits.target)[: args.samples],
)
loader = DataLoader(data, batch_size=16, shuffle=True, generator=torch.Generator().manual_seed(6))
model = nn.Sequential(nn.Linear(64, 64), nn.GELU(), nn.LayerNorm(64), nn.Dropout(0.1), nn.Linear(64, 10))
optimizer = torch.optim.NAdam(
    [{"params": model[:4].parameters()}, {"params": model[4].parameters(), "lr": 1e-2}], lr=2e-3
)
scheduler = torch.optim.lr_scheduler.OneCycleLR(
    optimizer, max_lr=[2e-3, 1e-2], total_steps=args.epochs * (len(loader) // args.micro_batches) + 1
)
loss_fn = nn.CrossEntropyLoss(label_smoothing=0.1)
for epoch in range(args.epochs):
    for i, (inputs, targets) in enumerate(loader):
        loss = loss_fn(model(inputs), targets) / args.micro_batches
        loss.backward()
        if (i + 1) % args.micro_batches == 0:
            optimizer.step()
            optimizer.zero_grad()
            scheduler.step()
    print(f"epoch {epoch}: last loss {loss.item():.9g} lr {scheduler.get_last_lr()}")
