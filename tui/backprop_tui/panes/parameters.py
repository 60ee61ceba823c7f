"""The parameters: values, gradients, what changed, what is read next, and the optimizer's state."""

from __future__ import annotations

from textual import events, work
from textual.binding import Binding

from backprop_tui.debugger.view import Choice, View, Window
from backprop_tui.explain.numbers import count
from backprop_tui.panes.choice import Chosen
from backprop_tui.panes.drawing import grid as grids
from backprop_tui.panes.drawing.grid import Grid, two_dimensions
from backprop_tui.panes.drawing.heat import patch_of
from backprop_tui.panes.drawing.observed import used_by_last
from backprop_tui.panes.drawing.table import (
    Columns,
    Table,
    TableRow,
    columns_for,
    details,
    element_index,
    header_line,
    pointed_attribute,
    row_line,
    table_of,
)
from backprop_tui.panes.drawing.text import Pieces, wrapped
from backprop_tui.panes.picture import Fetch, PicturePane
from backprop_tui.protocol import ParameterRow, TensorInfo

EMPTY = (
    "No parameters yet.",
    "They appear when the script has built its model or its optimizer: one row per number of a small "
    "tensor, one row per large tensor. Step with space.",
)


class ParametersPane(PicturePane):
    """A table of tensors; one of them can be opened as a grid."""

    HELP = """\
Every parameter: its value, its gradient, what the last operation changed and what the next one reads.

- `>` is read by the next operation, `*` was written by the last one, `=` stands in the formula that explains
  it; `changed` has old → new.
- In the column `grad`, `None` means that there is no gradient, `0` that there is one and it is zero.
- `!` and "in no optimizer": it requires a gradient, and nothing will ever update it.
- `‖0.5‖` stands for a tensor too large for the column: its norm.
- lr, and the optimizer's own numbers (`exp_avg` ...), appear where the pane is wide enough.
- `e` edits the number under the cursor, `W` goes back to the operation that wrote it.
- Enter opens the tensor as a grid: arrows and page keys move, `a` changes between value, gradient and
  state, Esc closes.
"""

    BINDINGS = [
        Binding("up,k", "move(-1, 0)", "Up", show=False),
        Binding("down,j", "move(1, 0)", "Down", show=False),
        Binding("left", "move(0, -1)", "Left", show=False),
        Binding("right", "move(0, 1)", "Right", show=False),
        Binding("pageup", "page(-1)", "Page up", show=False),
        Binding("pagedown", "page(1)", "Page down", show=False),
        Binding("home", "edge(-1)", "First", show=False),
        Binding("end", "edge(1)", "Last", show=False),
        Binding("enter", "open", "Open the tensor", show=False),
        Binding("a", "attribute", "Value, gradient, state", show=False),
        Binding("escape", "close", "Back to the table", show=False),
    ]

    def __init__(
        self, fetch: Fetch | None = None, *, id: str | None = None, classes: str | None = None
    ) -> None:
        super().__init__(id=id, classes=classes)
        self.entitle("parameters")
        self.fetch = fetch
        """Reads a window of a tensor that is too large to be part of a view."""
        self._view: View | None = None
        self._table = Table()
        self._columns = Columns(0, 0, 0, 0, 0)
        self._grid: Grid | None = None
        self._fetching = False
        self._touched = False
        """The cursor was moved by hand: then the table does not follow the operation."""
        self.cursor = 0
        """Index of the chosen row."""

    def show(self, view: View) -> None:
        """Show this view; the table scrolls to what changed unless the cursor was moved by hand."""
        before, self._view = self._view, view
        same = before is not None and before.stop is view.stop and before.pointer == view.pointer
        if before is not None and same and before.parameters == view.parameters:
            if used_by_last(before) != used_by_last(view):
                self._table.used = used_by_last(view)
                self.repaint()
            return
        self._table = table_of(view, before)
        self.cursor = min(self.cursor, max(0, len(self._table.rows) - 1))
        if self._grid is not None:
            self._grid.outdate()
        self._lay_out()
        self._follow()

    def on_resize(self) -> None:
        """Columns depend on the width, and the row that matters may be out of sight now."""
        self._lay_out()
        self.call_after_refresh(self._follow)

    def _lay_out(self) -> None:
        width = self.scrollable_content_region.width
        self._columns = columns_for(self._table, width)
        height = len(self._table.rows) + 1
        if self._grid is not None:
            height = self._grid.shape[0] + grids.HEADER
        self.hold(height)
        self._say()
        self._ask()
        self.repaint()

    def _say(self) -> None:
        notes = []
        if self._table.in_no_optimizer:
            notes.append(f"! {self._table.in_no_optimizer} in no optimizer")
        if self._grid is not None:
            notes.append("a value/grad/state · Esc closes")
        elif self._table.rows and self._touched:
            notes.append(details(self._table, self._table.rows[self.cursor]))
        self.entitle("parameters", " · ".join(notes))

    def _follow(self) -> None:
        """Bring the row that a guide points at into view, else the first that is read or was written."""
        if self._grid is not None or self._touched:
            return
        for number, row in enumerate(self._table.rows):
            if pointed_attribute(self._table, row):
                self._reveal(number)
                return
        names = {name.removesuffix(".grad") for name in (*self._table.edits, *self._table.reads)}
        for number, row in enumerate(self._table.rows):
            if self._table.parameters[row.at].get("name") in names:
                self._reveal(number)
                return

    def _reveal(self, number: int) -> None:
        height, top = self.scrollable_content_region.height, self.scroll_offset.y
        header = 1 if self._grid is None else grids.HEADER
        if number < top:
            self.scroll_to(y=number, animate=False, force=True)
        elif number + header >= top + height:
            self.scroll_to(y=number + header - height + 1, animate=False, force=True)

    # ---- drawing

    def pieces_at(self, y: int, width: int) -> Pieces:
        """Line `y`; the header stays in place when the rest scrolls."""
        screen = y - self.scroll_offset.y
        if not self._table.rows:
            lines = [*wrapped(EMPTY[0], width, "title"), (), *wrapped(EMPTY[1], width, "dim")]
            return lines[y] if y < len(lines) else ()
        if self._grid is not None:
            return self._grid_line(screen, y, width)
        if screen == 0:
            return tuple(header_line(self._table, self._columns, width))
        if y - 1 >= len(self._table.rows):
            return ()
        line = row_line(self._table, self._table.rows[y - 1], self._columns, width)
        if y - 1 == self.cursor and self.has_focus:
            return tuple((text, "cursor") for text, _ in line)
        return tuple(line)

    def _grid_line(self, screen: int, y: int, width: int) -> Pieces:
        assert self._grid is not None
        if screen == 0:
            return tuple(self._grid.title(width))
        if screen == 1:
            return tuple(self._grid.columns_line(width))
        return tuple(self._grid.line(y - grids.HEADER, width))

    # ---- the cursor

    def action_move(self, down: int, right: int) -> None:
        """Move the cursor by rows, and in the grid by columns."""
        if self._grid is not None:
            self._grid.move(down, right, self.scrollable_content_region.width)
            self._reveal(self._grid.row)
            self._ask()
            self._tell()
        elif down:
            self._go(self.cursor + down)
        else:
            return
        self.repaint()

    def _go(self, number: int) -> None:
        if not self._table.rows:
            return
        self.cursor = max(0, min(len(self._table.rows) - 1, number))
        self._touched = True
        self._reveal(self.cursor)
        self._say()
        self._tell()
        self.repaint()

    def _tell(self) -> None:
        chosen = self.chosen()
        if chosen is not None:
            self.post_message(Chosen(chosen, "parameters"))

    def action_page(self, direction: int) -> None:
        """Move by a page."""
        self.action_move(direction * max(1, self.scrollable_content_region.height - 2), 0)

    def action_edge(self, direction: int) -> None:
        """To the first or last row."""
        rows = self._grid.shape[0] if self._grid is not None else len(self._table.rows)
        self.action_move(direction * rows, 0)

    def _parameter(self) -> ParameterRow | None:
        row = self._row()
        return self._table.parameters[row.at] if row else None

    def _row(self) -> TableRow | None:
        return self._table.rows[self.cursor] if self.cursor < len(self._table.rows) else None

    def chosen(self) -> Choice | None:
        """The number under the cursor, or the tensor of a row that stands for all of it."""
        parameter = self._parameter()
        if parameter is None or parameter.get("name") is None:
            return None
        name, shape = str(parameter["name"]), parameter["value"].get("shape", [])
        if self._grid is not None:
            place = self._grid.row * self._grid.shape[1] + self._grid.column
            return Choice(name, self._grid.attribute, element_index(shape, place))
        row = self._table.rows[self.cursor]
        return Choice(name, "value", None if row.element is None else element_index(shape, row.element))

    def on_click(self, event: events.Click) -> None:
        """Choose the row or the cell under the mouse; a second click opens the tensor."""
        offset = event.get_content_offset(self)
        if offset is None:
            return
        y = offset.y + self.scroll_offset.y
        if self._grid is not None:
            column = self._grid.left + max(0, offset.x - self._grid.label) // self._grid.cell
            if offset.y >= grids.HEADER:
                self.action_move(y - grids.HEADER - self._grid.row, column - self._grid.column)
        elif 0 <= y - 1 < len(self._table.rows) and offset.y > 0:
            self._go(y - 1)
            if event.chain == 2:
                self.action_open()

    # ---- the grid

    def action_open(self) -> None:
        """Open the chosen tensor as a grid."""
        parameter = self._parameter()
        if parameter is None or self._grid is not None or not count(parameter["value"].get("shape", [])):
            return
        shape = parameter["value"].get("shape", [])
        dtype = parameter["value"].get("dtype", "")
        attributes = attributes_of(parameter)
        self._grid = Grid(str(parameter.get("name")), two_dimensions(shape), dtype, attributes)
        row = self._row()
        if row is not None and row.element is not None:
            self._grid.row, self._grid.column = divmod(row.element, self._grid.shape[1])
        self.scroll_to(y=0, animate=False, force=True)
        self._lay_out()

    def action_close(self) -> None:
        """Back to the table."""
        if self._grid is None:
            return
        self._grid = None
        self._lay_out()
        self._reveal(self.cursor)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Esc and `a` are for the open grid only; else they mean what they mean elsewhere."""
        return self._grid is not None if action in ("close", "attribute") else True

    def action_attribute(self) -> None:
        """Value, gradient, state in turn."""
        if self._grid is not None:
            self._grid.next_attribute()
            self._grid.note = ""
            self._ask()
            self.repaint()

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Ask for the rows that came into view."""
        super().watch_scroll_y(old_value, new_value)
        self._ask()

    def _ask(self) -> None:
        """Read what the window needs and does not have."""
        if self._grid is None or self._take_known(self._grid) or self.fetch is None:
            return
        if self._missing(self._grid) is None:
            return
        if not self._fetching:
            self._fetching = True
            self._fetch()

    def _take_known(self, grid: Grid) -> bool:
        """Fill in a tensor whose values are part of the view; whether nothing is left to ask for."""
        parameter = self._parameter()
        info = part_of(parameter, grid.attribute) if parameter else None
        if info is None:
            grid.note = "None"
            return True
        patch = patch_of(info)
        if patch is not None:
            rows, columns = (0, grid.shape[0]), (0, grid.shape[1])
            grid.take(grid.attribute, rows, columns, patch.values, info.get("dtype", ""))
        return patch is not None

    def _missing(self, grid: Grid) -> tuple[grids.Range, grids.Range] | None:
        size = self.scrollable_content_region.size
        return grid.missing(self.scroll_offset.y, size.height, size.width) if size.height else None

    @work(group="window")
    async def _fetch(self) -> None:
        """Read window after window until all that is seen is known, wherever the cursor went meanwhile."""
        try:
            while self._grid is not None and self.fetch is not None:
                grid, attribute, wanted = self._grid, self._grid.attribute, self._missing(self._grid)
                if wanted is None:
                    return
                window = await self.fetch(grid.name, attribute, *wanted)
                self._take(grid, attribute, wanted, window)
                if window.values is None:
                    return
        except Exception as error:
            # Whatever the reason is, the reader is told it in the place of the numbers.
            if self._grid is not None:
                self._grid.note = str(error)
        finally:
            self._fetching = False
            self.repaint()

    def _take(
        self, grid: Grid, attribute: str, place: tuple[grids.Range, grids.Range], window: Window
    ) -> None:
        grid.note = "" if window.values is not None else "None"
        if window.values is not None:
            grid.take(attribute, *place, window.values, window.dtype)
        self.repaint()


def attributes_of(parameter: ParameterRow) -> tuple[str, ...]:
    """What the grid can show of a tensor."""
    states = [key for key, entry in (parameter.get("state") or {}).items() if isinstance(entry, dict)]
    whole = [key for key in states if parameter["state"][key].get("shape") == parameter["value"].get("shape")]
    gradient = ["grad"] if parameter.get("role") == "parameter" else []
    return ("value", *gradient, *(f"state.{key}" for key in whole))


def part_of(parameter: ParameterRow, attribute: str) -> TensorInfo | None:
    """The value, the gradient or an entry of the state."""
    if attribute == "value":
        return parameter["value"]
    if attribute == "grad":
        return parameter.get("grad")
    entry: TensorInfo | None = (parameter.get("state") or {}).get(attribute.removeprefix("state."))
    return entry
