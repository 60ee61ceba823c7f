"""torch's compiler, which is loaded when somebody asks for it, and compiles nothing."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from importlib.util import find_spec, module_from_spec
from threading import RLock
from types import FunctionType, ModuleType
from typing import Any

import torch

from backprop_tui.debuggee.private import COMPILER, put_compiler

_WITHOUT_IT = frozenset({"graph_break", "disable"})
"""What optimizers call of the compiler where nothing is compiled."""
_OF_MODULES = frozenset({"__spec__", "__class__", "__dict__", "__name__", "__file__", "__warningregistry__"})
"""What is asked of every module that is loaded."""


class _Unloaded(ModuleType):
    """The compiler until somebody needs it."""

    def __getattribute__(self, name: str) -> Any:
        if name not in _WITHOUT_IT and name not in _OF_MODULES:
            self.__dict__["load"]()
        return ModuleType.__getattribute__(self, name)  # `super()` would look for the former class


def _compile_nothing() -> None:
    """What `torch.compile` returns is what it would be, with its type and its names, and runs as eager code.

    (``TORCHDYNAMO_DISABLE`` makes `torch.compile` return the module itself.)
    """
    torch.compiler.set_stance("force_eager")


def load_late(quietly: Callable[[], AbstractContextManager[None]]) -> None:
    """Let the first optimizer not load torch's compiler, which takes as long as torch itself.

    Optimizers import it to say that they are not to be compiled (torch/_compile.py and
    `_use_grad_for_differentiable` in torch/optim/optimizer.py), and the debuggee compiles nothing. Whoever
    asks for anything else of it gets the whole, in the same object.
    ``quietly``: around the loading, so that no operation in it is taken for one of the script's.
    """
    if COMPILER in sys.modules:
        _compile_nothing()
        return
    spec = find_spec(COMPILER)
    if spec is None or spec.loader is None:
        return
    loader, compiler, lock = spec.loader, module_from_spec(spec), RLock()
    begun: list[bool] = []

    def load() -> None:
        with lock:  # other threads wait; its own modules, which ask for it while it is loaded, do not
            if begun:
                return
            begun.append(True)
            with quietly():  # torch 2.6 looks, as it loads, with a mode of its own at what operators call
                loader.exec_module(compiler)
            compiler.__class__ = ModuleType
            _compile_nothing()

    def disable(function: Any = None, *args: Any, **kwargs: Any) -> Any:
        if type(function) is FunctionType:
            return function
        load()
        return compiler.disable(function, *args, **kwargs)

    vars(compiler).update(graph_break=lambda *args, **kwargs: None, disable=disable, load=load)
    compiler.__class__ = _Unloaded
    put_compiler(compiler)
