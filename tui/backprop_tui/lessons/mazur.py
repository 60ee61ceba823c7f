import torch

inputs = torch.tensor([0.05, 0.10], dtype=torch.float64)
target = torch.tensor([0.01, 0.99], dtype=torch.float64)
b1, b2 = 0.35, 0.60  # the walkthrough leaves the biases as they are


def starting_weights():
    hidden = torch.tensor([[0.15, 0.20], [0.25, 0.30]], dtype=torch.float64)  # w1 w2 / w3 w4
    output = torch.tensor([[0.40, 0.45], [0.50, 0.55]], dtype=torch.float64)  # w5 w6 / w7 w8
    return hidden, output


# PyTorch's order: first all gradients, then all updates.
hidden, output = starting_weights()
hidden.requires_grad_()
output.requires_grad_()
optimizer = torch.optim.SGD([hidden, output], lr=0.5)
for _ in range(10_000):
    optimizer.zero_grad()
    net_h = hidden @ inputs + b1
    out_h = torch.sigmoid(net_h)
    net_o = output @ out_h + b2
    out_o = torch.sigmoid(net_o)
    errors = 0.5 * (target - out_o) ** 2
    total = errors.sum()
    total.backward()
    optimizer.step()
print("together, one step before the end:", total.item())
out_o = torch.sigmoid(output @ torch.sigmoid(hidden @ inputs + b1) + b2)
print("together, at the end:", (0.5 * (target - out_o) ** 2).sum().item(), out_o.tolist())

# Another order: the output weights first, then the hidden ones with what the output weights have become.
hidden, output = starting_weights()
with torch.no_grad():
    for step in range(10_001):
        out_h = torch.sigmoid(hidden @ inputs + b1)
        out_o = torch.sigmoid(output @ out_h + b2)
        if step in (1, 10_000):
            print("one after the other:", (0.5 * (target - out_o) ** 2).sum().item(), out_o.tolist())
        delta_o = (out_o - target) * out_o * (1 - out_o)
        output -= 0.5 * torch.outer(delta_o, out_h)
        delta_h = (output.T @ delta_o) * out_h * (1 - out_h)
        hidden -= 0.5 * torch.outer(delta_h, inputs)
