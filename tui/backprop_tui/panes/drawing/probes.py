"""What was tried in copies of the script, as lines of text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from backprop_tui.explain.numbers import MINUS, significant

if TYPE_CHECKING:
    from backprop_tui.debugger.probing import Difference, Downhill

GOOD = 0.05
"""Up to this share the first-order prediction counts as right."""


def difference_lines(found: Difference) -> list[str]:
    """A numeric derivative with all that went into it."""
    name = f"{found.name}[{','.join(map(str, found.index))}]" if found.index else found.name
    h = _number(found.h)
    return [
        f"Iteration {found.iteration} was run again in three copies, with w = {name} moved by ±h.",
        *([f"L is the sum of the losses of its {found.passes} backward passes."] if found.passes > 1 else []),
        "",
        f"L(w + h)   {_number(found.high, 9)}     h = {h}",
        f"L(w)       {_number(found.middle, 9)}     w = {_number(found.value)}",
        f"L(w − h)   {_number(found.low, 9)}",
        "",
        f"numeric    (L(w+h) − L(w−h)) / 2h = {_number(found.numeric)}",
        f"autograd   ∂L/∂w                  = {_number(found.autograd)}",
        f"relative error {found.error:.1e}: {found.verdict}.",
        "",
        "Relative error of a gradient check (CS231n): above 1e-2 it is probably wrong, above 1e-4"
        " uncomfortable unless there is a kink, 1e-7 and less is as good as it gets."
        f" Here rounding to {found.dtype} alone can make {found.rounding:.0e} of it.",
    ]


def downhill_lines(found: Downhill) -> list[str]:
    """Prediction and measurement, for the step that was taken and for shorter and longer ones."""
    what = "the loss is" if found.passes == 1 else f"the losses of {found.passes} backward passes add up to"
    lines = [
        f"Iteration {found.iteration}: {what} {_number(found.loss)}, and its step moves the parameters"
        f" by |Δw| = {_number(found.length)}.",
        "Going against the gradient, the loss should change by about ∇L·Δw:",
        "",
        f"∇L·Δw = {_number(found.slope)}",
        "",
        "Measured in copies, on the same batch:",
        "    step  predicted ΔL   measured ΔL",
    ]
    for times, predicted, measured in found.rows:
        step = f"{times:g}×Δw"
        lines.append(
            f"{step:>8} {_number(predicted):>13} {_number(measured):>13}   {_word(predicted, measured)}"
        )
    return [*lines, "", _conclusion(found)]


def _word(predicted: float, measured: float) -> str:
    if measured > 0:
        return "uphill!" if predicted <= 0 else "uphill"
    off = _off(predicted, measured)
    return "as predicted" if off <= GOOD else f"{off:.0%} off"


def _off(predicted: float, measured: float) -> float:
    return abs(measured - predicted) / abs(predicted) if predicted else 0.0


def _conclusion(found: Downhill) -> str:
    if found.slope >= 0:
        return "The step does not go against the gradient: momentum, decay or an adaptive rate turned it."
    up = [times for times, _, measured in found.rows if measured > 0]
    if up and min(up) <= 1:
        return "The step is too long: the slope is right only near w, and beyond the loss rises."
    if up:
        return f"The slope is right only near w: {min(up):g} times the learning rate would go uphill."
    times, predicted, measured = min(found.rows)
    if _off(predicted, measured) > 2 * GOOD:
        return (
            f"The prediction is wrong even for {times:g}×Δw: .grad is probably not the gradient of this loss"
            " (v compares the two for one number), or the loss bends within that step."
        )
    return "The shorter the step, the better the prediction: the slope is the limit of both."


def _number(value: float, digits: int = 5) -> str:
    return significant(value, "float64", digits).replace("-", MINUS, 1)
