import torch

inputs = torch.tensor([[2.0, 3.0]])
actual = 1.0
W1 = torch.tensor([[0.11, 0.12], [0.21, 0.08]], requires_grad=True)  # w1 w3 / w2 w4
W2 = torch.tensor([[0.14], [0.15]], requires_grad=True)  # w5 / w6
optimizer = torch.optim.SGD([W1, W2], lr=0.05)

for _ in range(2):
    hidden = inputs @ W1
    prediction = hidden @ W2
    delta = prediction - actual
    error = (0.5 * delta**2).sum()
    optimizer.zero_grad()
    error.backward()
    optimizer.step()
    print("prediction", prediction.item(), "error", error.item())

rounded_W1 = torch.tensor([[0.12, 0.13], [0.23, 0.10]])
rounded_W2 = torch.tensor([[0.17], [0.17]])
print("prediction of rounded weights", (inputs @ rounded_W1 @ rounded_W2).item())
