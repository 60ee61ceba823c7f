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
    inner = evidence.saved.get("inner")
    if inner is None:
        return {**found, **_of_whole_step(evidence)}
    if "restored" in inner:
        return {**found, "x": real(inner["restored"]).values, "restored": True, "moved": False}
    return {**found, "d": real(inner["d"]).values, "t": _number(inner["t"])}


def _of_whole_step(evidence: Evidence) -> Mapping[str, Any]:
    before, after = evidence.state_before, evidence.state_after
    made = int(after.get("n_iter", 0)) - int(before.get("n_iter", 0))
    if not made:
        return _without_moves(evidence)
    if "d" not in after:
        raise Unknown("L-BFGS writes d and t into its state only when step() ends.")
    # A direction that hardly leads downhill ends the step without being taken.
    taken = not after["gtd"] > -float(_number(evidence.group["tolerance_change"]))
    return {
        "d": real(after["d"]).values, "t": _number(after["t"]), "moved": taken,
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


def _without_moves(evidence: Evidence) -> Mapping[str, Any]:
    after = evidence.saved.get("after")
    if after is not None and not np.array_equal(evidence.saved["before"].values, after.values):
        raise Unknown("A move inside step(): L-BFGS keeps its d and t to itself until step() ends.")
    return {"moved": False}


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
        Remark("restored", "The line search goes back to x, from where it tries another t."),
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
