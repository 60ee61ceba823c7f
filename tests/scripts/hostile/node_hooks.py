"""Hooks of its own on autograd nodes, some taken off again, in passes over one graph and over several."""

import torch

torch.manual_seed(0)
w = torch.randn(3, requires_grad=True)
optimizer = torch.optim.SGD([w], lr=0.1)
kept = w.expand_as(w).grad_fn.next_functions[0][0]
kept.register_prehook(lambda gradients: print("into the leaf", gradients[0].tolist()))
for i in range(3):
    optimizer.zero_grad()
    y = (w * 2).exp()
    node, inner = y.grad_fn, y.grad_fn.next_functions[0][0]
    first = node.register_prehook(lambda gradients: print("before", gradients[0].tolist()))
    second = node.register_hook(lambda inputs, outputs: print("after", len(inputs), len(outputs)))
    third = inner.register_prehook(lambda gradients: (gradients[0] * 3,))
    loss = y.sum()
    loss.backward(retain_graph=True)
    first.remove()
    inner.register_hook(lambda inputs, outputs: print("late", inputs[0].tolist()))
    loss.backward()
    second.remove(), third.remove()
    optimizer.step()
    print(i, w.grad.tolist())
