import torch
from torch.autograd import Variable

# As a blog post has it.
w1 = Variable(torch.FloatTensor([1, 2, 3]), requires_grad=True)
w2 = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
w3 = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
w4 = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
lr = 0.001
d = torch.mean(w1)
d.backward()
w1.data.zero_()  # "before the update, set the derivatives to 0"
w1.data.sub_(lr * w1.grad.data)
print("the post:", w1.tolist())

# What its comment says, in the same place.
d = torch.mean(w2)
d.backward()
w2.grad.data.zero_()
w2.data.sub_(lr * w2.grad.data)
print("its comment:", w2.tolist())

# As it is meant: cleared before the next backward pass.
for _ in range(2):
    if w3.grad is not None:
        w3.grad.data.zero_()
    d = torch.mean(w3)
    d.backward()
    w3.data.sub_(lr * w3.grad.data)
print("by hand:", w3.tolist())

# The same with torch.optim.
optimizer = torch.optim.SGD([w4], lr=lr)
for _ in range(2):
    optimizer.zero_grad()
    d = torch.mean(w4)
    d.backward()
    optimizer.step()
print("torch.optim:", w4.tolist())
