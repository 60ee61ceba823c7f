"""What the names in a guide's expressions stand for at a stop.

| name | stands for |
|---|---|
| `model.linear1.weight`, `w`, any tensor as the script calls it | its elements |
| the same with `.grad` | the gradient, None if there is none |
| the same with `.state.exp_avg` | an entry of the optimizer's state |
| `op` | the operation of the beat, with the fields of `trace`: `op.inputs[0]`, `op.outputs[0][1]`, `op.grad_outputs[0]`, `op.grad_inputs[1]`, `op.before`, `op.added`, `op.after`, `op.value`, `op.lr`, `op.lr_after[0]`, `op.state.exp_avg.after`, `op.last_epoch` |
| `losses`, `lrs` | the loss of each backward pass, the learning rate of each step (first group) so far |
| `lr` | the learning rate that is set |
| `printed` | all numbers that the script has printed so far |
| `published.NAME` | a number of the guide's `[printed]` table |
| a name under `keep` of an earlier beat | what it was there |
"""  # noqa: E501

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from backprop_tui.debugger.view import View
from backprop_tui.guide.expression import Numbers, Quantity
from backprop_tui.protocol import ParameterRow, Record, TensorInfo

_NUMBER = re.compile(r"(?<![\w.])[-+]?(?:\d+\.\d*|\.\d+|\d+)(?:[eE][-+]?\d+)?(?![\w])|(?<!\w)-?(?:nan|inf)\b")


def facts_at(
    view: View,
    op: Record | None,
    tensors: Iterable[ParameterRow] = (),
    kept: Mapping[str, Any] | None = None,
    published: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Names and what they stand for. ``op``: the operation that the beat is about."""
    known: dict[str, Any] = {}
    for row in (*tensors, *view.parameters):
        known.update(_of_row(row))
    known.update(kept or {})
    known["losses"] = Numbers([point["value"] for point in view.losses])
    known["lrs"] = Numbers([point["lrs"][0] for point in view.rates if point["lrs"]])
    known["lr"] = _plain(view.toggles.lr)
    known["printed"] = Numbers(printed_numbers("".join(c.text for c in view.output if c.stream == "out")))
    known["iteration"] = Quantity(float(view.iteration))
    known["op"] = of_record(op) if op is not None else {}
    known["published"] = {name: Quantity(float(text)) for name, text in (published or {}).items()}
    return known


def printed_numbers(text: str) -> list[float]:
    """The numbers in a text, in order."""
    return [float(match[0]) for match in _NUMBER.finditer(text)]


def of_record(record: Record) -> dict[str, Any]:
    """The fields of an operation, its tensors as numbers."""
    dtype = _dtype_of(record)
    found = {key: _plain(value) for key, value in record.items()}
    if "value" in record:
        found["value"] = _plain(record["value"], dtype)
    return found


def _dtype_of(record: Record) -> str:
    """Of the tensor that holds the value of a loss."""
    holders = record.get("outputs") or record.get("inputs") or []
    return holders[0].get("dtype", "float64") if holders else "float64"


def _of_row(row: ParameterRow) -> dict[str, Any]:
    name = row.get("name")
    if name is None:
        return {}
    found = {name: _tensor(row["value"])}
    if "grad" in row:
        found[f"{name}.grad"] = _tensor(row["grad"])
    if row.get("state"):
        found[f"{name}.state"] = {key: _plain(value) for key, value in row["state"].items()}
    return found


def _tensor(info: TensorInfo | None) -> Any:
    """Its elements; of a large one what is known."""
    if info is None:
        return None
    dtype = info.get("dtype", "float64")
    if info.get("values") is None:
        return {key: _plain(info.get(key), dtype) for key in ("norm", "min", "max")}
    values = info["values"]
    return Numbers(values, dtype) if isinstance(values, list) else Quantity(float(values), dtype)


def _plain(value: Any, dtype: str = "float64") -> Any:
    if isinstance(value, Mapping):
        if "dtype" in value and "shape" in value:
            return _tensor(value)  # type: ignore[arg-type]
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return Numbers([_plain(item) for item in value], dtype)
    if isinstance(value, (bool, int, float)) or value in ("nan", "inf", "-inf"):
        return Quantity(float(value), dtype)
    return None
