import torch

p = torch.tensor([0.5, 0.0], requires_grad=True)
loss = -p.log().mean()
loss.backward()
print(p.grad)
