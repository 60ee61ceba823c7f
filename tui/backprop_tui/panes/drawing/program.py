"""The program as rows: source lines, the operations nested under them, results at the right edge."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Literal

from rich.cells import cell_len

from backprop_tui.debugger.view import Stop, View
from backprop_tui.panes.drawing.calls import Called
from backprop_tui.panes.drawing.observed import time_of
from backprop_tui.panes.drawing.operands import lines_of, operand_times
from backprop_tui.panes.drawing.records import label, least_label, recomputed, result, short_label
from backprop_tui.panes.drawing.stops import ON
from backprop_tui.panes.drawing.text import Piece, Pieces, beside, clean, cut, shifted, width_of, wrapped
from backprop_tui.protocol import Record, Time

Place = tuple[str, int]
"""(file, line)"""

LEAST_RESULT = 14
"""Columns for results in the narrowest pane."""

USED = "="
"""Marks what stands in the formula that explains the last operation, as in the other panes."""

GUTTER = 8
"""Columns left of the text, at most."""


@dataclass
class Branch:
    """An operation and those that ran inside it, in the order in which they began."""

    record: Record
    inside: list[Branch]
    state: Literal["done", "open", "next"] = "done"

    @property
    def place(self) -> Place:
        return (self.record.get("file") or "", self.record.get("line") or 0)


@dataclass(frozen=True)
class Row:
    """One row of the pane, without its gutter."""

    kind: Literal["source", "operation", "more", "error"]
    line: int
    pieces: Pieces = ()
    next: bool = False
    open: bool = False
    """An operation that has begun and holds the next one."""
    branch: Branch | None = None
    """Its result is worked out when the row is drawn: most of a long list is not."""
    used: bool = False
    """It made, or read, an operand of the formula that explains the last operation."""


@dataclass(frozen=True)
class Layout:
    """Which row is which: the source lines with blocks of rows below some of them.

    Made anew at every stop, so its cost must not depend on the length of the file.
    """

    lines: int
    blocks: tuple[tuple[int, tuple[Row, ...]], ...] = ()
    """(source line, the rows below it), by line"""
    results: dict[int, str] = field(default_factory=dict)
    here: int = 0
    """The line about to run; 0 if it is not in this file."""
    callers: frozenset[int] = frozenset()
    """Lines of the frames further out that are in this file."""
    used: frozenset[int] = frozenset()
    """Lines on which the operands of the formula that explains the last operation were made or read."""

    @property
    def height(self) -> int:
        return self.lines + sum(len(rows) for _, rows in self.blocks)

    def find(self, y: int) -> Row | None:
        """Row `y` from the top; a source row holds its line number only. None below the end."""
        above = 0
        for line, rows in self.blocks:
            top = line + above
            if y < top:
                break
            if y < top + len(rows):
                return rows[y - top]
            above += len(rows)
        line = y - above + 1
        return Row("source", line) if 1 <= line <= self.lines else None

    def row_of_line(self, line: int) -> int:
        """The row of a source line."""
        index = bisect_right(self.blocks, line - 1, key=lambda block: block[0])
        return line - 1 + sum(len(rows) for _, rows in self.blocks[:index])

    def row_of_next(self) -> int | None:
        """The row of the next operation, or of its line; None if it is not in this file."""
        for line, rows in self.blocks:
            for offset, row in enumerate(rows):
                if row.next:
                    return self.row_of_line(line) + 1 + offset
        return self.row_of_line(self.here) if self.here else None


def shown_iteration(stop: Stop, records: Sequence[Record]) -> int:
    """The iteration whose operations are shown: that of the stop, or the one before if it has none yet."""
    if records and records[-1].get("iteration", 0) != stop.iteration and stop.number <= 1:
        return records[-1].get("iteration", 0)
    if stop.next is None and records:
        return records[-1].get("iteration", 0)
    return stop.iteration


def forest(stop: Stop | None, records: Sequence[Record]) -> list[Branch]:
    """The operations of one iteration as trees, the open and the next one among them.

    Records come in the order of completion, so the children of one stand before it.
    """
    if stop is None:
        return []
    iteration = shown_iteration(stop, records)
    pending: list[Branch] = []
    for record in records:
        if record.get("iteration") == iteration:
            _adopt(pending, record, "done")
    if stop.next is not None:
        pending.append(Branch(stop.next, [], "next"))
    for record in reversed(stop.open):
        _adopt(pending, record, "open")
    return pending


def _adopt(pending: list[Branch], record: Record, state: Literal["done", "open"]) -> None:
    depth, first = record.get("depth", 0), len(pending)
    while first and pending[first - 1].record.get("depth", 0) > depth:
        first -= 1
    inside = pending[first:]
    del pending[first:]
    pending.append(Branch(record, inside, state))


def by_place(trees: Sequence[Branch]) -> dict[Place, list[Branch]]:
    """The branches to list under each source line: those that no branch of the same line contains."""
    found: dict[Place, list[Branch]] = {}
    stack: list[tuple[Branch, Place | None]] = [(tree, None) for tree in reversed(trees)]
    while stack:
        branch, above = stack.pop()
        if branch.place != above:
            found.setdefault(branch.place, []).append(branch)
        stack.extend((inner, branch.place) for inner in reversed(branch.inside))
    return found


def result_room(width: int) -> int:
    """About how many columns a result may take in a pane of so many."""
    return max(LEAST_RESULT, width // 2 - 4)


def summary(branch: Branch, limit: int) -> str:
    """The result of an operation; of a phase without one, what it did to how many."""
    text = result(branch.record, limit)
    if text or branch.state != "done":
        return text
    changed = _changed(branch)
    if not changed:
        return ""
    after = "None" if [*changed.values()][-1].get("after") is None else "0"
    words = {"zero_grad": f"grad → {after}", "backward": "grad", "step": "updated"}
    return f"{len(changed)} {words[branch.record['kind']]}"


CHANGES = {"zero_grad": "clear", "backward": "accumulate", "step": "update"}
"""The operation inside a phase that changes one tensor. More runs there: an optimizer sets up its state."""


def _changed(branch: Branch) -> dict[str | int, Record]:
    """The last change of each tensor, by its name; of one without a name, by the place of the change.

    LBFGS changes a parameter many times in a step, and a weight used twice gets its gradient in two parts.
    """
    kind = CHANGES.get(branch.record["kind"])
    records = [inner.record for inner in branch.inside if inner.record["kind"] == kind]
    return {
        record.get("parameter") or record.get("tensor") or place: record
        for place, record in enumerate(records)
    }


def tree_rows(branch: Branch, line: int, lead: str = "", last: bool = True, top: bool = False) -> list[Row]:
    """The rows of one branch; `lead` is the part of the tree lines that its ancestors drew.

    Kernels are listed only while one is inside.
    """
    joint = "" if top else "╰ " if last else "├ "
    upcoming = branch.state == "next"
    style = "mark" if upcoming else "" if branch.state == "done" else "name"
    pieces = ((lead + joint, "dim"), (label(branch.record), style))
    more = branch.state == "open"
    rows = [Row("operation", line, pieces, upcoming, more, branch)]
    lead += "" if top else "  " if last else "│ "
    inside = [inner for inner in branch.inside if more or inner.record.get("level") != "kernel"]
    for index, inner in enumerate(inside):
        rows += tree_rows(inner, line, lead, index == len(inside) - 1 and not more)
    if more:
        rows.append(Row("more", line, ((lead + "╰ ", "dim"), ("…", "dim"))))
    return rows


def window(rows: list[Row], room: int) -> list[Row]:
    """At most `room` rows: the next operation (or the last one), what is open around it, then the nearest.

    Each gap is one row that says how many are left out.
    """
    if len(rows) <= room:
        return rows
    at = next((index for index, row in enumerate(rows) if row.next), len(rows) - 1)
    around = [index for index, row in enumerate(rows[:at]) if row.open]
    while _cost({at, *around}, len(rows)) > max(room * 2 // 3, 3):
        del around[0]
    kept = {at, *around}
    for distance in range(1, room):
        for index in (at - distance, at + distance):
            if 0 <= index < len(rows) and _cost({*kept, index}, len(rows)) <= room:
                kept.add(index)
    return _with_gaps(rows, sorted(kept))


def _cost(kept: set[int], count: int) -> int:
    """Rows that are needed: one for each kept row and one for each gap."""
    edges = sorted({-1, *kept, count})
    return len(kept) + sum(right - left > 1 for left, right in pairwise(edges))


def _with_gaps(rows: list[Row], kept: list[int]) -> list[Row]:
    shown: list[Row] = []
    done = -1
    for index in (*kept, len(rows)):
        if index - done > 1:
            shown.append(_left_out(index - done - 1, rows[index - 1]))
        if index < len(rows):
            shown.append(rows[index])
        done = index
    return shown


def _left_out(count: int, beside: Row) -> Row:
    """The row for a gap, level with the last row that is left out."""
    lead = beside.pieces[0][0] if beside.pieces else ""
    stem = f"{lead[:-2]}┊ " if lead else "┊ "
    return Row("more", beside.line, ((f"{stem}{count} more", "dim"),))


def error_rows(error: str, line: int, width: int, room: int) -> list[Row]:
    """A traceback in place: what went wrong first, in full, then where it came from."""
    lines = [clean(text) for text in error.strip().splitlines()]
    if not lines:
        return []
    message = wrapped("✗ " + lines[-1], width, "bad")[: max(1, room)]
    rest: list[Pieces] = [((text, "dim"),) for text in lines[:-1]]
    room = max(1, room - len(message))
    if len(rest) > room:
        rest = [*rest[: room - 1], ((f"… {len(rest) - room + 1} more lines", "dim"),)]
    shown = [*message, *rest]
    # The last row counts as the next operation, so that the pane scrolls far enough.
    return [Row("error", line, text, next=text is shown[-1]) for text in shown]


def place_of(view: View) -> Place:
    """The line shown as the present one: that of the next operation, else of the innermost frame."""
    stop = view.stop
    if stop is None:
        return (view.file, 0)
    if stop.next is not None and stop.next.get("file"):
        return (stop.next["file"] or "", stop.next.get("line") or 0)
    if stop.frames:
        return (stop.frames[0].file, stop.frames[0].line)
    return (view.file, 0)


def lay_out(
    view: View, file: str, lines: int, width: int, height: int, called: Called | None = None
) -> Layout:
    """The rows of `file`, a file of so many `lines`, for a pane of this size.

    The height decides how many operations are listed below a line. ``called``: by the lines of the file.
    """
    stop = view.stop
    if stop is None:
        return Layout(lines)
    trees = forest(stop, view.records)
    groups = by_place(trees)
    where, line = place_of(view)
    here = line if where == file else 0
    limit = result_room(width)
    used = operand_times(view)
    blocks = _blocks(view, groups, (file, here), used, width, height)
    callers = frozenset(frame.line for frame in stop.frames if frame.file == file and frame.line != here)
    results = _results(groups, file, limit)
    for inside in _went_on_inside(trees, groups, file, called or {}):
        results.pop(inside, None)
    return Layout(lines, tuple(sorted(blocks.items())), results, here, callers, lines_of(view, used, file))


def _blocks(
    view: View,
    groups: dict[Place, list[Branch]],
    present: Place,
    used: frozenset[Time],
    width: int,
    height: int,
) -> dict[int, tuple[Row, ...]]:
    """The rows below the line about to run and below the one that ran last."""
    stop, (file, here) = view.stop, present
    assert stop is not None
    last = stop.last or {}
    done = (last.get("line") or 0) if last.get("file") == file else 0
    blocks: dict[int, tuple[Row, ...]] = {}
    most = 3 if stop.error else max(4, height * 5 // 8)
    for line, room in ((done, max(3, height // 4)), (here, most)):
        branches = groups.get((file, line), [])
        rows = [row for branch in branches for row in tree_rows(branch, line, top=True)]
        if line and rows:
            blocks[line] = tuple(_marked(row, used) for row in window(rows, room))
    if stop.error:
        line = here or done
        errors = error_rows(stop.error, line, width - GUTTER, max(4, height // 2))
        blocks[line] = (*blocks.get(line, ()), *errors)
    return blocks


def _marked(row: Row, used: frozenset[Time]) -> Row:
    known = used and row.branch is not None and time_of(row.branch.record) in used
    return replace(row, used=True) if known else row


def _results(groups: dict[Place, list[Branch]], file: str, limit: int) -> dict[int, str]:
    found: dict[int, str] = {}
    for (where, line), branches in groups.items():
        if where != file:
            continue
        texts = (summary(branch, limit) for branch in reversed(branches) if branch.state == "done")
        text = next((text for text in texts if text), "")
        if text:
            found[line] = text
    return found


def _went_on_inside(
    trees: Sequence[Branch],
    groups: dict[Place, list[Branch]],
    file: str,
    called: Called,
) -> list[int]:
    """Lines after whose last operation a function ran that they call: what that gave back is not known."""
    asked = {line: groups[file, line][-1] for line in called if (file, line) in groups}
    following = _following(trees) if asked else {}
    return [
        line
        for line, last in asked.items()
        if (then := following.get(id(last))) is not None
        and then.place[0] == file
        and any(then.place[1] in body for body in called[line])
    ]


def _following(trees: Sequence[Branch]) -> dict[int, Branch]:
    """By the id of a branch: the operation that began first after it was over."""
    found: dict[int, Branch] = {}
    stack: list[tuple[Sequence[Branch], Branch | None]] = [(trees, None)]
    while stack:
        level, after = stack.pop()
        for branch, then in zip(level, [*level[1:], after], strict=False):
            if then is not None:
                found[id(branch)] = then
            stack.append((branch.inside, then))
    return found


@dataclass(frozen=True)
class Gutter:
    """What stands left of a row."""

    digits: int
    breakpoint: str = ""
    """Its mark, if there is one on the line."""
    mark: str = " "
    number: int | None = None
    cursor: bool = False
    notice: bool = False
    """Something about this line looks like a mistake."""

    @property
    def width(self) -> int:
        return self.digits + 3

    def pieces(self) -> Pieces:
        number = "" if self.number is None else str(self.number)
        return (
            self._first(),
            (self.mark, "used" if self.mark == USED else "mark"),
            (number.rjust(self.digits), "cursor" if self.cursor else "dim"),
            (" ", ""),
        )

    def _first(self) -> Piece:
        if self.breakpoint:
            return (self.breakpoint, "bad" if self.breakpoint == ON else "dim")
        return ("!" if self.notice else " ", "warn")


def draw(
    row: Row, source: Pieces, gutter: Gutter, results: dict[int, str], width: int, shift: int = 0
) -> Pieces:
    """One row as pieces of at most `width` columns. `source` is the coloured source line of a source row.

    `shift` columns of it are scrolled out at the left.
    """
    room = width - gutter.width
    if row.kind == "source":
        text = results.get(row.line, "")
        source = shifted(source, shift)
        return (*gutter.pieces(), *beside(source, ((text, "value"),) if text else (), room))
    if row.kind == "error":
        return (*gutter.pieces(), *cut(row.pieces, room))
    indent: Pieces = (("  ", ""),)
    mark = ("> ", "mark") if row.next else (f"{USED} ", "used") if row.used else ("  ", "mark")
    body = (*indent, mark, *row.pieces)
    if row.branch is None:
        return (*gutter.pieces(), *cut(body, room))
    return (*gutter.pieces(), *_with_result(body, row.branch, room, result_room(width)))


def _with_result(body: Pieces, branch: Branch, room: int, limit: int) -> Pieces:
    """An operation's name and its result; the name of its tensor gives way, and the result to its end."""
    style = "bad" if branch.record.get("error") and not recomputed(branch.record) else "value"
    texts = [""] if branch.state == "next" else [summary(branch, limit), summary(branch, limit // 2)]
    name, look = body[-1]
    least = min(cell_len(name), least_label(branch.record)) + width_of(body) - cell_len(name)
    fits = [text for text in texts if least + cell_len(text) + 2 <= room]
    told: Pieces = (((fits or texts)[0], style),)
    free = max(room // 2, room - width_of(told) - 2)
    if width_of(body) > free:
        body = (*body[:-1], (short_label(branch.record, free - width_of(body) + cell_len(name)), look))
    return beside(body, told, room, min(width_of(body), room // 2))
