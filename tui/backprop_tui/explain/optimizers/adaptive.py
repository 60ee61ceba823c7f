"""Optimizers that divide by a running size of the gradient, without Adam's bias correction.

torch/optim/adagrad.py (Duchi et al., jmlr.org/papers/v12/duchi11a.html), adadelta.py (arXiv:1212.5701),
rmsprop.py (Hinton's lecture 6; centered: arXiv:1308.0850) and _adafactor.py (arXiv:1804.04235).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from backprop_tui.explain.check import EPSILON
from backprop_tui.explain.evidence import Evidence
from backprop_tui.explain.optimizers import whole
from backprop_tui.explain.optimizers.update import (
    COUNTED,
    DECAY_APART,
    DECAY_IN_GRADIENT,
    DECAYED,
    NEGATED,
    SHRUNK,
    Assign,
    Remark,
    Update,
)

ADAGRAD = Update(
    lines=(
        COUNTED,
        NEGATED,
        DECAYED,
        Assign("rate", "lr/(1 + (t - 1)*lr_decay)", "lr_decay != 0"),
        Assign("s", "s + g**2"),
        Assign("w", "w - rate*g/(sqrt(s) + eps)", "lr_decay != 0"),
        Assign("w", "w - lr*g/(sqrt(s) + eps)", "lr_decay == 0"),
    ),
    state={"t": "step", "s": "sum"},
    start={"s": "initial_accumulator_value"},
    remarks=(
        DECAY_IN_GRADIENT,
        Remark("True", "s adds up every squared gradient so far and never shrinks: steps only get shorter."),
    ),
)

ADADELTA = Update(
    lines=(
        COUNTED,
        NEGATED,
        DECAYED,
        Assign("v", "rho*v + (1 - rho)*g**2"),
        Assign("delta", "sqrt(a + eps)/sqrt(v + eps)*g"),
        Assign("a", "rho*a + (1 - rho)*delta**2"),
        Assign("w", "w - lr*delta"),
    ),
    state={"t": "step", "v": "square_avg", "a": "acc_delta"},
    remarks=(
        DECAY_IN_GRADIENT,
        Remark("t == 1", "First step: no step is remembered yet (a = 0), so only ε lets w move."),
    ),
)

RMSPROP = Update(
    lines=(
        COUNTED,
        NEGATED,
        DECAYED,
        Assign("v", "alpha*v + (1 - alpha)*g**2"),
        Assign("a", "lerp(a, g, 1 - alpha)", "centered"),
        Assign("spread", "v - a**2", "centered"),
        Assign("size", "sqrt(spread) + eps", "centered"),
        Assign("size", "sqrt(v) + eps", "not centered"),
        Assign("b", "momentum*b + g/size", "momentum > 0"),
        Assign("w", "w - lr*b", "momentum > 0"),
        Assign("w", "w - lr*g/size", "momentum <= 0"),
    ),
    state={"t": "step", "v": "square_avg", "a": "grad_avg", "b": "momentum_buffer"},
    memory=("b",),
    held=("spread", "size"),
    remarks=(
        DECAY_IN_GRADIENT,
        Remark(
            "t == 1 and not centered and abs(g) > 1000*eps",
            "First step: v is still only (1 − α)·g², so w moves by about lr/√(1 − α), not lr.",
        ),
    ),
)


def _adafactor_operands(evidence: Evidence) -> Mapping[str, Any]:
    weight = evidence.saved["before"]
    found: dict[str, Any] = {
        "rms": whole.rms,
        "row_mean": whole.row_mean,
        "column_mean": whole.column_mean,
        "factored": weight.values.ndim > 1,
    }
    if evidence.group["eps"][0] is None:
        found["eps1"] = np.float64(EPSILON[weight.dtype])
    return found


ADAFACTOR = Update(
    lines=(
        COUNTED,
        NEGATED,
        Assign("share", "t**beta2_decay"),
        Assign("rate", "max(eps2, rms(w))*min(lr, 1/sqrt(t))"),
        SHRUNK,
        Assign("r", "lerp(r, row_mean(g**2), share)", "factored"),
        Assign("c", "lerp(c, column_mean(g**2), share)", "factored"),
        Assign("vhat", "r*c", "factored"),
        Assign("vhat", "vhat/max(column_mean(r), eps1)", "factored"),
        Assign("v", "lerp(v, g**2, share)", "not factored"),
        Assign("vhat", "v", "not factored"),
        Assign("u", "g/sqrt(max(vhat, eps1**2))"),
        Assign("w", "w - rate*u/max(1, rms(u)/d)"),
    ),
    state={"t": "step", "r": "row_var", "c": "col_var", "v": "variance"},
    operands=_adafactor_operands,
    whole=True,
    held=("vhat",),
    remarks=(
        DECAY_APART,
        Remark("factored", "v̂ is put together from one mean a row and one a column: r·c over the mean of r."),
        Remark("True", "lr is only the largest rate: the step is relative to the weights' own size, rms(w)."),
    ),
)

UPDATES = {"Adagrad": ADAGRAD, "Adadelta": ADADELTA, "RMSprop": RMSPROP, "Adafactor": ADAFACTOR}
