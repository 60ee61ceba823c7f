"""What is on the screen as text for other programs: curves and values as CSV, operations as JSON lines."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import product
from typing import Any

from backprop_tui.debugger.view import View
from backprop_tui.debugger.written import written
from backprop_tui.explain.numbers import elements, shortest
from backprop_tui.protocol import VERSION, ParameterRow, Record, TensorInfo


def curves_csv(view: View) -> str:
    """One row per point: ``landmark,iteration,curve,value``; a curve is a call site or a group's rate."""
    rows: list[tuple[int, int, str, Any]] = [
        (point["landmark"], point["iteration"], f"loss {point['site']}", point["value"])
        for point in view.losses
    ]
    for point in view.rates:
        for group, rate in enumerate(point["lrs"]):
            rows.append((point["landmark"], point["iteration"], f"lr {point['optimizer']}.{group}", rate))
    return _csv(("landmark", "iteration", "curve", "value"), sorted(rows, key=lambda row: row[0]))


def values_csv(rows: Iterable[ParameterRow]) -> str:
    """One row per element: ``tensor,index,value,grad``; of a tensor too large to be known whole, its norm."""
    return _csv(("tensor", "index", "value", "grad"), (entry for row in rows for entry in _elements(row)))


def element_csv(name: str, found: Iterable[tuple[int, Any]]) -> str:
    """One row per iteration: ``iteration,NAME``; nothing where there was no such number."""
    return _csv(("iteration", name), ((number, "" if value is None else value) for number, value in found))


def _elements(row: ParameterRow) -> Iterator[tuple[Any, ...]]:
    name, value, grad = row.get("name") or "", row["value"], row.get("grad")
    if value.get("values") is None:
        yield name, "norm", _summary(value), "" if grad is None else _summary(grad)
        return
    values = [_text(number, value) for number in elements(value)]
    grads = [""] * len(values)
    if grad is not None and grad.get("values") is not None:
        grads = [_text(number, grad) for number in elements(grad)]
    places = product(*(range(size) for size in value.get("shape", [])))
    for place, number, gradient in zip(places, values, grads, strict=True):
        yield name, " ".join(map(str, place)), number, gradient


def _summary(info: TensorInfo) -> Any:
    return info.get("norm", "")


def _text(number: Any, info: TensorInfo) -> str:
    return shortest(number, info.get("dtype", "float64"))


def operations_jsonl(records: Sequence[Record]) -> str:
    """Operations as `trace` prints them, one a line."""
    lines = [written(record) for record in records if record["kind"] != "warning"]
    if lines:
        lines[0] = {"version": VERSION, **lines[0]}
    return "".join(f"{json.dumps(line)}\n" for line in lines)


def _csv(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(head)
    writer.writerows(rows)
    return text.getvalue()
