"""The gradients that the script would clear: cleared, kept, or set to zero instead of None."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any
from weakref import ref

import torch

from backprop_tui.debuggee import private
from backprop_tui.debuggee.changes.errors import ChangeError
from backprop_tui.debuggee.changes.wrapping import transparent
from backprop_tui.debuggee.memory import address_of

MODES = ("on", "off", "zero")

_grad: Any = torch.Tensor.grad
_get, _set, _delete = _grad.__get__, _grad.__set__, _grad.__delete__
_zero = frozenset({torch.Tensor.zero_, torch.zero_})
_fill = frozenset({torch.Tensor.fill_, torch.fill_})
_concerned = _zero | _fill | {_get, _set, _delete, private.foreach_zero}

Replacement = tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]


def keep(*args: Any, **kwargs: Any) -> Any:
    """In the place of a call that would clear a gradient: leaves it, and answers as the call would."""
    return args[0] if args else None


def keep_none(*args: Any, **kwargs: Any) -> None:
    """The same for calls that answer None."""


def zero_instead(parameter: torch.Tensor, value: None = None) -> None:
    """In the place of ``parameter.grad = None``: zeros, as ``zero_grad(set_to_none=False)`` leaves them."""
    gradient = parameter.grad
    if gradient is None:
        return
    if gradient.grad_fn is not None:
        gradient.detach_()
    else:
        gradient.requires_grad_(False)
    gradient.zero_()


class ZeroGrad:
    """What becomes of the script's clearing of gradients.

    on: as the script does it. off: not at all. zero: to zeros where the script sets None.
    `wrap` serves `Optimizer.zero_grad` and `Module.zero_grad` and needs no torch-function mode;
    `concerns` and `replacement` serve the mode, for scripts that clear by hand.
    """

    def __init__(self, mode: str = "on", leaves: Iterable[torch.Tensor] = (), met: bool = False) -> None:
        """``leaves``: those whose gradient the script may have taken already, to clear it later."""
        if mode not in MODES:
            raise ChangeError(f"zero_grad is {', '.join(MODES[:-1])} or {MODES[-1]}, not {mode}.")
        self.mode = mode
        self.met = met
        """The script cleared a gradient while it was not to be cleared as the script does it."""
        self._parameters: dict[int, ref[torch.Tensor]] = {}
        """Address of a gradient's storage to the leaf that the script took it from."""
        for leaf in leaves:
            self._remember(leaf)

    # inside the torch-function mode
    def concerns(self, func: Callable[..., Any]) -> bool:
        """Whether a call of this function may have to be replaced."""
        return self.mode != "on" and func in _concerned

    def replacement(
        self, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Replacement:
        """What to call instead; the call itself if it clears no gradient of a leaf.

        ``detach_`` stays: it clears nothing.
        """
        if func == _get:
            self._remember(args[0])
        elif func in (_set, _delete):
            if args[0].is_leaf and (func == _delete or args[1] is None):
                self.met = True
                return (keep_none if self.mode == "off" else zero_instead), args[:1], {}
        elif self._clears(func, args, kwargs):
            self.met = True
            if self.mode == "off":
                return (keep_none if func is private.foreach_zero else keep), args, kwargs
        return func, args, kwargs

    def _remember(self, tensor: torch.Tensor) -> None:
        """A gradient is cleared by hand through ``.grad``, so whose it is, is known from here."""
        if tensor.is_leaf and tensor.grad is not None:
            address = address_of(tensor.grad)
            known = self._parameters.get(address)
            if known is None or known() is not tensor:
                self._parameters[address] = ref(tensor)

    def _clears(self, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
        if func is private.foreach_zero:
            return all(self._is_gradient(tensor) for tensor in args[0])
        if func in _fill and not _is_zero(args[1] if len(args) > 1 else kwargs.get("value")):
            return False
        return bool(args) and isinstance(args[0], torch.Tensor) and self._is_gradient(args[0])

    def _is_gradient(self, tensor: torch.Tensor) -> bool:
        """Whether a tensor is, or shares the memory of, the gradient that a leaf has now."""
        address = address_of(tensor)
        known = self._parameters.get(address)
        leaf = known() if known is not None else None
        return leaf is not None and leaf.grad is not None and address_of(leaf.grad) == address

    # around zero_grad itself
    def wrap(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """What to call in the place of ``Optimizer.zero_grad`` or ``Module.zero_grad``."""
        if self.mode == "on":
            return original
        self.met = True
        return keep_none if self.mode == "off" else _to_zero(original)


def _to_zero(original: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(original)
    def zero_grad(target: Any, set_to_none: bool = True) -> Any:
        return original(target, set_to_none=False)

    return transparent(zero_grad)


def _is_zero(value: Any) -> bool:
    return isinstance(value, (int, float, complex, torch.Tensor)) and bool(value == 0)
