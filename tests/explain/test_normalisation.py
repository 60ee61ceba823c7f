"""Rules of normalisation against torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from backprop_tui.explain.explanation import explain
from backprop_tui.explain.rules import normalisation, scaling
from explain.both_ways import both_ways, correct, differentiated, family, module_samples, script, wrong
from explain.checking import database, unnoticed
from explain.reading import misread

OURS = family(normalisation, scaling)
FLOATS = [torch.float32, torch.float64]
NAMES = [
    "batch_norm",
    "layer_norm",
    "group_norm",
    "instance_norm",
    "rms_norm",
    "normalize",
    "local_response_norm",
]
NATIVE = ["native_batch_norm", "native_layer_norm", "_native_batch_norm_legit"]
REAL = Path(__file__).parent.parent / "scripts" / "real"

Call = Callable[[], Any]


def leaf(values: Any, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.tensor(values, dtype=dtype, requires_grad=True)


def shown(function: Call, name: str, number: int = 0) -> Any:
    return correct(function, name)[name][number]


COLUMN = [[1.0], [3.0], [5.0], [7.0]]


def test_training_takes_the_batchs_own_mean_and_variance() -> None:
    running = torch.zeros(1), torch.ones(1)
    found = shown(
        lambda: F.batch_norm(leaf(COLUMN), *running, leaf([2.0]), leaf([0.5]), training=True), "batch_norm"
    )
    assert found.symbols == "(input − μ)/√(σ² + 1e−5) · weight + bias"
    assert found.element == "(7 − 4)/√(5 + 1e−5) · 2 + 0.5"
    assert found.note == (
        "μ and σ² of the 4 values of a channel; σ² divides by 4."
        " running = 0.9·running + 0.1·new, there the variance divides by 3"
    )
    assert running[1].item() == pytest.approx(0.9 + 0.1 * 20 / 3)


def test_evaluating_takes_the_running_ones() -> None:
    running = torch.tensor([2.0]), torch.tensor([4.0])
    found = correct(
        lambda: F.batch_norm(leaf(COLUMN), *running, leaf([2.0])), "batch_norm", "NativeBatchNormBackward"
    )
    forward, backward = found["batch_norm"][0], found["NativeBatchNormBackward"]
    assert forward.symbols == "(input − running_mean)/√(running_var + 1e−5) · weight"
    assert forward.element == "(7 − 2)/√(4 + 1e−5) · 2"
    assert forward.note == "evaluating: the running mean and variance, not this batch's"
    assert backward[0].symbols == "g·weight/√(running_var + 1e−5)"
    assert backward[0].note == "the running mean and variance are constants: nothing flows back through them"


def test_the_gradient_through_mean_and_variance() -> None:
    result = F.batch_norm(leaf(COLUMN), None, None, leaf([2.0]), leaf([0.5]), training=True)
    (node,) = differentiated(result, lambda root: torch.tensor([[1.0], [0.0], [0.0], [0.0]]))
    to_input, to_weight, to_bias = explain(node, (0, 0))
    assert [one.verdict for one in (to_input, to_weight, to_bias)] == ["✓"] * 3
    assert to_input.symbols == "(g·weight − mean(g·weight) − x̂·mean(g·weight·x̂))/√(σ² + 1e−5)"
    assert to_input.element == "(1·2 − 0.5 − (−1.3416394)·(−0.6708197))/√(5 + 1e−5)"
    assert to_weight.symbols == "Σ g · x̂"
    assert explain(node)[1].element == "1·(−1.3416394) + 0·(−0.44721314) + 0·0.44721314 + 0·1.3416394"
    assert (to_bias.symbols, to_bias.element) == ("Σ g", "1 + 0 + 0 + 0")
    assert to_input.note == "x̂ = (input − μ)/√(σ² + ε)"


@pytest.mark.parametrize(
    ("function", "name", "symbols", "element"),
    [
        (lambda: F.layer_norm(leaf([[1.0, 5.0]]), (2,), leaf([2.0, 3.0])), "layer_norm",
         "(input − μ)/√(σ² + 1e−5) · weight", "(5 − 3)/√(4 + 1e−5) · 3"),
        (lambda: F.group_norm(leaf([[[1.0], [2.0], [3.0], [7.0]]]), 2, eps=1), "group_norm",
         "(input − μ)/√(σ² + 1)", "(3 − 5)/√(4 + 1)"),
        (lambda: F.instance_norm(leaf([[[1.0, 5.0]]]), eps=0.0), "instance_norm",
         "(input − μ)/√(σ² + 0)", "(1 − 3)/√(4 + 0)"),
        (lambda: F.rms_norm(leaf([[3.0, 4.0]]), (2,), leaf([1.0, 2.0]), eps=0.5), "rms_norm",
         "input/√(mean(input²) + 0.5) · weight", "4/√(12.5 + 0.5) · 2"),
        (lambda: F.normalize(leaf([[3.0, 4.0]])), "normalize", "input/‖input‖", "4/5"),
        (lambda: F.normalize(leaf([[3.0, -4.0]]), p=1), "normalize", "input/‖input‖₁", "(−4)/7"),
        (lambda: F.local_response_norm(leaf([[[3.0], [4.0]]]), 2, alpha=2.0, beta=1.0), "local_response_norm",
         "input/(1 + 2·mean of 2 channels' input²)^1", "3/(1 + 2·4.5)^1"),
    ],
)  # fmt: skip
def test_a_norm_reads_as_its_definition(function: Call, name: str, symbols: str, element: str) -> None:
    found = shown(function, name)
    assert found.symbols == symbols
    assert found.element == element


def test_a_vector_too_short_to_be_divided_by() -> None:
    found = shown(lambda: F.normalize(leaf([[0.0, 0.0], [3.0, 4.0]])), "normalize")
    assert found.symbols == "input/max(‖input‖, 1e−12)"
    assert found.note == "1 of 2 vectors shorter than 1e−12: divided by that instead of by the length"


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("shape", [(6, 4), (3, 4, 5), (2, 4, 3, 3)])
@pytest.mark.parametrize("shift", [0.0, 30.0])
def test_every_kind_and_shape(shape: tuple[int, ...], shift: float, dtype: torch.dtype) -> None:
    torch.manual_seed(12)
    x = (torch.randn(shape, dtype=dtype) + shift).requires_grad_()
    w, b = (torch.randn(4, dtype=dtype, requires_grad=True) for _ in range(2))
    running = torch.randn(4, dtype=dtype), torch.rand(4, dtype=dtype) + 0.5
    last = [torch.randn(shape[1:], dtype=dtype, requires_grad=True) for _ in range(2)]
    calls: list[Call] = [
        lambda: F.batch_norm(x, *running, w, b, training=True),
        lambda: F.batch_norm(x, *running, w, b),
        lambda: F.batch_norm(x, None, None, training=True, eps=0.1),
        lambda: F.layer_norm(x, shape[1:], *last),
        lambda: F.layer_norm(x, shape[-1:], eps=0.1),
        lambda: F.group_norm(x, 2, w, b),
        lambda: F.group_norm(x, 1),
        lambda: F.rms_norm(x, shape[1:], last[0]),
        lambda: F.normalize(x, p=3, dim=(0, 1)),
    ]
    if len(shape) > 2:
        calls += [
            lambda: F.instance_norm(x, *running, w, b),
            lambda: F.instance_norm(x, *running, w, b, use_input_stats=False),
            lambda: F.local_response_norm(x, 3, alpha=0.5),
        ]
    for call in calls:
        evidence = both_ways(call)
        assert wrong(evidence, OURS) == []
        assert misread(evidence, OURS, 1e-3)[0] == []
        if not shift:  # else much of the rounding is the shift's
            assert unnoticed(evidence, OURS) == []


def test_equal_values() -> None:
    x = torch.full((4, 2), 0.1, requires_grad=True)
    found = correct(
        lambda: F.batch_norm(x, None, None, training=True), "batch_norm", "NativeBatchNormBackward"
    )
    assert "8 of 8 elements in a group of equal values" in (found["NativeBatchNormBackward"][0].note or "")


def test_a_long_channel_is_added_one_by_one() -> None:
    torch.manual_seed(13)
    x = (torch.rand(100_000, 2) + 100).requires_grad_()
    assert wrong(both_ways(lambda: F.batch_norm(x, None, None, training=True)), OURS) == []


def test_slices_no_longer_than_a_limit() -> None:
    x = torch.tensor([[3.0, 4.0], [0.3, 0.4]])
    found = shown(lambda: torch.renorm(x, 2, 0, 1.0), "renorm")
    assert (found.symbols, found.element) == ("input · min(1, 1/‖slice‖)", "4·0.2")
    assert shown(lambda: x.clone().renorm_(1, -1, 2.0), "renorm_").symbols == "input · min(1, 2/‖slice‖₁)"


def test_a_network_with_batch_norm_trains_and_evaluates() -> None:
    evidence = script(REAL / "cnn_digits.py", "--epochs", "1", "--samples", "64")
    norms = [one for one in evidence if one.name == "batch_norm"]
    assert {one.kwargs["training"] for one in norms} == {True, False}
    assert wrong(evidence, OURS) == []


@pytest.mark.usefixtures("torch_database")
@pytest.mark.parametrize("name", [f"nn.functional.{name}" for name in NAMES] + NATIVE)
def test_samples_of_the_database(name: str) -> None:
    assert database(name, OURS, 6) == []


@pytest.mark.usefixtures("torch_database")
@pytest.mark.exhaustive
@pytest.mark.parametrize("dtype", [*FLOATS, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("name", [f"nn.functional.{name}" for name in NAMES] + NATIVE)
def test_all_of_the_database(name: str, dtype: torch.dtype) -> None:
    assert database(name, OURS, 10_000, dtype) == []


def test_gradients_for_mean_and_variance_have_no_rule() -> None:
    """torch.native_group_norm hands these out, and then its node does something else."""
    x = torch.randn(2, 4, 3, requires_grad=True)
    results = torch.native_group_norm(x, None, None, 2, 4, 3, 2, 1e-5)
    (node,) = differentiated(results)
    assert [one.verdict for one in explain(node)] == ["?"]
    assert wrong(differentiated(torch.native_group_norm(x, None, None, 2, 4, 3, 2, 1e-5)[0]), OURS) == []


@pytest.mark.usefixtures("torch_database")
@pytest.mark.exhaustive
@pytest.mark.parametrize("name", ["BatchNorm1d", "BatchNorm2d", "InstanceNorm2d", "LayerNorm", "GroupNorm"])
def test_all_of_the_modules(name: str) -> None:
    for use in module_samples(name, torch.float32, 10_000):
        assert wrong(both_ways(use), OURS) == []


# numbers of 16 bits
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("rows", [1, 12, 300])
def test_layer_norm_adds_up_in_the_dtype_of_its_input(rows: int, dtype: torch.dtype) -> None:
    """Under autocast the weights are float32, but their gradients are summed in 16 bits, row by row."""
    torch.manual_seed(3)
    x = torch.randn(rows, 16, dtype=dtype, requires_grad=True)
    weight, bias = (torch.randn(16, requires_grad=True) for _ in range(2))
    found = correct(lambda: F.layer_norm(x, (16,), weight, bias), "NativeLayerNormBackward")
    note = found["NativeLayerNormBackward"][1].note
    assert note is not None
    assert note.endswith(f"torch adds up Σ row by row in {str(dtype)[6:]}, and rounds after each")


def test_a_sum_in_16_bits_that_has_stopped_growing_is_explained_as_it_is() -> None:
    x = torch.randn(2000, 4, dtype=torch.bfloat16, requires_grad=True)
    bias = torch.zeros(4, requires_grad=True)
    result = F.layer_norm(x, (4,), torch.ones(4), bias)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    (node,) = differentiated(result, torch.ones_like)
    torch.set_num_threads(threads)
    to_bias = explain(node)[-1]
    assert bias.grad is not None and bias.grad.tolist() == [256.0] * 4
    assert (to_bias.verdict, to_bias.symbols) == ("✓", "Σ g")


def test_in_float32_layer_norm_is_checked_as_strictly_as_everything() -> None:
    torch.manual_seed(3)
    weight, bias = (torch.randn(16, requires_grad=True) for _ in range(2))
    (node,) = differentiated(F.layer_norm(torch.randn(12, 16, requires_grad=True), (16,), weight, bias))
    off = [None if one is None else replace(one, values=one.values * (1 + 1e-4)) for one in node.grad_inputs]
    assert [one.verdict for one in explain(replace(node, grad_inputs=tuple(off)))] == ["✗"] * 3


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_a_wrong_sum_in_16_bits_is_noticed(dtype: torch.dtype) -> None:
    torch.manual_seed(3)
    x = torch.randn(12, 16, dtype=dtype, requires_grad=True)
    weight, bias = (torch.randn(16, requires_grad=True) for _ in range(2))
    (node,) = differentiated(F.layer_norm(x, (16,), weight, bias))
    for factor in (-1.0, 0.5, 2.0):
        values = [
            None if one is None else replace(one, values=one.values * factor) for one in node.grad_inputs
        ]
        assert [one.verdict for one in explain(replace(node, grad_inputs=tuple(values)))] == ["✗"] * 3
