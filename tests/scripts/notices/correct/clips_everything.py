import warnings

import torch
from torch import nn
from torch.nn.utils import clip_grad_norm_, clip_grad_value_

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1))
x, y = torch.randn(8, 4), 5 * torch.randn(8, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
ways = [
    lambda: clip_grad_norm_(model.parameters(), 0.9),
    lambda: clip_grad_norm_(list(model.parameters()), max_norm=0.8, norm_type=1.0),
    lambda: clip_grad_norm_(parameters=(p for p in model.parameters()), max_norm=0.7, foreach=False),
    lambda: clip_grad_norm_(filter(lambda p: p.dim() > 1, model.parameters()), 0.6, float("inf")),
    lambda: clip_grad_norm_(model[0].weight, 0.5, error_if_nonfinite=True),
    lambda: clip_grad_norm_(dict(model.named_parameters()).values(), 0.4),
    lambda: clip_grad_norm_({p for p in model[:1].parameters()}, 0.3),
    lambda: clip_grad_value_(model.parameters(), 0.2),
    lambda: clip_grad_value_(iter(list(model.parameters())), clip_value=0.1),
    lambda: clip_grad_value_(model[0].bias, 0.05, foreach=False),
    lambda: nn.utils.clip_grad.clip_grad_norm_(model.parameters(), 0.01),
    lambda: clip_grad_norm_((p for p in ()), 1.0),
    lambda: clip_grad_norm_([], 1.0),
]
for way in ways:
    optimizer.zero_grad()
    nn.functional.mse_loss(model(x), y).backward()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        norm = way()
    print(norm, [(w.category.__name__, str(w.message), w.lineno) for w in caught])
    optimizer.step()
try:
    clip_grad_norm_(3, 1.0)
except TypeError as error:
    print(error)
