"""Honest digits: numbers as text, in the precision of the tensor that holds them.

`shortest` is data: ASCII, and it parses back to the same number. Everything else here is for the
screen: it uses the typographic minus and may round, but it never shows a nonzero number as 0.

Values are what the protocol carries: numbers, or the words "nan", "inf" and "-inf".
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from decimal import Decimal
from functools import lru_cache
from typing import Any

from backprop_tui.protocol import TensorInfo

MINUS = "−"


class Hidden(float):
    """A number that is not to be read from the screen: it is written ``?``."""

    def __format__(self, spec: str) -> str:
        return "?"

    def __repr__(self) -> str:
        return "?"

    __str__ = __repr__


# dtype -> (bits of precision, exponent of the smallest normal number as frexp counts it, decimal
# digits that always survive, decimal digits that always suffice). IEEE 754 and the OCP 8-bit formats.
FORMATS: dict[str, tuple[int, int, int, int]] = {
    "float32": (24, -125, 6, 9),
    "float16": (11, -13, 3, 5),
    "bfloat16": (8, -125, 2, 4),
    "float8_e4m3fn": (4, -5, 1, 3),
    "float8_e5m2": (3, -13, 1, 2),
}
COMPLEX = {"complex32": "float16", "complex64": "float32", "complex128": "float64"}


@lru_cache(maxsize=65536)
def _shortest_float(value: float, dtype: str) -> str:
    if math.isnan(value) or math.isinf(value):
        return str(value)
    if dtype not in FORMATS:
        return _layout(*_digits(repr(value)))
    return _layout(*_digits(_short_decimal(value, dtype)))


def shortest(value: Any, dtype: str) -> str:
    """The shortest decimal that gives `value` back when it is read in `dtype`.

    Integers and booleans as Python writes them; complex numbers as ``1+2j``; ``nan``, ``inf``, ``-inf``.
    """
    if isinstance(value, Hidden):
        return "?"
    if isinstance(value, float):
        return _float(value, dtype)
    if isinstance(value, bool):
        return "True" if value else "False"
    if isinstance(value, int):
        return _float(float(value), dtype) if dtype in FORMATS or dtype == "float64" else str(value)
    if isinstance(value, complex):
        return _complex(value, dtype)
    if isinstance(value, (list, tuple)) and dtype in COMPLEX and len(value) == 2:
        return _complex(complex(float(value[0]), float(value[1])), dtype)
    return str(value)


def _float(value: float, dtype: str) -> str:
    # The cache takes 0.0 and -0.0 for the same key.
    if value == 0:
        return "-0" if math.copysign(1.0, value) < 0 else "0"
    return _shortest_float(value, dtype)


def _complex(value: complex, dtype: str) -> str:
    part = COMPLEX.get(dtype, "float64")
    imaginary = _float(value.imag, part)
    sign = "" if imaginary.startswith("-") else "+"
    return f"{_float(value.real, part)}{sign}{imaginary}j"


def rounded(value: float, dtype: str) -> float:
    """`value` as `dtype` would hold it (round to nearest, ties to even); float64 comes back unchanged."""
    if dtype not in FORMATS or value == 0 or not math.isfinite(value):
        return value
    bits, smallest, _, _ = FORMATS[dtype]
    exponent = max(math.frexp(value)[1], smallest) - bits
    return math.ldexp(round(math.ldexp(value, -exponent)), exponent)


def _short_decimal(value: float, dtype: str) -> str:
    """Scientific notation with as few digits as `dtype` needs."""
    _, smallest, safe, enough = FORMATS[dtype]
    mantissa, exponent = math.frexp(value)
    first = safe if exponent >= smallest else 1
    for digits in range(first, enough + 1):
        for text in _near(value, digits, abs(mantissa) == 0.5):
            if rounded(float(text), dtype) == value:
                return text
    return repr(value)


def _near(value: float, digits: int, power_of_two: bool) -> Iterator[str]:
    """Decimals with so many digits near `value`: the nearest, and for a power of two its neighbours.

    Below a power of two the floats lie twice as close, so a decimal that is not the nearest may
    still be read back as it.
    """
    text = f"{value:.{digits - 1}e}"
    yield text
    if power_of_two:
        unit = Decimal(f"1e{int(text.partition('e')[2]) - digits + 1}")
        yield from (f"{Decimal(text) + step:e}" for step in (unit, -unit))


def _digits(text: str) -> tuple[str, str, int]:
    """(sign, significant digits, power of ten of the first digit) of a decimal numeral."""
    sign, digits, exponent = Decimal(text).normalize().as_tuple()
    power = len(digits) - 1 + int(exponent)
    return "-" if sign else "", "".join(map(str, digits)), power


def _layout(sign: str, digits: str, power: int) -> str:
    """A numeral, written out unless that would take many zeros."""
    if power < -4 or power > 15 or power + 1 - len(digits) > 5:
        return sign + _scientific(digits, power)
    return sign + _positional(digits, power)


def _positional(digits: str, power: int) -> str:
    if power < 0:
        return "0." + "0" * (-power - 1) + digits
    whole = digits[: power + 1].ljust(power + 1, "0")
    return f"{whole}.{digits[power + 1 :]}" if len(digits) > power + 1 else whole


def _scientific(digits: str, power: int) -> str:
    return f"{digits[0]}.{digits[1:]}e{power}" if len(digits) > 1 else f"{digits}e{power}"


def display(text: str) -> str:
    """A numeral for the screen: with the typographic minus."""
    return text.replace("-", MINUS)


@lru_cache(maxsize=65536)
def _fit_text(text: str, width: int) -> str:
    if len(text) <= width:
        return display(text)
    try:
        sign, digits, power = _digits(text)
    except (ArithmeticError, ValueError, TypeError):
        return text[: max(0, width - 1)] + "…" if width > 0 else ""
    for count in range(len(digits) - 1, 0, -1):
        for candidate in _shorter(sign, digits, power, count):
            if len(candidate) <= width:
                return display(candidate)
    return "#" * width


def _shorter(sign: str, digits: str, power: int, count: int) -> tuple[str, ...]:
    """The number rounded to `count` digits, written out (if that loses no digit) and in powers of ten."""
    _, kept, grown = _digits(f"{Decimal(f'{digits[0]}.{digits[1:]}e{power}'):.{count - 1}e}")
    scientific = sign + _scientific(kept, grown)
    if -5 < grown < count:
        return (sign + _positional(kept, grown), scientific)
    return (scientific,)


def fit(value: Any, dtype: str, width: int) -> str:
    """`value` in at most `width` columns, rounded if it must be; ``###`` if no honest form fits."""
    text = shortest(value, dtype)
    parts = _parts(value, dtype) if len(text) > width else None
    if parts is None:
        return _fit_text(text, width)
    shorter = (_complex_text(*parts, COMPLEX.get(dtype, "float64"), digits) for digits in range(8, 0, -1))
    return next((text for text in shorter if len(text) <= width), "#" * width)


def _parts(value: Any, dtype: str) -> tuple[float, float] | None:
    """The real and the imaginary part of a complex number; None of any other."""
    if isinstance(value, complex):
        return value.real, value.imag
    if dtype in COMPLEX and isinstance(value, (list, tuple)) and len(value) == 2:
        return float(value[0]), float(value[1])
    return None


def _complex_text(real: float, imaginary: float, dtype: str, digits: int) -> str:
    second = significant(imaginary, dtype, digits)
    return f"{significant(real, dtype, digits)}{'' if second.startswith(MINUS) else '+'}{second}j"


def significant(value: Any, dtype: str, digits: int) -> str:
    """`value` rounded to so many significant digits, for labels that need not be exact."""
    parts = _parts(value, dtype)
    if parts is not None:
        return _complex_text(*parts, COMPLEX.get(dtype, "float64"), digits)
    text = shortest(value, dtype)
    if not isinstance(value, float) or isinstance(value, Hidden) or not math.isfinite(value) or value == 0:
        return display(text)
    return _significant_text(text, digits)


@lru_cache(maxsize=65536)
def _significant_text(text: str, digits: int) -> str:
    sign, figures, power = _digits(text)
    kept = power + 1 if digits <= power < 6 else digits
    if len(figures) <= kept:
        return display(text)
    _, figures, power = _digits(f"{Decimal(text):.{kept - 1}e}")
    return display(sign + (_scientific(figures, power) if power > 5 else _layout("", figures, power)))


def shape_text(shape: list[int]) -> str:
    """``128×784``; a scalar is ``scalar``."""
    return "×".join(map(str, shape)) if shape else "scalar"


def count(shape: list[int]) -> int:
    """Number of elements."""
    return math.prod(shape)


def flat(values: Any) -> list[Any]:
    """The numbers of nested lists, in order."""
    if not isinstance(values, list):
        return [values]
    if values and not isinstance(values[0], list):
        return values
    return [number for row in values for number in flat(row)]


def known(infos: Sequence[TensorInfo | None] | None) -> list[TensorInfo]:
    """Those of a record's tensors that there are: a node may have no gradient for an input."""
    return [info for info in infos or () if info is not None]


def elements(info: TensorInfo) -> list[Any]:
    """The elements of a tensor whose values are known, in order; of a complex one complex numbers."""
    numbers = flat(info["values"])
    if info.get("dtype", "") not in COMPLEX:
        return numbers
    pairs = zip(numbers[::2], numbers[1::2], strict=True)
    return [complex(float(real), float(imaginary)) for real, imaginary in pairs]


def real_values(info: TensorInfo | None) -> Any:
    """The values as far as a picture can show them: complex numbers have no place on a line."""
    return None if info is None or info.get("dtype", "") in COMPLEX else info.get("values")


def nested_text(values: Any, dtype: str, digits: int | None) -> str:
    """Nested lists in brackets, with all digits or rounded to so many."""
    if isinstance(values, list) and not (dtype in COMPLEX and _is_complex_pair(values)):
        return "[" + " ".join(nested_text(item, dtype, digits) for item in values) + "]"
    return display(shortest(values, dtype)) if digits is None else significant(values, dtype, digits)


def _is_complex_pair(values: list[Any]) -> bool:
    return len(values) == 2 and not any(isinstance(item, list) for item in values)


def whole_values(info: TensorInfo, limit: int) -> str | None:
    """All numbers of a tensor in at most `limit` columns, exact or to four digits; None if too long."""
    values, dtype = info.get("values"), info.get("dtype", "")
    if values is None or count(info.get("shape", [])) * 2 > limit + 1:
        return None
    texts = (nested_text(values, dtype, digits) for digits in (None, 4))
    return next((text for text in texts if len(text) <= limit), None)


def short_values(info: TensorInfo | None, limit: int) -> str:
    """One line of at most `limit` columns: ``0.191``, ``[0.85 0.48]``, else ``float32 [128, 784]``.

    The digits are all there if they fit, else rounded to four; a tensor too long for that is
    described by shape and norm.
    """
    if info is None:
        return "None"
    return whole_values(info, limit) or _described(info, limit)


def _described(info: TensorInfo, limit: int) -> str:
    shape = f"[{', '.join(map(str, info.get('shape', [])))}]"
    dtype = info.get("dtype", "")
    norm = norm_of(info)
    choices = [f"{dtype} {shape}", shape]
    if norm is not None:
        choices.insert(0, f"{dtype} {shape} norm {significant(norm, 'float64', 3)}")
    if info.get("nonfinite"):
        choices.insert(0, f"{dtype} {shape} {info['nonfinite']} not finite")
    return next((text for text in choices if len(text) <= limit), shape[: max(0, limit - 1)] + "…")


def norm_of(info: TensorInfo | None) -> float | None:
    """Euclidean norm: as told, or worked out from the values; None if neither is known or to be read."""
    if info is None:
        return None
    if info.get("norm") is not None:
        return float(info["norm"])
    numbers = _told(info)
    return math.sqrt(sum(number**2 for number in numbers)) if numbers is not None else None


def _told(info: TensorInfo) -> list[float] | None:
    """All elements; None where one is to be guessed, and where they are no numbers or not known."""
    values = info.get("values")
    if values is None or info.get("dtype", "") == "bool":
        return None
    numbers = flat(values)
    hidden = any(isinstance(number, Hidden) for number in numbers)
    return None if hidden else [float(number) for number in numbers]


def extremes_of(info: TensorInfo) -> tuple[float, float] | None:
    """The least and the greatest finite element: as told, or worked out from the values; None if unknown."""
    if info.get("min") is not None and info.get("max") is not None:
        return float(info["min"]), float(info["max"])
    finite = [number for number in _told(info) or () if math.isfinite(number)]
    return (min(finite), max(finite)) if finite else None


def nonfinite_of(info: TensorInfo) -> int:
    """How many elements are NaN or infinite: as told, or counted; 0 if that is not known."""
    if info.get("values") is None:
        return info.get("nonfinite", 0)
    return sum(not math.isfinite(float(number)) for number in flat(info["values"]))


def gradient_word(info: TensorInfo | None, limit: int) -> str:
    """Three different words: ``None`` (no gradient), ``0`` (exactly zero everywhere), or the numbers."""
    if info is None:
        return "None"
    values = info.get("values")
    if values is not None and all(number == 0 for number in flat(values)):
        return "0"
    if values is None and info.get("norm") == 0:
        return "0"
    return short_values(info, limit)


def torch_style(values: Any, dtype: str) -> str:
    """As torch prints a tensor with its default options: four decimals, ``[0.1100, 0.2100]``."""
    numbers = [float(number) for number in flat(values)]
    finite = [abs(number) for number in numbers if math.isfinite(number) and number != 0]
    if not dtype.startswith(("float", "bfloat")):
        return _nested_with(values, str)
    if all(number == int(number) for number in finite):
        return _nested_with(values, _whole)
    wide = max(finite) / min(finite) > 1000 or max(finite) > 1e8 or min(finite) < 1e-4
    spec = ".4e" if wide else ".4f"
    return _nested_with(values, lambda number: _formatted(number, spec))


def _formatted(number: Any, spec: str) -> str:
    return "?" if isinstance(number, Hidden) else format(float(number), spec)


def _whole(number: Any) -> str:
    if isinstance(number, Hidden):
        return "?"
    return f"{float(number):.0f}." if math.isfinite(float(number)) else str(float(number))


def _nested_with(values: Any, write: Any) -> str:
    if isinstance(values, list):
        return "[" + ", ".join(_nested_with(item, write) for item in values) + "]"
    return str(write(values))
