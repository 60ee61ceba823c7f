"""L-BFGS (torch/optim/lbfgs.py; Liu and Nocedal 1989).

One ``step()`` makes several moves ``t·d``, and the direction ``d`` depends on every parameter and on
earlier moves at once: why it is what it is cannot be told for one parameter alone. What can be told, and
is checked, is which moves a parameter made. torch keeps the last ``d`` and ``t``, and of the moves before
it those that it uses to estimate curvature.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from backprop_tui.explain.evidence import Evidence, Tensor
from backprop_tui.explain.formula import Option
from backprop_tui.explain.optimizers.running import real
from backprop_tui.explain.optimizers.update import Assign, Remark, Unknown, Update
from backprop_tui.explain.optimizers.values import Bounded, Precision


def _operands(evidence: Evidence) -> Mapping[str, Any]:
    found = {"restored": False, "moved": True, "moves": Option(0), "earlier": 0.0}
    inner = evidence.saved.get("inner") or {}
    if _stayed(evidence):
        return {**found, "moved": False}
    if inner.get("method") is None and "d" not in inner:
        return {**found, **_of_whole_step(evidence)}
    if "restored" in inner:
        found |= {"x": inner["restored"], "restored": True}
    if "d" in inner:
        return {**found, "d": inner["d"], "t": _number(inner["t"])}
    if "restored" in inner:
        return {**found, "moved": False}
    raise Unknown("A part of step(): with which d and t it moved is not known any more.")


def _stayed(evidence: Evidence) -> bool:
    after = evidence.saved.get("after")
    return after is not None and np.array_equal(evidence.saved["before"].values, after.values)


def _of_whole_step(evidence: Evidence) -> Mapping[str, Any]:
    before, after = evidence.state_before, evidence.state_after
    made = int(after.get("n_iter", 0)) - int(before.get("n_iter", 0))
    if not made or "d" not in after:
        raise Unknown("L-BFGS has written no d and t into its state.")
    # A direction that hardly leads downhill ends the step without being taken.
    taken = not after["gtd"] > -float(_number(evidence.group["tolerance_change"]))
    return {
        "d": after["d"], "t": _number(after["t"]), "moved": taken,
        "moves": Option(made - 1), "earlier": _earlier(evidence, made),
    }  # fmt: skip


def _earlier(evidence: Evidence, made: int) -> Bounded:
    """All moves of a step but the last, which torch stores one move late: first comes the last move of
    the step before, if there was one."""
    stored = [real(move).values for move in evidence.state_after["moves"]]
    late = 1 if evidence.state_before.get("n_iter") else 0
    if made == 1:
        return Bounded(np.zeros(()), Precision(0.0, 0.0))
    if len(stored) != made - 1 + late:
        raise Unknown(
            f"This step() made {made} moves, and torch has not kept them all: it drops those that tell "
            "nothing about curvature, and the oldest."
        )
    weight = real(evidence.saved["before"])
    precision, total, error = Precision.of(weight.dtype), np.zeros(weight.shape), np.zeros(weight.shape)
    for move in stored[late:]:
        total = total + move
        error = error + precision.unit * (np.abs(weight.values + total) + np.abs(move))
    return Bounded(total, precision, error)


def _number(value: Any) -> Option:
    return Option(value.values.reshape(-1)[0] if isinstance(value, Tensor) else value)


LBFGS = Update(
    lines=(
        Assign("w", "x", "restored"),
        Assign("w", "w + earlier", "moves > 0"),
        Assign("w", "w + t*d", "moved"),
    ),
    operands=_operands,
    separable=False,
    remarks=(
        Remark("restored", "A line search tries each t from x, where it started."),
        Remark("moves > 0", "One step() makes several moves: “earlier” is the sum of all but the last."),
        Remark(
            "moved",
            "d is L-BFGS's direction: gradients and moves of all parameters together decide it.",
        ),
        Remark(
            "not moved and not restored",
            "No further move: the gradient is below tolerance, or the next direction hardly leads downhill.",
        ),
    ),
)

UPDATES = {"LBFGS": LBFGS}
