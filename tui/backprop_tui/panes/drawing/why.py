"""Why a number is what it is: the rule, the rule with this run's numbers, the result, the verdict."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from backprop_tui.explain.numbers import significant
from backprop_tui.panes.drawing.text import Piece, Pieces, cut, width_of, wrapped

if TYPE_CHECKING:
    from backprop_tui.explain.explanation import Explanation
    from backprop_tui.explain.steps import Line, Split

MOST_LINES = 3
"""Further lines of a long sum."""
NEXT_PART = " · "
"""Between the parts of a note."""
VERDICTS = {"✓": "good", "✗": "bad", "?": "warn", "": ""}


def why(explanations: Sequence[Explanation], width: int, notes: bool = True) -> list[Pieces]:
    """The explanations of all results of one operation, one below the other."""
    lines = [line for item in explanations for line in one(item, width)]
    if notes:
        said = dict.fromkeys(note for item in explanations if (note := _more_than_lines(item)))
        lines += [line for note in said for line in wrapped(f"note: {note}", width, "warn")]
    return lines


def _more_than_lines(item: Explanation) -> str:
    """The note, without those of its parts that stand at a line of the arithmetic."""
    parts = (item.note or "").split(NEXT_PART)
    return NEXT_PART.join(part for part in parts if not any(part in (line.note or "") for line in item.lines))


def one(item: Explanation, width: int) -> list[Pieces]:
    """One result, on as few lines as it takes: ``rule = numbers = result ✓``."""
    verdict: Piece = (f" {item.verdict}", VERDICTS[item.verdict])
    place = f"[{','.join(map(str, item.index))}] " if item.index and item.numbers == item.element else ""
    rule: Pieces = ((place, "dim"), (item.symbols, "name"))
    numbers: Pieces = (("= ", "dim"), (item.numbers, "value")) if item.numbers else ()
    result: Pieces = (("= ", "dim"), (item.result, "value"), verdict) if item.result else (verdict,)
    # The last line of an arithmetic in several says what the summary says.
    summed_up = bool(item.lines) and item.lines[-1].value == item.result
    lines: list[Pieces] = [((place, "dim"),)] if summed_up and place else []
    if not summed_up:
        lines = _packed((rule, numbers, result), width)
    if item.lines:
        lines += [line for step in item.lines for line in _step(step, width)]
    if item.split is not None:
        lines += wrapped(_share(item.split), width, "dim")
    if item.difference:
        lines += wrapped(f"✗ torch's result is another one: it {item.difference}", width, "bad")
    return lines


def _step(line: Line, width: int) -> list[Pieces]:
    """One line of an arithmetic of several."""
    numbers: Pieces = (("= ", "dim"), (line.numbers, "value")) if line.numbers else ()
    value: Pieces = (("= ", "dim"), (line.value, "value"))
    if line.verdict:
        value = (*value, (f" {line.verdict}", VERDICTS[line.verdict]))
    said = line.symbols.endswith(f" = {line.value}")
    parts: list[Pieces] = [((line.symbols, "name"),), numbers, () if said and not line.numbers else value]
    found = _packed(parts, width)
    return [*found, *(wrapped(f"  {line.note}", width, "dim") if line.note else [])]


def _share(split: Split) -> str:
    """How much of the step is gradient, momentum and decay; nothing if it is all gradient."""
    parts = [("gradient", split.gradient), ("momentum", split.momentum), ("decay", split.decay)]
    present = [f"{name} {significant(value, 'float64', 4)}" for name, value in parts if value]
    return f"of the step: {' · '.join(present)}" if len(present) > 1 else ""


def _packed(parts: Sequence[Pieces], width: int) -> list[Pieces]:
    """The parts behind one another as far as they fit; each further line begins a little to the right."""
    lines: list[Pieces] = []
    for part in (piece for whole in parts if whole for piece in _wrapped(whole, width)):
        if lines and width_of(lines[-1]) + 1 + width_of(part) <= width:
            lines[-1] = (*lines[-1], (" ", ""), *part)
        else:
            lines.append((("  ", ""), *part) if lines else part)
    return [_shown(line, width) for line in lines]


def _wrapped(part: Pieces, width: int) -> list[Pieces]:
    """A part that is longer than a line, as several; a result is cut instead, to keep its verdict."""
    text, style = part[-1]
    if width_of(part) + 2 <= width or text.strip() in VERDICTS:
        return [part]
    lead = part[:-1]
    room = max(8, width - 2 - width_of(lead))
    first, *rest = wrapped(text, room, style) or [((text, style),)]
    return [(*lead, *first), *[((" " * width_of(lead), ""), *line) for line in rest[:MOST_LINES]]]


def _shown(line: Pieces, width: int) -> Pieces:
    """A line that is too long loses its middle, never the verdict at its end."""
    if width_of(line) <= width or line[-1][0].strip() not in VERDICTS:
        return cut(line, width)
    return (*cut(line[:-1], width - width_of(line[-1:])), line[-1])
