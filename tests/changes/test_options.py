"""What the user types for a change."""

from __future__ import annotations

import json
from typing import Any

import pytest

from backprop_tui.debuggee.altering import Alterations
from backprop_tui.debuggee.changes.loss import FUNCTIONS
from backprop_tui.debugger.options import LOSSES, PARSERS, parse_change

RIGHT: list[tuple[str, str, Any]] = [
    ("zero_grad", "off", "off"),
    ("zero_grad", " Zero ", "zero"),
    ("loss", "mse", {"name": "mse", "reduction": None}),
    ("loss", "huber_loss", {"name": "huber", "reduction": None}),
    ("loss", "smooth_l1_loss", {"name": "smooth_l1", "reduction": None}),
    ("loss", "nll_loss", {"name": "nll", "reduction": None}),
    ("loss", "binary_cross_entropy_with_logits", {"name": "bce_with_logits", "reduction": None}),
    ("reduction", "sum", {"name": None, "reduction": "sum"}),
    ("optimizer", " Adam ", "Adam"),
    (
        "optimizer",
        "torch.optim.Adam(lr=0.1, betas=(0.9, 0.99))",
        "torch.optim.Adam(lr=0.1, betas=(0.9, 0.99))",
    ),
    ("lr", "1e-3", 0.001),
    ("lr", "0", 0.0),
    ("scheduler", "off", "off"),
    ("backward_gradient", "loss", True),
    ("backward_gradient", "off", False),
    ("hyperparameter", "momentum = 0.9", {"name": "momentum", "value": 0.9}),
    ("hyperparameter", "nesterov=True", {"name": "nesterov", "value": True}),
    ("set", "w=0.5", {"name": "w", "attr": "value", "index": [], "to": 0.5}),
    ("set", "w[0,1]=0.5", {"name": "w", "attr": "value", "index": [0, 1], "to": 0.5}),
    (
        "set",
        "net.0.weight[ 0, -1 ] = -1e3",
        {"name": "net.0.weight", "attr": "value", "index": [0, -1], "to": -1e3},
    ),
    ("set", "layers[0][1][2,3]=1", {"name": "layers[0][1]", "attr": "value", "index": [2, 3], "to": 1.0}),
    ("set", "p['a'][3]=nan", {"name": "p['a']", "attr": "value", "index": [3], "to": "nan"}),
    ("set", "w.grad[1]=0", {"name": "w", "attr": "grad", "index": [1], "to": 0.0}),
    ("set", "w[]=2", {"name": "w", "attr": "value", "index": [], "to": 2.0}),
]


@pytest.mark.parametrize("case", RIGHT, ids=lambda case: f"{case[0]} {case[1]}")
def test_right(case: Any) -> None:
    kind, text, expected = case
    assert parse_change(kind, text) == expected
    assert json.loads(json.dumps(parse_change(kind, text), allow_nan=False)) == expected


WRONG = [
    ("zero_grad", "maybe", "on, off or zero"),
    ("loss", "rmse", "l1, mse, half_mse, smooth_l1, huber, cross_entropy, nll"),
    ("loss", "", "l1, mse"),
    ("reduction", "none", "mean or sum"),
    ("optimizer", "Adam(", "written like"),
    ("optimizer", "3", "written like"),
    ("optimizer", "", "written like"),
    ("optimizer", "Adam(0.1)", "Name every"),
    ("optimizer", "Adam(lr=x)", "plain value"),
    ("lr", "fast", "0 or more"),
    ("lr", "-1", "0 or more"),
    ("lr", "nan", "0 or more"),
    ("lr", "inf", "0 or more"),
    ("scheduler", "maybe", "on or off"),
    ("backward_gradient", "x", "loss or off"),
    ("hyperparameter", "momentum", "written like"),
    ("hyperparameter", "momentum=", "written like"),
    ("hyperparameter", "1=2", "written like"),
    ("hyperparameter", "betas=x", "plain value"),
    ("set", "w", "set like"),
    ("set", "w[0,1]", "set like"),
    ("set", "w[0]=x", "set like"),
    ("set", "=1", "set like"),
    ("colour", "red", "zero_grad, loss, reduction"),
]


@pytest.mark.parametrize("case", WRONG, ids=lambda case: f"{case[0]} {case[1]}")
def test_wrong(case: Any) -> None:
    kind, text, why = case
    with pytest.raises(ValueError, match=why) as caught:
        parse_change(kind, text)
    assert str(caught.value).endswith(".") and "\n" not in str(caught.value)


def test_both_sides_know_the_same_losses() -> None:
    assert list(LOSSES) == list(FUNCTIONS)
    for name, function in FUNCTIONS.items():
        for text in (name, f"{name}_loss", function.__name__):
            assert parse_change("loss", text)["name"] == name


def test_every_change_of_the_debuggee_can_be_typed() -> None:
    made = Alterations(*[None] * 5)._makers  # type: ignore[arg-type]
    assert set(PARSERS) - {"reduction"} == set(made)
