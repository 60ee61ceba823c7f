# Updating by hand, as a blog post has it, with its slip; then as it was meant; then with torch.optim.
import torch
from torch.autograd import Variable

w1 = Variable(torch.FloatTensor([1, 2, 3]), requires_grad=True)
d = torch.mean(w1)
d.backward()
lr = 0.001
w1.data.zero_()  # meant: the gradient
w1.data.sub_(lr * w1.grad.data)
print("the post:", w1.tolist())

w2 = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
for step in range(2):
    if w2.grad is not None:
        w2.grad.zero_()
    d = torch.mean(w2)
    d.backward()
    w2.data.sub_(lr * w2.grad.data)
print("by hand:", w2.tolist())

w3 = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
optimizer = torch.optim.SGD([w3], lr=lr)
for step in range(2):
    optimizer.zero_grad()
    d = torch.mean(w3)
    d.backward()
    optimizer.step()
print("torch.optim:", w3.tolist())
