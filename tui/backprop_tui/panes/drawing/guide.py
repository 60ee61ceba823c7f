"""The page of a guide as lines: text, question, answer."""

from __future__ import annotations

import re
import textwrap
from typing import TYPE_CHECKING

from backprop_tui.panes.drawing.text import Piece, Pieces, wrapped

if TYPE_CHECKING:
    from backprop_tui.guide.guide import Page

_MARKED = re.compile(r"`[^`]+`|\*[^*\n]+\*")
_TAKES_ENTER = ("network", "parameters")
"""Panes with a use of their own for enter."""
_SPACE = "\u00a0"
"""Keeps a marked phrase in one line."""
MARKS = {"right": ("✓", "good"), "close": ("≈", "warn"), "wrong": ("✗", "bad"), "skipped": ("·", "dim")}


def title(page: Page) -> str:
    """``3/13 The first hidden neuron``."""
    return f"{page.number}/{page.of} {page.title}" if page.title else page.lesson


def keys(page: Page, focused: str) -> str:
    """What the keys do here. ``focused``: the pane that they go to."""
    if focused in _TAKES_ENTER or (page.asks and focused != "guide"):
        return "0 leads back here"
    if page.away:
        return "enter the next point · , this one again"
    if page.asks and page.choices:
        return f"1–{len(page.choices)} answers · enter skips"
    if page.asks:
        return "type a number, enter · nothing: skips"
    if page.last:
        return ", back · ^o another lesson"
    return "enter goes on · , back"


def draw(page: Page, width: int) -> list[Pieces]:
    """The page in lines of at most `width` columns."""
    lines: list[Pieces] = []
    if page.trouble:
        lines += wrapped(f"! {page.trouble}", width, "warn")
    if page.away:
        lines += wrapped("The run is elsewhere: look around as long as you like.", width, "warn")
    if page.verdict is not None:
        return [*lines, *_verdict(page, width)]
    for paragraph in page.text.strip().split("\n"):
        lines += marked(paragraph, width)
    if page.question:
        lines += marked(f"? {page.question}", width, "title")
        lines += [_choice(number, choice, width) for number, choice in enumerate(page.choices, 1)]
    elif page.switch:
        changes = ", ".join(f"{kind} → {text}" for kind, text in page.switch)
        lines += wrapped(f"enter: {changes}", width, "mark")
    if page.refused:
        lines += wrapped(f"✗ {page.refused}", width, "bad")
    return lines


def _choice(number: int, choice: str, width: int) -> Pieces:
    return ((f"  {number} ", "mark"), *marked(choice, max(8, width - 4))[0])


def _verdict(page: Page, width: int) -> list[Pieces]:
    """The question, what the answer was worth, and why."""
    assert page.verdict is not None
    glyph, style = MARKS[page.verdict.mark]
    lines = marked(page.question, width, "dim")
    lines += marked(f"{glyph} {page.verdict.sentence}", width, style)
    lines += marked(page.verdict.why, width)
    if page.switch:
        changes = ", ".join(f"{kind} → {text}" for kind, text in page.switch)
        lines += wrapped(f"enter: {changes}", width, "mark")
    return lines


def marked(text: str, width: int, style: str = "") -> list[Pieces]:
    """A paragraph in lines; what stands in backquotes and asterisks has a style instead of these."""
    joined = _MARKED.sub(lambda match: match[0].replace(" ", _SPACE), text)
    lines = textwrap.wrap(joined, max(8, width), break_on_hyphens=False) or [""]
    return [_pieces(line, style) for line in lines]


def _pieces(line: str, style: str) -> Pieces:
    pieces: list[Piece] = []
    end = 0
    for match in _MARKED.finditer(line):
        pieces.append((line[end : match.start()].replace(_SPACE, " "), style))
        inner = match[0][1:-1].replace(_SPACE, " ")
        pieces.append((inner, "name" if match[0][0] == "`" else "title"))
        end = match.end()
    pieces.append((line[end:].replace(_SPACE, " "), style))
    return tuple(piece for piece in pieces if piece[0])
