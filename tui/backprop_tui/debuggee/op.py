"""One operation, from its beginning to its end."""

from __future__ import annotations

from typing import Any

from backprop_tui.protocol import Record


class Op:
    """An operation that has begun. ``record`` is made when the operation is recorded or stopped at."""

    __slots__ = (
        "depth",
        "extra",
        "file",
        "index",
        "inputs",
        "iteration",
        "kind",
        "landmark",
        "level",
        "line",
        "module",
        "name",
        "number",
        "record",
        "sequence",
    )

    def __init__(self, level: str, kind: str, name: str, inputs: Any) -> None:
        self.level = level
        self.kind = kind
        self.name = name
        self.inputs = inputs
        """What it will read; its kind says how to describe that."""
        self.extra: Any = None
        """What the recorder needs again at the end (values before an in-place change)."""
        self.record: Record | None = None
        self.module: str | None = None
        self.file: str | None = None
        self.line: int | None = None
        self.landmark = self.index = self.iteration = self.number = self.depth = 0
        self.sequence = 0
        """Sequence number of autograd's next node when the operation began."""

    @property
    def time(self) -> list[int]:
        return [self.landmark, self.index]
