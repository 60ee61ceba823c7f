import torch
from torch import nn
from torch.autograd import Variable


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([0.5, -1.0]))
        self.frozen = nn.Parameter(torch.tensor([2.0, 3.0]), requires_grad=False)
        self.scale = Variable(torch.tensor([4.0]), requires_grad=True)
        self.register_buffer("offset", torch.tensor([0.25]))

    def forward(self, x):
        self.hidden = self.weight * x + self.frozen
        return self.scale * self.hidden.sum() + self.offset


net = Net()
print("types:", type(net.weight).__name__, type(net.scale).__name__)
print("parameters:", [name for name, _ in net.named_parameters()])
x = torch.tensor([1.0, 2.0])
print("saved:", list(net.state_dict()))
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
for _ in range(2):
    optimizer.zero_grad()
    loss = net(x).sum()
    loss.backward()
    print("leaves:", net.weight.is_leaf, net.scale.is_leaf, net.hidden.is_leaf)
    print("gradients:", net.weight.grad, net.scale.grad, net.hidden.grad)
    optimizer.step()
