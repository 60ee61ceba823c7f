import torch

# The first circuit: an add gate and a multiply gate.
x = torch.tensor(-2.0, requires_grad=True)
y = torch.tensor(5.0, requires_grad=True)
z = torch.tensor(-4.0, requires_grad=True)
q = x + y
f = q * z
f.backward()
print("circuit 1:", f.item(), "gradients", x.grad.item(), y.grad.item(), z.grad.item())

# The gates that share, switch and route: 2 · (x·y + max(z, w)).
x = torch.tensor(3.0, requires_grad=True)
y = torch.tensor(-4.0, requires_grad=True)
z = torch.tensor(2.0, requires_grad=True)
w = torch.tensor(-1.0, requires_grad=True)
f = 2 * (x * y + torch.maximum(z, w))
f.backward()
print("circuit 2:", f.item(), "gradients", x.grad.item(), y.grad.item(), z.grad.item(), w.grad.item())

# A sigmoid neuron, taken apart.
w0, w1, w2 = (torch.tensor(weight, requires_grad=True) for weight in (2.0, -3.0, -3.0))
x0, x1 = (torch.tensor(value, requires_grad=True) for value in (-1.0, -2.0))
dot = w0 * x0 + w1 * x1 + w2
power = torch.exp(-1 * dot)
f = 1 / (1 + power)
f.backward()
print("neuron:", f.item(), "gradients", *(t.grad.item() for t in (w0, x0, w1, x1, w2)))

# The same neuron with a gate for the whole sigmoid.
for t in (w0, x0, w1, x1, w2):
    t.grad = None
f = torch.sigmoid(w0 * x0 + w1 * x1 + w2)
f.backward()
print("sigmoid gate:", f.item(), "gradients", *(t.grad.item() for t in (w0, x0, w1, x1, w2)))
