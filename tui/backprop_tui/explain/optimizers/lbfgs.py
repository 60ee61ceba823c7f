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
from backprop_tui.explain.optimizers.update import Assign, Remark, Unknown, Update


def _operands(evidence: Evidence) -> Mapping[str, Any]:
    found = {"restored": False, "moved": True, "moves": Option(0), "earlier": 0.0, "inner": False}
    inner = evidence.saved.get("inner")
    if inner is not None:
        found["inner"] = True
        if "restored" in inner:
            return {**found, "x": inner["restored"].values, "restored": True, "moved": False}
        return {**found, "d": inner["d"].values, "t": _number(inner["t"])}
    return {**found, **_of_whole_step(evidence)}


def _of_whole_step(evidence: Evidence) -> Mapping[str, Any]:
    before, after = evidence.state_before, evidence.state_after
    made = int(after.get("n_iter", 0)) - int(before.get("n_iter", 0))
    if not made:
        return _without_moves(evidence)
    if "d" not in after:
        raise Unknown("L-BFGS writes d and t into its state only when step() ends.")
    # A direction that hardly leads downhill ends the step without being taken.
    taken = not after["gtd"] > -float(evidence.group["tolerance_change"])
    earlier = [move.values for move in after["moves"]]
    if len(earlier) < made - 1:
        raise Unknown(
            f"This step() made {made} moves, of which torch kept only {len(earlier) + taken}: "
            "it drops those that say nothing about curvature."
        )
    return {
        "d": after["d"].values, "t": _number(after["t"]), "moved": taken,
        "moves": Option(made - 1), "earlier": sum(earlier, np.zeros(evidence.saved["before"].shape)),
    }  # fmt: skip


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
            "d is L-BFGS's direction: the gradient and the moves before, of all parameters together, decide it.",
        ),
        Remark("not moved and not restored", "No move: the gradient is below tolerance, or d leads nowhere."),
    ),
)

UPDATES = {"LBFGS": LBFGS}
