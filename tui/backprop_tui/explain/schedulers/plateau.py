"""ReduceLROnPlateau: the rate falls when a metric has not become better for a while.

torch/optim/lr_scheduler.py: `ReduceLROnPlateau.step`, `_is_better` and `_reduce_lr`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from backprop_tui.explain.formula import constant, numbers_of, symbols_of, value_of
from backprop_tui.explain.optimizers.update import Assign
from backprop_tui.explain.schedulers.schedule import Unknown
from backprop_tui.explain.schedulers.stepping import Made, Stepped, number
from backprop_tui.explain.steps import Line

COUNTERS = ("best", "num_bad_epochs", "cooldown_counter")
"""What it remembers from step to step."""

_LOWER = "max(lr*factor, min_lr)"

LINES = (
    Assign("better", "metrics < best*(1 - threshold)", "mode == 'min' and threshold_mode == 'rel'"),
    Assign("better", "metrics < best - threshold", "mode == 'min' and threshold_mode == 'abs'"),
    Assign("better", "metrics > best*(1 + threshold)", "mode == 'max' and threshold_mode == 'rel'"),
    Assign("better", "metrics > best + threshold", "mode == 'max' and threshold_mode == 'abs'"),
    Assign("best", "metrics", "better"),
    Assign("num_bad_epochs", "0", "better"),
    Assign("num_bad_epochs", "num_bad_epochs + 1", "not better"),
    Assign("num_bad_epochs", "0", "cooldown_counter > 0"),
    Assign("cooldown_counter", "cooldown_counter - 1", "cooldown_counter > 0"),
    Assign("reduce", "num_bad_epochs > patience"),
    Assign("cooldown_counter", "cooldown", "reduce"),
    Assign("num_bad_epochs", "0", "reduce"),
)


def stepped(
    spec: Mapping[str, Any], rates: Sequence[float], metrics: float
) -> tuple[list[Stepped], list[tuple[str, Line]], dict[str, float]]:
    """Each group's rate, the lines of what was counted, and the counters in the end."""
    values: dict[str, Any] = {name: number(value) for name, value in spec.items()}
    values["metrics"] = metrics
    lines = [(line.name, _line(line, values)) for line in LINES if value_of(line.when, values)]
    why = _reason(spec, values)
    found = [Stepped((_rate(values, rate, _least(spec, place), why),)) for place, rate in enumerate(rates)]
    return found, lines, {name: float(values[name]) for name in COUNTERS}


def _least(spec: Mapping[str, Any], position: int) -> float:
    least = spec["min_lrs"]
    if position < len(least):
        return float(number(least[position]))
    if spec.get("default_min_lr") is None:
        raise Unknown("ReduceLROnPlateau has no min_lr for a group that was added later")
    return float(spec["default_min_lr"])


def _line(line: Assign, values: dict[str, Any]) -> Line:
    """One line; its result goes among the values."""
    texts = {
        name: constant(float(value)) for name, value in values.items() if isinstance(value, (int, float))
    }
    result = value_of(line.formula, values)
    numbers = numbers_of(line.formula, texts, values, "float64")
    values[line.name] = result
    truth = line.name in ("better", "reduce")
    text = ("yes" if result else "no") if truth else constant(float(result))
    symbols = (
        f"{line.name}: {symbols_of(line.formula)}" if truth else f"{line.name} = {symbols_of(line.formula)}"
    )
    return Line(symbols, "" if numbers == text else numbers, text)


def _reason(spec: Mapping[str, Any], values: Mapping[str, Any]) -> str:
    bad = int(spec["num_bad_epochs"]) + 1
    if values["better"]:
        return "the metric has become better"
    if values["reduce"]:
        several = "epoch" if bad == 1 else "epochs"
        return f"{bad} {several} without a better metric, more than patience = {values['patience']}"
    if spec["cooldown_counter"] > 0:
        return "cooling down: epochs without a better metric do not count"
    return f"epochs without a better metric: {bad}, patience = {values['patience']}"


def _rate(values: Mapping[str, Any], rate: float, least: float, why: str) -> Made:
    own = {**values, "lr": rate, "min_lr": least}
    lower = float(value_of(_LOWER, own))
    kind = "ReduceLROnPlateau"
    if not values["reduce"]:
        return Made(kind, "lr", constant(rate), rate, why)
    if not rate - lower > values["eps"]:
        small = f"but the rate would fall by no more than eps = {constant(float(values['eps']))}"
        return Made(kind, "lr", constant(rate), rate, f"{why}, {small}")
    texts = {name: constant(float(value)) for name, value in own.items() if isinstance(value, (int, float))}
    return Made(kind, symbols_of(_LOWER), numbers_of(_LOWER, texts, own, "float64"), lower, why)
