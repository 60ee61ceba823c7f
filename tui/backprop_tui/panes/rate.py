"""The learning rate: used so far, and planned by the scheduler."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from backprop_tui.debugger.view import Plan, View
from backprop_tui.explain.numbers import significant
from backprop_tui.panes.curves import CURVE_STYLES, MARKERS, CurvesPane, marker_sign
from backprop_tui.panes.drawing.canvas import Line, fitted
from backprop_tui.panes.drawing.curve import Series
from backprop_tui.panes.drawing.ghosts import Ghosts
from backprop_tui.panes.drawing.history import History
from backprop_tui.panes.drawing.plot import Curve
from backprop_tui.protocol import RatePoint

Key = tuple[int, int]
"""(optimizer, parameter group)"""

PLANNED = "·"


MOST_AHEAD = 100
"""Iterations that a plan reaches ahead; further only where it would hold too few changes."""
LEAST_CHANGES = 5


def points_ahead(plan: Plan, coming: int) -> Iterator[tuple[int, tuple[Any, ...]]]:
    """(iteration, rates) where each of the planned rates is used first and last.

    ``coming``: the iteration of the next step, which uses the rates in force unless the scheduler steps
    before it.
    """
    spans = [(coming, plan.first - 1, plan.now)] if plan.now else []
    begins = range(plan.first, plan.first + plan.every * len(plan.lrs), plan.every)
    spans += [(begin, begin + plan.every - 1, rates) for begin, rates in zip(begins, plan.lrs, strict=True)]
    end = coming + max(MOST_AHEAD, LEAST_CHANGES * plan.every)
    for begin, last, rates in spans:
        for iteration in dict.fromkeys((begin, last)):
            if begin <= iteration < end:
                yield iteration, rates


SEEN = 0.01
"""A part of the vertical axis that is too small to be seen."""


def as_far_as_seen(series: Series, span: float) -> Series:
    """A plan, ended half as far again behind the last rate that stands above or below its end.

    A rate that has fallen to nearly nothing would press its fall into the first few columns.
    ``span``: between the least and the greatest rate of the plot.
    """
    last = series.ys[-1]
    changing = [n for n, rate in enumerate(series.ys) if abs(rate - last) > SEEN * span]
    if not changing:
        return series
    shown, until = Series(), series.xs[0] + 1.5 * (series.xs[changing[-1]] - series.xs[0] + 1)
    for x, y in zip(series.xs, series.ys, strict=True):
        if x <= until:
            shown.append(x, y)
    return shown


def split_rates(point: RatePoint) -> list[tuple[Key, float, float]]:
    return [
        ((point["optimizer"], group), float(point["iteration"]), float(rate))
        for group, rate in enumerate(point["lrs"])
    ]


class RatePane(CurvesPane):
    """Rates that steps used, and those that the scheduler would set if it went on."""

    HELP = """\
The learning rate that each `optimizer.step()` used (lines), and the rates that the scheduler would set in
its coming steps (points `·`), worked out in a copy of the script's scheduler.

- The rate of the next step stands in the title.
- The plan goes on as the scheduler has stepped so far: every iteration, or every so many. What was assumed
  stands below the plot. It ends soon after its last change that can be seen.
- `y` switches to a logarithmic scale and back.
- Ghosts (`:::`) are the rates of futures that were left by a change, until `ctrl+g` dismisses them.
"""

    EMPTY = (
        "No learning rate was used yet.",
        "A point is added at each optimizer.step().",
    )

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self.entitle("learning rate")
        self.holds = True
        self._history: History[RatePoint] = History(split_rates)
        self._ghosts = Ghosts(lambda ghost: ghost.rates, split_rates)
        self._plan: Plan | None = None
        self._planned: dict[Key, Series] = {}
        self._names: dict[int, str] = {}

    def take(self, view: View) -> bool:
        """Append the rates that were used, replace the plan."""
        changed = self._history.update(view.rates)
        changed = self._ghosts.update(view.ghosts) or changed
        if changed or view.plan != self._plan:
            self._plan = view.plan
            self._planned = self._ahead(view)
            changed = True
        self.entitle(_title(view))
        return changed

    def _ahead(self, view: View) -> dict[Key, Series]:
        """The plan as points after the present iteration, for the optimizer with as many groups."""
        if view.plan is None or not view.plan.lrs:
            return {}
        groups = len(view.plan.lrs[0])
        optimizers = [point["optimizer"] for point in view.rates[-4:] if len(point["lrs"]) == groups]
        optimizer = optimizers[0] if optimizers else 0
        coming = view.stop.iteration if view.stop is not None else 1
        if view.rates:
            coming = max(coming, view.rates[-1]["iteration"] + 1)
        planned: dict[Key, Series] = {}
        for iteration, rates in points_ahead(view.plan, coming):
            for group, rate in enumerate(rates):
                planned.setdefault((optimizer, group), Series()).append(iteration, float(rate))
        return planned

    def curves(self, columns: int) -> list[Curve]:
        """Used rates as lines, planned ones as points, in the same colour per group."""
        keys = self._keys()
        used = [
            Curve(series.segments(columns, self.log_scale), _marker(keys[key]), _style(keys[key]))
            for key, series in self._history.series.items()
        ]
        planned = [
            Curve(series.segments(columns, self.log_scale), PLANNED, _style(keys[key]), joined=False)
            for key, series in self._planned_to_be_seen().items()
        ]
        return [*self._ghosts.curves(columns, self.log_scale), *planned, *used]

    def _planned_to_be_seen(self) -> dict[Key, Series]:
        """A logarithmic scale shows a fall to the end."""
        if self.log_scale:
            return self._planned
        rates = [rate for series in self._planned.values() for rate in series.ys]
        for series in self._history.series.values():
            rates += [rate for segment in series.segments(1) for _, rate in segment]
        span = max(rates, default=0.0) - min(rates, default=0.0)
        return {key: as_far_as_seen(series, span) for key, series in self._planned.items()}

    def _keys(self) -> dict[Key, int]:
        return {key: number for number, key in enumerate(sorted({*self._history.series, *self._planned}))}

    def legend(self, width: int) -> list[Line]:
        """Which line is which; where the plan comes from."""
        lines: list[Line] = []
        keys = self._keys()
        if len(keys) > 1:
            lines += [self._legend_of(key, number, width) for key, number in keys.items()]
        if self._planned and self._plan:
            text = f" planned by {self._plan.scheduler}" if self._plan.scheduler else " planned"
            used = [("⠒⠒", "read"), (" used  ", "dim")]
            lines.append(fitted([*used, (PLANNED * 3, "read"), (text, "dim")], width))
        if self._plan and self._plan.note:
            lines.append(fitted([(self._plan.note, "warn")], width))
        zeros = sum(len(series.below) for series in self._history.series.values())
        if self.log_scale and zeros:
            lines.append(fitted([(f"{zeros} not positive, not shown", "warn")], width))
        return [*lines, *self._ghosts.legend(width)]

    def _legend_of(self, key: Key, number: int, width: int) -> Line:
        optimizer, group = key
        several = len({key[0] for key in self._keys()}) > 1
        name = f"optimizer {optimizer + 1} group {group}" if several else f"group {group}"
        series = self._history.series.get(key)
        value = f" {_short(series.ys[-1])}" if series else ""
        sign = (f"{marker_sign(_marker(number))} ", _style(number))
        return fitted([sign, (name, ""), (value, "title")], width)


def _marker(number: int) -> str:
    return MARKERS[number % len(MARKERS)]


def _style(number: int) -> str:
    return CURVE_STYLES[number % len(CURVE_STYLES)]


def _short(rate: float) -> str:
    """For labels: a scheduler's products end in digits that only the table has room for."""
    return significant(rate, "float64", 6)


def _title(view: View) -> str:
    """``learning rate 0.05 · StepLR``: the rate in force now."""
    rates = sorted({float(row["lr"]) for row in view.parameters if isinstance(row.get("lr"), (int, float))})
    if not rates and view.rates:
        rates = sorted({float(rate) for rate in view.rates[-1]["lrs"]})
    if not rates:
        return "learning rate"
    text = _short(rates[0])
    if len(rates) > 1:
        text += f" to {_short(rates[-1])}"
    scheduler = view.toggles.scheduler or (view.plan.scheduler if view.plan else "")
    return f"learning rate {text}" + (f" · {scheduler}" if scheduler else "")
