"""What detectors have in common."""

from __future__ import annotations

from collections.abc import Callable

from backprop_tui.explain.notices.notice import Give
from backprop_tui.explain.notices.past import Past
from backprop_tui.protocol import Record

Handlers = dict[str, Callable[[Record], None]]


class Detector:
    """Looks for one family of notices."""

    def __init__(self, past: Past, give: Give) -> None:
        self.past = past
        self.give = give

    def handlers(self) -> Handlers:
        """Which records it wants: by kind, by ``:name`` of a function, ``error``, ``iteration`` (a new one
        begins)."""
        raise NotImplementedError
