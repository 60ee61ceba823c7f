import torch

x = torch.tensor(2.0)
w = torch.tensor(3.0, requires_grad=True)


def forward():
    y = w * x  # both losses need it
    loss1 = (y - 5) ** 2
    loss2 = 0.1 * y**2
    return loss1, loss2


# One: add them up, one backward pass.
loss1, loss2 = forward()
loss3 = loss1 + loss2
loss3.backward()
print("the sum:", w.grad.item())

# Two: a backward pass for each.
w.grad = None
loss1, loss2 = forward()
loss1.backward(retain_graph=True)
loss2.backward()
print("one after the other:", w.grad.item())

# Three: the same, but nothing asks for the graph to be kept.
w.grad = None
loss1, loss2 = forward()
loss1.backward()
try:
    loss2.backward()
except RuntimeError as error:
    print("RuntimeError:", str(error).split(".")[0])
print("after the error:", w.grad.item())

# Four: a forward pass for each, so that they share nothing.
w.grad = None
loss1, _ = forward()
loss1.backward()
_, loss2 = forward()
loss2.backward()
print("two forward passes:", w.grad.item())
