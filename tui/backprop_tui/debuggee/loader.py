"""DataLoader without worker processes: forked copies would fight over their pipes."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any
from weakref import WeakKeyDictionary

import torch
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
    original, iterate = DataLoader.__init__, DataLoader.__iter__
    epochs: WeakKeyDictionary[Any, int] = WeakKeyDictionary()
    """Of loaders whose workers were to persist: how often they were gone through."""

    @wraps(original)
    def init(self: Any, *args: Any, **kwargs: Any) -> None:
        workers = kwargs.get("num_workers", 0)
        if workers:
            note(
                f"DataLoader runs with num_workers=0 instead of {workers}: worker processes cannot be copied"
            )
            kwargs["num_workers"] = 0
            if kwargs.get("persistent_workers"):
                epochs[self] = 0
            for name in _NEEDS_WORKERS:
                kwargs.pop(name, None)
        original(self, *args, **kwargs)

    @wraps(iterate)
    def iterator(self: Any) -> Any:
        if not epochs.get(self):
            if self in epochs:
                epochs[self] = 1
            return iterate(self)
        return _without_drawing(self.generator, lambda: iterate(self))

    DataLoader.__init__ = init  # type: ignore[method-assign]
    DataLoader.__iter__ = iterator  # type: ignore[method-assign]


def _without_drawing(generator: torch.Generator | None, make: Callable[[], Any]) -> Any:
    """An iterator without its base seed: workers that persist keep the seed of the first epoch.

    torch/utils/data/dataloader.py: `_BaseDataLoaderIter.__init__` draws one, `_reset` does not.
    """
    source = torch.default_generator if generator is None else generator
    state = source.get_state()
    made = make()
    source.set_state(state)
    return made
