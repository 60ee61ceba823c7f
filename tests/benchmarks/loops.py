"""Training loops that time themselves: `loops.py NAME ITERATIONS` prints the seconds of an iteration, and
those of them in which this process had a core.

What comes before the loop, and the first iterations, which allocate and warm up, are not counted.
"""

import sys
import time

import torch
from torch import nn

name, iterations = sys.argv[1], int(sys.argv[2])
WARM_UP = max(2, iterations // 10)
torch.manual_seed(0)

if name == "toy":
    model = nn.Sequential(nn.Linear(2, 2, bias=False), nn.Linear(2, 1, bias=False))
    inputs, targets = torch.tensor([[2.0, 3.0]]), torch.tensor([[1.0]])
    criterion = nn.MSELoss()
elif name == "mlp":
    model = nn.Sequential(nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 10))
    inputs, targets = torch.randn(64, 784), torch.randint(10, (64,))
    criterion = nn.CrossEntropyLoss()
elif name == "cnn":
    model = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(),
        nn.Conv2d(16, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(512, 64), nn.ReLU(), nn.Dropout(0.25), nn.Linear(64, 10),
    )  # fmt: skip
    inputs, targets = torch.randn(64, 1, 8, 8), torch.randint(10, (64,))
    criterion = nn.CrossEntropyLoss()
elif name == "transformer":
    layer = nn.TransformerEncoderLayer(64, 4, 256, dropout=0.1, batch_first=True)
    model = nn.Sequential(nn.Embedding(64, 64), nn.TransformerEncoder(layer, 2), nn.Linear(64, 64))
    inputs, targets = torch.randint(64, (16, 32)), torch.randint(64, (16, 32))

    def criterion(logits, targets):
        return nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten())

elif name == "deep":
    blocks = [
        nn.Sequential(nn.LayerNorm(64), nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 64)) for _ in range(100)
    ]
    model = nn.Sequential(nn.Linear(32, 64), *blocks, nn.Linear(64, 10))
    inputs, targets = torch.randn(32, 32), torch.randint(10, (32,))
    criterion = nn.CrossEntropyLoss()

make = torch.optim.AdamW if name == "deep" else torch.optim.SGD
optimizer = make(model.parameters(), lr=0.001)
for i in range(iterations):
    if i == WARM_UP:
        start, start_cpu = time.perf_counter(), time.process_time()
    optimizer.zero_grad()
    loss = criterion(model(inputs), targets)
    loss.backward()
    optimizer.step()
print("seconds", (time.perf_counter() - start) / (iterations - WARM_UP), flush=True)
print("cpu", (time.process_time() - start_cpu) / (iterations - WARM_UP), flush=True)
