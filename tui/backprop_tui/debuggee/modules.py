"""Sees every call of a module."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from backprop_tui.debuggee import private
from backprop_tui.debuggee.changes.wrapping import transparent
from backprop_tui.debuggee.engine import Engine, ModuleCall
from backprop_tui.debuggee.op import Op
from backprop_tui.protocol import OPERATION, PHASE

_original_call = torch.nn.Module.__call__
_CALL_FUNCTIONS = frozenset({"torch.nn.modules.transformer", "torch.nn.modules.lazy"})
"""Modules of torch.nn that call a function that they were given."""


@dataclass(frozen=True)
class ModuleKind:
    """What is known of a module by its class."""

    scripted: bool
    """Compiled by torch.jit: its operations are not torch functions."""
    loss: bool
    own: bool
    """Of torch.nn, and calls no function that it was given."""


class _Kinds(dict[type, ModuleKind]):
    def __missing__(self, kind: type) -> ModuleKind:
        place = kind.__module__
        self[kind] = ModuleKind(
            issubclass(kind, torch.jit.ScriptModule),
            issubclass(kind, private.LossModule),
            place.startswith("torch.nn.modules.") and place not in _CALL_FUNCTIONS,
        )
        return self[kind]


_kinds = _Kinds()


class ModuleCalls:
    """Replaces `torch.nn.Module.__call__`, only while observing: a run at full speed pays nothing.

    Hooks on modules would do too, but torch's modules change their course when they find any.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._installed = False

        @transparent
        def call(module: torch.nn.Module, *args: Any, **kwargs: Any) -> Any:
            kind = _kinds[type(module)]
            if not engine.observing or not engine.ours() or kind.scripted:
                return _original_call(module, *args, **kwargs)
            return self._observed(kind, module, args, kwargs)

        self._call = call

    def sync(self) -> None:
        """Put the replacement in or take it out, as observation now wants it."""
        # Only when it changes: setting an attribute of a class empties Python's caches for all of
        # its subclasses, and the next call of every module is slow.
        if self._installed != self.engine.observing:
            self._installed = self.engine.observing
            torch.nn.Module.__call__ = self._call if self._installed else _original_call  # type: ignore[method-assign]

    @transparent
    def _observed(self, kind: ModuleKind, module: torch.nn.Module, args: Any, kwargs: Any) -> Any:
        engine, loss = self.engine, kind.loss
        op = self._begin(module, loss, args, kwargs)
        op.sealed = kind.own and not private.has_forward_of_script(module)
        engine.in_loss += loss
        engine.in_module += 1
        try:
            result = _original_call(module, *args, **kwargs)
        except BaseException as error:
            engine.fail(op, error)
            raise
        finally:
            engine.in_loss -= loss
            engine.in_module -= 1
        engine.end(op, result)
        return result

    def _begin(self, module: torch.nn.Module, loss: bool, args: Any, kwargs: Any) -> Op:
        engine = self.engine
        name = type(module).__name__
        call = ModuleCall(module, (args, kwargs))
        if loss and not engine.in_loss:
            return engine.begin(PHASE, "loss", name, call)
        if engine.in_module or engine.in_loss:
            return engine.begin(OPERATION, "module", name, call)
        return engine.begin(PHASE, "forward", name, call)
