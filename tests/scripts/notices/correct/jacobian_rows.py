import torch

torch.manual_seed(0)
x = torch.randn(3, requires_grad=True)
y = torch.stack([x.prod(), x.sum() ** 2])
for row in torch.eye(2):
    x.grad = None
    y.backward(row, retain_graph=True)
    print(x.grad)
