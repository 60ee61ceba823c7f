"""A small training script in parts, written the ordinary way, and an exact comparison of two runs."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch.optim import Optimizer, lr_scheduler
from torch.optim.swa_utils import SWALR

LR = 0.05
STEPS = 7

OPTIMIZERS: dict[str, dict[str, Any]] = {
    "ASGD": {},
    "Adadelta": {"rho": 0.8},
    "Adafactor": {},
    "Adagrad": {"initial_accumulator_value": 0.1},
    "Adam": {"betas": (0.8, 0.99), "amsgrad": True},
    "AdamW": {"weight_decay": 0.1},
    "Adamax": {},
    "LBFGS": {"max_iter": 2},
    "Muon": {"momentum": 0.9},
    "NAdam": {},
    "RAdam": {},
    "RMSprop": {"momentum": 0.5, "centered": True},
    "Rprop": {},
    "SGD": {"momentum": 0.9, "nesterov": True},
    "SparseAdam": {},
}
OLD = ("SGD", "Adam", "RMSprop", "LBFGS")

SCHEDULERS: dict[str, Callable[[Optimizer], Any]] = {
    "LambdaLR": lambda o: lr_scheduler.LambdaLR(o, lambda epoch: 1 / (1 + epoch)),
    "MultiplicativeLR": lambda o: lr_scheduler.MultiplicativeLR(o, lambda epoch: 0.9),
    "StepLR": lambda o: lr_scheduler.StepLR(o, 2, 0.3),
    "MultiStepLR": lambda o: lr_scheduler.MultiStepLR(o, [2, 4], 0.3),
    "ConstantLR": lambda o: lr_scheduler.ConstantLR(o, 0.5, 3),
    "LinearLR": lambda o: lr_scheduler.LinearLR(o, 0.1, 1.0, 4),
    "ExponentialLR": lambda o: lr_scheduler.ExponentialLR(o, 0.7),
    "PolynomialLR": lambda o: lr_scheduler.PolynomialLR(o, 8, 2.0),
    "CosineAnnealingLR": lambda o: lr_scheduler.CosineAnnealingLR(o, 3, eta_min=0.001),
    "CosineAnnealingWarmRestarts": lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 3, 2, eta_min=0.001),
    "CyclicLR": lambda o: lr_scheduler.CyclicLR(o, 0.01, 0.1, 3, cycle_momentum=False),
    "CyclicLR with momentum": lambda o: lr_scheduler.CyclicLR(o, 0.01, 0.1, 3),
    "OneCycleLR": lambda o: lr_scheduler.OneCycleLR(o, 0.1, total_steps=20),
    "SequentialLR": lambda o: lr_scheduler.SequentialLR(
        o, [lr_scheduler.LinearLR(o, 0.1, 1.0, 2), lr_scheduler.CosineAnnealingLR(o, 4)], [2]
    ),
    "ChainedScheduler": lambda o: lr_scheduler.ChainedScheduler(
        [lr_scheduler.ConstantLR(o, 0.5, 2), lr_scheduler.ExponentialLR(o, 0.8)], optimizer=o
    ),
    "ReduceLROnPlateau": lambda o: lr_scheduler.ReduceLROnPlateau(o, factor=0.5, patience=0, threshold=0.5),
    "SWALR": lambda o: SWALR(o, 0.02, anneal_epochs=4),
}


def optimizer_class(name: str) -> type[Optimizer]:
    return getattr(torch.optim, name)  # type: ignore[no-any-return]


class Net(torch.nn.Module):
    """Two matrices (Muon takes nothing else), or a table of vectors with sparse gradients."""

    def __init__(self, sparse: bool) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.sparse = sparse
        self.table = torch.nn.Embedding(6, 3, sparse=True) if sparse else torch.nn.Linear(4, 3, bias=False)
        self.out = torch.nn.Linear(3, 2, bias=False).requires_grad_(not sparse)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.out(torch.tanh(self.table(x)))  # type: ignore[no-any-return]

    def groups(self, own_rate: float | None) -> Any:
        """What is learned; with a rate of its own for the last matrix in a group of its own."""
        learned = [parameter for parameter in self.parameters() if parameter.requires_grad]
        if own_rate is None:
            return learned
        return [{"params": learned[:-1]}, {"params": learned[-1:], "lr": own_rate}]


class Training:
    """One run of the script: construct, then `steps` as often as wanted."""

    def __init__(
        self,
        optimizer: str,
        scheduler: str | None,
        sparse: bool = False,
        lr: float = LR,
        own_rate: float | None = None,
    ) -> None:
        self.net = Net(sparse)
        kind, extra = optimizer_class(optimizer), OPTIMIZERS[optimizer]
        self.optimizer = kind(self.net.groups(own_rate), lr=lr, **extra)
        self.scheduler = SCHEDULERS[scheduler](self.optimizer) if scheduler else None
        self.closure = True
        self.losses: list[float] = []
        self.rates: list[list[float]] = []
        torch.manual_seed(1)
        self.inputs = torch.randint(0, 6, (5,)) if sparse else torch.randn(5, 4)
        self.targets = torch.randn(5, 2)

    def loss(self) -> torch.Tensor:
        self.optimizer.zero_grad()
        loss = torch.nn.functional.mse_loss(self.net(self.inputs), self.targets)
        loss.backward()
        return loss.detach()

    def steps(self, count: int = STEPS) -> Training:
        for _ in range(count):
            self.rates.append([float(group["lr"]) for group in self.optimizer.param_groups])
            loss = self.optimizer.step(self.loss)  # type: ignore[arg-type]
            self.losses.append(float(loss))
            self.schedule()
        return self

    def schedule(self) -> None:
        if isinstance(self.scheduler, lr_scheduler.ReduceLROnPlateau):
            self.scheduler.step(self.losses[-1] if self.losses else 1.0)
        elif self.scheduler is not None:
            self.scheduler.step()

    def result(self) -> Any:
        """All that two equal runs have in common."""
        state = self.optimizer.state_dict()
        scheduler = None if self.scheduler is None else _plain(self.scheduler.state_dict())
        return [list(self.net.parameters()), self.losses, self.rates, state, scheduler, repr(self.optimizer)]


def _plain(state: Any) -> Any:
    """Without bound methods, which differ from object to object."""
    if isinstance(state, dict):
        return {name: _plain(value) for name, value in state.items() if not callable(value)}
    return [_plain(item) for item in state] if isinstance(state, list) else state


def equal(one: Any, other: Any) -> bool:
    """Bit for bit: types, keys, dtypes and every value."""
    if type(one) is not type(other):
        return False
    if isinstance(one, torch.Tensor):
        same = one.dtype == other.dtype and one.shape == other.shape and one.is_sparse == other.is_sparse
        return same and torch.equal(one.detach(), other.detach())
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(equal(one[key], other[key]) for key in one)
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(equal, one, other))
    return bool(one == other)


def warned(run: Callable[[], Any]) -> tuple[Any, list[str]]:
    """What a run answers, and the warnings it gave, with file and line."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        answer = run()
    return answer, [f"{item.filename}:{item.lineno}: {item.message}" for item in caught]
