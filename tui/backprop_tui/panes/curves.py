"""What the plots have in common: a drawing that is made anew only if its data or size changed."""

from __future__ import annotations

from dataclasses import replace

from textual.binding import Binding
from textual.geometry import Size

from backprop_tui.debugger.view import View
from backprop_tui.panes.drawing.canvas import Line, fitted
from backprop_tui.panes.drawing.curve import stairs
from backprop_tui.panes.drawing.plot import Curve, plot_lines
from backprop_tui.panes.drawing.text import Pieces, wrapped
from backprop_tui.panes.picture import PicturePane

MARKERS = ("braille", "x", "o", "+", "#", "%")
"""One per curve, so that they can be told apart without colours."""
CURVE_STYLES = ("read", "positive", "negative", "wrote", "warn", "planned")


class CurvesPane(PicturePane):
    """A plot with a line of legend below it."""

    BINDINGS = [Binding("y", "toggle_log", "Logarithmic scale", show=False)]

    EMPTY = ("", "")

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self.log_scale = False
        """The vertical axis is logarithmic."""
        self.holds = False
        """The values are set, and hold until the next: curves are drawn as stairs."""
        self._drawn: list[Line | Pieces] = []
        self._drawn_for: tuple[object, ...] = ()
        self._version = 0
        """Counts the changes of the data."""

    def show(self, view: View) -> None:
        """Take over the points of a view; draw only if there are other ones."""
        self.redraw(self.take(view))

    def redraw(self, changed: bool) -> None:
        """Draw, if the data changed or the pane has another size."""
        if changed:
            self._version += 1
        self._draw()

    def take(self, view: View) -> bool:
        """Keep what is to be drawn; whether it changed. Called with each view."""
        raise NotImplementedError

    def curves(self, columns: int) -> list[Curve]:
        """What is to be drawn, for a plot of so many columns."""
        raise NotImplementedError

    def to_plot(self, columns: int) -> list[Curve]:
        """The curves as they are joined."""
        return [
            replace(curve, segments=[stairs(segment) for segment in curve.segments])
            if self.holds and curve.joined
            else curve
            for curve in self.curves(columns)
        ]

    def told(self) -> tuple[str, str]:
        """What stands in the place of the plot while there is none."""
        return self.EMPTY

    def legend(self, width: int) -> list[Line]:
        """Lines below the plot."""
        raise NotImplementedError

    def on_resize(self) -> None:
        """Draw again for the new size."""
        self._draw()

    def action_toggle_log(self) -> None:
        """Switch between a linear and a logarithmic vertical axis."""
        self.log_scale = not self.log_scale
        self._draw()

    def _draw(self) -> None:
        size = self.scrollable_content_region.size
        wanted = (self._version, size, self.log_scale)
        if wanted == self._drawn_for or not size.width or not size.height:
            return
        self._drawn_for = wanted
        legend = self.legend(size.width)[: max(0, size.height - 4)]
        plot = plot_lines(self.to_plot(size.width), size.width, size.height - len(legend), self.log_scale)
        self._drawn = [*plot, *legend] if plot else self._without_plot(size)
        self.hold(size.height)
        self.repaint()

    def _without_plot(self, size: Size) -> list[Line | Pieces]:
        legend = self.legend(size.width)
        if legend:
            return [*legend]
        first, second = self.told()
        told = [*wrapped(first, size.width, "title"), *wrapped(second, size.width, "dim")]
        return [*told[: size.height]]

    def pieces_at(self, y: int, width: int) -> Pieces:
        """Line `y` of the plot or the legend."""
        return tuple(fitted(self._drawn[y], width)) if y < len(self._drawn) else ()


def marker_sign(marker: str) -> str:
    """How a marker is shown in a legend."""
    return "⠒⠒" if marker == "braille" else marker
