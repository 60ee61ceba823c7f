"""Rules of convolutions and of windows as columns against torch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from backprop_tui.explain.explanation import explain
from backprop_tui.explain.rules import convolution, unfolding
from explain.both_ways import both_ways, correct, differentiated, family, module_samples, script, wrong
from explain.checking import database, unnoticed
from explain.reading import misread

OURS = family(convolution, unfolding)
FLOATS = [torch.float32, torch.float64]
NAMES = [f"{name}{count}d" for name in ("conv", "conv_transpose") for count in (1, 2, 3)]
REAL = Path(__file__).parent.parent / "scripts" / "real"

Call = Callable[[], Any]


def leaf(values: Any) -> torch.Tensor:
    return torch.tensor(values, requires_grad=True)


LINE, KERNEL = [[[1.0, 2.0, -3.0, 4.0]]], [[[0.5, -1.0]]]


def test_a_window_times_the_weight() -> None:
    found = correct(lambda: F.conv1d(leaf(LINE), leaf(KERNEL), leaf([0.1])), "conv1d")["conv1d"][0]
    assert found.symbols == "input ⋆ weight + bias"
    assert found.numbers == "[[[1 2 −3 4]]] ⋆ [[[0.5 −1]]] + [0.1]"
    assert found.result == "[[[−1.4 4.1 −5.4]]]"
    assert found.element == "(−3)·0.5 + 4·(−1) + 0.1"


def test_the_gradients_of_a_convolution() -> None:
    result = F.conv1d(leaf(LINE), leaf(KERNEL), leaf([0.1]))
    (node,) = differentiated(result, lambda root: torch.tensor([[[1.0, 10.0, 100.0]]]))
    to_input, to_weight, to_bias = explain(node)
    assert [one.verdict for one in (to_input, to_weight, to_bias)] == ["✓"] * 3
    assert (to_input.symbols, to_input.element) == ("g ⋆ᵀ weight", "100·(−1)")
    assert to_input.result == "[[[0.5 4 40 −100]]]"
    assert (to_weight.symbols, to_weight.element) == ("input ⋆ g", "2·1 + (−3)·10 + 4·100")
    assert (to_bias.symbols, to_bias.element) == ("Σ g", "1 + 10 + 100")
    assert explain(node, (0, 0, 1))[0].element == "10·0.5 + 1·(−1)"


def test_options_are_told() -> None:
    x, w = torch.randn(1, 4, 9, 9), torch.randn(6, 2, 3, 1)
    found = correct(lambda: F.conv2d(x, w, stride=(2, 1), padding=1, dilation=2, groups=2), "conv2d")
    assert found["conv2d"][0].symbols == "input ⋆ weight (stride 2×1, padding 1, dilation 2, 2 groups)"
    same = correct(lambda: F.conv2d(x, w, padding="same", groups=2), "conv2d")
    assert same["conv2d"][0].symbols == "input ⋆ weight (padding same, 2 groups)"


def test_a_transposed_convolution_spreads_each_place() -> None:
    function = lambda: F.conv_transpose1d(leaf([[[1.0, 2.0]]]), leaf(KERNEL), stride=2)  # noqa: E731
    found = correct(function, "conv_transpose1d", "ConvolutionBackward")
    forward = found["conv_transpose1d"][0]
    assert forward.symbols == "input ⋆ᵀ weight (stride 2)"
    assert (forward.result, forward.element) == ("[[[0.5 −1 1 −2]]]", "2·(−1)")
    assert [one.symbols for one in found["ConvolutionBackward"]] == [
        "g ⋆ weight (stride 2)",
        "g ⋆ input (stride 2)",
    ]


OPTIONS: list[dict[str, Any]] = [
    {},
    {"stride": 2, "padding": 1},
    {"dilation": 2, "padding": 2, "groups": 2},
    {"stride": 3, "groups": 2, "bias": False},
]


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("count", [1, 2, pytest.param(3, marks=pytest.mark.exhaustive)])
@pytest.mark.parametrize("name", ["conv", "conv_transpose"])
def test_all_options_in_all_dimensions(name: str, count: int, dtype: torch.dtype) -> None:
    torch.manual_seed(7)
    function = getattr(F, f"{name}{count}d")
    for options in OPTIONS:
        given = {key: value for key, value in options.items() if key != "bias"}
        groups = given.get("groups", 1)
        # One that gets a window over the end, and one whose last places no window reaches.
        for size in (6, 7):
            x = torch.randn(2, 4, *(size,) * count, dtype=dtype, requires_grad=True)
            inner = (6, 4 // groups) if name == "conv" else (4, 6 // groups)
            w = torch.randn(*inner, *(2,) * count, dtype=dtype, requires_grad=True)
            b = torch.randn(6, dtype=dtype, requires_grad=True) if options.get("bias", True) else None
            evidence = both_ways(lambda x=x, w=w, b=b, k=given: function(x, w, b, **k))
            assert wrong(evidence, OURS) == []
            assert misread(evidence, OURS)[0] == []
            assert unnoticed(evidence, OURS) == []


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("kernel", [2, 3, 4])
def test_padding_in_words(padding: str, kernel: int) -> None:
    x, w = torch.randn(1, 2, 8, requires_grad=True), torch.randn(2, 2, kernel, requires_grad=True)
    evidence = both_ways(lambda: F.conv1d(x, w, padding=padding, dilation=2))
    assert wrong(evidence, OURS) == []


def test_output_padding_and_a_single_sample() -> None:
    x, w = torch.randn(3, 4, 5, requires_grad=True), torch.randn(3, 2, 3, 3, requires_grad=True)
    function = lambda: F.conv_transpose2d(x, w, stride=3, output_padding=(2, 1), padding=1)  # noqa: E731
    assert wrong(both_ways(function), OURS) == []
    assert misread(both_ways(function), OURS)[0] == []
    v = torch.randn(2, 3, 3, 3)
    assert misread(both_ways(lambda: F.conv2d(x, v, padding=1)), OURS)[0] == []


def test_many_terms_and_the_small_types() -> None:
    torch.manual_seed(8)
    x, w = torch.randn(4, 64, 12, 12), torch.randn(16, 64, 3, 3)
    for dtype in (torch.float32, torch.bfloat16, torch.float16):
        given = (x.to(dtype).requires_grad_(), w.to(dtype).requires_grad_())
        assert wrong(both_ways(lambda given=given: F.conv2d(*given, padding=1)), OURS) == []


# --- windows as columns


def test_a_column_is_a_window() -> None:
    image = torch.arange(9.0).view(1, 1, 3, 3).requires_grad_()
    found = correct(lambda: F.unfold(image, 2), "unfold", "Im2ColBackward")
    assert found["unfold"][0].symbols == "2×2 windows of input as columns"
    assert found["unfold"][0].element == "8 (element [0, 0, 2, 2])"
    assert found["Im2ColBackward"][0].symbols == "Σ of the columns of g at each place of the image"


def test_columns_fold_to_an_image() -> None:
    columns = torch.arange(16.0).view(1, 4, 4).requires_grad_()
    found = correct(lambda: F.fold(columns, 3, 2), "fold", "Col2ImBackward")
    assert found["fold"][0].symbols == "Σ of the columns of input at each place of the image"
    (one,) = (one for one in both_ways(lambda: F.fold(columns.detach(), 3, 2)) if one.name == "fold")
    assert explain(one, (0, 0, 1, 1))[0].element == "3 + 6 + 9 + 12"


@pytest.mark.parametrize(
    "options", [{}, {"padding": 1, "stride": 2}, {"dilation": (1, 2), "padding": (0, 2)}]
)
def test_there_and_back(options: dict[str, Any]) -> None:
    x = torch.randn(2, 3, 7, 6, requires_grad=True)
    function = lambda: F.fold(F.unfold(x, (2, 3), **options), (7, 6), (2, 3), **options)  # noqa: E731
    evidence = both_ways(function)
    assert {one.name.rstrip("0123456789") for one in evidence} == {
        "unfold",
        "fold",
        "Im2ColBackward",
        "Col2ImBackward",
    }
    assert wrong(evidence, OURS) == []
    assert misread(evidence, OURS)[0] == []


def test_a_tensors_own_unfold_is_another_function() -> None:
    found = correct(lambda: torch.arange(5.0).unfold(0, 2, 1), "unfold")
    assert "windows" in found["unfold"][0].symbols and "columns" not in found["unfold"][0].symbols


def test_a_convolutional_network() -> None:
    evidence = script(REAL / "cnn_digits.py", "--epochs", "1", "--samples", "64")
    assert wrong(evidence, OURS) == []
    results = [one for one in evidence if one.name == "ConvolutionBackward0"]
    assert [sum(gradient is not None for gradient in one.grad_inputs) for one in results] == [3, 2]


@pytest.mark.usefixtures("torch_database")
@pytest.mark.parametrize("name", [*NAMES, "unfold"])
def test_samples_of_the_database(name: str) -> None:
    assert database(f"nn.functional.{name}", OURS, 6) == []


@pytest.mark.usefixtures("torch_database")
@pytest.mark.exhaustive
@pytest.mark.parametrize("dtype", [*FLOATS, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("name", [*NAMES, "unfold"])
def test_all_of_the_database(name: str, dtype: torch.dtype) -> None:
    assert database(f"nn.functional.{name}", OURS, 10_000, dtype) == []


@pytest.mark.usefixtures("torch_database")
@pytest.mark.exhaustive
@pytest.mark.parametrize("name", ["Conv1d", "Conv2d", "Conv3d", "ConvTranspose2d", "Fold", "Unfold"])
def test_all_of_the_modules(name: str) -> None:
    for use in module_samples(name, torch.float32, 10_000):
        assert wrong(both_ways(use), OURS) == []
