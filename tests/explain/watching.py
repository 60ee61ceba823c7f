"""Evidence of every torch call of a piece of code and of every node of its backward pass."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch.overrides import TorchFunctionMode
from torch.testing._internal.common_methods_invocations import op_db
from torch.utils._pytree import tree_flatten

from backprop_tui.debuggee import evidence as capture
from backprop_tui.debuggee.optable import NAMES
from backprop_tui.explain.evidence import Evidence, Omitted
from backprop_tui.explain.explanation import Explanation, explain
from explain.observing import backward, travelled


class Watch(TorchFunctionMode):
    """Keeps the evidence of every call, as the debuggee does."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Evidence] = []

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        name = NAMES[func]
        if name is None:
            return func(*args, **(kwargs or {}))
        message = capture.of_call(name, args, kwargs)
        result = func(*args, **(kwargs or {}))
        message["outputs"] = capture.of_outputs(result)
        try:
            self.seen.append(travelled(message))
        except Omitted:  # of a dtype that numpy does not have
            pass
        return result


def differentiable(outputs: Any) -> list[torch.Tensor]:
    """The real tensors among the results to which gradients can be asked for."""
    found = [one for one in tree_flatten(outputs)[0] if isinstance(one, torch.Tensor)]
    return [one for one in found if one.requires_grad and not one.is_complex() and not one.is_sparse]


def watched(function: Callable[..., Any], *args: Any, **kwargs: Any) -> tuple[list[Evidence], list[Evidence]]:
    """Every call and every node: the gradient that comes in is random and not all ones."""
    with Watch() as watch:
        outputs = function(*args, **kwargs)
    roots = differentiable(outputs)
    if not roots:
        return watch.seen, []
    weights = [torch.rand_like(one) + 0.5 for one in roots]
    total = sum((root * weight).sum() for root, weight in zip(roots, weights, strict=True))
    assert isinstance(total, torch.Tensor)
    return watch.seen, backward(total)


def explained(evidence: Evidence) -> tuple[str, list[Explanation]]:
    """``✓`` if all results are right, ``✗`` if one is wrong, ``?`` if there is no rule."""
    shown = explain(evidence)
    verdicts = {one.verdict for one in shown}
    return ("✗" if "✗" in verdicts else "?" if "?" in verdicts else "✓"), shown


def failures(seen: list[Evidence], allowed: frozenset[str] = frozenset()) -> list[str]:
    """What is not right, told so that one can find it."""
    found = []
    for evidence in seen:
        if evidence.name in allowed or not tensors_of(evidence):
            continue
        verdict, shown = explained(evidence)
        if verdict != "✓":
            told = "; ".join(f"{one.verdict} {one.symbols} {one.difference or ''}" for one in shown)
            found.append(f"{evidence.name}: {told}")
    return found


def tensors_of(evidence: Evidence) -> bool:
    """Whether there is a result to explain: ``item()`` and the like give none."""
    results = evidence.grad_inputs if evidence.kind == "node" else evidence.outputs
    return any(one is not None and not isinstance(one, (bool, int, float, str)) for one in results)


def entries(names: frozenset[str]) -> list[Any]:
    """PyTorch's own descriptions of these operations."""
    return [op for op in op_db if op.name in names and torch.float32 in op.supported_dtypes("cpu")]


def samples(op: Any, dtype: torch.dtype = torch.float32) -> Iterator[Any]:
    """Arguments that PyTorch tests an operation with."""
    yield from op.sample_inputs("cpu", dtype, requires_grad=op.supports_autograd)
