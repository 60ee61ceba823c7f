"""Worked examples from the literature: every printed number is in a result whose explanation is ✓."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from typing import Any

import pytest

from support.scripts import backprop_tui, said, script

pytestmark = pytest.mark.xdist_group("published")

PRINTED = {
    # Of the 26 all but four: out·(1 − out) twice, and the two parts of a sum, are inside one operation.
    "mazur": """0.3775 0.593269992 0.596884378 1.105905967 0.75136507 0.772928465 0.274811083 0.023560026
        0.298371109 0.74136507 0.082167041 0.138498562 0.036350306 0.000438568 0.35891648 0.408666186
        0.511301270 0.561370121 0.149780716 0.19956143 0.24975114 0.29950229""",
    # hidden, prediction, error, delta, the weights after one step, hidden and prediction with them
    "hmkcode": "0.85 0.48 0.191 0.327 -0.809 0.12 0.23 0.13 0.10 0.17 0.17 0.92 0.56 0.26",
    "circuits": "3 -12 -4 -2.00 6.00 4.00 1.00 -1.00 0.37 1.37 0.73 -0.53 -0.20 0.20 0.39 -0.39 -0.59",
    "micrograd": "24.7041 138.8338 645.5773",
    "descents": """0.060466 61.917364 -0.943467 -0.000073 -0.387814 -1673.365109
        13.8 13.7 13.5 13.3 13.2 14.0 13.9 5.01 2.40 1.25 0.686 0.385 9.9""",
}
FIELDS = ("outputs", "grad_inputs", "after")


@functools.cache
def everything() -> list[dict[str, Any]]:
    """The records of all the scripts, run in one process."""
    command = backprop_tui("trace", "--explain", "--check", script("every"))
    done = said(command)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def results(name: str) -> tuple[float, ...]:
    """Every number in a result of a script that was explained and agrees."""
    records = everything()
    agree = {tuple(record["time"]) for record in records if record.get("check")}
    own = [record for record in records if (record.get("file") or "").endswith(f"/{name}.py")]
    explained = [record for record in own if tuple(record["time"]) in agree]
    return tuple(number for record in explained for field in FIELDS for number in numbers(record.get(field)))


def numbers(value: Any) -> Iterator[float]:
    if isinstance(value, dict):
        yield from numbers(value["values"])
    elif isinstance(value, list):
        for item in value:
            yield from numbers(item)
    elif isinstance(value, float):
        yield value


@pytest.mark.parametrize("name", PRINTED)
def test_every_printed_number_is_an_explained_result(name: str) -> None:
    found = results(name)
    missing = [word for word in PRINTED[name].split() if not any(shows(word, value) for value in found)]
    assert missing == []


def shows(printed: str, value: float) -> bool:
    """Whether a value, rounded to as many digits as were printed or cut off there, is what was printed."""
    digits = len(printed.partition(".")[2])
    return abs(value - float(printed)) < 10.0**-digits


def test_a_wrong_number_would_be_missed() -> None:
    assert not any(shows("0.593269995", value) for value in results("mazur"))
    assert not any(shows("24.7052", value) for value in results("micrograd"))
