"""One operation in a few words: its label, its result, and a sentence for a learner."""

from __future__ import annotations

from typing import Any

from backprop_tui.explain.numbers import (
    count,
    display,
    elements,
    gradient_word,
    known,
    nested_text,
    norm_of,
    shape_text,
    short_values,
    shortest,
    significant,
)
from backprop_tui.panes.drawing.text import clean
from backprop_tui.protocol import RECOMPUTED, Record, TensorInfo

BACKWARD_KINDS = frozenset({"backward", "node", "accumulate"})

_OF_ONE = frozenset({"accumulate", "clear", "update"})
"""They change one tensor, whose name is part of their label."""
LEAST_NAME = 8
"""Characters of it that say which tensor it is."""
_LONG_RATE = 8
"""Characters: a learning rate of more is rounded beside a line."""

PHASES = {
    "zero_grad": "zero_grad",
    "forward": "forward",
    "loss": "loss",
    "backward": "backward",
    "step": "optimizer step",
    "schedule": "scheduler step",
}


def label(record: Record) -> str:
    """What it is called in a list: ``MyNet``, ``linear1 Linear``, ``accumulate linear1.weight``."""
    kind, name = record["kind"], record.get("name", "")
    if kind in _OF_ONE:
        return f"{kind} {target(record)}"
    if kind in ("forward", "loss", "step", "schedule") and name != kind:
        return f"{kind} {name}"
    module = record.get("module")
    return f"{module} {name}" if kind == "module" and module else name or kind


def short_label(record: Record, limit: int) -> str:
    """The label in at most `limit` columns, if the name of its tensor can give some: its end matters most."""
    text = label(record)
    if len(text) <= limit or record["kind"] not in _OF_ONE:
        return text
    room = max(LEAST_NAME, limit - len(record["kind"]) - 2)
    return f"{record['kind']} …{target(record)[-room:]}"


def least_label(record: Record) -> int:
    """Columns below which the label says nothing of its tensor; 0 for an operation that is not of one."""
    return len(record["kind"]) + 2 + LEAST_NAME if record["kind"] in _OF_ONE else 0


def target(record: Record) -> str:
    """The parameter or tensor that the operation changes."""
    return record.get("parameter") or record.get("tensor") or record.get("name") or "a tensor"


def phase_word(record: Record, above: tuple[Record, ...]) -> str:
    """The phase that an operation belongs to, ``""`` if to none (plain computation in the script)."""
    for item in (*above, record):
        if item.get("level") == "phase":
            return PHASES.get(item["kind"], item["kind"])
    return ""


def direction(record: Record, above: tuple[Record, ...] = ()) -> str:
    """``→ forward`` or ``← backward``, ``""`` for what is neither."""
    if record["kind"] in BACKWARD_KINDS:
        return "← backward"
    return "→ forward" if phase_word(record, above) in ("forward", "loss") else ""


def number(value: Any, dtype: str = "float64") -> str:
    """A lone number for the screen, in full."""
    return "—" if value is None else display(shortest(value, dtype))


def rates(values: list[Any]) -> str:
    """Learning rates, one per parameter group."""
    return ", ".join(number(value) for value in values)


def _short_rate(rate: Any) -> str:
    whole = number(rate)
    return whole if len(whole) <= _LONG_RATE else significant(rate, "float64", 4)


def _rates_change(before: list[Any], after: list[Any], limit: int) -> str:
    """``lr 0.001 → 0.0001``, long numbers rounded unless that would hide the change; where not all groups
    have room, the first two and how many more."""
    texts = [[_short_rate(rate) for rate in some] for some in (before, after)]
    if texts[0] == texts[1] and before != after:
        texts = [[number(rate) for rate in some] for some in (before, after)]
    whole = " → ".join(map(", ".join, texts))
    if len(whole) + len("lr ") > limit and max(map(len, texts)) > 2:
        whole = " → ".join(", ".join(some[:2]) + f" +{len(some) - 2}" for some in texts)
    return f"lr {whole}"


def numbers(info: TensorInfo, limit: int) -> str:
    """All the numbers if they fit into `limit` columns, a lone one without brackets; else ``""``."""
    one = values_of_one(info)
    if one is not None:
        return display(shortest(one, info.get("dtype", "")))
    text = "" if info.get("values") is None else short_values(info, limit)
    described = f"[{', '.join(map(str, info.get('shape', [])))}]"
    return "" if described in text or text.endswith("…") else text


def brief(info: TensorInfo, limit: int) -> str:
    """For lists: the numbers, rounded to four digits, if they fit; else shape and norm, else the shape."""
    inside = info.get("values")
    if inside is not None and count(info.get("shape", [])) * 2 <= limit + 1:
        one = values_of_one(info)
        text = nested_text(inside if one is None else one, info.get("dtype", ""), 4)
        if len(text) <= limit or one is not None:
            return text
    shape, norm = shape_words(info.get("shape", [])), norm_of(info)
    if info.get("nonfinite"):
        return f"{shape} {info['nonfinite']} not finite"
    with_norm = "" if norm is None else f"{shape} norm {significant(norm, 'float64', 3)}"
    return with_norm if with_norm and len(with_norm) <= limit else shape


def values_of_one(info: TensorInfo) -> Any:
    """The only number of a tensor with one element; None if it has another number of them."""
    known = info.get("values") is not None and count(info.get("shape", [])) == 1
    return elements(info)[0] if known else None


def recomputed(record: Record) -> bool:
    """Whether torch stopped recomputing a checkpoint here: it says so by an exception that it catches."""
    return record.get("error", "").startswith(RECOMPUTED)


def result(record: Record, limit: int) -> str:
    """The result of a completed operation in at most about `limit` columns."""
    if recomputed(record):
        return "stops here"
    if record.get("error"):
        return "✗ " + clean(record["error"].strip().splitlines()[-1])
    kind = record["kind"]
    if kind in _OF_ONE:
        return _change(record, limit)
    if kind == "node":
        return _gradients(record, limit)
    if kind == "schedule":
        return _rates_change(record.get("lr_before") or [], record.get("lr_after") or [], limit)
    if kind == "loss" and record.get("value") is not None:
        return significant(record["value"], _dtype(record), 4)
    outputs = known(record.get("outputs"))
    return ", ".join(brief(info, limit // len(outputs)) for info in outputs)


def _dtype(record: Record) -> str:
    outputs = known(record.get("outputs"))
    return outputs[0].get("dtype", "float32") if outputs else "float32"


def _change(record: Record, limit: int) -> str:
    word = _gradient_word if record["kind"] != "update" else _value_word
    before, after = record.get("before"), record.get("after")
    if after is not None and (limit < 20 or _long(before) + _long(after) > limit - 3):
        return "→ " + word(after, limit - 2)
    return f"{word(before, limit)} → {word(after, limit)}"


def _gradient_word(info: TensorInfo | None, limit: int) -> str:
    word = gradient_word(info, limit)
    return word if info is None or word == "0" else brief(info, limit)


def _value_word(info: TensorInfo | None, limit: int) -> str:
    return "—" if info is None else brief(info, limit)


def _long(info: TensorInfo | None) -> int:
    return 4 if info is None else len(brief(info, 200))


def _gradients(record: Record, limit: int) -> str:
    coming, going = known(record.get("grad_outputs")), known(record.get("grad_inputs"))
    half = max(6, (limit - 3) // 2)
    left = brief(coming[0], half) if coming else "None"
    if not going:
        return left
    right = brief(going[0], half)
    more = f" +{len(going) - 1}" if len(going) > 1 else ""
    return f"{left} → {right}{more}"


def shape_words(shape: list[int]) -> str:
    """``2×2``; a vector is ``[2]``, because a lone 2 would read like its value."""
    return f"[{shape[0]}]" if len(shape) == 1 else shape_text(shape)


def type_text(info: TensorInfo) -> str:
    """``float32 2×2``."""
    return f"{info.get('dtype', '')} {shape_words(info.get('shape', []))}".strip()
