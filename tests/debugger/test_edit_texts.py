"""Edits as they are typed, without a debuggee."""

from __future__ import annotations

import math
from typing import Any

import pytest

from backprop_tui.debugger.edits import read_edit
from backprop_tui.debugger.failure import Refused
from backprop_tui.debugger.view import Choice

HERE = Choice("net.weight", "value", (0, 1))
NAMES = ["net.weight", "x", "layers[0].bias"]


@pytest.mark.parametrize(
    ("typed", "value"),
    [
        ("0.5", {"index": [0, 1], "to": 0.5}),
        ("=1/3", {"index": [0, 1], "to": 1 / 3}),
        ("= -2**3 + pi", {"index": [0, 1], "to": math.pi - 8}),
        ("-inf", {"index": [0, 1], "to": "-inf"}),
        ("nan", {"index": [0, 1], "to": "nan"}),
        ("1+2j", {"index": [0, 1], "to": "1+2j"}),
        ("= -1j*2", {"index": [0, 1], "to": "-2j"}),
        ("fill 3-1j", {"fill": "3-1j"}),
        ("[1j, 2]", {"load": ["1j", 2.0]}),
        ("fill 0", {"fill": 0.0}),
        ("*0.5", {"scale": 0.5}),
        ("* -1/4", {"scale": -0.25}),
        ("[[1, 2], [3, =]]", None),
        ("[[1,2],[3,4/2]]", {"load": [[1.0, 2.0], [3.0, 2.0]]}),
        ("[1, inf]", {"load": [1.0, "inf"]}),
    ],
)
def test_edits_of_what_is_chosen(typed: str, value: Any) -> None:
    if value is None:
        with pytest.raises(Refused, match="is no number"):
            read_edit(typed, HERE, NAMES)
        return
    assert read_edit(typed, HERE, NAMES) == ("set", {"name": "net.weight", "attr": "value", **value})


@pytest.mark.parametrize(
    ("typed", "edit"),
    [
        ("x[2,-1] = 7", ("set", {"name": "x", "attr": "value", "index": [2, -1], "to": 7.0})),
        ("x fill 1", ("set", {"name": "x", "attr": "value", "fill": 1.0})),
        ("x *2", ("set", {"name": "x", "attr": "value", "scale": 2.0})),
        ("x = [1, 2]", ("set", {"name": "x", "attr": "value", "load": [1.0, 2.0]})),
        (
            "layers[0].bias[1] = 0",
            ("set", {"name": "layers[0].bias", "attr": "value", "index": [1], "to": 0.0}),
        ),
        ("layers[0].bias fill 0", ("set", {"name": "layers[0].bias", "attr": "value", "fill": 0.0})),
        (
            "net.weight.grad[0,0] = 2",
            ("set", {"name": "net.weight", "attr": "grad", "index": [0, 0], "to": 2.0}),
        ),
        ("net.weight.grad *0.1", ("set", {"name": "net.weight", "attr": "grad", "scale": 0.1})),
        ("lr = 1/10", ("lr", 0.1)),
        ("momentum = 0.9", ("hyperparameter", {"name": "momentum", "value": 0.9})),
        ("betas = (0.5, 0.9)", ("hyperparameter", {"name": "betas", "value": (0.5, 0.9)})),
    ],
)
def test_edits_by_name(typed: str, edit: Any) -> None:
    assert read_edit(typed, None, NAMES) == edit
    assert read_edit(typed, HERE, NAMES) == edit


@pytest.mark.parametrize(
    ("typed", "why"),
    [
        ("", "is no number"),
        ("abc", "is no number"),
        ("__import__('os')", "is no number"),
        ("'a' * 3", "is no number"),
        ("1/0", "cannot be worked out"),
        ("9.0**9**9", "cannot be worked out"),
        ("fill [1]", "one number is needed"),
        ("[[1, 2], [3]]", "not equally long"),
        ("y[0] = 1", "no tensor of the script is called y"),
        ("x = 1", "whole tensor: fill 1"),
        ("(-8)**0.5", "is no number"),
    ],
)
def test_what_cannot_be_read_is_told(typed: str, why: str) -> None:
    with pytest.raises(Refused, match=why):
        read_edit(typed, HERE, NAMES)


def test_without_a_choice_a_name_is_asked_for() -> None:
    with pytest.raises(Refused, match=r"choose a number .* or type a name"):
        read_edit("0.5", None, NAMES)


def test_a_hyperparameter_is_real() -> None:
    with pytest.raises(Refused, match="a hyperparameter is a real number, not 2j"):
        read_edit("lr = 2j", HERE, NAMES)
