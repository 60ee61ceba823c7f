import torch

prediction = torch.tensor([2.0, 3.0, 0.0, 1.5], requires_grad=True)
target = torch.tensor([5.0, 3.5, 0.0, 1.0])
loss = torch.nn.L1Loss()(prediction, target)
loss.backward()
print(prediction.grad)
