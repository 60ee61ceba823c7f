"""Two kinds of numbers that formulas are evaluated with, besides plain ones.

`Bounded` carries how far rounding may have brought torch's result from the exact one. `Parted` carries
how much of a step comes from the gradient, from momentum and from decay.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from backprop_tui.explain.check import EPSILON, LARGEST, TINY

Array = Any
"""A float64 array, or one plain number."""

_COMPARISONS = {np.less, np.greater, np.less_equal, np.greater_equal, np.equal, np.not_equal}


@dataclass(frozen=True)
class Precision:
    """What a dtype can hold: distance of 1 to the next number, smallest normal and largest number."""

    unit: float
    tiny: float
    largest: float = np.inf

    @classmethod
    def of(cls, dtype: str) -> Precision:
        return cls(EPSILON[dtype], TINY[dtype], LARGEST.get(dtype, np.inf))


class Bounded(NDArrayOperatorsMixin):
    """Numbers and, for each, a bound on the error that rounding in a precision makes.

    Running error analysis (Higham, Accuracy and Stability of Numerical Algorithms, section 3.3): each
    operation passes its operands' errors on and adds its own rounding. Tensors come with error 0:
    their bits are what torch itself started from.
    """

    def __init__(self, value: Array, precision: Precision, error: Array = 0.0) -> None:
        self.value = value
        self.error = error
        self.precision = precision

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        values = [item.value if isinstance(item, Bounded) else item for item in inputs]
        if ufunc in _COMPARISONS:
            return ufunc(*values)
        if method != "__call__" or kwargs or ufunc not in _ERRORS:
            return NotImplemented
        errors = [item.error if isinstance(item, Bounded) else 0.0 for item in inputs]
        result = _sign(*values) if ufunc is np.sign else ufunc(*values)
        passed = _ERRORS[ufunc](result, values, errors)
        own = self.precision.unit * np.abs(result) + self.precision.tiny
        return Bounded(result, self.precision, passed + own)

    @staticmethod
    def where(condition: Array, one: Any, other: Any) -> Bounded:
        """One number where a condition holds, else another; either may be plain."""
        precision = next(item.precision for item in (one, other) if isinstance(item, Bounded))
        one, other = (
            item if isinstance(item, Bounded) else Bounded(item, precision) for item in (one, other)
        )
        value = np.where(condition, one.value, other.value)
        return Bounded(value, precision, np.where(condition, one.error, other.error))


def _sign(value: Array) -> Array:
    """torch's sign of NaN is 0."""
    return np.where(np.isnan(value), 0.0, np.sign(value))


Errors = Callable[[Array, Sequence[Array], Sequence[Array]], Array]


def _sum_error(result: Array, values: Sequence[Array], errors: Sequence[Array]) -> Array:
    return errors[0] + errors[1]


def _larger_error(result: Array, values: Sequence[Array], errors: Sequence[Array]) -> Array:
    return np.maximum(errors[0], errors[1])


def _product_error(result: Array, values: Sequence[Array], errors: Sequence[Array]) -> Array:
    return np.abs(values[0]) * errors[1] + np.abs(values[1]) * errors[0]


def _quotient_error(result: Array, values: Sequence[Array], errors: Sequence[Array]) -> Array:
    return (errors[0] + np.abs(result) * errors[1]) / np.abs(values[1])


def _power_error(result: Array, values: Sequence[Array], errors: Sequence[Array]) -> Array:
    base, exponent = values
    return np.abs(exponent * base ** (exponent - 1)) * errors[0] if np.any(errors[0]) else 0.0


def _root_error(result: Array, values: Sequence[Array], errors: Sequence[Array]) -> Array:
    # √(a + e) − √a is at most e/2√a, and at most √e where a is nearly 0.
    return np.minimum(np.where(result > 0, errors[0] / (2 * result), np.inf), np.sqrt(errors[0]))


def _same_error(result: Array, values: Sequence[Array], errors: Sequence[Array]) -> Array:
    return errors[0]


def _no_error(result: Array, values: Sequence[Array], errors: Sequence[Array]) -> Array:
    return 0.0


_ERRORS: dict[Any, Errors] = {
    np.add: _sum_error, np.subtract: _sum_error, np.multiply: _product_error, np.divide: _quotient_error,
    np.power: _power_error, np.sqrt: _root_error, np.maximum: _larger_error, np.minimum: _larger_error,
    np.negative: _same_error, np.absolute: _same_error, np.sign: _no_error,
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Parted(NDArrayOperatorsMixin):
    """Numbers and the parts of them that come from the gradient, from momentum, and from decay.

    The parts follow sums, and products and quotients with what is no part itself; whatever else is
    done to a number (its square, a root) makes it a mere scale, without parts.
    """

    value: Array
    gradient: Array = 0.0
    momentum: Array = 0.0
    decay: Array = 0.0

    def scaled(self, factor: Array) -> Parted:
        return Parted(
            self.value * factor, self.gradient * factor, self.momentum * factor, self.decay * factor
        )

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        if method != "__call__" or kwargs:
            return NotImplemented
        if ufunc in (np.add, np.subtract):
            one, other = (item if isinstance(item, Parted) else Parted(item) for item in inputs)
            return _sum(one, other if ufunc is np.add else other.scaled(-1.0))
        if ufunc is np.negative:
            return self.scaled(-1.0)
        if ufunc is np.sign:
            return self.scaled(np.abs(_sign(self.value)) / np.maximum(np.abs(self.value), 1e-300))
        if ufunc in (np.multiply, np.divide):
            return _scaled(ufunc, *inputs)
        return ufunc(*(plain(item) for item in inputs))

    @staticmethod
    def where(condition: Array, one: Any, other: Any) -> Parted:
        """One number where a condition holds, else another; either may be plain."""
        one, other = (item if isinstance(item, Parted) else Parted(item) for item in (one, other))
        return _sum(one.scaled(np.where(condition, 1.0, 0.0)), other.scaled(np.where(condition, 0.0, 1.0)))


def plain(value: Any) -> Any:
    """A number without its parts."""
    return value.value if isinstance(value, Parted) else value


def _sum(one: Parted, other: Parted) -> Parted:
    return Parted(
        one.value + other.value,
        one.gradient + other.gradient,
        one.momentum + other.momentum,
        one.decay + other.decay,
    )


def _scaled(ufunc: Any, one: Any, other: Any) -> Any:
    if isinstance(one, Parted) and not (isinstance(other, Parted) and ufunc is np.multiply):
        return one.scaled(1 / plain(other) if ufunc is np.divide else other)
    if isinstance(other, Parted) and not isinstance(one, Parted) and ufunc is np.multiply:
        return other.scaled(one)
    return ufunc(plain(one), plain(other))
