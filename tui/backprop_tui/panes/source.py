"""Source files from disk, read once and again when they change."""

from __future__ import annotations

import tokenize
from dataclasses import dataclass, field
from pathlib import Path

from backprop_tui.panes.drawing.calls import Called
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
    called: Called = field(default_factory=dict)
    """Which of its functions a line calls; empty until that is known."""


def read(path: str) -> SourceFile:
    """The file, or a line that says why it cannot be shown. Never raises for a bad file."""
    try:
        with tokenize.open(path) as stream:
            text = stream.read()
    except (OSError, SyntaxError, UnicodeDecodeError) as problem:
        reason = problem.strerror if isinstance(problem, OSError) else str(problem)
        return SourceFile(path, "", [], note=f"{Path(path).name} cannot be shown: {reason}", coloured=True)
    return SourceFile(path, text, plain_lines(text))
