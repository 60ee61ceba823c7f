import torch

w = torch.tensor([1.0, 2.0], requires_grad=True)
loss = (w * w).sum()
loss.backward()
w.grad = None
loss = (w * w).sum()
loss.backward()
print(w.grad)
