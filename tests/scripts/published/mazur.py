"""https://mattmazur.com/2015/03/17/a-step-by-step-backpropagation-example/ : 2-2-2, sigmoid, ½(t − o)²."""

import torch

x, target = torch.tensor([0.05, 0.1], dtype=torch.float64), torch.tensor([0.01, 0.99], dtype=torch.float64)
hidden = torch.tensor([[0.15, 0.2], [0.25, 0.3]], dtype=torch.float64, requires_grad=True)
output = torch.tensor([[0.4, 0.45], [0.5, 0.55]], dtype=torch.float64, requires_grad=True)
optimizer = torch.optim.SGD([hidden, output], lr=0.5)

net_h = hidden @ x + 0.35
out_h = torch.sigmoid(net_h)
net_o = output @ out_h + 0.6
out_o = torch.sigmoid(net_o)
errors = 0.5 * (target - out_o) ** 2
loss = errors.sum()
loss.backward()
optimizer.step()
