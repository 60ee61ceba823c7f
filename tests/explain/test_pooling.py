"""Rules of pooling and of resizing against torch."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from backprop_tui.explain.explanation import explain
from backprop_tui.explain.rules import interpolation, pooling
from explain.both_ways import both_ways, correct, differentiated, family, module_samples, wrong
from explain.checking import database, unnoticed
from explain.reading import misread

OURS = family(pooling, interpolation)
FLOATS = [torch.float32, torch.float64]
NAMES = [
    f"{name}_pool{count}d" for name in ("max", "avg", "adaptive_max", "adaptive_avg") for count in (1, 2, 3)
] + ["max_unpool1d", "max_unpool2d", "max_unpool3d", "interpolate", "upsample_nearest", "upsample_bilinear"]

Call = Callable[[], Any]


def leaf(values: Any, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.tensor(values, dtype=dtype, requires_grad=True)


def shown(function: Call, name: str, number: int = 0) -> Any:
    return correct(function, name)[name][number]


SQUARE = [[[1.0, 2.0, 0.0], [2.0, 2.0, -1.0], [0.0, 0.0, 5.0]]]


@pytest.mark.parametrize(
    ("function", "name", "symbols", "element"),
    [
        (lambda: F.max_pool2d(leaf(SQUARE), 2, 1), "max_pool2d", "largest of input in 2×2 windows, stride 1",
         "max(2, −1, 0, 5)"),
        (lambda: F.max_pool1d(leaf([[1.0, 4.0, 3.0]]), 3, padding=1, dilation=1, stride=2), "max_pool1d",
         "largest of input in 3 windows, stride 2, padding 1", "max(1, 4)"),
        (lambda: F.avg_pool1d(leaf([[1.0, 2.0, 3.0, 5.0]]), 2), "avg_pool1d", "mean of input over 2 windows",
         "1/2 · (3 + 5)"),
        (lambda: F.avg_pool2d(leaf([[[8.0]]]), 2, padding=1), "avg_pool2d",
         "mean of input over 2×2 windows, padding 1", "1/4 · 8"),
        (lambda: F.avg_pool2d(leaf([[[8.0]]]), 2, padding=1, count_include_pad=False), "avg_pool2d",
         "mean of input over 2×2 windows, padding 1", "8"),
        (lambda: F.avg_pool2d(leaf([[[8.0]]]), 1, divisor_override=3), "avg_pool2d",
         "mean of input over 1×1 windows", "1/3 · 8"),
        (lambda: F.adaptive_avg_pool1d(leaf([[1.0, 2.0, 3.0, 4.0, 5.0]]), 2), "adaptive_avg_pool1d",
         "mean of input over 2 bins of 5 places", "1/3 · (3 + 4 + 5)"),
        (lambda: F.adaptive_max_pool1d(leaf([[1.0, 2.0, 3.0, 4.0, 5.0]]), 2), "adaptive_max_pool1d",
         "largest of input in 2 bins of 5 places", "max(3, 4, 5)"),
        (lambda: F.lp_pool1d(leaf([[1.0, 2.0, 3.0, 4.0]]), 2, 2), "lp_pool1d",
         "(Σ input^2)^(1/2) over 2 windows", "(3^2 + 4^2)^(1/2)"),
        (lambda: F.interpolate(leaf([[[1.0, 2.0]]]), scale_factor=2), "interpolate",
         "nearest element of input, 2 → 4", "2"),
        (lambda: F.interpolate(leaf([[[1.0, 2.0, 9.0]]]), size=5, mode="linear", align_corners=True),
         "interpolate", "linear interpolation of input, 3 → 5, corners on corners", "9"),
        (lambda: F.interpolate(leaf([[[1.0, 2.0]]]), size=3, mode="linear"), "interpolate",
         "linear interpolation of input, 2 → 3", "2"),
        (lambda: F.max_unpool1d(leaf([[2.0, 4.0]]), torch.tensor([[1, 3]]), 2), "max_unpool1d",
         "input put where indices say, 0 elsewhere", "4"),
    ],
)  # fmt: skip
def test_a_pool_reads_as_what_it_does(function: Call, name: str, symbols: str, element: str) -> None:
    found = shown(function, name)
    assert found.symbols == symbols
    assert found.element == element


def test_of_equal_largest_values_the_first_gets_the_gradient() -> None:
    result = F.max_pool2d(leaf(SQUARE), 2, 1)
    node = next(one for one in differentiated(result, torch.ones_like) if one.name.startswith("MaxPool"))
    (found,) = explain(node)
    assert found.verdict == "✓"
    assert found.symbols == "Σ g of the 2×2 windows, stride 1 where this element is the largest"
    assert found.result == "[[[0 2 0] [1 0 0] [0 0 1]]]"
    assert found.element == "1 + 1"
    assert found.note == "3 of 4 windows with several equal largest values: torch takes the first"
    assert explain(node, (0, 1, 1))[0].element == "0, not the largest of any window"
    assert shown(lambda: F.max_pool1d(leaf([[1.0, 2.0]]), 2), "max_pool1d").note is None


def test_where_the_largest_lies_is_checked_too() -> None:
    found = correct(
        lambda: F.max_pool1d(leaf([[1.0, 2.0, 0.0, 3.0]]), 2, return_indices=True), "max_pool1d_with_indices"
    )["max_pool1d_with_indices"]
    assert [one.result for one in found] == ["[[2 3]]", "[[1 3]]"]
    assert found[1].symbols == "place of the largest of input in 2 windows"
    assert found[1].element == "place of max(0, 3)"


@pytest.mark.parametrize("extra", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_in_windows(extra: float) -> None:
    x = leaf([[[extra, extra, 1.0, extra], [2.0, extra, 0.0, 0.0], [0.0, 0.0, extra, 5.0], [1.0] * 4]])
    for function in (
        lambda: F.max_pool2d(x, 2, return_indices=True),
        lambda: F.max_pool2d(x, 3, 1, padding=1),
        lambda: F.adaptive_max_pool2d(x, 3),
    ):
        assert wrong(both_ways(function), OURS) == []


def test_gradients_of_means_are_shared() -> None:
    result = F.avg_pool2d(leaf(SQUARE), 2, 1)
    node = next(one for one in differentiated(result, torch.ones_like) if one.name.startswith("AvgPool"))
    (found,) = explain(node, (0, 1, 1))
    assert found.symbols == "Σ g/4 of the 2×2 windows, stride 1 that hold this element"
    assert found.element == "1/4 · (1 + 1 + 1 + 1)"


OPTIONS: list[dict[str, Any]] = [
    {},
    {"stride": 1, "padding": 1},
    {"stride": 2, "padding": 1, "ceil_mode": True},
]


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("count", [1, 2, 3])
def test_all_options_in_all_dimensions(count: int, dtype: torch.dtype) -> None:
    torch.manual_seed(9)
    for options in OPTIONS:
        x = torch.randn(2, 3, *(6,) * count, dtype=dtype, requires_grad=True)
        calls: list[Call] = [
            lambda x=x, k=options: getattr(F, f"max_pool{count}d")(x, 3, **k),
            lambda x=x, k=options: getattr(F, f"max_pool{count}d")(x, 2, dilation=2, **k),
            lambda x=x, k=options: getattr(F, f"avg_pool{count}d")(x, 3, **k),
            lambda x=x, k=options: getattr(F, f"avg_pool{count}d")(x, 3, count_include_pad=False, **k),
        ]
        for call in calls:
            evidence = both_ways(call)
            assert wrong(evidence, OURS) == []
            assert misread(evidence, OURS)[0] == []
            assert unnoticed(evidence, OURS) == []


@pytest.mark.parametrize("count", [1, 2, 3])
def test_bins_of_any_number(count: int) -> None:
    torch.manual_seed(10)
    x = torch.randn(2, *(5,) * count, requires_grad=True)
    for bins in (1, 2, 3, 5, 7):
        for name in ("max", "avg"):
            evidence = both_ways(lambda n=name, b=bins: getattr(F, f"adaptive_{n}_pool{count}d")(x, b))
            assert wrong(evidence, OURS) == []
            assert misread(evidence, OURS)[0] == []


MODES = {1: ["linear"], 2: ["bilinear", "bicubic"], 3: ["trilinear"]}


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("count", [1, 2, 3])
def test_every_kind_of_resizing(count: int, dtype: torch.dtype) -> None:
    torch.manual_seed(11)
    x = torch.randn(2, 3, *(5,) * count, dtype=dtype, requires_grad=True)
    calls: list[dict[str, Any]] = [
        {"mode": mode, **how}
        for mode in ["nearest", "nearest-exact", "area"]
        for how in ({"size": 3}, {"size": 7}, {"scale_factor": 1.7})
    ]
    calls += [
        {"mode": mode, "align_corners": corners, **how}
        for mode in MODES[count]
        for corners in (True, False)
        for how in ({"size": 3}, {"size": 5}, {"scale_factor": 1.7}, {"size": 1})
    ]
    calls.append({"scale_factor": 1.7, "recompute_scale_factor": True})
    for options in calls:
        evidence = both_ways(lambda k=options: F.interpolate(x, **k))
        assert wrong(evidence, OURS) == [], options
        assert misread(evidence, OURS)[0] == [], options


def test_a_filter_against_aliasing_has_no_rule() -> None:
    evidence = both_ways(
        lambda: F.interpolate(leaf([[[[1.0, 2], [3, 4]]]]), 1, mode="bilinear", antialias=True)
    )
    assert [one.verdict for one in explain(evidence[-2])] == ["?"]


def test_windows_drawn_by_chance_send_the_gradient_where_they_found_the_largest() -> None:
    x = torch.randn(1, 1, 6, 6, requires_grad=True)
    found = correct(lambda: F.fractional_max_pool2d(x, 2, output_size=3), "FractionalMaxPool2DBackward")
    assert found["FractionalMaxPool2DBackward"][0].symbols == (
        "Σ g of the windows where this element is the largest"
    )


def test_large_windows_are_added_one_by_one() -> None:
    x = torch.rand(1, 1, 300, 300, requires_grad=True)
    for function in (lambda: F.avg_pool2d(x, 300), lambda: F.adaptive_avg_pool2d(x, (1, 2))):
        assert wrong(both_ways(function), OURS) == []


@pytest.mark.usefixtures("torch_database")
@pytest.mark.parametrize("name", NAMES)
def test_samples_of_the_database(name: str) -> None:
    assert database(f"nn.functional.{name}", OURS, 6) == []


@pytest.mark.usefixtures("torch_database")
@pytest.mark.exhaustive
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", NAMES)
def test_all_of_the_database(name: str, dtype: torch.dtype) -> None:
    assert database(f"nn.functional.{name}", OURS, 10_000, dtype) == []


@pytest.mark.usefixtures("torch_database")
@pytest.mark.exhaustive
@pytest.mark.parametrize("name", ["LPPool1d", "LPPool2d", "LPPool3d", "MaxPool3d", "AvgPool3d"])
def test_all_of_the_modules(name: str) -> None:
    for use in module_samples(name, torch.float32, 10_000):
        assert wrong(both_ways(use), OURS) == []
