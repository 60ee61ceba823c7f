"""Rprop (torch/optim/rprop.py; Riedmiller and Braun 1993) and ASGD (asgd.py; Polyak and Juditsky 1992)."""

from __future__ import annotations

from backprop_tui.explain.optimizers.update import (
    COUNTED,
    DECAY_IN_GRADIENT,
    DECAYED,
    NEGATED,
    Assign,
    Remark,
    Update,
)

RPROP = Update(
    lines=(
        COUNTED,
        NEGATED,
        Assign("turn", "g*prev"),
        Assign("factor", "where(turn > 0, etaplus, where(turn < 0, etaminus, 1))"),
        Assign("step", "min(max(step*factor, step_min), step_max)"),
        Assign("g", "where(turn < 0, 0, g)"),
        Assign("w", "w - step*sign(g)"),
        Assign("prev", "g"),
    ),
    state={"t": "step", "prev": "prev", "step": "step_size"},
    start={"step": "lr"},
    held=("turn",),
    remarks=(
        Remark("True", "Only the sign of the gradient counts, and lr only as the first step's size."),
        Remark("turn > 0", "The sign is as in the step before: the step grows."),
        Remark("turn < 0", "The sign has changed, a minimum was jumped over: the step shrinks and w waits."),
    ),
)

ASGD = Update(
    lines=(
        COUNTED,
        NEGATED,
        DECAYED,
        Assign("w", "w*(1 - lambd*eta)"),
        Assign("w", "w - eta*g"),
        Assign("ax", "w", "mu == 1"),
        Assign("ax", "ax + mu*(w - ax)", "mu != 1"),
        Assign("eta", "lr/(1 + lambd*lr*t)**alpha"),
        Assign("mu", "1/max(1, t - t0)"),
    ),
    state={"t": "step", "eta": "eta", "mu": "mu", "ax": "ax"},
    start={"eta": "lr", "mu": "1"},
    remarks=(
        DECAY_IN_GRADIENT,
        Remark("True", "ax is the average to use in the end; η and μ are made ready for the next step."),
    ),
)

UPDATES = {"Rprop": RPROP, "ASGD": ASGD}
