"""The script's own frames among torch's and ours."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from types import FrameType

import torch

from backprop_tui.debuggee.threads import waiting_frame

PACKAGE = os.path.dirname(os.path.dirname(__file__)) + os.sep
"""Folder of this package, with the separator."""
_LESSONS = os.path.join(PACKAGE, "lessons") + os.sep
_LIBRARIES = (
    os.path.dirname(os.path.dirname(torch.__file__)) + os.sep,
    os.path.dirname(os.__file__) + os.sep,
    PACKAGE,
    "<",
)


class _Users(dict[str, bool]):
    """File names, asked once for every frame that is passed: a code object would be hashed in whole."""

    def __missing__(self, filename: str) -> bool:
        self[filename] = written_by_user(filename)
        return self[filename]


_of_user = _Users()


def is_ours(filename: str) -> bool:
    """Whether a file is of this package: a lesson's script is a script like any other."""
    return filename.startswith(PACKAGE) and not filename.startswith(_LESSONS)


def written_by_user(filename: str) -> bool:
    """Whether a file is the user's own: not installed beside torch, not Python's, not ours."""
    return filename.startswith(_LESSONS) or not filename.startswith(_LIBRARIES)


def user_frame(ours: int = 1) -> FrameType | None:
    """The innermost frame of the user's code (not torch's, ours or Python's library).

    ``ours``: so many callers are known to be ours. Python makes an object of every frame that is looked at.
    """
    return _first_of_user(sys._getframe(ours)) or _first_of_user(waiting_frame())


def _first_of_user(frame: FrameType | None) -> FrameType | None:
    """A frame, or the nearest of its callers, that is the user's code."""
    while frame is not None and not _of_user[frame.f_code.co_filename]:
        frame = frame.f_back
    return frame


def calling_frame() -> FrameType | None:
    """The caller of the function that asks, if it is the user's code.

    Python makes an object of every frame that is looked at: one is cheaper than a walk.
    """
    frame = sys._getframe(2)
    return frame if _of_user[frame.f_code.co_filename] else None


def user_frames() -> Iterator[FrameType]:
    """All frames of the user's code, innermost first."""
    yield from _all_of_user(sys._getframe(1))
    yield from _all_of_user(waiting_frame())


def _all_of_user(frame: FrameType | None) -> Iterator[FrameType]:
    frame = _first_of_user(frame)
    while frame is not None:
        yield frame
        frame = _first_of_user(frame.f_back)


_CONSTRUCTORS = frozenset({"__init__", "register_parametrization"})


def in_constructor() -> bool:
    """Whether something of a library's is being made: an optimizer or a parametrization that looks at
    parameters as it is made."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and not _of_user[frame.f_code.co_filename]:
        if frame.f_code.co_name in _CONSTRUCTORS:
            return True
        frame = frame.f_back
    return False


def called_from(names: frozenset[str], limit: int = 6) -> bool:
    """Whether one of the nearest callers is a function of one of these names."""
    frame: FrameType | None = sys._getframe(2)
    for _ in range(limit):
        if frame is None:
            return False
        if frame.f_code.co_name in names:
            return True
        frame = frame.f_back
    return False
