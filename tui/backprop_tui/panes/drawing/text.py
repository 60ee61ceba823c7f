"""Lines of text in pieces, each with the name of its style: what the panes draw, before any widget.

Widths are terminal columns, in which an ideograph takes two.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence

from rich.cells import cell_len, set_cell_size

Piece = tuple[str, str]
"""(text, style name); the empty name is plain text."""

Pieces = tuple[Piece, ...]

STYLES = (
    "dim", "title", "name", "value", "mark", "good", "bad", "warn", "cursor", "changed",
    "keyword", "string", "comment", "number", "function",
)  # fmt: skip
"""Every style name that a drawing may use."""


def plain(pieces: Iterable[Piece]) -> str:
    """The text alone."""
    return "".join(text for text, _ in pieces)


def width_of(pieces: Iterable[Piece]) -> int:
    """Columns."""
    return cell_len(plain(pieces))


def cut(pieces: Sequence[Piece], width: int) -> Pieces:
    """The beginning, in at most `width` columns; an ellipsis says that something is missing."""
    if width <= 0:
        return ()
    if width_of(pieces) <= width:
        return tuple(pieces)
    kept: list[Piece] = []
    room = width - 1
    for text, style in pieces:
        if cell_len(text) > room:
            kept.append((set_cell_size(text, room), style))
            break
        kept.append((text, style))
        room -= cell_len(text)
    return (*kept, ("…", "dim"))


def shifted(pieces: Sequence[Piece], columns: int) -> Pieces:
    """Without so many columns at the left; a mark says that something is missing."""
    if columns <= 0 or not plain(pieces).strip():
        return tuple(pieces)
    kept: list[Piece] = [("‹", "dim")]
    drop = columns + 1
    for text, style in pieces:
        width = cell_len(text)
        if width > drop:
            kept.append((set_cell_size(text[::-1], width - drop)[::-1] if drop else text, style))
        drop = max(0, drop - width)
    return tuple(kept)


def beside(left: Sequence[Piece], right: Sequence[Piece], width: int, least: int = 12) -> Pieces:
    """`right` flush with the right edge, `left` cut to leave it two columns of air.

    `left` keeps at least `least` columns, so a long `right` is cut too.
    """
    if not plain(right):
        return cut(left, width)
    right = cut(right, max(0, width - least - 2))
    left = cut(left, width - width_of(right) - 2)
    gap = width - width_of(left) - width_of(right)
    return (*left, (" " * max(0, gap), ""), *right)


def clean(text: str, tab: int = 4) -> str:
    """Text that moves no cursor: tabs expanded, other control characters as their pictures (␛)."""
    if text.isprintable():
        return text
    expanded = text.expandtabs(tab)
    return "".join(_visible(character) for character in expanded)


def _visible(character: str) -> str:
    code = ord(character)
    if code < 0x20:
        return chr(0x2400 + code)
    if code == 0x7F:
        return "␡"
    return character if character.isprintable() or character == "\u200d" else "�"


def wrapped(text: str, width: int, style: str = "") -> list[Pieces]:
    """A sentence in lines of at most `width` columns."""
    return [((line, style),) for line in textwrap.wrap(text, max(8, width))]
