"""Rules of sums, means, variances, norms, extremes, order and running sums against torch."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch

from backprop_tui.explain.explanation import Explanation, explain
from backprop_tui.explain.rules import cumulative, extremes, norms, ordering, reductions, variances
from explain.both_ways import both_ways, family
from explain.checking import all_right, database, unnoticed
from explain.observing import backward
from explain.reading import misread

OURS = family(reductions, variances, norms, extremes, ordering, cumulative)
FLOATS = [torch.float32, torch.float64]
INF = math.inf

One = Callable[[torch.Tensor], Any]


def only(function: One, values: Any, name: str) -> Explanation:
    """The explanation of one operation, or of the node of its backward pass."""
    x = torch.tensor(values, requires_grad=True)
    if not name.endswith("Backward"):
        return all_right(lambda: function(x), name)[name][0]
    result = function(x)
    result = result[0] if isinstance(result, tuple) else result
    node = next(one for one in backward(result, torch.ones_like(result)) if one.name.startswith(name))
    return explain(node)[0]


TABLE = [[1.0, 2.0], [3.0, -6.0]]


@pytest.mark.parametrize(
    ("function", "name", "symbols", "element", "result"),
    [
        (lambda x: x.sum(), "sum", "Σ input", "1 + 2 + 3 + (−6)", "0"),
        (lambda x: x.sum(1), "sum", "Σ input over dimension 1", "1 + 2", "[3 −3]"),
        (lambda x: x.sum(1), "SumBackward", "g for each element", "1", "[[1 1] [1 1]]"),
        (lambda x: x.mean(), "mean", "Σ input / 4", "(1 + 2 + 3 + (−6)) / 4", "0"),
        (lambda x: x.mean(0), "MeanBackward", "g / 2 for each element", "1 / 2", "[[0.5 0.5] [0.5 0.5]]"),
        (lambda x: x.prod(), "ProdBackward", "g · product of the other elements of self", "1 · 2 · 3 · (−6)",
         "[[−36 −18] [−12 6]]"),
        (lambda x: x.norm(), "norm", "‖input‖", "√(1² + 2² + 3² + (−6)²)", "7.071068"),
        (lambda x: x.norm(1), "norm", "‖input‖₁", "|1| + |2| + |3| + |−6|", "12"),
        (lambda x: x.norm(INF), "norm", "‖input‖∞", "max of 4 magnitudes: 6", "6"),
        (lambda x: x.max(), "max", "max input", "max(1, 2, 3, −6)", "3"),
        (lambda x: x.max(1), "max", "max input over dimension 1", "max(3, −6)", "[2 3]"),
        (lambda x: x.max(1), "MaxBackward", "g at indices, else 0", "1", "[[0 1] [1 0]]"),
        (lambda x: x.cumsum(0), "cumsum", "running sum of input along dimension 0", "1 + 3",
         "[[1 2] [4 −4]]"),
        (lambda x: x.cumsum(0), "CumsumBackward", "Σ g from here on", "1 + 1", "[[2 2] [1 1]]"),
        (lambda x: x.logsumexp(1), "logsumexp", "log Σ exp input over dimension 1", "log(exp 3 + exp (−6))",
         "[2.3132617 3.0001233]"),
        (lambda x: x.topk(1), "topk", "the 1 largest of input over dimension 1", "3 (element [1, 0])",
         "[[2] [3]]"),
        (lambda x: x.argmax(), "argmax", "index of the max of input",
         "index of the max of (1, 2, 3, −6)", "2"),
    ],
)  # fmt: skip
def test_how_it_reads(function: One, name: str, symbols: str, element: str, result: str) -> None:
    shown = only(function, TABLE, name)
    assert (shown.verdict, shown.symbols) == ("✓", symbols)
    assert shown.result == result
    assert shown.element == element


def test_variance_says_its_mean_and_its_divisor() -> None:
    shown = only(lambda x: x.var(), [1.0, 2.0, 6.0], "var")
    assert shown.symbols == "Σ(input − mean)² / 2"
    assert shown.element == "((1 − 3)² + (2 − 3)² + (6 − 3)²) / 2"
    assert shown.result == "7"
    assert only(lambda x: x.var(correction=0), [1.0, 2.0, 6.0], "var").symbols == "Σ(input − mean)² / 3"
    back = only(lambda x: x.std(), [1.0, 2.0, 6.0], "StdBackward")
    assert back.symbols == "g · (self − mean)/(2·result)"
    assert back.element == "1 · (6 − 3)/(2·2.6457512)"


def test_of_a_long_sum_the_largest_terms_are_written() -> None:
    x = torch.arange(1000.0)
    (shown,) = all_right(lambda: x.sum(), "sum")["sum"]
    assert shown.numbers == "999 + 998 + 997 + 996 + 995 + 994 + 994 more"


@pytest.mark.parametrize(
    ("function", "values", "gradient", "said"),
    [
        (lambda x: x.max(), [5.0, 1.0, 5.0], [0.5, 0, 0.5], "each place gets an equal share"),
        (lambda x: x.amin(0), [5.0, 1.0, 1.0], [0, 0.5, 0.5], "each place gets an equal share"),
        (lambda x: x.norm(), [0.0, 0.0], [0, 0], "torch takes 0"),
        (lambda x: x.std(), [4.0, 4.0], [0, 0], "torch takes 0"),
    ],
)
def test_what_torch_takes_at_ties_and_corners(
    function: One, values: list[float], gradient: list[float], said: str
) -> None:
    x = torch.tensor(values, requires_grad=True)
    (shown,) = explain(backward(function(x))[0])
    assert shown.verdict == "✓"
    assert x.grad is not None and x.grad.tolist() == gradient
    assert shown.note is not None and said in shown.note


def test_the_maximum_along_a_dimension_goes_to_one_place_only() -> None:
    x = torch.tensor([[5.0, 1.0, 5.0]], requires_grad=True)
    (shown,) = explain(backward(x.max(1).values.sum())[1])
    assert shown.verdict == "✓"
    assert shown.result == "[[1 0 0]]"


SHAPED: dict[str, One] = {
    "sum": lambda x: [
        x.sum(), x.sum(0), x.sum(-1, keepdim=True), x.sum((0, 1)), x.sum(axis=1),
        x.sum(dim=[0], keepdims=True),
    ],
    "mean": lambda x: [
        x.mean(), x.mean(1), x.mean((0, 1), True), torch.mean(x, dim=-1), x.nanmean(),
        x.mean(dtype=torch.float64),
    ],
    "variance": lambda x: [
        x.var(), x.var(0), x.var(1, unbiased=False), x.var(unbiased=False), x.var(dim=1, correction=0),
    ],
    "deviation": lambda x: [
        x.std(), x.std(1, keepdim=True), torch.std(x, dim=0, correction=0), x.std((0, 1)),
    ],
    "both": lambda x: [*torch.var_mean(x, dim=1), *torch.std_mean(x), *torch.var_mean(x, 0, keepdim=True)],
    "mean alone": lambda x: torch.var_mean(x, dim=1)[1],
    "product": lambda x: [x.prod(), x.prod(0), x.prod(1, keepdim=True)],
    "norm": lambda x: [
        x.norm(), x.norm(dim=1), x.norm(1), x.norm(3), x.norm(INF, dim=0), x.norm(-INF), x.norm(0.5),
        x.norm(0),
    ],
    "linalg": lambda x: [
        torch.linalg.norm(x), torch.linalg.vector_norm(x, 1.5, dim=0), torch.linalg.norm(x, 1, dim=1),
    ],
    "matrices": lambda x: [torch.linalg.norm(x.detach(), p) for p in (2, -2, 1, -1, INF, -INF, "fro", "nuc")],
    "distance": lambda x: [torch.dist(x, x + 1), torch.dist(x, 2 * x, 1), torch.dist(x, 2 * x, INF)],
    "extremes": lambda x: [
        x.max(), x.min(), *x.max(0), *x.min(-1, keepdim=True), x.amax(), x.amin((0, 1)), x.amax(1, True),
    ],
    "named": lambda x: [
        *torch.max(x, dim=1), *torch.min(input=x, dim=0), torch.max(x, other=x + 1), *torch.aminmax(x),
    ],
    "arg": lambda x: [x.argmax(), x.argmin(0), x.argmax(dim=1, keepdim=True), torch.argmin(x, 1)],
    "middle": lambda x: [
        x.median(), *x.median(0), *x.kthvalue(2, 0), x.nanmedian(), x.quantile(0.3), x.quantile(0.5, dim=1),
    ],
    "order": lambda x: [
        *x.sort(), *x.sort(0, descending=True), x.argsort(1), *x.topk(2, 1), *x.topk(1, 0, largest=False),
    ],
    "running": lambda x: [
        x.cumsum(0), x.cumsum(-1), x.cumprod(1), *x.cummax(0), *x.cummin(1), x.logcumsumexp(1), x.diff(),
    ],
    "exponential": lambda x: [x.logsumexp(1), torch.logsumexp(x, (0, 1)), x.logsumexp(dim=0, keepdim=True)],
    "asked": lambda x: [
        (x > 0).all(), (x > 0).any(1), (x > 0).all(dim=0), x.count_nonzero(), (x > 0).sum(),
        x.detach().unique(),
    ],
    "square": lambda x: [x.trace(), x.nansum()],
}  # fmt: skip


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", SHAPED)
def test_of_a_table(name: str, dtype: torch.dtype) -> None:
    torch.manual_seed(1)
    for shape in ((3, 4), (4, 2), (20, 30)):
        x = torch.randn(shape, dtype=dtype, requires_grad=True)
        all_right(lambda x=x: SHAPED[name](x))


def test_more_dimensions_and_none() -> None:
    x, number = torch.randn(2, 3, 4, requires_grad=True), torch.tensor(2.0, requires_grad=True)
    all_right(
        lambda: [x.sum((0, 2)), x.mean((-1, 0)), x.var((0, 2)), x.amax((0, 1)), x.norm(dim=(0, 2)), *x.max(1)]
    )
    all_right(
        lambda: [number.sum(), number.mean(), number.max(), number.prod(), number.norm(), number.cumsum(0)]
    )
    all_right(lambda: [*number.max(0), number.argmax(), *number.sort(), *number.topk(1), number.logsumexp(0)])


def test_products_with_zeros_have_the_right_gradient() -> None:
    for values in ([0.0, 2.0, 3.0], [0.0, 0.0, 3.0], [1.0, 0.0, 4.0]):
        x = torch.tensor(values, requires_grad=True)
        all_right(lambda x=x: [x.prod(), x.prod(0), x.cumprod(0)], "ProdBackward", "CumprodBackward")


def test_numbers_that_are_not_finite() -> None:
    nan, row = math.nan, torch.tensor([1.0, INF, 2.0], requires_grad=True)
    holes = torch.tensor([1.0, nan, 2.0], requires_grad=True)
    all_right(lambda: [row.sum(), row.max(), row.logsumexp(0), row.cumsum(0), row.sort()[0], row.norm()])
    all_right(
        lambda: [holes.max(), holes.nansum(), holes.nanmean(), holes.sum(), holes.median(), holes.sort()[0]]
    )
    masked = torch.tensor([[0.0, -INF], [-INF, -INF]], requires_grad=True)
    all_right(lambda: masked.logsumexp(1))


def test_integers_and_truth() -> None:
    whole = torch.tensor([[3, 1], [2, 2]])
    all_right(
        lambda: [
            whole.sum(),
            whole.max(),
            *whole.sort(),
            whole.prod(),
            (whole > 1).sum(),
            whole.float().mean(),
        ]
    )


def test_sums_of_half_precision() -> None:
    for dtype in (torch.float16, torch.bfloat16):
        x = torch.randn(40, 30).to(dtype).requires_grad_()
        all_right(lambda x=x: [x.sum(), x.mean(1), x.var(0), x.norm(), x.logsumexp(1), x.cumsum(0)])


def test_a_large_sum_is_right_and_quickly_told() -> None:
    x = torch.randn(1000, 500)
    found = all_right(lambda: [x.sum(), x.mean(), x.std(), x.cumsum(1)])
    assert found["sum"][0].element is not None and "499,994 more" in found["sum"][0].element


@pytest.mark.parametrize("name", SHAPED)
def test_the_arithmetic_of_an_element_comes_to_it(name: str) -> None:
    torch.manual_seed(6)
    x = torch.randn(3, 4, requires_grad=True)
    assert misread(both_ways(lambda: SHAPED[name](x)), OURS)[0] == []


def test_a_wrong_sign_factor_or_thousandth_is_noticed() -> None:
    x = torch.randn(3, 4, requires_grad=True)
    for name in ("sum", "mean", "variance", "deviation", "norm", "exponential", "running"):
        assert unnoticed(both_ways(lambda name=name: SHAPED[name](x)), OURS) == [], name


NAMES = """
    all amax amin aminmax any argmax argmin argsort count_nonzero cummax cummin cumprod cumsum diff dist
    kthvalue linalg.matrix_norm linalg.norm linalg.vector_norm logcumsumexp logsumexp
    max.reduction_with_dim max mean median min mode msort nanmean nanmedian nanquantile nansum norm prod
    quantile sort std std_mean sum topk trace unique var var_mean
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
