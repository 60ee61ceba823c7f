"""https://hmkcode.com/ai/backpropagation-step-by-step/ : 2-2-1 without activation, ½(p − t)²."""

import torch

x = torch.tensor([[2.0, 3.0]])
first = torch.tensor([[0.11, 0.12], [0.21, 0.08]], requires_grad=True)
second = torch.tensor([[0.14], [0.15]], requires_grad=True)
optimizer = torch.optim.SGD([first, second], lr=0.05)
for i in range(2):
    optimizer.zero_grad()
    hidden = x @ first
    prediction = hidden @ second
    loss = (0.5 * (prediction - 1) ** 2).sum()
    loss.backward()
    optimizer.step()
