"""What the script calls its tensors and modules."""

from __future__ import annotations

import sys
import weakref
from collections.abc import Iterable, Iterator
from functools import lru_cache
from types import FrameType, ModuleType
from typing import Any

import torch

from backprop_tui.debuggee import private
from backprop_tui.debuggee.frames import user_frames
from backprop_tui.debuggee.graph import gathers_gradient
from backprop_tui.debuggee.objects import items

_CONTAINER_DEPTH = 3
_HOLDERS = (list, tuple, dict, torch.Tensor)
_OF_ALL_MODULES = frozenset(vars(torch.nn.Module()))
"""Attributes that are soonest known to hold nothing of the script's."""


class Names:
    """Finds names by looking at the variables of the script's frames.

    Parameters and modules are looked for from the outermost frame inwards (``model.linear1.weight``
    rather than ``self.weight``), other tensors from the innermost outwards.
    """

    def __init__(self) -> None:
        self._known: dict[int, tuple[weakref.ref[Any], str]] = {}
        self._missing: set[int] = set()
        self._last: dict[int, tuple[weakref.ref[Any], str]] = {}
        """What was known when the script's variables were last looked at."""
        self._held: dict[int, tuple[weakref.ref[Any], str]] | None = None

    def forget(self) -> None:
        """Variables may have been assigned since: look again for every name."""
        self._known.clear()
        self._missing.clear()
        self._held = None

    def module(self, module: torch.nn.Module) -> str | None:
        """``model.linear1``, or None for a module that no variable leads to."""
        return self._lasting(module)

    def parameter(self, tensor: torch.Tensor) -> str | None:
        """``model.linear1.weight``, ``w``, or None."""
        return self._lasting(tensor)

    def tensor(self, tensor: torch.Tensor) -> str | None:
        """The name of any tensor, None for a temporary."""
        if isinstance(tensor, torch.nn.Parameter) or gathers_gradient(tensor):
            return self._lasting(tensor)
        known = self._known.get(id(tensor))
        if known is not None and known[0]() is tensor:
            return known[1]
        return variable_name(tensor) or self._held_name(tensor)

    def _held_name(self, tensor: torch.Tensor) -> str | None:
        """The name of a tensor in a list or an object: looked for once in each iteration."""
        if self._held is None:
            self._held = {}
            for name, item in tensor_variables():
                self._held.setdefault(id(item), (weakref.ref(item), name))
        known = self._held.get(id(tensor))
        return known[1] if known is not None and known[0]() is tensor else None

    def lasting_tensors(self) -> list[tuple[str, torch.Tensor]]:
        """Every parameter, leaf and buffer that has a name, in the order of the script's modules."""
        self._scan()
        found = ((name, reference()) for reference, name in self._known.values())
        return [(name, thing) for name, thing in found if isinstance(thing, torch.Tensor)]

    def _lasting(self, thing: Any) -> str | None:
        known = self._known.get(id(thing))
        if known is not None and known[0]() is thing:
            return known[1]
        if id(thing) in self._missing:
            return self._named_since(thing)
        self._scan()
        known = self._known.get(id(thing))
        if known is not None and known[0]() is thing:
            return known[1]
        self._missing.add(id(thing))
        return None

    def _named_since(self, thing: Any) -> str | None:
        """The name of a leaf that has got its variable after it was looked for.

        ``w = torch.tensor(...)`` asks for it first while there is a tensor, but no variable yet.
        """
        name = variable_name(thing) if isinstance(thing, torch.Tensor) else None
        if name is not None:
            self._missing.discard(id(thing))
            self._remember(thing, name)
        return name

    def _scan(self) -> None:
        """Name every module, parameter and buffer that the frames' variables lead to."""
        self._known = {}
        frames = list(user_frames())
        for variables in reversed(list(_scopes(frames))):
            for name, value in variables.items():
                if not name.startswith("__"):
                    self._try(name, value)
        if frames:
            self._last = self._known
            return
        # The script is over, and with it the functions whose variables led to what still lives.
        for key, entry in self._last.items():
            if entry[0]() is not None:
                self._known.setdefault(key, entry)

    def _try(self, name: str, value: Any) -> None:
        try:
            self._enter(name, value, _CONTAINER_DEPTH)
        except Exception:  # an object that cannot even be asked what it is names nothing
            return

    def _enter(self, name: str, value: Any, depth: int) -> None:
        if isinstance(value, torch.nn.Module):
            self._enter_module(name, value)
        elif isinstance(value, torch.Tensor):
            if gathers_gradient(value):
                self._remember(value, name)
        elif depth and not isinstance(value, (str, bytes, int, float, ModuleType, type)):
            for path, item in items(value):
                self._enter(name + path, item, depth - 1)

    def _enter_module(self, name: str, root: torch.nn.Module) -> None:
        named = list(self._named_anew(name, root))
        for owned in (private.own_parameters, private.own_buffers):
            for path, module in named:
                for key, tensor in owned(module).items():
                    if tensor is not None:
                        self._remember(tensor, join(path, key))
        for path, module in named:
            self._enter_unregistered(path, module)

    def _named_anew(self, path: str, module: torch.nn.Module) -> Iterator[tuple[str, torch.nn.Module]]:
        """A module and those inside it that have no name yet, which get theirs. One may hold another that
        holds it."""
        known = self._known.get(id(module))
        if known is not None and known[0]() is module:
            return
        self._remember(module, path)
        yield path, module
        for key, child in private.own_modules(module).items():
            if child is not None:
                yield from self._named_anew(join(path, key), child)

    def _enter_unregistered(self, path: str, module: torch.nn.Module) -> None:
        """Layers in a Python list and tensors that are plain attributes: the module itself knows neither."""
        for key, item in vars(module).items():
            if key not in _OF_ALL_MODULES and isinstance(item, _HOLDERS) and not key.startswith("_"):
                self._enter(f"{path}.{key}", item, _CONTAINER_DEPTH)

    def _remember(self, thing: Any, name: str) -> None:
        known = self._known.get(id(thing))
        if known is None or known[0]() is not thing:
            self._known[id(thing)] = (weakref.ref(thing), name)


@lru_cache(maxsize=4096)
def join(root: str, path: str) -> str:
    """``model`` and ``0.weight`` make ``model[0].weight``, as the script would write it."""
    text = root
    for part in path.split(".") if path else ():
        text += f"[{part}]" if part.isdigit() else f".{part}"
    return text


def _variables(frame: FrameType) -> Iterator[dict[str, Any]]:
    yield dict(frame.f_locals)
    if frame.f_locals is not frame.f_globals:
        yield dict(frame.f_globals)


def _scopes(frames: Iterable[FrameType]) -> Iterator[dict[str, Any]]:
    """The variables of the script's frames, innermost first; after its end those of its module."""
    frame = None
    for frame in frames:
        yield from _variables(frame)
    if frame is None:
        yield dict(vars(sys.modules["__main__"]))


def variable_name(tensor: torch.Tensor) -> str | None:
    """The variable that is this very tensor, innermost frame first."""
    for frame in user_frames():
        for variables in (frame.f_locals, frame.f_globals):
            for name, value in variables.items():
                if value is tensor:
                    return name
    return None


def tensor_variables() -> Iterator[tuple[str, torch.Tensor]]:
    """Every tensor that a variable of the script's frames leads to, innermost frame first."""
    seen: set[int] = set()
    for variables in _scopes(user_frames()):
        for name, value in variables.items():
            if name.startswith("__"):
                continue
            for path, item in _tensors_of(value):
                if id(item) not in seen:
                    seen.add(id(item))
                    yield name + path, item


def _tensors_of(value: Any) -> list[tuple[str, torch.Tensor]]:
    """A variable's value, or those that it holds, if they are tensors; each with how it is reached."""
    try:
        if isinstance(value, torch.Tensor):
            return [("", value)]
        if isinstance(value, (str, bytes, int, float, ModuleType, type)):
            return []
        return [(path, item) for path, item in items(value) if isinstance(item, torch.Tensor)]
    except Exception:  # as in `Names._try`
        return []
