"""The operation that just ran and the one about to run: what they read, what they made, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from backprop_tui.debugger.view import Stop, View
from backprop_tui.explain.numbers import (
    extremes_of,
    fit,
    known,
    nonfinite_of,
    norm_of,
    short_values,
    significant,
)
from backprop_tui.panes.drawing import notices
from backprop_tui.panes.drawing.records import (
    direction,
    label,
    number,
    numbers,
    phase_word,
    rates,
    recomputed,
    type_text,
)
from backprop_tui.panes.drawing.sentences import sentence
from backprop_tui.panes.drawing.text import Piece, Pieces, beside, clean, cut, width_of, wrapped
from backprop_tui.panes.drawing.why import why
from backprop_tui.protocol import Record, TensorInfo

MATRIX_ROWS = 8
MOST_INPUTS = 6
"""Of more inputs (a `stack` of a batch) only the first are listed, so that the result is seen."""


@dataclass(frozen=True)
class Entry:
    """One labelled value: ``grad  [[−0.85 −0.48]]  float32 1×2``."""

    label: str
    value: str = ""
    type: str = ""
    info: TensorInfo | None = None
    """The tensor behind it, when there is one to write out."""


def entries(record: Record) -> list[Entry]:
    """What there is to say about an operation, in the order of reading; unknown fields are left out."""
    kind = record["kind"]
    special = {
        "node": _node, "accumulate": _accumulate, "clear": _clear, "update": _update, "schedule": _schedule,
        "step": _step, "backward": _backward,
    }.get(kind)  # fmt: skip
    found = special(record) if special else []
    if not found:
        found = [*_tensors("in", record.get("inputs")), *_tensors("out", record.get("outputs"))]
    return found


def _raised(record: Record, width: int) -> list[Pieces]:
    """The exception of an operation that failed, in full."""
    lines = [] if recomputed(record) else record.get("error", "").strip().splitlines()
    return wrapped("✗ " + clean(lines[-1]), width, "bad") if lines else []


def _tensors(side: str, infos: Sequence[TensorInfo | None] | None) -> list[Entry]:
    present = known(infos)
    shown = present if len(present) <= MOST_INPUTS else present[: MOST_INPUTS // 2]
    found = [
        _tensor(f"{side} {info.get('name') or (index + 1 if len(present) > 1 else '')}".strip(), info)
        for index, info in enumerate(shown)
    ]
    more = len(present) - len(shown)
    return [*found, Entry(f"{side} …", f"{more} more")] if more else found


def _tensor(text: str, info: TensorInfo | None, none: str = "None") -> Entry:
    return Entry(text, none) if info is None else Entry(text, "", type_text(info), info)


def _node(record: Record) -> list[Entry]:
    arriving = [_tensor("g = ∂L/∂out", info) for info in record.get("grad_outputs") or []]
    leaving = record.get("grad_inputs") or []
    names = ["∂L/∂in" if len(leaving) == 1 else f"∂L/∂in {index + 1}" for index in range(len(leaving))]
    passed = [_tensor(name, info, "none needed") for name, info in zip(names, leaving, strict=True)]
    return [*arriving, *passed]


def made_by(record: Record, records: Sequence[Record]) -> str:
    """The operation of the forward pass that a node goes back through; empty if it was not observed."""
    origin = record.get("origin")
    for other in reversed(records) if origin else ():
        if other.get("time") == origin:
            line = f", line {other['line']}" if other.get("line") else ""
            return f"{label(other)}{line}"
    return ""


def _accumulate(record: Record) -> list[Entry]:
    lines = [_tensor("before", record.get("before")), _tensor("+ this pass", record.get("added"))]
    return [*lines, _tensor("= after", record.get("after"))] if "after" in record else lines


def _clear(record: Record) -> list[Entry]:
    lines = [_tensor("grad before", record.get("before"))]
    return [*lines, _tensor("grad after", record.get("after"))] if "after" in record else lines


def _update(record: Record) -> list[Entry]:
    lines = [
        _tensor("before", record.get("before")),
        *([_tensor("after", record.get("after"))] if "after" in record else []),
        _tensor("grad", record.get("grad")),
        Entry("lr", number(record.get("lr"))),
    ]
    return [*lines, *_states(record)]


def _states(record: Record) -> list[Entry]:
    """The optimizer's state of a parameter before and after; of an update to come, what it will read."""
    found = []
    for name, change in (record.get("state") or {}).items():
        before, after = change.get("before"), change.get("after")
        if before is None and after is None:
            continue
        # Before the update, None for what comes after it says only that it has not been.
        text = f"{_state(before)} → {_state(after)}" if "after" in record else _state(before)
        found.append(Entry(name, text))
    return found


def _state(value: Any) -> str:
    if isinstance(value, dict):
        return short_values(value, 40)  # type: ignore[arg-type]
    return "None" if value is None else number(value, "float32")


def _step(record: Record) -> list[Entry]:
    found = [Entry("optimizer", record.get("optimizer") or record.get("name", ""))]
    return [*found, Entry("lr", number(record["lr"]))] if record.get("lr") is not None else found


def _schedule(record: Record) -> list[Entry]:
    lines = [Entry("scheduler", record.get("scheduler") or record.get("name", ""))]
    if record.get("lr_before") is not None:
        lines.append(Entry("lr before", rates(record["lr_before"])))
    if record.get("lr_after") is not None:
        lines.append(Entry("lr after", rates(record["lr_after"])))
    return lines


def _backward(record: Record) -> list[Entry]:
    value = record.get("value")
    return [Entry("loss", number(value, "float32"))] if value is not None else []


def draw_entry(entry: Entry, labels: int, width: int, rows: int) -> list[Pieces]:
    """One entry in at most `rows` lines: on one line if its numbers fit, else as a matrix, else summed up."""
    lead: Piece = (entry.label.ljust(labels) + "  ", "name")
    room = width - labels - 2
    if entry.info is None:
        style = "bad" if entry.value.startswith("✗") else "value"
        return [cut((lead, (entry.value, style)), width)]
    text = numbers(entry.info, room)
    if text:
        kind = entry.type if len(entry.type) + len(text) + 2 <= room else ""
        return [beside((lead, (text, "value")), ((kind, "dim"),), width)]
    matrix = _matrix(entry.info, room, rows)
    if matrix:
        pad: Piece = (" " * (labels + 2), "")
        return [((lead if index == 0 else pad), (line, "value")) for index, line in enumerate(matrix)]
    return [cut((lead, (_summary(entry.info, room), "value")), width)]


def _matrix(info: TensorInfo, room: int, rows: int) -> list[str]:
    """A small matrix row by row; empty if it does not fit."""
    inside, shape = info.get("values"), info.get("shape", [])
    if inside is None or len(shape) != 2 or not 1 < shape[0] <= rows or not shape[1]:
        return []
    cell = min(10, (room - 2 + 1) // shape[1] - 1)
    if cell < 5:
        return []
    dtype = info.get("dtype", "")
    return ["[" + " ".join(fit(item, dtype, cell).rjust(cell) for item in row) + "]" for row in inside]


def _summary(info: TensorInfo, room: int) -> str:
    """The type, and as much as fits of what there is to say about numbers that do not."""
    norm, extremes, bad = norm_of(info), extremes_of(info), nonfinite_of(info)
    low, high = extremes or (None, None)
    told = [("norm", norm), ("min", low), ("max", high)]
    parts = [type_text(info), *([f"{bad} not finite"] if bad else [])]
    parts += [f"{name} {significant(value, 'float64', 4)}" for name, value in told if value is not None]
    while len(parts) > 1 and len(" · ".join(parts)) > room:
        parts.pop()
    return " · ".join(parts)


Told = tuple[str, Record, tuple[Record, ...]]
"""(``done`` or ``next``, the operation, the open ones around it)"""


@dataclass(frozen=True)
class Detail:
    """How much is told of an operation."""

    about: bool = True
    """The sentence on what such an operation does."""
    matrix_rows: int = MATRIX_ROWS
    values: bool = True
    """What it read and made; left out only where an explanation says it."""
    notices_in_full: bool = True
    """Notices come first, and with their reasons; otherwise the explanation does, and `!` has the rest."""


FULL, FLAT, TERSE = Detail(), Detail(matrix_rows=1), Detail(about=False, matrix_rows=1)
REASONS = Detail(about=False, values=False)
"""The heading, and why."""
BRIEFEST = replace(REASONS, notices_in_full=False)


def section(told: Told, view: View, width: int, detail: Detail = FULL) -> list[Pieces]:
    """One operation: a heading, what it does, its values."""
    word, record, above = told
    raised = _raised(record, width)
    first = ("failed", "bad") if raised else (word, "mark")
    heading: Pieces = (first, (" ", ""), (label(record), "title"))
    way, origin = _context(record, above), made_by(record, view.records)
    context = f"  {way} through {origin}" if origin else f"  {way}" if way else ""
    if origin and width_of(heading) + len(context) > width:
        context = f"  ← {origin}"
    heading = (*heading, (context, "dim"))
    says = detail.about and not raised
    about = wrapped(sentence(record, view.toggles.zero_grad), width, "dim") if says else []
    # The sentence on the first gradient of a leaf says what the note does.
    noted = says and record["kind"] == "accumulate" and record.get("before") is None
    reasons = why(view.explanations, width, notes=not noted) if word == "done" else []
    said = not detail.values and (reasons or word == "next")
    values = [] if said else _body(entries(record), width, detail.matrix_rows)
    wrong = notices.told(notices.at(view, record), width, detail.notices_in_full) if word == "done" else []
    if not detail.notices_in_full:
        return [cut(heading, width), *raised, *reasons, *wrong]
    return [cut(heading, width), *raised, *wrong, *about, *reasons, *values]


def _body(found: list[Entry], width: int, rows: int) -> list[Pieces]:
    labels = min(max((len(entry.label) for entry in found), default=0), max(10, width // 3))
    return [line for entry in found for line in draw_entry(_trimmed(entry, labels), labels, width, rows)]


def _context(record: Record, above: tuple[Record, ...]) -> str:
    """Which way it goes and where it belongs: ``→ forward in linear1``, ``· optimizer step``."""
    phase, way = phase_word(record, above), direction(record, above)
    if way and record.get("module") and record["kind"] != "module":
        return f"{way} in {record['module']}"
    if way and way.split()[-1] == record["kind"]:
        return ""  # the heading begins with that word
    if way or record.get("level") == "phase":
        return way
    return f"· {phase}" if phase else ""


def _trimmed(entry: Entry, labels: int) -> Entry:
    if len(entry.label) <= labels:
        return entry
    return Entry("…" + entry.label[-(labels - 1) :], entry.value, entry.type, entry.info)


def _limited(lines: list[Pieces], rows: int) -> list[Pieces]:
    if len(lines) <= rows:
        return lines
    return [*lines[: max(1, rows - 1)], ((f"… {len(lines) - max(1, rows - 1)} more lines", "dim"),)]


def draw(view: View, width: int, height: int) -> list[Pieces]:
    """The whole pane. `height` decides how much of each operation is told; the rest is counted."""
    return draw_and_tell(view, width, height)[0]


def draw_and_tell(view: View, width: int, height: int) -> tuple[list[Pieces], bool]:
    """The whole pane, and whether it had room for the sentence on the next operation, where there is one."""
    stop = view.stop
    if stop is None:
        return wrapped("The script has not begun.", width, "dim"), True
    if stop.error:
        return _crash(view, stop, width, height), True
    # After a run at full speed the last operation known is an old one.
    last = stop.last if view.records else None
    shown = [("done", last, _above_last(stop)), ("next", stop.next, stop.open)]
    present = [(word, record, above) for word, record, above in shown if record is not None]
    if not present:
        return wrapped(_nothing(view), width, "dim"), True
    # What both do is said once.
    same = len({sentence(record) for _, record, _ in present}) < len(present)
    for first, other, gap in WAYS + (EXPLAINED if view.explanations or view.notices else ()):
        details = (replace(first, about=first.about and not same), other)[-len(present) :]
        sections = [section(told, view, width, how) for told, how in zip(present, details, strict=True)]
        lines = _joined(sections, gap)
        if len(lines) <= height:
            return lines, stop.next is None or details[-1].about
    shares = _shares(sections, height)
    cut_down = [_limited(part, rows) for part, rows in zip(sections, shares, strict=True)]
    return _joined(cut_down, gap=False), stop.next is None


WAYS = (
    (FULL, FULL, True),
    (FULL, FULL, False),
    (FLAT, FLAT, False),
    (TERSE, FLAT, False),
    (TERSE, TERSE, False),
)
"""How to tell of the operation done and of the next one, and whether a line is left free between them:
from much room to little."""
EXPLAINED = ((REASONS, TERSE, False), (REASONS, REASONS, False), (BRIEFEST, REASONS, False))
"""What is explained comes before what is next."""


NO_INPUT = "EOFError: EOF when reading a line"
ABOUT_INPUT = (
    "In the app a script has no input: the keys are the debugger's. Give it what it asks for as arguments,"
    " or in a file. With backprop-tui trace it reads from the terminal."
)


def _crash(view: View, stop: Stop, width: int, height: int) -> list[Pieces]:
    """The exception in full, then the last operation that went well."""
    lines = (stop.error or "").strip().splitlines() or ["The script crashed."]
    message: list[Pieces] = [(("crashed", "bad"),), *wrapped("✗ " + clean(lines[-1]), width, "bad")]
    if lines[-1].startswith(NO_INPUT):
        message += wrapped(ABOUT_INPUT, width)
    if stop.last is None or not view.records:
        return message
    room = max(3, height - len(message) - 1)
    return _joined([message, _limited(section(("done", stop.last, ()), view, width, FLAT), room)])


def _shares(sections: list[list[Pieces]], height: int) -> list[int]:
    """Lines for each section: what one does not need goes to the other."""
    if len(sections) == 1:
        return [height]
    first, second = len(sections[0]), len(sections[1])
    half = height // 2
    if first <= half:
        return [first, height - first]
    return [height - second, second] if second <= height - half else [half, height - half]


def _above_last(stop: Stop) -> tuple[Record, ...]:
    depth = (stop.last or {}).get("depth", 0)
    return stop.open[:depth]


def _joined(sections: list[list[Pieces]], gap: bool = True) -> list[Pieces]:
    lines: list[Pieces] = []
    for part in sections:
        lines += [(), *part] if lines and gap else part
    return lines


def _nothing(view: View) -> str:
    if view.status == "finished" and view.losses:
        return "The script has finished. At full speed no operation is observed: step back to see some."
    if view.status == "finished":
        return "The script has finished without an operation of PyTorch that could be shown."
    return "No operation has run yet."


def one_line(view: View) -> str:
    """The next operation in one sentence, for places with a single row."""
    stop = view.stop
    if stop is None or stop.next is None:
        return ""
    return f"next: {label(stop.next)}. {sentence(stop.next, view.toggles.zero_grad)}"
