import torch
from torch import nn

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(3, 16), nn.ReLU(), nn.Dropout(0.5), nn.Linear(16, 2))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
x, y = torch.randn(8, 3), torch.randint(2, (8,))
for epoch in range(2):
    model.train()
    optimizer.zero_grad()
    nn.functional.cross_entropy(model(x), y).backward()
    optimizer.step()
    with torch.no_grad():
        held_out = nn.functional.cross_entropy(model(x), y)
        accuracy = (model(x).argmax(1) == y).float().mean()
    print(held_out.item(), accuracy.item())
