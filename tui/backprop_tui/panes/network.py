"""The network: neurons and weights while they can be read, else the list of its operations."""

from __future__ import annotations

from textual import events, work
from textual.binding import Binding

from backprop_tui.debugger.view import Choice, View, Window
from backprop_tui.panes.choice import Chosen
from backprop_tui.panes.drawing.canvas import Line, fitted
from backprop_tui.panes.drawing.flow import (
    FlowRow,
    active_row,
    flow_line,
    flow_rows,
    header_line,
    weight_names,
    widths_for,
)
from backprop_tui.panes.drawing.grid import two_dimensions
from backprop_tui.panes.drawing.heat import LEGEND, Patch, heat_lines, patch_of
from backprop_tui.panes.drawing.layers import Chain, read_chain
from backprop_tui.panes.drawing.marks import Marks, mark_chain
from backprop_tui.panes.drawing.neurons import draw_neurons
from backprop_tui.panes.drawing.observed import Observed, observe, used_by_last
from backprop_tui.panes.drawing.spots import Drawing, Element, pointed_element
from backprop_tui.panes.drawing.table import element_index
from backprop_tui.panes.drawing.text import Pieces, wrapped
from backprop_tui.panes.picture import Fetch, PicturePane

HEAT_ROWS = 12
HEAT_WINDOW = (HEAT_ROWS, 96)

EMPTY = (
    "No operation of a forward pass was observed yet.",
    "Step with space. Each layer appears here when it runs: its numbers on the way forward, "
    "and ∂L/∂… beside them when the backward pass comes by, from right to left.",
)
NOT_SEEN = "the forward pass was not observed"
RUNNING = (
    "At full speed no operation is observed.",
    "Pause, or wait for a breakpoint: then the last pass is drawn here.",
)
FINISHED = (
    "The script has finished.",
    "At full speed no operation is observed: step back to see some.",
)
WITHOUT_ROWS = {"running": RUNNING, "finished": FINISHED}
"""What is said instead of a picture, by the state of the script; else `EMPTY`."""


class NetworkPane(PicturePane):
    """Draws the last forward pass of a view and how far the gradient has come."""

    HELP = """\
The network as the script ran it, and the gradient on its way back.

- `>` marks what the next operation reads (frame `┏━┓`), `*` what the last one wrote (frame `╔═╗`),
  `=` the weights in the formula that explains it.
- A small chain of layers is drawn as neurons and weights. `[1]` is the index of a neuron, `b` its bias, `z`
  its value before the activation and `a` after it; `∂` is the derivative of the loss with respect to that
  number. A number without `∂` has no gradient yet.
- Weight `[1,0]` of a layer lies on the line from neuron `[0]` to neuron `[1]`.
- Arrows, or a click, choose a weight or a bias: `▸0.12◂`; `a` changes to its gradient and back. The lower
  border names it, and `i`, `v`, `=` and `e` are about it until you go to the parameters pane.
- The rails on top: `──▶` is done, `┄┄▷` is still to come, `◀──` is where the gradient has been.
- Anything else is a list of modules and operations. `← 3, 7` names the rows that a row reads when that is not
  just the one above; `‖0.5‖` is a norm. Up and down choose a row, enter shows its weights as shades.
- `[` and `]` choose the example of a batch; `m` switches between the picture and the list.
"""

    BINDINGS = [
        Binding("up,k", "move(-1)", "Row or weight up", show=False),
        Binding("down,j", "move(1)", "Row or weight down", show=False),
        Binding("left", "across(-1)", "Layer to the left", show=False),
        Binding("right", "across(1)", "Layer to the right", show=False),
        Binding("a", "attribute", "Weight or its gradient", show=False),
        Binding("pageup", "page(-1)", "Page up", show=False),
        Binding("pagedown", "page(1)", "Page down", show=False),
        Binding("enter", "weights", "Weights as shades", show=False),
        Binding("left_square_bracket", "example(-1)", "Previous example", show=False),
        Binding("right_square_bracket", "example(1)", "Next example", show=False),
        Binding("m", "list", "Picture or list", show=False),
    ]

    def __init__(
        self, fetch: Fetch | None = None, *, id: str | None = None, classes: str | None = None
    ) -> None:
        super().__init__(id=id, classes=classes)
        self.entitle("network")
        self.fetch = fetch
        """Reads a window of a weight that is too large to be part of a view."""
        self._view: View | None = None
        self._seen = Observed()
        self._chain: Chain | None = None
        self._marks = Marks()
        self._rows: list[FlowRow] = []
        self._drawn: list[Line | Pieces] = []
        self._row_at: list[int] = []
        """Index of the row that each drawn line belongs to, -1 for none."""
        self._cursor: int | None = None
        """Row chosen by hand; None follows the operation."""
        self._open: dict[str, Patch | None] = {}
        """Weights shown as shades; None while their values are on the way."""
        self._wanted: set[str] = set()
        """Weights to be read from the debuggee."""
        self._fetching = False
        self._trouble = ""
        """Why weights cannot be read."""
        self._example = 0
        self._as_list = False
        self._picture: Drawing | None = None
        """The neurons and weights, if that is what is drawn."""
        self._element: Element | None = None
        """The number chosen in the picture."""

    def show(self, view: View) -> None:
        """Draw this view; the list scrolls to the operation unless a row was chosen by hand."""
        old, self._view = self._view, view
        same = old is not None and old.stop is view.stop and old.pointer == view.pointer
        if old is not None and same and old.parameters == view.parameters:
            self._mark_used(old, view)
            return
        self._cursor = None
        self._read()
        self._refetch()
        self._draw()

    def _mark_used(self, old: View, view: View) -> None:
        """The explanation of the last operation came a little after it."""
        if self._chain is not None and used_by_last(old) != used_by_last(view):
            self._marks = mark_chain(view, self._seen, self._chain)
            self._draw()

    def _read(self) -> None:
        assert self._view is not None
        self._seen = observe(self._view)
        self._chain = read_chain(self._view, self._seen)
        self._marks = mark_chain(self._view, self._seen, self._chain) if self._chain else Marks()
        self._rows = flow_rows(self._view, self._seen)
        examples = self._chain.start.examples if self._chain else 1
        self._example = min(self._example, examples - 1)

    def on_resize(self) -> None:
        """Draw again for the new size."""
        self._draw()

    def _draw(self) -> None:
        size = self.scrollable_content_region.size
        if self._view is None or not size.width or not size.height:
            return
        self._picture = picture = None
        if self._chain is not None and not self._as_list:
            picture = draw_neurons(
                self._chain,
                self._marks,
                size.width,
                size.height,
                self._example,
                self._element,
                pointed_element(self._view),
            )
        if picture is not None:
            self._picture, self._drawn, self._row_at = picture, list(picture.lines), []
        elif self._rows:
            self._draw_list(size.width, size.height)
        else:
            self._draw_empty(size.width)
        self.hold(len(self._drawn))
        self._say(picture is not None)
        self._reveal()
        self.repaint()

    def _draw_empty(self, width: int) -> None:
        status = "" if self._view is None else self._view.status
        first, second = WITHOUT_ROWS.get(status, EMPTY)
        self._drawn = [*wrapped(first, width, "title"), (), *wrapped(second, width, "dim")]
        self._row_at = []

    def _draw_list(self, width: int, height: int) -> None:
        widths = widths_for(self._rows, width)
        self._drawn, self._row_at = [fitted(header_line(widths), width)], [-1]
        for number, row in enumerate(self._rows):
            self._drawn.append(flow_line(row, widths, width))
            self._row_at.append(number)
            for name in weight_names(row):
                if name in self._open:
                    self._draw_weights(number, name, width, height)

    def _draw_weights(self, number: int, name: str, width: int, height: int) -> None:
        patch = self._open[name]
        lines: list[Line] = [fitted([(f"      {name} ··· {self._trouble}", "dim")], width)]
        if patch is not None:
            heat = heat_lines(patch, name, max(8, width - 6), max(2, min(HEAT_ROWS, height // 2)))
            lines = [fitted([("      ", ""), *line], width) for line in [*heat, [(LEGEND, "dim")]]]
        self._drawn += lines
        self._row_at += [number] * len(lines)

    def _say(self, picture: bool) -> None:
        """The border says which values these are."""
        notes = []
        if picture and self._chain and not any(quantity.known for quantity in self._chain.quantities):
            notes.append(NOT_SEEN if self._ran_unseen() else "no forward pass yet")
        elif self._seen.stale and not self._seen.iteration:
            notes.append("what ran before training")
        elif self._seen.stale:
            notes.append(f"values of iteration {self._seen.iteration}")
        examples = self._chain.start.examples if picture and self._chain else 1
        if examples > 1:
            notes.append(f"example {self._example + 1} of {examples}  [ ]")
        chosen = self.chosen() if picture else None
        if chosen is not None:
            notes.insert(0, f"{chosen} is chosen")
        self.entitle("network", " · ".join(notes))

    def _ran_unseen(self) -> bool:
        """Whether the script has run at full speed, when no operation is observed."""
        view = self._view
        if view is None or view.stop is None:
            return False
        return bool(view.losses) or (view.stop.has_past and not view.records)

    # ---- the row that matters

    def _current(self) -> int | None:
        return self._cursor if self._cursor is not None else active_row(self._rows)

    def _reveal(self) -> None:
        """Scroll so that the current row and some of what surrounds it can be seen."""
        current, height = self._current(), self.scrollable_content_region.height
        if current is None or current not in self._row_at:
            if len(self._drawn) <= height:
                self.scroll_to(y=0, animate=False, force=True)
            return
        line, top = self._row_at.index(current), self.scroll_offset.y
        margin = min(2, height // 4)
        if not top + margin <= line < top + height - margin:
            self.scroll_to(y=max(0, line - height // 2), animate=False, force=True)

    def pieces_at(self, y: int, width: int) -> Pieces:
        """Line `y` of the picture or the list."""
        if y >= len(self._drawn):
            return ()
        line = tuple(self._drawn[y])
        chosen = self._cursor is not None and y < len(self._row_at) and self._row_at[y] == self._cursor
        if chosen and self._row_at.index(self._cursor or 0) == y:
            return tuple((text, style if "piece" in style else "cursor") for text, style in line)
        return line

    def action_move(self, by: int) -> None:
        """Choose the next or previous row of the list, or weight of the picture."""
        if self._picture is not None:
            self._choose(self._picture.moved(self._element, by, 0))
            return
        if not self._row_at:
            self.scroll_relative(y=by, animate=False)
            return
        current = self._current()
        self._cursor = max(0, min(len(self._rows) - 1, (current if current is not None else -1) + by))
        self._reveal()
        self.repaint()

    def action_page(self, direction: int) -> None:
        """Choose the row a page away."""
        self.action_move(direction * max(1, self.scrollable_content_region.height - 2))

    def action_example(self, by: int) -> None:
        """Show another example of the batch."""
        examples = self._chain.start.examples if self._chain else 1
        self._example = (self._example + by) % examples
        self._draw()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Enter is for the list only; over the picture it means what it means elsewhere."""
        return bool(self._row_at) if action == "weights" else True

    def action_list(self) -> None:
        """Switch between the picture and the list of operations."""
        self._as_list = not self._as_list
        self._draw()

    # ---- the chosen weight

    def action_across(self, by: int) -> None:
        """Choose a weight of the next or previous layer."""
        if self._picture is not None:
            self._choose(self._picture.moved(self._element, 0, by))

    def action_attribute(self) -> None:
        """From a weight to its gradient and back."""
        if self._picture is not None and self._element is not None:
            self._choose(self._picture.turned(self._element))

    def on_click(self, event: events.Click) -> None:
        """Choose the weight under the mouse."""
        offset = event.get_content_offset(self)
        if offset is not None and self._picture is not None:
            self._choose(self._picture.hit(offset.x, offset.y + self.scroll_offset.y) or self._element)

    def _choose(self, element: Element | None) -> None:
        if element is None:
            return
        self._element = element
        self._draw()
        chosen = self.chosen()
        if chosen is not None:
            self.post_message(Chosen(chosen, "network"))

    def chosen(self) -> Choice | None:
        """The weight, gradient or bias chosen in the picture; None if none is, or it is not there now."""
        spot = self._picture.shown(self._element) if self._picture else None
        rows = self._view.parameters if self._view and spot else ()
        row = next((row for row in rows if spot and row.get("name") == spot.element.name), None)
        if row is None or spot is None:
            return None
        element = spot.element
        return Choice(element.name, element.attribute, element_index(row["value"]["shape"], element.place))

    # ---- weights as shades

    def action_weights(self) -> None:
        """Show or hide the weights of the chosen row."""
        current = self._current()
        if current is None or not self._row_at:
            return
        for name in weight_names(self._rows[current]):
            if name in self._open:
                del self._open[name]
            else:
                self._open[name] = self._small_patch(name)
                self._ask(name)
        self._draw()

    def _small_patch(self, name: str) -> Patch | None:
        rows = self._view.parameters if self._view else ()
        return next((patch_of(row["value"]) for row in rows if row.get("name") == name), None)

    def _refetch(self) -> None:
        for name in self._open:
            self._open[name] = self._small_patch(name) or self._open[name]
            self._ask(name)

    def _ask(self, name: str) -> None:
        if self.fetch is None or self._small_patch(name) is not None:
            return
        self._wanted.add(name)
        if not self._fetching:
            self._fetching = True
            self._fetch_wanted()

    @work(group="weights")
    async def _fetch_wanted(self) -> None:
        """One after the other; what is wanted again meanwhile is read again."""
        try:
            while self._wanted and self.fetch is not None:
                name = self._wanted.pop()
                self._take(name, await self.fetch(name, "value", (0, HEAT_WINDOW[0]), (0, HEAT_WINDOW[1])))
        except Exception as error:
            # Whatever the reason is, the reader is told it in the place of the weights.
            self._trouble = str(error)
            self._draw()
        finally:
            self._fetching = False

    def _take(self, name: str, window: Window) -> None:
        if window.values is not None and name in self._open:
            whole = two_dimensions(list(window.shape))
            self._open[name] = Patch(window.values, whole, window.rows[0], window.cols[0])
            self._trouble = ""
            self._draw()
