"""Evidence of optimizer and scheduler steps, taken in the test's own process by the debuggee's own code."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from backprop_tui.debuggee import evidence_steps as capture
from backprop_tui.explain.evidence import Evidence
from explain.observing import travelled


def updates(
    optimizer: Any, leaves: Sequence[torch.Tensor], closure: Callable[[], Any] | None = None
) -> list[Evidence]:
    """One ``optimizer.step()``: the evidence of every leaf's update."""
    messages = [capture.of_update(optimizer, leaf) for leaf in leaves]
    optimizer.step() if closure is None else optimizer.step(closure)
    return [
        travelled(capture.after_update(message, optimizer, leaf))
        for message, leaf in zip(messages, leaves, strict=True)
    ]


def one_update(optimizer: Any, leaf: torch.Tensor, gradient: Any) -> Evidence:
    """One step with a gradient that is given: numbers, a tensor, or None."""
    given = gradient is None or isinstance(gradient, torch.Tensor)
    leaf.grad = gradient if given else torch.tensor(gradient, dtype=leaf.dtype)
    return updates(optimizer, [leaf])[0]


def parameter(values: Any, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.tensor(values, dtype=dtype, requires_grad=True)


def here(function: Callable[[], Any]) -> Any:
    """Ask functions that leave no trace in this very process: a fork for each of many steps takes long."""
    return function()


def scheduled(scheduler: Any, *args: Any, elsewhere: capture.Elsewhere = here, **kwargs: Any) -> Evidence:
    """One ``scheduler.step()``."""
    message = capture.of_schedule(scheduler, elsewhere, args, kwargs)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # step(epoch) is deprecated; get_lr() inside is not
        scheduler.step(*args, **kwargs)
    return travelled(capture.after_schedule(message, scheduler))


# PyTorch's own configurations
Configuration = tuple[str, dict[str, Any]]


@functools.cache
def configurations() -> list[Configuration]:
    """Every optimizer with PyTorch's sets of options, each plain, foreach, fused and differentiable."""
    from torch.testing._internal import common_optimizers as database

    inputs = database._get_optim_inputs_including_global_cliquey_kwargs
    return [
        (info.optim_cls.__name__, case.kwargs)
        for info in database.optim_db
        for case in inputs("cpu", torch.float32, info)
    ]


SHAPES = {"Muon": [(12, 2), (2, 5)], "SparseAdam": [(6, 3)]}
"""What an optimizer can be given; most take anything."""


def six_steps(name: str, options: dict[str, Any], dtype: torch.dtype) -> Iterator[Evidence]:
    """The updates of six steps on a loss that is a little curved."""
    torch.manual_seed(0)
    leaves = [torch.randn(shape, dtype=dtype) for shape in SHAPES.get(name, [(4, 3), (3,), ()])]
    for leaf in leaves:
        # A differentiable step cannot write into leaves that autograd watches.
        leaf.requires_grad_(not options.get("differentiable"))
    optimizer = getattr(torch.optim, name)(leaves, **options)
    for number in range(6):

        def closure(number: int = number) -> torch.Tensor:
            # L-BFGS keeps nothing of a valley that has moved.
            return _loss(leaves, sparse=name == "SparseAdam", number=0 if name == "LBFGS" else number)

        closure()
        yield from updates(optimizer, leaves, closure if name == "LBFGS" else None)


class _Moves(TorchFunctionMode):
    """Sees the parts of L-BFGS's step as the observer does: one begins with the first function that touches
    another parameter or its gradient, and ends with the next or when the closure is called."""

    def __init__(self, optimizer: torch.optim.LBFGS, leaves: Sequence[torch.Tensor]) -> None:
        super().__init__()
        self.optimizer, self.leaves = optimizer, leaves
        self.found: list[Evidence] = []
        self.open: tuple[torch.Tensor, dict[str, Any]] | None = None
        self.resting = False

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        leaf = None if self.resting else self._owner(args)
        if leaf is not None and (self.open is None or self.open[0] is not leaf):
            self.close()
            self.open = (leaf, capture.of_update(self.optimizer, leaf))
        return func(*args, **(kwargs or {}))

    def _owner(self, args: Any) -> torch.Tensor | None:
        first = args[0] if args else None
        return next((leaf for leaf in self.leaves if first is leaf or first is leaf.grad), None)

    def close(self) -> None:
        if self.open is not None:
            leaf, message = self.open
            self.open = None
            self.found.append(travelled(capture.after_update(message, self.optimizer, leaf)))


def parts_of_lbfgs(dtype: torch.dtype, several: bool, search: bool) -> list[Evidence]:
    """Every part of two steps of an L-BFGS, with one parameter or several."""
    torch.manual_seed(0)
    shapes = [(2, 3), (3,), ()] if several else [(2, 3)]
    leaves = [torch.randn(shape, dtype=dtype, requires_grad=True) for shape in shapes]
    how = "strong_wolfe" if search else None
    optimizer = torch.optim.LBFGS(leaves, lr=1 if search else 0.1, max_iter=4, line_search_fn=how)
    seen = _Moves(optimizer, leaves)

    def closure() -> torch.Tensor:
        seen.close()
        seen.resting = True
        optimizer.zero_grad()
        loss = sum((((leaf**2).sum() - 1) ** 2 + leaf.sin().sum() for leaf in leaves), torch.zeros(()))
        loss.backward()
        seen.resting = False
        return loss

    for _ in range(2):
        with seen:
            optimizer.step(closure)
        seen.close()
    return seen.found


def _loss(leaves: Sequence[torch.Tensor], sparse: bool, number: int) -> torch.Tensor:
    copies = [leaf.detach().requires_grad_() for leaf in leaves]
    loss = sum((_curved(copy, number) for copy in copies), torch.zeros(()))
    for leaf, gradient in zip(leaves, torch.autograd.grad(loss, copies), strict=True):
        leaf.grad = _rows(gradient, number) if sparse else gradient
    return loss.detach()


def _curved(weight: torch.Tensor, number: int) -> torch.Tensor:
    """A valley whose bottom is elsewhere at each step, as with batches."""
    wanted = torch.linspace(-1, 2, weight.numel(), dtype=weight.dtype).roll(number).reshape(weight.shape)
    return ((weight - wanted) ** 2).sum() + weight.cos().sum() / 3


def _rows(gradient: torch.Tensor, number: int) -> torch.Tensor:
    """Three rows as a sparse gradient, of which one comes twice now and then."""
    rows = torch.tensor([[0, number, 3]])
    return torch.sparse_coo_tensor(rows, gradient[rows[0]], gradient.shape, check_invariants=True)
