"""Why a parameter is what it is after ``optimizer.step()``: the whole arithmetic, as data, and checked.

One module a family. Each has UPDATES: class name of the optimizer to its `Update`.
"""

from __future__ import annotations

from backprop_tui.explain.evidence import Evidence
from backprop_tui.explain.explanation import Explanation
from backprop_tui.explain.optimizers import adam, adaptive, averaging, explaining, lbfgs, muon, sgd
from backprop_tui.explain.optimizers.update import Update
from backprop_tui.explain.rule import Index

UPDATES: dict[str, Update] = {
    **sgd.UPDATES,
    **adam.UPDATES,
    **adaptive.UPDATES,
    **averaging.UPDATES,
    **lbfgs.UPDATES,
    **muon.UPDATES,
}
"""By class name of the optimizer."""


def explain_update(evidence: Evidence, index: Index | None = None) -> Explanation:
    """Why a parameter is what it is after an optimizer's step, for one element line by line.

    ``index``: the chosen element; None for the one that moved furthest.
    """
    return explaining.explain_update(UPDATES, evidence, index)
