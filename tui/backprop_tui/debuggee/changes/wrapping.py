"""Wrappers that warnings look through, and calls of ours that give none."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FunctionType
from typing import Any, TypeVar

FILENAME = "<backprop_tui importlib._bootstrap>"
"""File name of every transparent frame; a traceback for the user leaves these frames out."""

F = TypeVar("F", bound=Callable[..., Any])


def transparent(function: F) -> F:
    """Let `warnings.warn(..., stacklevel=2)` blame the script's line and not our wrapper's.

    Python skips its own import machinery when it counts stack levels, and knows those frames by
    their file name (`is_internal_frame` in CPython's _warnings.c), so a wrapper that has such a
    name is not counted. Without this the script's warnings would name our file, and all its lines
    would share the one place that Python remembers to show a warning only once.
    """
    if isinstance(function, FunctionType):
        function.__code__ = function.__code__.replace(co_filename=FILENAME)
    return function


@contextmanager
def quiet() -> Iterator[None]:
    """No warning is shown, and none is remembered as shown.

    `warnings.catch_warnings` would make Python forget which warnings of the script it has shown
    already, and show them once more.
    """
    original = warnings.warn
    warnings.warn = lambda *args, **kwargs: None
    try:
        yield
    finally:
        warnings.warn = original
