"""Rules of copies, changes of dtype, and tensors that are made from nothing but numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from backprop_tui.explain.evidence import Array, Tensor
from backprop_tui.explain.rule import Case, Index, Rule, Sum, bracketed, element_text
from backprop_tui.explain.rules.parts import FLAT, PASSED, node, op, with_out
from backprop_tui.explain.rules.writing import wide

_ANYHOW = "input, *options, **more"
"""Where to, which memory format, blocking or not: nothing that changes the numbers but the dtype."""

# -- copies and changes of dtype --------------------------------------------------------------------


def _converted(case: Case) -> list[Array | None]:
    """To integers, what follows the point is cut off; to bool, all but 0 is True."""
    torchs, values = case.result(0), case["input"]
    if torchs is None:
        return [None]
    if torchs.dtype == "bool":
        return [values != 0]
    if "int" in torchs.dtype and values.dtype.kind == "f":
        return [_wrapped(np.trunc(np.nan_to_num(values)), torchs.dtype)]
    if values.dtype.kind == "c" and not torchs.dtype.startswith("complex"):
        return [values.real]
    return [_wrapped(values, torchs.dtype) if "int" in torchs.dtype else values * 1.0]


def _wrapped(values: Array, dtype: str) -> Array:
    return values.astype(np.int64).astype(dtype).astype(np.int64)


def _conversion_text(case: Case, number: int) -> str:
    torchs, source = case.result(0), case.operands["input"]
    same = torchs is None or not isinstance(source, Tensor) or torchs.dtype == source.dtype
    return "{input}" if same or torchs is None else f"{{input}} as {torchs.dtype}"


_CONVERT = Rule(_conversion_text, _converted, _ANYHOW)
_SAME = op("{input}", lambda a: a, "input, *, memory_format=None")


def _overwritten(case: Case) -> list[Array | None]:
    """Broadcast to what it is written over."""
    values = np.broadcast_to(np.asarray(case[_source(case)]), np.shape(case["input"]))
    torchs = case.result(0)
    if torchs is not None and "int" in torchs.dtype:
        return [_wrapped(np.trunc(values), torchs.dtype)]
    return [values != 0 if torchs is not None and torchs.dtype == "bool" else values]


def _source(case: Case) -> str:
    return "source" if "source" in case.operands else "value"


def _copied_element(case: Case, number: int, index: Index) -> str:
    return bracketed(element_text(case.operands[_source(case)], index))


def _written(signature: str) -> Rule:
    return Rule(lambda case, number: f"{{{_source(case)}}}", _overwritten, signature, _copied_element)


# -- constants ------------------------------------------------------------------------------------


def _shape(case: Case) -> tuple[int, ...]:
    torchs = case.result(0)
    return () if torchs is None else torchs.shape


def _constant(value: Any) -> Rule:
    """A tensor of one number; its shape is torch's, which the arguments say in many ways."""
    return Rule(str(value), lambda case: [np.full(_shape(case), value)], "*options, **more")


def _filled(signature: str) -> Rule:
    def evaluate(case: Case) -> list[Array | None]:
        value = case["fill_value"]
        return [None if isinstance(value, str) else np.broadcast_to(np.asarray(value), _shape(case))]

    return Rule("{fill_value}", evaluate, signature)


# -- sequences ------------------------------------------------------------------------------------


def _bounds(case: Case) -> tuple[Any, Any, Any]:
    """start, end, step of ``arange(end)`` and ``arange(start, end, step)``."""
    start, end, step = case.get("start"), case.get("end"), case.get("step", 1)
    return (0, start, step) if end is None else (start or 0, end, step)


def _arange(case: Case) -> list[Array | None]:
    start, _, step = _bounds(case)
    values = start + np.arange(_shape(case)[0]) * step
    torchs = case.result(0)
    return [np.trunc(values) if torchs is not None and "int" in torchs.dtype else values]


def _arange_text(case: Case, number: int) -> str:
    start, end, step = _bounds(case)
    return (
        f"{start}, {start + step}, … below {end}" if step > 0 else f"{start}, {start + step}, … above {end}"
    )


def _arange_element(case: Case, number: int, index: Index) -> str:
    start, _, step = _bounds(case)
    return f"{bracketed(wide(start))} + {index[0]}·{bracketed(wide(step))}"


def _linspace(case: Case) -> list[Array | None]:
    start, end = (float(case[name]) for name in ("start", "end"))
    values = np.linspace(start, end, int(case["steps"]))
    torchs = case.result(0)
    return [np.trunc(values) if torchs is not None and "int" in torchs.dtype else values]


def _spaced_scale(case: Case) -> list[Array | None]:
    ends = [np.abs(float(case[name])) for name in ("start", "end")]
    return [np.full(_shape(case), max(ends))]


def _arange_scale(case: Case) -> list[Array | None]:
    start, end, _ = _bounds(case)
    return [np.full(_shape(case), max(abs(float(start)), abs(float(end))))]


def _eye(case: Case) -> list[Array | None]:
    rows, columns = _shape(case)
    return [np.eye(rows, columns)]


def _one_hot(case: Case) -> list[Array | None]:
    classes = np.arange(_shape(case)[-1])
    return [np.asarray(case["input"])[..., None] == classes]


def _one_hot_element(case: Case, number: int, index: Index) -> Sum | str:
    return f"[{case.at('input', index[:-1])} = {index[-1]}]"


def _named(names: str, rule: Rule) -> dict[str, Rule]:
    return dict.fromkeys(names.split(), rule)


OPS: dict[str, Rule] = {
    **_named("to float double half bfloat16 long int short char byte bool type type_as cpu", _CONVERT),
    **_named("clone detach detach_ data contiguous alias", _SAME),
    **_named("zeros zeros_like new_zeros zero_ zeros_", _constant(0)),
    **_named("ones ones_like new_ones ones_", _constant(1)),
    "full": _filled("size, fill_value, *options, **more"),
    "full_like": _filled("input, fill_value, *options, **more"),
    "new_full": _filled("input, size, fill_value, *options, **more"),
    "constant_": op("{val}", lambda val, own: np.full(own.shape, val), "tensor, val", names="val tensor"),
    **_named("conj conj_physical", op("{input}", np.conj)),
    "real": op("{input}", np.real),
    "imag": op("imaginary part of {input}", np.imag),
    "fill": _written("input, value"),
    "copy_": _written("input, source, non_blocking=False"),
    "fill_": _written("input, value"),
    "data.__set__": _written("input, source"),
    "arange": Rule(
        _arange_text,
        _arange,
        "start, end=None, step=1, **more | end, **more",
        _arange_element,
        scale=_arange_scale,
    ),
    "linspace": Rule(
        "{steps} numbers from {start} to {end}", _linspace, "start, end, steps, **more", scale=_spaced_scale
    ),
    "eye": Rule("1 on the diagonal, else 0", _eye, "n, *options, **more"),
    "one_hot": Rule("[{input} = class]", _one_hot, with_out("input, num_classes=-1"), _one_hot_element),
}

NODES: dict[str, Rule] = {
    "CloneBackward": node(PASSED),
    "AliasBackward": node(PASSED),
    "ToCopyBackward": node(PASSED),
    "CopyBackwards": node(FLAT, PASSED),
    "FillBackward": node(FLAT, PASSED),
    "ZeroBackward": node(FLAT),
    "ContiguousBackward": node(PASSED),
    "LiftBackward": node(PASSED),
    "LiftFreshBackward": node(PASSED),
}
