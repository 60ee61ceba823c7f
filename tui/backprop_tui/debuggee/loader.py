"""DataLoader without worker processes: forked copies would fight over their pipes."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from torch.utils.data import DataLoader

_NEEDS_WORKERS = (
    "persistent_workers",
    "prefetch_factor",
    "worker_init_fn",
    "multiprocessing_context",
    "timeout",
)


def keep_in_process(note: Callable[[str], None]) -> None:
    """Make every DataLoader load in the script's own process, in the same order."""
    original = DataLoader.__init__

    @wraps(original)
    def init(self: Any, *args: Any, **kwargs: Any) -> None:
        workers = kwargs.get("num_workers", 0)
        if workers:
            note(
                f"DataLoader runs with num_workers=0 instead of {workers}: worker processes cannot be copied"
            )
            kwargs["num_workers"] = 0
            for name in _NEEDS_WORKERS:
                kwargs.pop(name, None)
        original(self, *args, **kwargs)

    DataLoader.__init__ = init  # type: ignore[method-assign]
