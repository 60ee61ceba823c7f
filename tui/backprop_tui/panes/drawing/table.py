"""The parameter table as text: a row per element of small tensors, a row per tensor for large ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from backprop_tui.debugger.view import Choice, View
from backprop_tui.explain.numbers import (
    COMPLEX,
    MINUS,
    count,
    elements,
    fit,
    gradient_word,
    norm_of,
    shape_text,
    significant,
    whole_values,
)
from backprop_tui.panes.drawing.canvas import Line, cut, cut_left, fitted, pad
from backprop_tui.panes.drawing.observed import changed_by_last, read_by_next, used_by_last
from backprop_tui.protocol import ParameterRow, TensorInfo

SMALL = 9
"""Tensors of at most so many elements have a row per element, others one row."""
MOST_ELEMENT_ROWS = 400

NAME_LEAST = 13
NARROW = 50
"""Cells; less than that is little room."""
_IMAGINARY = (2, 4)
"""Further cells of a number where some are complex, in a narrow and in a wide table."""
GLYPH = {"read": ">", "wrote": "*", "used": "=", "": " "}


@dataclass(frozen=True)
class TableRow:
    """Which tensor, and which of its elements (None: all of it)."""

    at: int
    element: int | None


@dataclass(frozen=True)
class Edit:
    """What was there before and what is there now; None is the ``None`` of a gradient."""

    before: TensorInfo | None
    after: TensorInfo | None


@dataclass
class Table:
    """The parameters of a view, ready to be drawn row by row."""

    parameters: tuple[ParameterRow, ...] = ()
    rows: list[TableRow] = field(default_factory=list)
    reads: frozenset[str] = frozenset()
    used: frozenset[str] = frozenset()
    """In the formula that explains the last operation."""
    edits: dict[str, Edit] = field(default_factory=dict)
    """By name, ``w.grad`` for gradients."""
    states: tuple[str, ...] = ()
    """Names of the entries of the optimizers' state."""
    prefix: str = ""
    """What all names begin with."""
    pointer: Choice | None = None
    """The number that a guide points at."""
    complex: bool = False
    """Some row is one complex number, which takes more cells."""
    optimized: bool = False
    """Some optimizer holds some parameter, so being in none means something."""

    @property
    def in_no_optimizer(self) -> int:
        return sum(is_forgotten(self, row) for row in self.parameters)


def is_forgotten(table: Table, row: ParameterRow) -> bool:
    """A parameter that no optimizer holds, although there is one. A frozen one is not meant to be held."""
    trained = row.get("role") == "parameter" and row["value"].get("requires_grad", True)
    return table.optimized and bool(trained) and row.get("optimizer") is None


def table_of(view: View, before: View | None) -> Table:
    """The table of a view; `before` is the one shown until now, for changes that no single operation made."""
    states: dict[str, None] = {}
    for row in view.parameters:
        states.update(dict.fromkeys(row.get("state") or {}))
    return Table(
        view.parameters,
        rows_of(view.parameters),
        read_by_next(view),
        used_by_last(view),
        edits_of(view, before),
        tuple(states),
        common_prefix(view.parameters),
        view.pointer,
        any(row["value"].get("dtype") in COMPLEX for row in view.parameters),
        any(row.get("optimizer") is not None for row in view.parameters),
    )


def rows_of(parameters: Sequence[ParameterRow]) -> list[TableRow]:
    """Element rows for the small tensors, as long as they are few."""
    rows: list[TableRow] = []
    for at, row in enumerate(parameters):
        size = count(row["value"].get("shape", []))
        if row["value"].get("values") is None or size > SMALL or len(rows) + size > MOST_ELEMENT_ROWS:
            rows.append(TableRow(at, None))
        else:
            rows += [TableRow(at, element) for element in range(size)]
    return rows


def edits_of(view: View, before: View | None) -> dict[str, Edit]:
    """What the last operation wrote and, if the script went on, what differs from the view before."""
    edits = {}
    if before is not None and _went_on(view, before):
        edits = _differences(view.parameters, before.parameters)
    rows: dict[str | None, ParameterRow] = {}
    for record in changed_by_last(view):
        name, after = record.get("parameter") or record.get("tensor"), record.get("after")
        updated = record["kind"] == "update"
        key = str(name) if updated else f"{name}.grad"
        if _unread(after):  # it was stepped over; the table may have read it
            rows = rows or {row.get("name"): row for row in view.parameters}
            row = rows.get(name)
            after = after if row is None else row["value"] if updated else row.get("grad")
        first = edits.get(key)
        edits[key] = Edit(first.before if first else record.get("before"), after)
    return {name: edit for name, edit in edits.items() if not _alike(edit.before, edit.after)}


def _alike(one: TensorInfo | None, other: TensorInfo | None) -> bool:
    """Whether what is known of the numbers of two tensors is the same."""
    if one is None or other is None:
        return one is other
    return all(
        one.get(key) == other.get(key) for key in ("shape", "values", "norm", "min", "max", "nonfinite")
    )


def _went_on(view: View, before: View) -> bool:
    return bool(view.stop and before.stop and view.stop.time > before.stop.time)


def _differences(now: Sequence[ParameterRow], before: Sequence[ParameterRow]) -> dict[str, Edit]:
    old = {row.get("name"): row for row in before}
    edits: dict[str, Edit] = {}
    for row in now:
        was = old.get(row.get("name"))
        if was is None or was is row or row.get("name") is None:
            continue
        if was["value"] != row["value"]:
            edits[str(row["name"])] = Edit(was["value"], row["value"])
        if was.get("grad") != row.get("grad"):
            edits[f"{row['name']}.grad"] = Edit(was.get("grad"), row.get("grad"))
    return edits


# ---- names


def element_index(shape: Sequence[int], element: int) -> tuple[int, ...]:
    """Index of an element, counted in row order."""
    index: list[int] = []
    for size in reversed(shape):
        element, last = divmod(element, size)
        index.append(last)
    return tuple(reversed(index))


def row_name(table: Table, row: TableRow) -> str:
    """``linear1.weight[0,1]``; without an index for a whole tensor."""
    parameter = table.parameters[row.at]
    name = parameter.get("name") or "(no name)"
    shape = parameter["value"].get("shape", [])
    if row.element is None or not shape:
        return name
    return f"{name}[{','.join(map(str, element_index(shape, row.element)))}]"


def _label(table: Table, row: TableRow, width: int) -> str:
    """The name without what all names begin with, if it is too long with it."""
    name = row_name(table, row)
    return name if len(name) <= width else cut_left(name.removeprefix(table.prefix), width)


def common_prefix(parameters: Sequence[ParameterRow]) -> str:
    """``model.`` if all names begin so."""
    names = [str(row["name"]) for row in parameters if row.get("name")]
    if len(names) < 2:
        return ""
    # What the first and the last in order have in common, all have.
    first, last = min(names), max(names)
    same = next((at for at, char in enumerate(first) if last[at : at + 1] != char), len(first))
    return first[: first.rfind(".", 0, same) + 1]


# ---- columns


@dataclass(frozen=True)
class Columns:
    """Widths; 0 leaves a column out."""

    name: int
    number: int
    """Of a number with its mark."""
    change: int
    rate: int
    states: int
    """How many entries of the state are shown."""


def columns_for(table: Table, width: int) -> Columns:
    """Name, value and gradient always; what changed from NARROW cells on; rate, state as there is room."""
    longest = max((len(row_name(table, row)) for row in table.rows), default=NAME_LEAST)
    number = 8 if width < NARROW else 9 if width < 70 else 10
    changed = 2 * number - 1
    number += _IMAGINARY[width >= NARROW] if table.complex else 0
    room = width - 2 - 2 * number
    change = changed if room >= NAME_LEAST + changed else 0
    room -= change
    rate = 8 if room >= min(longest, 26) + 8 else 0
    room -= rate
    states = max(0, min(len(table.states), (room - longest - 1) // number)) if rate else 0
    room -= states * number
    return Columns(max(5, min(longest + 1, room)), number, change, rate, states)


def header_line(table: Table, columns: Columns, width: int) -> Line:
    """Titles of the columns."""
    text = "  " + pad("name", columns.name)
    text += "".join(" " + pad(title, columns.number - 1) for title in ("value", "grad"))
    if columns.change:
        text += " " + pad("changed", columns.change - 1)
    if columns.rate:
        text += pad("lr", columns.rate)
    text += "".join(pad(name, columns.number - 1) + " " for name in table.states[: columns.states])
    return fitted([(text, "dim")], width)


def row_line(table: Table, row: TableRow, columns: Columns, width: int) -> Line:
    """One row in at most `width` cells."""
    parameter = table.parameters[row.at]
    name = str(parameter.get("name"))
    forgotten = is_forgotten(table, parameter)
    number = columns.number
    # With little room, digits of a value take the blank in front of the gradient's mark too.
    tight = width < NARROW and row.element is not None and not table.complex
    digits = number - 1 + tight
    label = pad(_label(table, row, columns.name - 1), columns.name)
    glow = pointed_attribute(table, row)
    line: Line = [
        ("! " if forgotten else "» " if glow else "  ", "warn"),
        (label, "name" if row.element is None else ""),
        *_cell(table, name, pad(_part(parameter["value"], row, digits), number - 1), "", glow == "value"),
        *_cell(
            table,
            f"{name}.grad",
            pad(_gradient(parameter, row, number - 1), number - 1),
            "gradient",
            glow == "grad",
        ),
    ]
    if columns.change:
        line.append((" " + pad(change_text(table, row, columns.change - 2), columns.change - 1), "wrote"))
    if columns.rate and forgotten:
        return fitted([*line, ("in no optimizer", "warn")], width)
    if columns.rate:
        line.append((pad(_rate(parameter), columns.rate), "dim"))
    for state in table.states[: columns.states]:
        line.append((pad(_state(parameter, row, state, number - 1), number), ""))
    return fitted(line, width)


def _cell(table: Table, key: str, text: str, style: str, glow: bool) -> Line:
    marked = (("read", table.reads), ("wrote", table.edits), ("used", table.used))
    mark = next((word for word, names in marked if key in names), "")
    return [(GLYPH[mark], mark), (text, "glow" if glow else mark or style)]


def pointed_attribute(table: Table, row: TableRow) -> str:
    """What of a row a guide points at: value, grad or nothing."""
    pointer = table.pointer
    if pointer is None or table.parameters[row.at].get("name") != pointer.name:
        return ""
    shape = table.parameters[row.at]["value"].get("shape", [])
    here = row.element is None or pointer.index in (None, element_index(shape, row.element))
    return pointer.attribute if here else ""


def _part(info: TensorInfo, row: TableRow, width: int) -> str:
    """One element, or a tensor in a few cells: its values, else its norm, else its shape."""
    if row.element is not None and info.get("values") is not None:
        return _number(elements(info)[row.element], info.get("dtype", ""), width - 1)
    whole = whole_values(info, width - 1)
    if whole is not None:
        return whole
    norm = norm_of(info)
    if info.get("nonfinite"):
        return "nan/inf!"
    if norm is None:
        return cut(shape_text(info.get("shape", [])), width - 1)
    texts = [f"‖{significant(norm, 'float64', digits)}‖" for digits in (3, 2, 1)]
    return next((text for text in texts if len(text) <= width), texts[-1])


def _number(value: Any, dtype: str, width: int) -> str:
    """Blank where a minus would stand, so that digits stand under digits."""
    text = fit(value, dtype, width)
    return text if text.startswith(MINUS) or dtype in COMPLEX else " " + fit(value, dtype, width - 1)


def _gradient(parameter: ParameterRow, row: TableRow, width: int) -> str:
    if parameter.get("role") != "parameter" and parameter.get("grad") is None:
        return "–" if parameter.get("role") == "buffer" else "None"
    grad = parameter.get("grad")
    if grad is None:
        return "None"
    if row.element is None and gradient_word(grad, width) == "0":
        return "0"
    return _part(grad, row, width)


def _rate(parameter: ParameterRow) -> str:
    rate = parameter.get("lr")
    return "" if rate is None else fit(rate, "float64", 7)


def _state(parameter: ParameterRow, row: TableRow, name: str, width: int) -> str:
    entry = (parameter.get("state") or {}).get(name)
    if entry is None:
        return ""
    if not isinstance(entry, dict):
        return fit(entry, "float64", width)
    if entry.get("values") is not None and count(entry.get("shape", [])) == 1:
        return fit(elements(entry)[0], entry.get("dtype", ""), width)  # type: ignore[arg-type]
    return _part(entry, row, width)  # type: ignore[arg-type]


def change_text(table: Table, row: TableRow, width: int) -> str:
    """``0.11 → 0.124``, ``None → −0.28``: the value if it changed, else the gradient; else nothing."""
    name = str(table.parameters[row.at].get("name"))
    edits = (table.edits.get(key) for key in (name, f"{name}.grad"))
    return next((text for edit in edits if edit is not None and (text := _from_to(edit, row, width))), "")


def _from_to(edit: Edit, row: TableRow, width: int) -> str:
    """Both sides; by how much, where they look the same; nothing where one of them is not known."""
    half = (width - 3) // 2
    sides = (edit.before, edit.after)
    if any(_unread(info) for info in sides) and not any(info is None for info in sides):
        return ""
    before, after = (_side(info, row, half) for info in sides)
    if _is_complex(edit) and before != after:
        return f"→ {_side(edit.after, row, width - 2)}"
    if before != after:
        return f"{before} → {after}"
    change = _difference(edit, row)
    word = "norm by" if row.element is None else "by"
    return f"{word} {_signed(change, edit, width - len(word) - 1)}" if change else ""


def _is_complex(edit: Edit) -> bool:
    """Two complex numbers do not fit beside each other."""
    return any(info is not None and info.get("dtype") in COMPLEX for info in (edit.before, edit.after))


def _unread(info: TensorInfo | None) -> bool:
    """Nothing but the shape is known."""
    return info is not None and info.get("values") is None and info.get("norm") is None


def _difference(edit: Edit, row: TableRow) -> float:
    """By how much the element, or else the norm, has grown; 0 where that cannot be told."""
    if row.element is None:
        one, other = norm_of(edit.before), norm_of(edit.after)
        return 0.0 if one is None or other is None else other - one
    numbers = [elements(info)[row.element] for info in (edit.before, edit.after) if info is not None]
    if len(numbers) < 2 or not all(isinstance(number, (int, float)) for number in numbers):
        return 0.0
    return float(numbers[1] - numbers[0])


def _signed(change: float, edit: Edit, width: int) -> str:
    dtype = "float32" if edit.after is None else edit.after.get("dtype", "")
    text = significant(change, "float64" if dtype == "float64" else "float32", 3)
    text = text if text.startswith(MINUS) else f"+{text}"
    return text if len(text) <= width else fit(change, dtype, width)


def _side(info: TensorInfo | None, row: TableRow, width: int) -> str:
    if info is None:
        return "None"
    if row.element is not None and info.get("values") is not None:
        return fit(elements(info)[row.element], info.get("dtype", ""), width)
    return _part(info, row, width + 1)


def details(table: Table, row: TableRow) -> str:
    """One line about the chosen row, for the lower border."""
    parameter = table.parameters[row.at]
    info = parameter["value"]
    parts = [f"{info.get('dtype', '')} {shape_text(info.get('shape', []))}"]
    optimizer = parameter.get("optimizer")
    if optimizer:
        parts.append(f"{optimizer} group {parameter.get('group', 0)}")
    return " · ".join(parts)
