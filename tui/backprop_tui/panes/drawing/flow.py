"""The last forward pass as a list: one row per module or operation, gradients beside the values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from rich.cells import cell_len

from backprop_tui.debugger.view import View
from backprop_tui.explain.numbers import gradient_word, norm_of, shape_text, significant, whole_values
from backprop_tui.panes.drawing.canvas import Line, cut, fitted, pad
from backprop_tui.panes.drawing.layers import short_module
from backprop_tui.panes.drawing.observed import Observed, changed_by_last, origin_of, time_of
from backprop_tui.protocol import ParameterRow, Record, TensorInfo, Time

CONTAINERS = frozenset({"forward", "module", "loss"})
NEVER: Time = (-1, -1)


@dataclass
class FlowRow:
    """One module or operation."""

    number: int
    depth: int
    name: str
    what: str
    """Class of the module, or function."""
    times: set[Time]
    output: TensorInfo | None = None
    grad: TensorInfo | None = None
    parameters: list[ParameterRow] = field(default_factory=list)
    sources: list[str] = field(default_factory=list)
    """Rows or names that it reads, when that is not just the row above."""
    inputs: list[TensorInfo] = field(default_factory=list)
    done: bool = True
    active: str = ""
    """forward or backward if the next operation is this one."""
    marks: dict[str, str] = field(default_factory=dict)
    """read or wrote, for value, grad and the names of parameters."""


def flow_rows(view: View, seen: Observed) -> list[FlowRow]:
    """Rows in the order in which the operations began."""
    named = {row["name"]: row for row in view.parameters if row.get("name")}
    rows: list[FlowRow] = []
    records = seen.forward
    at = 0
    while at < len(records):
        record = records[at]
        inside = _inside(records, at)
        only = inside[0] if len(inside) == 1 and inside[0]["kind"] == "op" else None
        rows.append(_row(len(rows) + 1, record, only, seen, named))
        at += 2 if only else 1
    _link(rows, seen)
    _mark(rows, view, seen)
    return rows


def _inside(records: Sequence[Record], at: int) -> list[Record]:
    """The operations that a module, phase or loss holds."""
    if records[at]["kind"] not in CONTAINERS:
        return []
    end = at + 1
    while end < len(records) and records[end]["depth"] > records[at]["depth"]:
        end += 1
    return list(records[at + 1 : end])


def _row(
    number: int, record: Record, only: Record | None, seen: Observed, named: dict[str | None, ParameterRow]
) -> FlowRow:
    inner = only or record
    inputs = inner.get("inputs") or [] if inner["kind"] == "op" else []
    name, what = _title(record, only)
    outputs = inner.get("outputs") or record.get("outputs") or []
    return FlowRow(
        number,
        record["depth"],
        name,
        what,
        {time_of(record), time_of(inner)},
        outputs[0] if outputs else None,
        seen.gradient(inner),
        [named[info.get("name")] for info in inputs if info.get("name") in named],
        inputs=[info for info in inputs if info.get("name") not in named],
        done=time_of(record) in seen.completed,
    )


def _title(record: Record, only: Record | None) -> tuple[str, str]:
    """What the row is called, and what it is."""
    if record["kind"] == "module":
        return short_module(record.get("module")) or record["name"], record["name"]
    if record["kind"] in ("forward", "loss"):
        return record["name"], only["name"] if only else record["kind"]
    return record["name"], ""


def _link(rows: list[FlowRow], seen: Observed) -> None:
    """Say what a row reads, unless it is the row above it."""
    made = {time: row for row in rows for time in row.times}
    above: FlowRow | None = None
    for row in rows:
        texts = []
        for info in row.inputs:
            maker = made.get(seen.maker(info) or NEVER)
            if maker is not None:
                texts.append(f"{maker.number}" if maker is not above else "")
            elif info.get("name"):
                texts.append(str(info["name"]))
        if any(texts):
            row.sources = [text or str(above.number if above else "") for text in texts]
        above = row if row.inputs or not row.depth else above


def _mark(rows: list[FlowRow], view: View, seen: Observed) -> None:
    made = {time: row for row in rows for time in row.times}
    _mark_last(made, view, seen)
    if seen.next is not None:
        _mark_next(made, seen, seen.next)


def _mark_last(made: dict[Time, FlowRow], view: View, seen: Observed) -> None:
    last = seen.last
    if last is None:
        return
    row = made.get(time_of(last))
    if row is not None:
        row.marks["value"] = "wrote"
    origin = origin_of(last)
    if origin in made:
        for source in _makers(made, made[origin], seen):
            if source.grad is not None:
                source.marks["grad"] = "wrote"
    names = {record.get("parameter") or record.get("tensor") for record in changed_by_last(view)}
    for row in made.values():
        for parameter in row.parameters:
            if parameter["name"] in names:
                row.marks[str(parameter["name"])] = "wrote"


def _mark_next(made: dict[Time, FlowRow], seen: Observed, coming: Record) -> None:
    origin = origin_of(coming)
    if origin in made:
        made[origin].active = "backward"
        made[origin].marks["grad"] = "read"
    row = made.get(time_of(coming))
    if row is None or seen.stale:
        return
    row.active = "forward"
    for source in _makers(made, row, seen):
        source.marks["value"] = "read"


def _makers(made: dict[Time, FlowRow], row: FlowRow, seen: Observed) -> list[FlowRow]:
    """The rows whose output a row reads."""
    makers = [seen.maker(info) for info in row.inputs]
    return [made[time] for time in makers if time in made]


def active_row(rows: Sequence[FlowRow]) -> int | None:
    """Index of the row of the next operation; else of the last one that was written."""
    for wanted in (lambda row: row.active, lambda row: "wrote" in row.marks.values()):
        found = [number for number, row in enumerate(rows) if wanted(row)]
        if found:
            return found[-1]
    return None


# ---- rows as text

GLYPH = {"read": ">", "wrote": "*", "used": "=", "": " "}
ACTIVE = {"forward": "▶", "backward": "◀", "": " "}


@dataclass(frozen=True)
class Widths:
    """Columns of the list; 0 leaves one out."""

    name: int
    what: int
    shape: int
    value: int
    grad: int
    rest: int


def widths_for(rows: Sequence[FlowRow], width: int) -> Widths:
    """Share the width: name, value and gradient first; class, shape and the rest if there is room."""
    longest = max((cell_len(_name(row)) for row in rows), default=0)
    name = min(max(longest, 13), 14 if width < 50 else 26)
    number = 7
    if width < 50:
        half = max(5, (width - name - number - 1) // 2)
        return Widths(name, 0, 0, half, half, 0)
    shape = min(max(6, *(len(_shape(row)) for row in rows)), 14) if rows else 6
    what = min(max(5, *(cell_len(row.what) for row in rows)), 14) if rows and width >= 76 else 0
    room = width - name - shape - what - number - 4
    value = min(26, max(9, room // 2 if width < 110 else room // 3))
    return Widths(name, what, shape, value, value, max(0, room - 2 * value - 1))


def _name(row: FlowRow) -> str:
    return "  " * min(row.depth, 6) + row.name


def _shape(row: FlowRow) -> str:
    return shape_text(row.output["shape"]) if row.output else ""


def header_line(widths: Widths) -> Line:
    """Titles of the columns."""
    parts = [pad("      operation", widths.name + 6)]
    for title, width in (("class", widths.what), ("shape", widths.shape)):
        parts += [" " + pad(title, width)] if width else []
    gradient = "∂L/∂value" if widths.grad > 10 else "gradient"
    parts += ["  " + pad("value", widths.value - 1), "  " + pad(gradient, widths.grad - 1)]
    parts += [" reads · parameters"] if widths.rest > 12 else []
    return [("".join(parts), "dim")]


def flow_line(row: FlowRow, widths: Widths, width: int) -> Line:
    """One row in at most `width` cells."""
    active = "read" if row.active else ""
    line: Line = [
        (ACTIVE[row.active], active or ""),
        (f"{row.number:>4} ", "dim"),
        (pad(cut(_name(row), widths.name), widths.name + 1), active or ("name" if row.parameters else "")),
    ]
    if widths.what:
        line.append((pad(cut(row.what, widths.what), widths.what + 1), "dim"))
    if widths.shape:
        line.append((pad(cut(_shape(row), widths.shape), widths.shape + 1), "dim"))
    line += _marked(row.marks.get("value", ""), _value(row, widths.value - 1), widths.value, "")
    line += _marked(row.marks.get("grad", ""), _gradient(row, widths.grad - 1), widths.grad, "gradient")
    if widths.rest > 4:
        line += [(" ", ""), *_rest(row, widths.rest - 1)]
    return fitted(line, width)


def _marked(mark: str, text: str, width: int, style: str) -> Line:
    return [(GLYPH[mark], mark), (pad(text, width), mark or style)]


def _value(row: FlowRow, width: int) -> str:
    if row.output is None:
        return "·" if row.active or not row.done else ""
    return _numbers(row.output, "", width)


def _gradient(row: FlowRow, width: int) -> str:
    if row.grad is None:
        return ""
    word = gradient_word(row.grad, width)
    return word if word == "0" else _numbers(row.grad, "arrived", width)


def _numbers(info: TensorInfo, otherwise: str, width: int) -> str:
    """The values if they fit, else their norm."""
    text = whole_values(info, width)
    if text is not None:
        return text
    return _size(info, otherwise, width)


def _size(info: TensorInfo, otherwise: str, width: int) -> str:
    norm = norm_of(info)
    if info.get("nonfinite"):
        return f"{info['nonfinite']} not finite"
    if norm is None:
        return otherwise
    return f"‖{significant(norm, 'float64', 3 if width > 8 else 2)}‖"


def _rest(row: FlowRow, width: int) -> Line:
    line: Line = [(f"← {', '.join(row.sources)}  ", "dim")] if row.sources else []
    for parameter in row.parameters:
        mark = row.marks.get(str(parameter["name"]), "")
        name = str(parameter["name"]).rpartition(".")[2]
        text = f"{name} {shape_text(parameter['value'].get('shape', []))}"
        line += [(GLYPH[mark].strip() + text, mark), (f" ∂ {_norm_word(parameter)}  ", "gradient")]
    return fitted(line, width)


def _norm_word(parameter: ParameterRow) -> str:
    grad = parameter.get("grad")
    if grad is None:
        return "None"
    norm = norm_of(grad)
    if norm is None:
        return "arrived"
    return f"‖{significant(norm, 'float64', 3)}‖" if norm else "0"


def weight_names(row: FlowRow) -> list[str]:
    """Parameters of a row that can be shown as a heat table: those with two or more dimensions first."""
    ranked = sorted(row.parameters, key=lambda parameter: -len(parameter["value"].get("shape", [])))
    return [str(parameter["name"]) for parameter in ranked]
