"""What the script's objects hold, found without calling any code of the script's.

Methods of its classes can print, raise, or change something: an object is looked into by the methods of
Python's own classes alone.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from enum import Enum
from itertools import islice
from types import MemberDescriptorType
from typing import Any

from backprop_tui.debuggee.frames import written_by_user

_MOST = 64
"""Items of a container."""
_PLAIN = (str, bytes, int, float, bool, type(None))


def items(value: Any) -> Iterator[tuple[str, Any]]:
    """What a container or an object of the script holds, with how it is written: ``[0]``, ``.weight``."""
    if isinstance(value, (list, tuple)):
        for index, item in enumerate(islice(elements(value), _MOST)):
            yield f"[{index}]", item
    elif isinstance(value, dict):
        for key, item in list(dict.items(value))[:_MOST]:
            yield f"[{_key(key)}]", item
    elif _of_script(type(value)):
        for name, item in list(attributes(value).items())[:_MOST]:
            yield f".{name}", item


def elements(value: list[Any] | tuple[Any, ...]) -> Iterator[Any]:
    """Those of a list or a tuple, whose class may be one of the script's that iterates otherwise."""
    return list.__iter__(value) if isinstance(value, list) else tuple.__iter__(value)


def attributes(value: Any) -> dict[str, Any]:
    """An object's own attributes, those in slots too."""
    kind = type(value)
    found = {name: slot.__get__(value) for name, slot in _slots(kind) if _is_set(slot, value)}
    try:
        own = object.__getattribute__(value, "__dict__")
    except AttributeError:
        return found
    return found | own if type(own) is dict else found


def _slots(kind: type) -> Iterator[tuple[str, MemberDescriptorType]]:
    for base in reversed(kind.__mro__):
        if "__slots__" in base.__dict__:
            for name, member in base.__dict__.items():
                if type(member) is MemberDescriptorType:
                    yield name, member


def _is_set(slot: MemberDescriptorType, value: Any) -> bool:
    try:
        slot.__get__(value)
    except AttributeError:
        return False
    return True


def _key(key: Any) -> str:
    if type(key) in _PLAIN or (type(key) is tuple and all(type(part) in _PLAIN for part in key)):
        return repr(key)
    if isinstance(key, Enum):
        return f"{type(key).__name__}.{key._name_}"
    return f"<{type(key).__name__}>"


def written(value: Any) -> str:
    """``str(value)``, but for an object of the script's only what it is."""
    return f"<{type(value).__name__}>" if _of_script(type(value)) else str(value)


def _of_script(kind: type) -> bool:
    return _modules_of_script[kind.__module__]


class _ModulesOfScript(dict[str, bool]):
    """By name, whether classes of it are the script's own (those of libraries are not looked into): asked at
    every stop of every variable."""

    def __missing__(self, name: str) -> bool:
        path = getattr(sys.modules.get(name), "__file__", None)
        self[name] = name == "__main__" or (path is not None and written_by_user(path))
        return self[name]


_modules_of_script = _ModulesOfScript()
