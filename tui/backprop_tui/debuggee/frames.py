"""The script's own frames among torch's and ours."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from types import CodeType, FrameType

import torch

PACKAGE = os.path.dirname(os.path.dirname(__file__)) + os.sep
"""Folder of this package, with the separator."""
_LESSONS = os.path.join(PACKAGE, "lessons") + os.sep
_LIBRARIES = (
    os.path.dirname(os.path.dirname(torch.__file__)) + os.sep,
    os.path.dirname(os.__file__) + os.sep,
    PACKAGE,
    "<",
)
_user: dict[CodeType, bool] = {}


def is_ours(filename: str) -> bool:
    """Whether a file is of this package: a lesson's script is a script like any other."""
    return filename.startswith(PACKAGE) and not filename.startswith(_LESSONS)


def written_by_user(filename: str) -> bool:
    """Whether a file is the user's own: not installed beside torch, not Python's, not ours."""
    return filename.startswith(_LESSONS) or not filename.startswith(_LIBRARIES)


def _written_by_user(code: CodeType) -> bool:
    known = _user.get(code)
    if known is None:
        known = _user[code] = written_by_user(code.co_filename)
    return known


def user_frame() -> FrameType | None:
    """The innermost frame of the user's code (not torch's, ours or Python's library)."""
    return _first_of_user(sys._getframe(1))


def _first_of_user(frame: FrameType | None) -> FrameType | None:
    """A frame, or the nearest of its callers, that is the user's code."""
    while frame is not None:
        code = frame.f_code
        known = _user.get(code)
        if known is None:
            known = _written_by_user(code)
        if known:
            return frame
        frame = frame.f_back
    return None


def calling_frame() -> FrameType | None:
    """The caller of the function that asks, if it is the user's code.

    Python makes an object of every frame that is looked at: one is cheaper than a walk.
    """
    frame = sys._getframe(2)
    return frame if _written_by_user(frame.f_code) else None


def user_frames() -> Iterator[FrameType]:
    """All frames of the user's code, innermost first."""
    frame = _first_of_user(sys._getframe(1))
    while frame is not None:
        yield frame
        frame = _first_of_user(frame.f_back)


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
