"""Source text in coloured pieces, one list a line."""

from __future__ import annotations

from collections.abc import Iterator

from backprop_tui.panes.drawing.text import Piece, Pieces, clean


def plain_lines(source: str) -> list[Pieces]:
    """Lines without colour."""
    return [((clean(line), ""),) for line in source.splitlines()]


def coloured_lines(source: str) -> list[Pieces]:
    """Lines with the styles of Python's tokens. Takes about 25 µs a token: not for the first frame."""
    lines: list[Pieces] = []
    line: list[Piece] = []
    for text, style in _tokens("\n".join(source.splitlines())):
        first, *rest = text.split("\n")
        _append(line, first, style)
        for part in rest:
            lines.append(tuple(line))
            line = []
            _append(line, part, style)
    return [*lines, tuple(line)] if line else lines


def _append(line: list[Piece], text: str, style: str) -> None:
    """Add a piece, or lengthen the last one: fewer pieces are painted faster."""
    if line and line[-1][1] == style:
        text = line.pop()[0] + clean(text)
    if text:
        line.append((clean(text), style))


def _tokens(source: str) -> Iterator[tuple[str, str]]:
    # Imported here: the first frame shows plain text and must not wait for a lexer.
    from pygments.lexers.python import PythonLexer

    for kind, text in PythonLexer(stripnl=False, ensurenl=True).get_tokens(source):
        yield text, _style(str(kind))


def _style(kind: str) -> str:
    for prefix, style in (
        ("Token.Comment", "comment"),
        ("Token.Literal.String", "string"),
        ("Token.Literal.Number", "number"),
        ("Token.Keyword", "keyword"),
        ("Token.Operator.Word", "keyword"),
        ("Token.Name.Function", "function"),
        ("Token.Name.Class", "function"),
    ):
        if kind.startswith(prefix):
            return style
    return ""
