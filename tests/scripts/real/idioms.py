"""What people do besides training: restart, average, prune, trace, differentiate twice, work with functions."""

import copy
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import torch
from torch import nn
from torch.func import functional_call, grad_and_value, jacrev, vmap
from torch.nn.utils import parametrizations, prune
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn, update_bn
from torch.utils.checkpoint import checkpoint

torch.manual_seed(0)


class Words(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(10, 4, padding_idx=0)
        self.hidden = parametrizations.orthogonal(nn.Linear(4, 4))
        self.norm = nn.BatchNorm1d(4)
        self.out = nn.Linear(4, 3)

    def forward(self, words: torch.Tensor) -> torch.Tensor:
        return self.out(self.norm(torch.tanh(self.hidden(self.embedding(words).mean(1)))))


def train(model: nn.Module, words: torch.Tensor, labels: torch.Tensor) -> None:
    average = AveragedModel(nn.Linear(4, 3), multi_avg_fn=get_ema_multi_avg_fn(0.9))
    optimizer = torch.optim.AdamW(
        [{"params": model.embedding.parameters(), "lr": 0.01}, {"params": model.out.parameters()}], lr=0.1
    )
    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=0)
    best, kept = float("inf"), copy.deepcopy(model.state_dict())
    path = Path(tempfile.mkdtemp(), "model.pt")
    for step in range(3):
        model.train()
        loss = nn.functional.cross_entropy(model(words), labels, label_smoothing=0.1)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_value_(model.parameters(), 0.5)
        optimizer.step()
        average.update_parameters(model.out)
        model.eval()
        with torch.inference_mode():
            measured = nn.functional.cross_entropy(model(words), labels)
        scheduler.step(measured)
        if measured.item() < best:
            best, kept = measured.item(), copy.deepcopy(model.state_dict())
            torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict()}, path)
        print(step, loss.item(), measured.item(), scheduler.get_last_lr())
    saved = torch.load(path)
    model.load_state_dict(saved["model"])
    optimizer.load_state_dict(saved["optimizer"])
    update_bn([words], model)
    print(best, all(torch.equal(kept[name], saved["model"][name]) for name in kept))


class FlatMinima(torch.optim.Optimizer):
    """Climbs a little first, and lets another optimizer step from there (sharpness-aware minimization)."""

    def __init__(self, parameters: Iterable[nn.Parameter], **settings: float) -> None:
        super().__init__(parameters, {"rho": 0.05, **settings})
        self.base = torch.optim.SGD(self.param_groups, **settings)

    def each(self) -> Iterator[nn.Parameter]:
        return (p for group in self.param_groups for p in group["params"] if p.grad is not None)

    @torch.no_grad()
    def climb(self) -> None:
        length = torch.stack([p.grad.norm() for p in self.each()]).norm()
        for p in self.each():
            self.state[p]["from"] = p.clone()
            p.add_(p.grad * 0.05 / length)
        self.zero_grad()

    @torch.no_grad()
    def step(self, closure: None = None) -> None:
        for p in self.each():
            p.data = self.state[p]["from"]
        self.base.step()
        self.zero_grad()


def step_within_a_step(x: torch.Tensor) -> None:
    model = nn.Linear(2, 1)
    optimizer = FlatMinima(model.parameters(), lr=0.1)
    for _ in range(2):
        model(x).square().mean().backward()
        optimizer.climb()
        loss = model(x).square().mean()
        loss.backward()
        optimizer.step()
        print(loss.item(), model.weight.grad)


def recomputed_and_not(x: torch.Tensor) -> None:
    """One network in two places of a graph, one of which runs a pass of its own inside the pass."""
    model = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1))
    x = x.clone().requires_grad_()
    (checkpoint(model, x, use_reentrant=True).mean() + 2 * model(x).mean()).backward()
    print(x.grad.sum().item(), [p.grad.sum().item() for p in model.parameters()])


def differentiate_twice() -> None:
    """The gradient penalty of WGAN-GP, and a step within the step (MAML)."""
    critic = nn.Sequential(nn.Linear(2, 4), nn.LeakyReLU(0.2), nn.Linear(4, 1))
    optimizer = torch.optim.SGD(critic.parameters(), lr=0.1)
    x, y = torch.randn(6, 2), torch.randn(6, 1)
    for _ in range(2):
        x.requires_grad_()
        (gradient,) = torch.autograd.grad(critic(x).sum(), x, create_graph=True)
        fast = dict(critic.named_parameters())
        inner = nn.functional.mse_loss(functional_call(critic, fast, x), y)
        slopes = torch.autograd.grad(inner, list(fast.values()), create_graph=True)
        fast = {name: value - 0.1 * slope for (name, value), slope in zip(fast.items(), slopes, strict=True)}
        outer = nn.functional.mse_loss(functional_call(critic, fast, x), y)
        loss = outer + ((gradient.norm(2, dim=1) - 1) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        print(inner.item(), loss.item())


def with_functions() -> None:
    model = nn.Sequential(nn.Linear(3, 2), nn.Tanh(), nn.Linear(2, 1))
    state = {name: value.detach() for name, value in model.named_parameters()}
    x, y = torch.randn(4, 3), torch.randn(4, 1)

    def loss(state: dict[str, torch.Tensor], x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return (functional_call(model, state, (x.unsqueeze(0),)) - y).square().mean()

    for _ in range(2):
        slopes, losses = vmap(grad_and_value(loss), in_dims=(None, 0, 0))(state, x, y)
        state = {name: value - 0.1 * slopes[name].mean(0) for name, value in state.items()}
        print(losses.mean().item())
    print(jacrev(lambda w: x @ w)(torch.ones(3)).shape)
    print(torch.autograd.functional.hessian(lambda w: ((x @ w) ** 2).mean(), torch.ones(3)).sum().item())


def written_down(model: nn.Module, words: torch.Tensor) -> None:
    traced, scripted = torch.jit.trace(model, words), torch.jit.script(nn.Linear(2, 2))
    symbolic = torch.fx.symbolic_trace(nn.Sequential(nn.Linear(2, 2), nn.ReLU()))
    print(torch.equal(traced(words), model(words)), len(list(symbolic.graph.nodes)))
    scripted(torch.ones(1, 2)).sum().backward()
    print(scripted.weight.grad.tolist())


model, words, labels = Words(), torch.randint(10, (8, 3)), torch.randint(3, (8,))
train(model, words, labels)
prune.l1_unstructured(model.out, "weight", 0.3)
step_within_a_step(torch.randn(4, 2))
recomputed_and_not(torch.randn(4, 2))
differentiate_twice()
with_functions()
written_down(model.eval(), words)
edges, sparse = torch.tensor([[0, 1], [1, 0]]), torch.ones(2)
weight = torch.randn(2, 2, requires_grad=True)
torch.sparse.mm(
    torch.sparse_coo_tensor(edges, sparse, (2, 2), check_invariants=True), weight
).sum().backward()
print(weight.grad)
