"""Rules of element-by-element arithmetic, elementary functions, choices and copies against torch."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch

from backprop_tui.explain.explanation import explain
from backprop_tui.explain.rules import arithmetic, choices, copies, foreach, functions
from explain.both_ways import both_ways, family
from explain.checking import all_right, database, unnoticed
from explain.observing import backward, call
from explain.reading import misread

OURS = family(arithmetic, functions, choices, copies, foreach)
FLOATS = [torch.float32, torch.float64]

Two = Callable[[torch.Tensor, torch.Tensor], Any]
One = Callable[[torch.Tensor], Any]


def numbers(*values: float, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.tensor(values, dtype=dtype, requires_grad=True)


# -- texts ----------------------------------------------------------------------------------------


def test_a_product_forwards_and_backwards() -> None:
    a = torch.tensor([[1.0, -2.0]], requires_grad=True)
    b = torch.tensor([[3.0], [0.1]], requires_grad=True)
    evidence, result = call("mul", torch.mul, a, b)
    (shown,) = explain(evidence)
    assert shown.verdict == "✓"
    assert shown.symbols == "input · other"
    assert shown.numbers == "[[1 −2]] · [[3] [0.1]]"
    assert shown.result == "[[3 −6] [0.1 −0.2]]"
    assert shown.element == "(−2) · 3"
    _, node = backward(result.sum())
    assert [one.verdict for one in explain(node)] == ["✓", "✓"]


@pytest.mark.parametrize(
    ("function", "name", "symbols", "written"),
    [
        (lambda x: torch.add(x, x, alpha=2), "add", "input + 2·other", "[−3 0.5] + 2·[−3 0.5]"),
        (lambda x: torch.sub(x, x, alpha=3), "SubBackward", "−3·g", "−3·[1 1]"),
        (lambda x: 2 - x, "rsub", "2 − input", "2 − [−3 0.5]"),
        (lambda x: 2 / x, "rdiv", "2 / input", "2 / [−3 0.5]"),
        (lambda x: x**2, "pow", "input²", "[−3 0.5]²"),
        (lambda x: x**2, "PowBackward", "g · 2·self", "[1 1] · 2·[−3 0.5]"),
        (lambda x: x**3, "PowBackward", "g · 3·self²", "[1 1] · 3·[−3 0.5]²"),
        (lambda x: x**-1.5, "PowBackward", "g · −1.5·self^−2.5", "[1 1] · −1.5·[−3 0.5]^−2.5"),
        (lambda x: x / 4, "DivBackward", "g / other", "[1 1] / 4"),
        (lambda x: x.exp(), "exp", "exp(input)", "exp([−3 0.5])"),
        (lambda x: x.abs(), "AbsBackward", "g · sign self", "[1 1] · sign [−3 0.5]"),
        (lambda x: x.clamp(-1, 1), "clamp", "min(max(input, −1), 1)", "min(max([−3 0.5], (−1)), 1)"),
        (lambda x: x.clamp(max=0), "ClampBackward", "g · [self ≤ 0]", "[1 1] · [[−3 0.5] ≤ 0]"),
        (lambda x: x > 0.1, "gt", "[input > 0.1]", "[[−3 0.5] > 0.1]"),
        (lambda x: x.double(), "double", "input as float64", "[−3 0.5] as float64"),
        (lambda x: x // 2, "floordiv", "⌊input / 2⌋", "⌊[−3 0.5] / 2⌋"),
    ],
)  # fmt: skip
def test_how_it_reads(function: One, name: str, symbols: str, written: str) -> None:
    x = torch.tensor([-3.0, 0.5], requires_grad=name.endswith("Backward"))
    if name.endswith("Backward"):
        shown = explain(backward(function(x), torch.ones(2))[0])[-1]
    else:
        shown = all_right(lambda: function(x), name)[name][0]
    assert (shown.verdict, shown.symbols, shown.numbers) == ("✓", symbols, written)


def test_a_broadcast_operand_gets_the_sum_written_out() -> None:
    a = torch.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    b = torch.tensor([10.0, 20.0], requires_grad=True)
    (node,) = backward(a * b, torch.ones(2, 2))
    of_b = explain(node)[1]
    assert of_b.symbols == "Σ broadcast (g · self)"
    assert of_b.element == "1 · 2 + 1 · 4"
    assert of_b.result == "[4 6]"


def test_names_of_the_script_stand_in_the_symbols() -> None:
    w = torch.tensor([1.0, 2.0], requires_grad=True)
    (node,) = backward(w * torch.tensor([3.0, 4.0]), torch.ones(2), names={id(w): "w"})
    assert explain(node)[0].symbols == "g · other"
    (node,) = backward(w * w, torch.ones(2), names={id(w): "w"})
    assert [one.operands for one in explain(node)] == [("w",), ("w",)]


# -- where something is chosen ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("function", "values", "gradient", "said"),
    [
        (lambda x: x.abs(), [0.0, 1.0], [0, 1], "1 element is exactly 0: |x| has no slope there"),
        (lambda x: x.sqrt(), [0.0, 4.0], [math.inf, 0.25], "the slope of √ is infinite there"),
        (lambda x: x**0.5, [0.0, 4.0], [math.inf, 0.25], "the slope there is infinite"),
        (lambda x: x.clamp(0.1, 2), [0.1, 3.0], [1, 0], "exactly on a bound"),
        (lambda x: torch.maximum(x, torch.tensor([1.0, 0.0])), [1.0, 5.0], [0.5, 1], "gives half to each"),
        (lambda x: torch.minimum(x, torch.tensor([1.0, 9.0])), [1.0, 5.0], [0.5, 1], "gives half to each"),
        (lambda x: x.round(), [0.3, 2.5], [0, 0], "a step function"),
    ],
)  # fmt: skip
def test_what_torch_takes_at_a_corner(
    function: One, values: list[float], gradient: list[float], said: str
) -> None:
    x = torch.tensor(values, requires_grad=True)
    node = backward(function(x), torch.ones(2))[0]
    shown = explain(node)[0]
    assert shown.verdict == "✓"
    assert x.grad is not None and x.grad.tolist() == gradient
    assert shown.note is not None and said in shown.note


def test_the_notes_are_silent_elsewhere() -> None:
    x = numbers(0.5, 2.0)
    for function in (torch.abs, torch.sqrt, lambda x: x.clamp(0.1, 3), lambda x: torch.maximum(x, 2 * x)):
        assert all(explain(node)[0].note is None for node in backward(function(x).sum()))


def test_a_python_number_is_compared_as_the_tensors_dtype_has_it() -> None:
    """0.1 is not a float32: beside one, it is the float32 next to it."""
    for dtype in (torch.float32, torch.float16, torch.bfloat16):
        x = torch.tensor([0.1, 0.2], dtype=dtype, requires_grad=True)
        all_right(lambda x=x: [x == 0.1, x <= 0.1, x.clamp(min=0.1), x.clamp(max=0.1)], "eq", "le")


# -- everything there is ------------------------------------------------------------------------------

PAIRS: dict[str, Two] = {
    "operators": lambda a, b: [a + b, a - b, a * b, a / b, -a, +a, a**2, 2**a, abs(a)],
    "numbers": lambda a, b: [
        a + 2, 2 + a, a - 2, 2 - a, 2 * a, a / 2, 2 / a, a % 0.3, 0.3 % a.detach(), 3 // a.detach(),
    ],
    "functions": lambda a, b: [
        torch.subtract(a, b), torch.multiply(a, b), torch.divide(a, b), torch.negative(a),
    ],
    "keywords": lambda a, b: [
        torch.add(input=a, other=b, alpha=0.5), torch.rsub(a, b, alpha=2), torch.mul(a, other=b),
    ],
    "rounded": lambda a, b: [torch.div(a, b, rounding_mode=mode) for mode in ("floor", "trunc", None)],
    "remainders": lambda a, b: [
        torch.remainder(a, b), torch.fmod(a, b), torch.remainder(a, 0.7), torch.fmod(a, 0.7),
    ],
    "detached": lambda a, b: [a.detach() // b.detach(), torch.floor_divide(a.detach(), 0.3), 2 // b.detach()],
    "powers": lambda a, b: [
        a.abs() ** b, a**3, a**0, a**1, a.abs() ** -0.5, torch.pow(2.0, a), torch.float_power(a, 2),
    ],
    "three": lambda a, b: [
        torch.addcmul(a, a, b, value=2), torch.addcdiv(a, a, b, value=0.5), torch.addcmul(a, a, b),
    ],
    "lerp": lambda a, b: [torch.lerp(a, b, 0.3), torch.lerp(a, b, b)],
    "unary": lambda a, b: [
        a.square(), a.reciprocal(), a.exp(), a.exp2(), a.expm1(), a.abs(), a.sign(), a.sgn(),
    ],
    "logarithms": lambda a, b: [f(a.abs() + 0.1) for f in (torch.log, torch.log1p, torch.log2, torch.log10)],
    "roots": lambda a, b: [(a.abs() + 0.1).sqrt(), (a.abs() + 0.1).rsqrt(), torch.hypot(a, b)],
    "circular": lambda a, b: [a.sin(), a.cos(), a.tan(), a.atan(), torch.atan2(a, b), torch.sinc(a)],
    "inverse": lambda a, b: [
        (a / 9).asin(), (a / 9).acos(), (a / 9).atanh(), a.asinh(), (a.abs() + 1.1).acosh(),
    ],
    "hyperbolic": lambda a, b: [a.sinh(), a.cosh()],
    "erf": lambda a, b: [
        a.erf(), a.erfc(), torch.special.erf(a), (a.abs() + 0.5).lgamma(), a.digamma().detach(),
    ],
    "steps": lambda a, b: [a.floor(), a.ceil(), a.round(), a.trunc(), a.frac(), torch.round(a, decimals=1)],
    "logits": lambda a, b: [torch.logit(a.abs() / 9 + 0.01), torch.logit(a, eps=0.1), torch.logaddexp(a, b)],
    "clamps": lambda a, b: [
        a.clamp(-1, 1), a.clip(0), a.clamp_min(0), a.clamp_max(0), a.clamp(b, b + 1), a.clamp(min=b),
    ],
    "two": lambda a, b: [
        torch.maximum(a, b), torch.minimum(a, b), torch.fmax(a, b), torch.fmin(a, b), torch.max(a, b),
    ],
    "where": lambda a, b: [
        torch.where(a > 0, a, b), a.where(a > 0, b), torch.where(a > 0, a, 0.0), torch.where(a > 0),
    ],
    "masks": lambda a, b: [a.masked_fill(a > 0, 7.0), a.masked_fill(a > 0, b.sum())],
    "compared": lambda a, b: [
        a == b, a != b, a < b, a <= b, a > b, a >= b, torch.isclose(a, b), torch.eq(a, 1),
    ],
    "logic": lambda a, b: [
        (a > 0) & (b > 0), (a > 0) | (b > 0), (a > 0) ^ (b > 0), ~(a > 0), torch.logical_and(a, b),
    ],
    "asked": lambda a, b: [
        torch.isnan(a), torch.isinf(a), torch.isfinite(a), torch.logical_not(a), torch.signbit(a),
    ],
    "converted": lambda a, b: [
        a.float(), a.double(), a.half(), a.bfloat16(), a.long(), a.int(), a.bool(), a.to(a.dtype),
    ],
    "copied": lambda a, b: [
        a.clone(), a.detach(), a.data, a.contiguous(), a.type_as(b), a.cpu(), torch.clone(a),
    ],
    "constant": lambda a, b: [
        torch.zeros_like(a), torch.ones_like(a), torch.full_like(a, 3), a.new_zeros(2), torch.eye(3),
    ],
    "sequences": lambda a, b: [
        torch.arange(5), torch.arange(1, 2, 0.25), torch.linspace(0, 1, 7), torch.full((2,), 7.0),
    ],
    "one hot": lambda a, b: torch.nn.functional.one_hot(torch.tensor([[0, 2]]), 4),
}  # fmt: skip


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", PAIRS)
def test_of_two_operands(name: str, dtype: torch.dtype) -> None:
    torch.manual_seed(1)
    for shapes in (((2, 3), (2, 3)), ((2, 3), (3,)), ((4, 1), (1, 3)), ((), ())):
        a, b = ((torch.randn(shape, dtype=dtype) * 3).requires_grad_() for shape in shapes)
        all_right(lambda a=a, b=b: PAIRS[name](a, b))


IN_PLACE: dict[str, Two] = {
    "add_": lambda a, b: a.add_(b, alpha=2),
    "sub_": lambda a, b: a.__isub__(b),
    "mul_": lambda a, b: a.mul_(b),
    "div_": lambda a, b: a.div_(b),
    "pow_": lambda a, b: a.pow_(2),
    "neg_": lambda a, b: a.neg_(),
    "exp_": lambda a, b: a.exp_(),
    "sqrt_": lambda a, b: a.abs_().sqrt_(),
    "clamp_": lambda a, b: a.clamp_(-1, 1),
    "addcmul_": lambda a, b: a.addcmul_(b, b, value=0.1),
    "addcdiv_": lambda a, b: a.addcdiv_(b, b, value=0.1),
    "lerp_": lambda a, b: a.lerp_(b, 0.1),
    "masked_fill_": lambda a, b: a.masked_fill_(b > 0, 3.0),
    "copy_": lambda a, b: a.copy_(b),
    "fill_": lambda a, b: a.fill_(2.0),
    "zero_": lambda a, b: a.zero_(),
    "round_": lambda a, b: a.round_(),
}


@pytest.mark.parametrize("name", IN_PLACE)
def test_what_writes_into_its_own_tensor(name: str) -> None:
    a, b = torch.randn(2, 3, requires_grad=True), torch.randn(2, 3, requires_grad=True)
    all_right(lambda: IN_PLACE[name](a.clone(), b), name)


def test_numbers_beyond_the_dtype_are_infinite() -> None:
    a = numbers(1000.0, -1000.0, 3.0)
    all_right(lambda: [a.exp(), a * 1e38, a.half() * 100, a / 0, (a * 0) / 0, a.log()], "exp", "mul", "div")


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int8, torch.int32, torch.int64, torch.bool])
def test_integers_wrap_as_their_dtype_does(dtype: torch.dtype) -> None:
    a = torch.tensor([1, 100, 0, 127], dtype=dtype)
    all_right(lambda: [a + a, a * a, a.float(), a.to(torch.float64), a == a, torch.maximum(a, a), a.long()])
    if dtype is not torch.bool:
        all_right(lambda: [a - 3, a // 3, a % 3, a / 3, a**2, -a, a & 3, a.clamp(1, 50), a | 8])


def test_half_precision() -> None:
    for dtype in (torch.float16, torch.bfloat16):
        a, b = (torch.randn(3, 4).to(dtype).requires_grad_() for _ in range(2))
        all_right(lambda a=a, b=b: [a + b, a * b, a / b, a.exp(), a.abs().log(), a**2, torch.maximum(a, b)])


def test_lists_of_tensors_as_clipping_and_optimizers_use_them() -> None:
    tensors = [torch.randn(3), torch.randn(2, 2)]
    found = all_right(
        lambda: [
            *torch._foreach_norm(tensors), *torch._foreach_mul(tensors, 0.5),
            *torch._foreach_add(tensors, tensors), *torch._foreach_clamp_max(tensors, 0.1),
        ],
        "_foreach_norm", "_foreach_mul",
    )  # fmt: skip
    assert found["_foreach_mul"][0].symbols == "input · other"


@pytest.mark.parametrize("name", sorted(PAIRS.keys() - {"converted"}))
def test_the_arithmetic_of_an_element_comes_to_it(name: str) -> None:
    """But of half precision, whose digits are fewer than those of what becomes of it."""
    torch.manual_seed(6)
    a, b = torch.randn(2, 3, requires_grad=True), torch.randn(3, requires_grad=True)
    assert misread(both_ways(lambda: PAIRS[name](a, b)), OURS)[0] == []


def test_a_wrong_sign_factor_or_thousandth_is_noticed() -> None:
    a, b = torch.randn(3, 4, requires_grad=True), (torch.randn(4) + 3).requires_grad_()
    for name in ("operators", "functions", "unary", "circular", "lerp", "three", "clamps", "where"):
        assert unnoticed(both_ways(lambda name=name: PAIRS[name](a, b)), OURS) == [], name


# -- PyTorch's own samples ----------------------------------------------------------------------------

NAMES = """
    abs acos acosh add addcdiv addcmul arange asin asinh atan atan2 atanh bool byte ceil clamp clamp_max
    clamp_min clone contiguous copysign cos cosh deg2rad digamma div double eq erf erfc exp exp2 expm1
    eye fill float float_power floor floor_divide fmax fmin fmod frac full full_like ge gt half
    heaviside hypot int isclose isfinite isin isinf isnan isneginf isposinf isreal le lerp lgamma
    linspace log log10 log1p log2 logaddexp logaddexp2 logical_and logical_not logical_or logical_xor
    logit long lt masked_fill max maximum min minimum mul nan_to_num ne neg new_full new_ones new_zeros
    nonzero ones ones_like positive pow rad2deg __radd__ __rdiv__ reciprocal remainder __rmod__ __rmul__
    round __rpow__ rsqrt rsub __rsub__ sgn sigmoid sign signbit sin sinc sinh sqrt square sub tan to
    true_divide trunc where xlogy zero_ zeros zeros_like
""".split()  # noqa: SIM905


@pytest.mark.usefixtures("torch_database")
@pytest.mark.parametrize("name", NAMES[::6])
def test_samples_of_pytorch(name: str) -> None:
    assert database(name, OURS, 3) == []


@pytest.mark.usefixtures("torch_database")
@pytest.mark.exhaustive
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", NAMES)
def test_all_samples_of_pytorch(name: str, dtype: torch.dtype) -> None:
    assert database(name, OURS, 1_000_000, dtype) == []
