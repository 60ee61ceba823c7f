"""Source files from disk, read once and again when they change."""

from __future__ import annotations

import ast
import tokenize
from dataclasses import dataclass
from pathlib import Path

from backprop_tui.panes.drawing.colour import plain_lines
from backprop_tui.panes.drawing.text import Pieces


@dataclass
class SourceFile:
    """One file's text and its lines, plain until they are coloured."""

    path: str
    text: str
    lines: list[Pieces]
    note: str = ""
    """Why the text is not what one would expect; empty normally."""
    coloured: bool = False


def read(path: str) -> SourceFile:
    """The file, or a line that says why it cannot be shown. Never raises for a bad file."""
    try:
        with tokenize.open(path) as stream:
            text = stream.read()
    except (OSError, SyntaxError, UnicodeDecodeError) as problem:
        reason = problem.strerror if isinstance(problem, OSError) else str(problem)
        return SourceFile(path, "", [], note=f"{Path(path).name} cannot be shown: {reason}", coloured=True)
    return SourceFile(path, text, plain_lines(text))


def lines_of_code(text: str) -> frozenset[int]:
    """The lines at which code begins, from 1: not those that are blank, a comment, part of a string or a
    closing bracket. Raises SyntaxError."""
    nodes = list(ast.walk(ast.parse(text)))
    strings = {id(node.value) for node in nodes if isinstance(node, ast.Expr) and _is_text(node.value)}
    code = (node for node in nodes if isinstance(node, (ast.expr, ast.stmt)) and id(node) not in strings)
    return frozenset(
        node.lineno for node in code if not (isinstance(node, ast.Expr) and _is_text(node.value))
    )


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)
