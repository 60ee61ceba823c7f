import torch

p = torch.tensor([0.5, 0.1], requires_grad=True)
loss = -p.log().mean()
loss.backward()
print(p.grad)
