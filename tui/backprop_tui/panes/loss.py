"""The loss curve: the value of each loss at the moment `backward` was called on it."""

from __future__ import annotations

from backprop_tui.debugger.view import View
from backprop_tui.explain.numbers import display, significant
from backprop_tui.panes.curves import CURVE_STYLES, MARKERS, CurvesPane, marker_sign
from backprop_tui.panes.drawing.canvas import Line, fitted
from backprop_tui.panes.drawing.ghosts import Ghosts
from backprop_tui.panes.drawing.history import History
from backprop_tui.panes.drawing.plot import Curve
from backprop_tui.protocol import LossPoint


def split_loss(point: LossPoint) -> list[tuple[str, float, float]]:
    return [(point["site"], float(point["iteration"]), float(point["value"]))]


class LossPane(CurvesPane):
    """One curve per place in the script that calls `backward`."""

    HELP = """\
The loss over the iterations: its value each time `backward` was called, one curve per line of the script
that calls it.

- The last value stands in the title, with its iteration.
- Of many points the lowest and the highest of each column are drawn, so no peak is lost.
- NaN and infinite values are gaps, and are counted below the plot.
- `y` switches to a logarithmic scale and back; it leaves out what is not positive, and says so.
- **Ghosts** (`:::`): after a change, the curve of the future that was left stays, faint, until `ctrl+g`
  dismisses it or the script is restarted; the last three are kept. Going back alone leaves no future: the
  curve ends where the script stands, and what is known of later comes back as it goes on, or becomes a
  ghost at the first change.
"""

    EMPTY = (
        "No loss yet.",
        "A point is added each time the script calls backward.",
    )
    PENDING = "Its point is added when backward has passed."

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self.entitle("loss")
        self._history: History[LossPoint] = History(split_loss)
        self._ghosts = Ghosts(lambda ghost: ghost.losses, split_loss)
        self._pending: object = None
        """The value of a loss that backward has not passed through yet."""

    def take(self, view: View) -> bool:
        """Append the new points; the title has the last one."""
        changed = self._history.update(view.losses)
        changed = self._ghosts.update(view.ghosts) or changed
        last = view.losses[-1] if view.losses else None
        pending = pending_loss(view)
        changed = changed or pending != self._pending
        self._pending = pending
        if pending is not None:
            self.entitle(f"loss {_number(pending)} · pending")
        else:
            self.entitle(f"loss {_number(last['value'])} · iteration {last['iteration']}" if last else "loss")
        return changed

    def told(self) -> tuple[str, str]:
        """What stands in the place of the plot."""
        if self._pending is None:
            return self.EMPTY
        return (f"A loss of {_number(self._pending)} has been computed.", self.PENDING)

    def curves(self, columns: int) -> list[Curve]:
        """One per call site, the first in dots, the others in letters; ghosts behind them."""
        own = [
            Curve(
                series.segments(2 * columns, self.log_scale),
                MARKERS[number % len(MARKERS)],
                CURVE_STYLES[number % len(CURVE_STYLES)],
            )
            for number, series in enumerate(self._history.series.values())
        ]
        return [*self._ghosts.curves(columns, self.log_scale), *own]

    def legend(self, width: int) -> list[Line]:
        """Which curve is which, and what is not shown."""
        several = len(self._history.series) > 1
        lines = []
        for number, (site, series) in enumerate(self._history.series.items()):
            notes = []
            if series.gaps:
                notes.append(f"{len(series.gaps)} not finite")
            if self.log_scale and series.below:
                notes.append(f"{len(series.below)} not positive, not shown")
            if several or notes:
                style = CURVE_STYLES[number % len(CURVE_STYLES)]
                sign = marker_sign(MARKERS[number % len(MARKERS)])
                value = (f" {_number(series.ys[-1])}", "title")
                text = ("".join(f" · {note}" for note in notes), "warn")
                lines.append(fitted([(f"{sign} ", style), (site, ""), value, text], width))
        if self.log_scale and self._history.series:
            lines.append([("logarithmic scale", "dim")])
        return [*lines, *self._ghosts.legend(width)]


def pending_loss(view: View) -> object:
    """The value of the last loss that was computed since the last backward, or that backward starts from."""
    if view.stop is None:
        return None
    present = [*view.records, *view.stop.open]
    since = [record for record in present if record.get("time", [0])[0] == view.stop.time[0]]
    values = (record.get("value") for record in reversed(since) if record["kind"] in ("loss", "backward"))
    return next((value for value in values if value is not None), None)


def _number(value: object) -> str:
    if isinstance(value, str):
        return display(value)
    return significant(float(value), "float32", 4)  # type: ignore[arg-type]
