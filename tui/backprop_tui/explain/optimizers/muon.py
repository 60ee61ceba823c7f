"""Muon (torch/optim/_muon.py; kellerjordan.github.io/posts/muon, arXiv:2502.16982)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from backprop_tui.explain.evidence import Evidence
from backprop_tui.explain.formula import Option
from backprop_tui.explain.optimizers import whole
from backprop_tui.explain.optimizers.update import DECAY_APART, SHRUNK, Assign, Remark, Update


def _operands(evidence: Evidence) -> Mapping[str, Any]:
    group, (rows, columns) = evidence.group, evidence.saved["before"].shape
    newton_schulz = whole.orthogonalised(group["ns_coefficients"], int(group["ns_steps"]), group["eps"])
    return {
        "newton_schulz": newton_schulz,
        "ratio": Option(_ratio(group["adjust_lr_fn"], rows, columns)),
    }


def _ratio(adjust: str | None, rows: int, columns: int) -> float:
    """`_adjust_lr`: keeps the size of a step the same for matrices of other shapes."""
    if adjust == "match_rms_adamw":
        return 0.2 * math.sqrt(max(rows, columns))
    return math.sqrt(max(1, rows / columns))


MUON = Update(
    lines=(
        Assign("b", "lerp(b, g, 1 - momentum)"),
        Assign("u", "lerp(g, b, momentum)", "nesterov"),
        Assign("u", "b", "not nesterov"),
        Assign("o", "newton_schulz(u)"),
        SHRUNK,
        Assign("w", "w - lr*ratio*o"),
    ),
    state={"b": "momentum_buffer"},
    memory=("b",),
    operands=_operands,
    whole=True,
    remarks=(
        DECAY_APART,
        Remark(
            "True",
            "o is u with all singular values brought near 1. torch does that in bfloat16: it is repeated "
            "here with the same roundings, and compared as closely as different orders of summing agree.",
        ),
    ),
)

UPDATES = {"Muon": MUON}
