"""Rules of dropout (Srivastava et al. 2014; aten/src/ATen/native/Dropout.cpp).

What is dropped is drawn by chance. It is read off torch's result; that the rest is what it should be is
checked.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from backprop_tui.explain.evidence import Array
from backprop_tui.explain.rule import Case, Index, Rule
from backprop_tui.explain.rules.writing import single, some, wide

_ALPHA = 1.7580993408473766
"""What SELU tends to far on the negative side: the product of its two constants (Klambauer et al. 2017)."""


def _active(case: Case) -> bool:
    return bool(case.get("training", case.get("train", True))) and case["p"] > 0


def _output(case: Case) -> Array:
    result = case.result(0)
    return np.zeros(()) if result is None else result.values


@dataclass(frozen=True)
class _Kind:
    """``leading``: for so many dimensions in front something is drawn; None: for every element."""

    leading: Callable[[int], int] | None = None

    def together(self, values: Array, join: Callable[..., Array]) -> Array:
        """What is decided by several elements, at the place of each."""
        if self.leading is None:
            return values
        axes = tuple(range(self.leading(values.ndim), values.ndim))
        return np.asarray(np.broadcast_to(join(values, axis=axes, keepdims=True), values.shape))

    def unit(self, count: int) -> str:
        return "element" if self.leading is None else "channel"

    def drawn(self, mask: Array) -> Array:
        """One number for each draw."""
        if self.leading is None:
            return mask
        kept = self.leading(mask.ndim)
        return mask.reshape(*mask.shape[:kept], -1)[..., 0] if mask.size else mask.reshape(-1)


@dataclass(frozen=True)
class _Plain(_Kind):
    """Elements become 0 or are divided by 1 − p."""

    def mask(self, case: Case) -> Array:
        x, found = case["input"], _output(case)
        return self.together(np.where(np.isinf(x), np.isinf(found), found != 0), np.any)

    def evaluate(self, case: Case) -> Sequence[Array | None]:
        if not _active(case):
            return [case["input"]]
        kept = self.mask(case)
        p = float(case["p"])
        made = case["input"] * (0.0 if p == 1 else kept / (1 - p))
        second = case.result(1)
        return [made] if second is None else [made, second.values]

    def symbols(self, case: Case, number: int) -> str:
        if number:
            return "which elements are kept, drawn by chance"
        return f"{{input}} · [kept]/{wide(_share(case))}" if _active(case) else "{input}"

    def element(self, case: Case, number: int, index: Index) -> str:
        if not _active(case):
            return case.at("input", index)
        if not bool(self.mask(case)[index]) or case["p"] == 1:
            return "0, dropped"
        return f"{case.at('input', index)}/{wide(_share(case))}"

    def note(self, case: Case) -> str | None:
        if not _active(case):
            return "nothing is dropped" + ("" if case["p"] == 0 else " while evaluating")
        known = self.drawn(self.mask(case) | (self.together(case["input"] != 0, np.any)))
        kept = int((self.drawn(self.mask(case)) & known).sum())
        total = int(known.sum())
        usual = wide(round(_share(case) * total, 1))
        zeros = known.size - total
        rest = f"; of {zeros:,} that {'are' if zeros > 1 else 'is'} 0 anyway nobody can tell" if zeros else ""
        return f"kept {some(kept, total, self.unit(total))}, by chance (on average {usual}){rest}"


def _share(case: Case) -> float:
    """The probability to be kept, without the digits of 1 − 0.1's rounding."""
    return round(1 - float(case["p"]), 12)


@dataclass(frozen=True)
class _Alpha(_Kind):
    """Elements become −α and all are scaled and shifted, so that mean and variance stay what they were."""

    def constants(self, case: Case) -> tuple[float, float]:
        """Factor and shift."""
        p = float(case["p"])
        factor = 1 / np.sqrt((_ALPHA * _ALPHA * p + 1) * (1 - p))
        return factor, factor * _ALPHA * p

    def two(self, case: Case) -> tuple[Array, Array]:
        """Every element as it is if it is kept, and if it is dropped."""
        factor, shift = self.constants(case)
        x = case["input"]
        return factor * x + shift, np.full(x.shape, shift - factor * _ALPHA)

    def mask(self, case: Case) -> Array:
        kept, dropped = self.two(case)
        found = _output(case)
        away = [self.together(np.abs(found - one), np.sum) for one in (kept, dropped)]
        return np.asarray(away[0] <= away[1])

    def evaluate(self, case: Case) -> Sequence[Array | None]:
        if not _active(case):
            return [case["input"]]
        if case["p"] == 1:
            return [case["input"] * 0.0]
        return [np.where(self.mask(case), *self.two(case))]

    def scale(self, case: Case) -> Sequence[Array | None]:
        if not _active(case) or case["p"] == 1:
            return [None]
        factor, shift = self.constants(case)
        return [factor * np.maximum(np.abs(case["input"]), _ALPHA) + shift]

    def symbols(self, case: Case, number: int) -> str:
        if not _active(case):
            return "{input}"
        factor, shift = self.constants(case)
        return f"{single(factor)}·({{input}} if kept else −{single(_ALPHA)}) + {single(shift)}"

    def element(self, case: Case, number: int, index: Index) -> str:
        if not _active(case):
            return case.at("input", index)
        if case["p"] == 1:
            return "0, dropped"
        factor, shift = self.constants(case)
        x = case.at("input", index) if self.mask(case)[index] else f"(−{single(_ALPHA)})"
        return f"{single(factor)}·{x} + {single(shift)}"

    def note(self, case: Case) -> str | None:
        if not _active(case):
            return "nothing is dropped" + ("" if case["p"] == 0 else " while evaluating")
        kept = self.drawn(self.mask(case))
        usual = wide(round(_share(case) * kept.size, 1))
        said = some(int(kept.sum()), kept.size, self.unit(kept.size))
        return f"kept {said}, by chance (on average {usual}); mean 0 and variance 1 stay so"


def _by_chance(case: Case) -> str:
    return "what is kept was drawn by chance; it is read off the result, and the rest is checked"


def _rule(kind: _Plain | _Alpha, signature: str) -> Rule:
    scale = kind.scale if isinstance(kind, _Alpha) else None
    return Rule(kind.symbols, kind.evaluate, signature, kind.element, kind.note, scale, _by_chance)


def _channels(without_samples: int) -> Callable[[int], int]:
    """Samples and channels; of an input of so many dimensions only channels."""
    return lambda count: 1 if count == without_samples else 2


_CALL = "input, p=0.5, training=True, inplace=False | input, p, train"
_MODULE = "input, p=0.5, training=False, inplace=False | input, p, train"
_PLAIN = _Plain()


def _kept_gradient(case: Case) -> Sequence[Array | None]:
    if not case.get("train", True):
        return [case.g]
    p = float(case["p"])
    return [case.g * (0.0 if p == 1 else case["result1"] / (1 - p))]


OPS: dict[str, Rule] = {
    "dropout": _rule(_PLAIN, _CALL),
    "dropout_": _rule(_PLAIN, _CALL),
    "native_dropout": _rule(_PLAIN, "input, p, train"),
    "dropout1d": _rule(_Plain(_channels(2)), _CALL),
    "dropout2d": _rule(_Plain(_channels(0)), _CALL),
    "dropout3d": _rule(_Plain(_channels(4)), _CALL),
    "feature_dropout": _rule(_Plain(_channels(0)), _CALL),
    "feature_dropout_": _rule(_Plain(_channels(0)), _CALL),
    "alpha_dropout": _rule(_Alpha(), _MODULE),
    "alpha_dropout_": _rule(_Alpha(), _MODULE),
    "feature_alpha_dropout": _rule(_Alpha(_channels(0)), _MODULE),
    "feature_alpha_dropout_": _rule(_Alpha(_channels(0)), _MODULE),
}

NODES: dict[str, Rule] = {
    # tools/autograd/derivatives.yaml: native_dropout
    "NativeDropoutBackward": Rule(
        lambda c, number: f"{{g}} · {{result1}}/{wide(_share(c))}" if c.get("train", True) else "{g}",
        _kept_gradient,
    ),
}
