"""Rules of activations and softmax against torch."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from backprop_tui.explain.explanation import explain
from backprop_tui.explain.rules import activations, softmax
from explain.both_ways import both_ways, family
from explain.checking import all_right, database, unnoticed
from explain.observing import backward
from explain.reading import misread

OURS = family(activations, softmax)
FLOATS = [torch.float32, torch.float64]

One = Callable[[torch.Tensor], Any]

# -- texts ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("function", "name", "symbols", "numbers"),
    [
        (F.relu, "relu", "max(0, input)", "max(0, [−1 2])"),
        (F.relu, "ReluBackward", "g · [result > 0]", "[1 1] · [[0 2] > 0]"),
        (F.leaky_relu, "leaky_relu", "input if > 0, else 0.01·input", "[−1 2] if > 0, else 0.01·[−1 2]"),
        (F.elu, "elu", "input if > 0, else (exp input − 1)", "[−1 2] if > 0, else (exp [−1 2] − 1)"),
        (F.elu, "EluBackward", "g · (1 if self > 0, else exp(self))",
         "[1 1] · (1 if [−1 2] > 0, else exp([−1 2]))"),
        (F.sigmoid, "sigmoid", "1 / (1 + exp(−input))", "1 / (1 + exp(−[−1 2]))"),
        (torch.tanh, "TanhBackward", "g · (1 − result²)", "[1 1] · (1 − [−0.7615942 0.9640276]²)"),
        (F.silu, "silu", "input · σ(input)", "[−1 2] · σ([−1 2])"),
        (F.gelu, "gelu", "input · ½(1 + erf(input/√2))", "[−1 2] · ½(1 + erf([−1 2]/√2))"),
        (F.softplus, "softplus", "log(1 + exp input)", "log(1 + exp [−1 2])"),
        (F.hardtanh, "HardtanhBackward", "g · [−1 < self < 1]", "[1 1] · [(−1) < [−1 2] < 1]"),
        (lambda x: F.softmax(x, 0), "softmax", "exp input / Σ exp input", "exp [−1 2] / Σ exp [−1 2]"),
    ],
)  # fmt: skip
def test_how_it_reads(function: One, name: str, symbols: str, numbers: str) -> None:
    x = torch.tensor([-1.0, 2.0], requires_grad=name.endswith("Backward"))
    if name.endswith("Backward"):
        (shown,) = explain(backward(function(x), torch.ones(2))[0])
    else:
        shown = all_right(lambda: function(x), name)[name][0]
    assert (shown.verdict, shown.symbols, shown.numbers) == ("✓", symbols, numbers)


def test_softmax_shows_what_it_is_a_share_of() -> None:
    x = torch.tensor([[1.0, 2.0, 3.0]], requires_grad=True)
    found = all_right(lambda: [F.softmax(x, 1), F.log_softmax(x, 1)], "softmax", "log_softmax")
    assert found["softmax"][0].element == "exp 3 / (exp 1 + exp 2 + exp 3)"
    assert found["log_softmax"][0].element == "1 − log(exp 1 + exp 2 + exp 3)"
    (back,) = explain(backward(F.softmax(x, 1), torch.tensor([[1.0, 0.0, 0.0]]))[0])
    assert back.symbols == "result · (g − Σ g·result)"
    assert back.element == "0.09003057 · (1 − (1·0.09003057 + 0·0.24472848 + 0·0.66524094))"
    (back,) = explain(backward(F.log_softmax(x, 1), torch.tensor([[1.0, 0.0, 0.0]]))[0])
    assert back.symbols == "g − exp(result) · Σ g"
    assert back.element == "1 − exp((−2.407606)) · (1 + 0 + 0)"


# -- corners ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("function", "values", "gradient", "said"),
    [
        (F.relu, [0.0, 1.0, -1.0], [0, 1, 0], "at an input of exactly 0 that is torch's choice"),
        (F.leaky_relu, [0.0, 1.0], [0.01, 1], "torch takes the slope of the left"),
        (F.hardtanh, [-1.0, 1.0, 0.5], [0, 0, 1], "torch lets nothing through there"),
        (F.relu6, [0.0, 6.0, 3.0], [0, 0, 1], "torch lets nothing through there"),
    ],
)
def test_what_torch_takes_at_a_corner(
    function: One, values: list[float], gradient: list[float], said: str
) -> None:
    x = torch.tensor(values, requires_grad=True)
    (shown,) = explain(backward(function(x), torch.ones(len(values)))[0])
    assert shown.verdict == "✓"
    assert x.grad is not None and x.grad.tolist() == pytest.approx(gradient)
    assert shown.note is not None and said in shown.note


def test_relu_says_so_already_forwards() -> None:
    (shown,) = all_right(lambda: F.relu(torch.tensor([0.0, 0.0, 1.0])), "relu")["relu"]
    assert shown.note == "2 elements are exactly 0, where relu has a corner: torch takes the slope 0 there"
    (shown,) = all_right(lambda: F.relu(torch.tensor([2.0, 1.0])), "relu")["relu"]
    assert shown.note is None


# -- everything there is ------------------------------------------------------------------------------

CALLS: dict[str, One] = {
    "relu": lambda x: [F.relu(x), torch.relu(x), x.relu(), nn.ReLU()(x), F.relu(x.clone(), inplace=True)],
    "relu6": lambda x: [F.relu6(x), nn.ReLU6()(x)],
    "leaky": lambda x: [F.leaky_relu(x), nn.LeakyReLU(0.2)(x), F.leaky_relu(x.clone(), 0.3, inplace=True)],
    "elu": lambda x: [F.elu(x), F.elu(x, alpha=0.5), nn.ELU(2.0)(x), F.elu(x.clone(), 0.7, inplace=True)],
    "celu": lambda x: [F.celu(x), F.celu(x, 0.5), nn.CELU(2.0)(x), F.celu_(x.clone(), 1.5)],
    "selu": lambda x: [F.selu(x), nn.SELU()(x), F.selu_(x.clone())],
    "gelu": lambda x: [F.gelu(x), F.gelu(x, approximate="tanh"), nn.GELU()(x), nn.GELU("tanh")(x)],
    "silu": lambda x: [F.silu(x), nn.SiLU()(x), F.silu(x.clone(), inplace=True)],
    "sigmoid": lambda x: [x.sigmoid(), torch.sigmoid(x), F.sigmoid(x), nn.Sigmoid()(x), x.clone().sigmoid_()],
    "tanh": lambda x: [x.tanh(), torch.tanh(x), F.tanh(x), nn.Tanh()(x), x.clone().tanh_()],
    "log_sigmoid": lambda x: [F.logsigmoid(x), nn.LogSigmoid()(x)],
    "softplus": lambda x: [F.softplus(x), F.softplus(x, beta=2), nn.Softplus(0.5, threshold=1)(x)],
    "softsign": lambda x: [F.softsign(x), F.tanhshrink(x), F.hardshrink(x), F.softshrink(x, 0.3)],
    "hardtanh": lambda x: [
        F.hardtanh(x), nn.Hardtanh(-0.5, 0.3)(x), F.hardtanh(x.clone(), -2, 2, inplace=True),
    ],
    "hard": lambda x: [F.hardsigmoid(x), F.hardswish(x), nn.Hardswish()(x)],
    "mish": lambda x: [F.mish(x), nn.Mish()(x)],
    "prelu": lambda x: [
        F.prelu(x, torch.full((1,), 0.2).to(x)), F.prelu(x, torch.rand(4).to(x).requires_grad_()),
    ],
    "threshold": lambda x: [
        F.threshold(x, 0.1, 20), nn.Threshold(-0.5, 3)(x), F.threshold(x.clone(), 0.1, -1, True),
    ],
    "glu": lambda x: [F.glu(x), F.glu(x, dim=1), nn.GLU(-1)(x)],
    "rrelu": lambda x: [F.rrelu(x), F.rrelu(x, 0.1, 0.2)],
    "softmax": lambda x: [
        F.softmax(x, -1), torch.softmax(x, 1), x.softmax(dim=0), nn.Softmax(dim=2)(x), F.softmin(x, 1),
    ],
    "log_softmax": lambda x: [F.log_softmax(x, -1), x.log_softmax(1), nn.LogSoftmax(dim=0)(x)],
    "other dtype": lambda x: [
        F.softmax(x, -1, dtype=torch.float64), torch.log_softmax(x, 1, dtype=torch.float64),
    ],
}  # fmt: skip


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", CALLS)
def test_of_a_block(name: str, dtype: torch.dtype) -> None:
    torch.manual_seed(5)
    x = (torch.randn(3, 4, 6, dtype=dtype) * 2).requires_grad_()
    all_right(lambda: CALLS[name](x))


@pytest.mark.parametrize(
    "name", [name for name in CALLS if name not in ("prelu", "glu", "softmax", "log_softmax")]
)
def test_at_zero_far_out_and_beyond(name: str) -> None:
    values = [
        0.0,
        -0.0,
        1.0,
        -1.0,
        3.0,
        -3.0,
        6.0,
        0.5,
        -0.5,
        20.0,
        -20.0,
        90.0,
        -90.0,
        1e-8,
        -1e-8,
        math.inf,
    ]
    if name == "gelu":  # of inf torch makes inf, or nan where it computes eight numbers at once
        values[-1] = 0.1
    for dtype in FLOATS:
        x = torch.tensor(values, dtype=dtype).view(1, 4, 4).requires_grad_()
        all_right(lambda x=x: CALLS[name](x))


def test_of_a_number_and_of_a_row() -> None:
    number, row = torch.tensor(-0.5, requires_grad=True), torch.randn(1, 6, requires_grad=True)
    all_right(lambda: [F.relu(number), F.gelu(number), F.elu(number), number.softmax(0), F.softplus(number)])
    all_right(lambda: [F.softmax(row, 1), F.log_softmax(row, 0), F.glu(row), F.prelu(row, torch.ones(6) / 4)])


def test_a_masked_softmax() -> None:
    """As attention uses it: −inf where nothing may be looked at."""
    scores = torch.randn(3, 3, requires_grad=True)
    hidden = torch.tensor([[False, True, True], [False, False, True], [False, False, False]])
    for function in (F.softmax, F.log_softmax):
        all_right(lambda function=function: function(scores.masked_fill(hidden, -math.inf), -1)[2])
        all_right(lambda function=function: function(scores.masked_fill(hidden, -math.inf), -1)[0, 0])
    all_right(lambda: F.softmax(torch.full((2, 2), -math.inf), 1), "softmax")


def test_half_precision() -> None:
    for dtype in (torch.float16, torch.bfloat16):
        x = torch.randn(2, 4, 6).to(dtype).requires_grad_()
        for name in ("relu", "gelu", "silu", "sigmoid", "tanh", "elu", "softmax", "log_softmax", "hardtanh"):
            all_right(lambda x=x, name=name: CALLS[name](x))


@pytest.mark.parametrize("name", CALLS)
def test_the_arithmetic_of_an_element_comes_to_it(name: str) -> None:
    torch.manual_seed(6)
    x = torch.randn(3, 4, 6, requires_grad=True)
    assert misread(both_ways(lambda: CALLS[name](x)), OURS)[0] == []


def test_a_wrong_sign_factor_or_thousandth_is_noticed() -> None:
    x = torch.randn(3, 4, 6, requires_grad=True)
    for name in CALLS.keys() - {"rrelu"}:
        assert unnoticed(both_ways(lambda name=name: CALLS[name](x)), OURS) == [], name


NAMES = """
    log_softmax nn.functional.celu nn.functional.elu nn.functional.gelu nn.functional.glu
    nn.functional.hardshrink nn.functional.hardsigmoid nn.functional.hardswish nn.functional.hardtanh
    nn.functional.leaky_relu nn.functional.logsigmoid nn.functional.mish nn.functional.prelu
    nn.functional.relu nn.functional.relu6 nn.functional.rrelu nn.functional.selu nn.functional.silu
    nn.functional.softmin nn.functional.softplus nn.functional.softshrink nn.functional.softsign
    nn.functional.tanhshrink nn.functional.threshold sigmoid softmax tanh
""".split()  # noqa: SIM905


@pytest.mark.usefixtures("torch_database")
@pytest.mark.parametrize("name", NAMES[::4])
def test_samples_of_pytorch(name: str) -> None:
    assert database(name, OURS, 3) == []


@pytest.mark.usefixtures("torch_database")
@pytest.mark.exhaustive
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", NAMES)
def test_all_samples_of_pytorch(name: str, dtype: torch.dtype) -> None:
    assert database(name, OURS, 1_000_000, dtype) == []
