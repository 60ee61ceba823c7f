"""Records as `trace` prints them: plain JSON, with the fewest digits that name the same number."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from backprop_tui.explain.numbers import shortest

if TYPE_CHECKING:
    from backprop_tui.explain.explanation import Explanation
    from backprop_tui.explain.notices.notice import Notice

_SHORTENED = {
    "float32": "float32",
    "float16": "float16",
    "bfloat16": "bfloat16",
    "complex64": "float32",
}
"""Dtypes whose numbers have shorter names than the Python floats that carry them."""


def written(value: Any) -> Any:
    """A record with the shortest digits that name the same number in each tensor's own dtype."""
    if isinstance(value, list):
        return [written(item) for item in value]
    if not isinstance(value, dict):
        return value
    if "dtype" in value and "shape" in value:
        return _written_tensor(value)
    found = {key: written(item) for key, item in value.items()}
    if "value" in value:
        found["value"] = _written_loss(value)
    return found


def written_explanation(record: dict[str, Any], explanation: Explanation) -> dict[str, Any]:
    """An explanation as `trace` prints it, after the record of its operation."""
    place = {key: record[key] for key in ("time", "iteration", "depth", "level")}
    return {
        **place,
        "kind": "explanation",
        "name": record["name"],
        "rule": explanation.symbols,
        "numbers": explanation.numbers,
        "result": explanation.result,
        "check": explanation.check,
        "difference": explanation.difference,
        "note": explanation.note,
    }


def written_notice(notice: Notice, place: dict[str, Any]) -> dict[str, Any]:
    """``place``: how deep the operation lies after which it is written."""
    return {
        "time": list(notice.time),
        "iteration": notice.iteration,
        **place,
        "kind": "notice",
        "name": notice.id,
        "id": notice.id,
        "file": notice.file,
        "line": notice.line,
        "text": notice.text,
        "why": notice.why,
        "look": notice.look,
    }


def _written_loss(record: dict[str, Any]) -> Any:
    """The value of a loss has the dtype of the tensor that holds it."""
    holders = record.get("outputs") or record.get("inputs") or [{"dtype": "float64"}]
    return _short_numbers(record["value"], _SHORTENED.get(holders[0]["dtype"], "float64"))


def _written_tensor(info: dict[str, Any]) -> dict[str, Any]:
    info = dict(info)
    if "source" in info:
        info["from"] = info.pop("source")
    if info["values"] is not None and info["dtype"] in _SHORTENED:
        info["values"] = _short_numbers(info["values"], _SHORTENED[info["dtype"]])
    return info


def _short_numbers(values: Any, dtype: str) -> Any:
    if isinstance(values, list):
        return [_short_numbers(item, dtype) for item in values]
    return float(shortest(values, dtype)) if isinstance(values, float) else values
