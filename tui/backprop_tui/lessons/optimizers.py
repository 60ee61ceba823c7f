import torch
from torch import nn


class MyNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear1 = nn.Linear(2, 2, bias=False)
        self.linear1.weight = nn.Parameter(torch.tensor([[0.11, 0.21], [0.12, 0.08]]))
        self.linear2 = nn.Linear(2, 1, bias=False)
        self.linear2.weight = nn.Parameter(torch.tensor([[0.14, 0.15]]))

    def forward(self, inputs):
        return self.linear2(self.linear1(inputs))


model = MyNet()
optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
loss_function = nn.L1Loss()
inputs, target = torch.tensor([2.0, 3.0]), torch.tensor([1.0])
for _ in range(3):
    optimizer.zero_grad()
    loss = loss_function(model(inputs), target)
    loss.backward()
    optimizer.step()
    print("loss", loss.item(), "w5, w6", model.linear2.weight.flatten().tolist())
