"""Stochastic gradient descent (torch/optim/sgd.py, `_single_tensor_sgd`)."""

from __future__ import annotations

from backprop_tui.explain.optimizers.update import DECAY_IN_GRADIENT, DECAYED, NEGATED, Assign, Remark, Update

SGD = Update(
    lines=(
        NEGATED,
        DECAYED,
        Assign("b", "g", "momentum != 0 and first"),
        Assign("b", "momentum*b + (1 - dampening)*g", "momentum != 0 and not first"),
        Assign("g", "g + momentum*b", "momentum != 0 and nesterov"),
        Assign("w", "w - lr*b", "momentum != 0 and not nesterov"),
        Assign("w", "w - lr*g", "momentum == 0 or nesterov"),
    ),
    state={"b": "momentum_buffer"},
    memory=("b",),
    remarks=(
        DECAY_IN_GRADIENT,
        Remark(
            "momentum != 0 and first",
            "First step: the momentum buffer starts as the gradient itself, undamped.",
        ),
        Remark(
            "momentum != 0 and not first",
            "b adds up earlier gradients, each worth momentum times less with every step.",
        ),
    ),
)

UPDATES = {"SGD": SGD}
