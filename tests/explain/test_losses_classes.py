"""Rules of losses of classes against torch: cross entropy, negative log likelihood, the two-class forms."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from backprop_tui.explain.explanation import explain
from backprop_tui.explain.rules import losses_binary, losses_classes
from explain.both_ways import both_ways, correct, differentiated, family, script, wrong
from explain.checking import database, unnoticed
from explain.reading import misread

OURS = family(losses_classes, losses_binary)
FLOATS = [torch.float32, torch.float64]
NAMES = [
    "cross_entropy",
    "nll_loss",
    "linear_cross_entropy",
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
]
REAL = Path(__file__).parent.parent / "scripts" / "real"

Call = Callable[[], Any]


def leaf(values: Any, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.tensor(values, dtype=dtype, requires_grad=True)


def shown(function: Call, name: str, number: int = 0) -> Any:
    return correct(function, name)[name][number]


SCORES, LABELS = [[1.0, 2.0, 0.5], [0.0, -1.0, 3.0]], torch.tensor([1, 2])
WEIGHT = torch.tensor([1.0, 2.0, 0.5])
SOFT = torch.tensor([[0.5, 0.5, 0.0], [0.25, 0.25, 0.5]])
FIRST, SECOND = "log(e^2 / (e^1 + e^2 + e^0.5))", "log(e^3 / (e^0 + e^(−1) + e^3))"


@pytest.mark.parametrize(
    ("options", "symbols", "element"),
    [
        ({}, "−1/2 · Σ log softmax(input)[target]", f"−1/2 · ({FIRST} + {SECOND})"),
        ({"reduction": "sum"}, "−Σ log softmax(input)[target]", f"−({FIRST} + {SECOND})"),
        ({"reduction": "none"}, "−log softmax(input)[target]", f"−{FIRST}"),
        ({"weight": WEIGHT}, "−1/2.5 · Σ weight[target]·log softmax(input)[target]",
         f"−1/2.5 · (2·{FIRST} + 0.5·{SECOND})"),
        ({"ignore_index": 2}, "−Σ log softmax(input)[target]", f"−({FIRST} + 0)"),
        ({"label_smoothing": 0.1}, "−1/2 · Σ (0.9·log p[target] + 0.1/3·Σ_c log p), p = softmax(input)",
         "−1/2 · ((0.9·(−0.4643688) + 0.1/3·(−3.8931065)) + (0.9·(−0.065883905) + 0.1/3·(−7.197652)))"),
    ],
)  # fmt: skip
def test_cross_entropy_reads_as_its_definition(options: dict[str, Any], symbols: str, element: str) -> None:
    found = shown(lambda: F.cross_entropy(leaf(SCORES), LABELS, **options), "cross_entropy")
    assert found.symbols == symbols
    assert found.element == element


def test_one_sample_needs_no_sum_and_many_classes_a_number() -> None:
    one = shown(lambda: F.cross_entropy(leaf(SCORES[0]), torch.tensor(1)), "cross_entropy")
    assert (one.symbols, one.element) == ("−log softmax(input)[target]", f"−{FIRST}")
    many = shown(
        lambda: F.cross_entropy(leaf([[0.0, 1.0, 0.0, 0.0, 0.0]]), torch.tensor([1])), "cross_entropy"
    )
    assert many.element == "−log(e^1 / 6.7182817)"
    far = shown(lambda: F.cross_entropy(leaf([[900.0, 1000.0, 0, 0, 0]]), torch.tensor([0])), "cross_entropy")
    assert far.element == "−(900 − 1000)"


def test_probabilities_as_targets() -> None:
    found = shown(lambda: F.cross_entropy(leaf(SCORES), SOFT, weight=WEIGHT), "cross_entropy")
    assert found.symbols == "−1/2 · Σ Σ_c weight·target·log softmax(input)"
    smooth = shown(lambda: F.cross_entropy(leaf(SCORES), SOFT, label_smoothing=0.3), "cross_entropy")
    assert smooth.symbols == "−1/2 · Σ Σ_c (0.7·target + 0.3/3)·log softmax(input)"


def test_what_the_mean_divides_by_is_told() -> None:
    weighted = shown(lambda: F.cross_entropy(leaf(SCORES), LABELS, weight=WEIGHT), "cross_entropy")
    assert weighted.note == "the mean with weights divides by the sum of the targets' weights"
    ignored = shown(lambda: F.cross_entropy(leaf(SCORES), LABELS, ignore_index=1), "cross_entropy")
    assert ignored.note == "1 of 2 targets to be ignored (1): not counted in the mean either"


def test_the_gradient_of_the_likelihood_goes_to_the_target_alone() -> None:
    result = F.nll_loss(leaf(SCORES), LABELS, weight=WEIGHT, ignore_index=2)
    (node,) = differentiated(result, torch.ones_like)
    (hit,), (other,), (ignored,) = (explain(node, index) for index in [(0, 1), (0, 0), (1, 2)])
    assert hit.symbols == "−g · weight[target]·[c = target]/2"
    assert hit.element == "−1 · 2·1/2"
    assert other.element == "0, the target is class 1"
    assert ignored.element == "0, the target 2 is to be ignored"
    assert hit.result == "[[0 −1 0] [0 0 0]]"


SHAPES = [((3,), ()), ((4, 3), (4,)), ((2, 3, 5), (2, 5)), ((2, 3, 2, 2), (2, 2, 2))]


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize(("shape", "targets"), SHAPES)
def test_all_options_together(
    shape: tuple[int, ...], targets: tuple[int, ...], reduction: str, dtype: torch.dtype
) -> None:
    torch.manual_seed(2)
    labels = torch.randint(0, 3, targets)
    weight = torch.rand(3, dtype=dtype) + 0.1
    soft = torch.randn(shape, dtype=dtype).softmax(0 if len(shape) == 1 else 1)
    options: list[tuple[torch.Tensor, dict[str, Any]]] = [
        (labels, {}),
        (labels, {"weight": weight, "label_smoothing": 0.2, "ignore_index": 1}),
        (soft, {"weight": weight, "label_smoothing": 0.2}),
    ]
    for target, given in options:
        x = torch.randn(shape, dtype=dtype, requires_grad=True)
        evidence = both_ways(lambda x=x, t=target, k=given: F.cross_entropy(x, t, reduction=reduction, **k))
        assert wrong(evidence, OURS) == []
        assert misread(evidence, OURS)[0] == []
        assert unnoticed(evidence, OURS) == []
    x = torch.randn(shape, dtype=dtype, requires_grad=True)
    evidence = both_ways(lambda: F.nll_loss(x, labels, weight=weight, ignore_index=1, reduction=reduction))
    assert wrong(evidence, OURS) == []


def test_nothing_but_ignored_targets_has_no_mean() -> None:
    found = shown(lambda: F.cross_entropy(leaf(SCORES), torch.tensor([-100, -100])), "cross_entropy")
    assert found.result == "nan"


@pytest.mark.parametrize(
    "scores", [[[1000.0, -1000.0]], [[-1e30, 0.0]], [[math.inf, 0.0]], [[math.nan, 0.0]]]
)
def test_extreme_scores(scores: list[list[float]]) -> None:
    for label in (0, 1):
        shown(lambda label=label: F.cross_entropy(leaf(scores), torch.tensor([label])), "cross_entropy")


# --- two classes


@pytest.mark.parametrize(
    ("function", "name", "symbols", "element"),
    [
        (lambda: F.binary_cross_entropy(leaf([0.2, 0.9, 1.0]), torch.tensor([0.0, 1.0, 0.5])),
         "binary_cross_entropy",
         "−1/3 · Σ (target·log input + (1 − target)·log(1 − input))",
         "−1/3 · (log(1 − 0.2) + log 0.9 + (0.5·log 1 + (1 − 0.5)·max(log 0, −100)))"),
        (lambda: F.binary_cross_entropy(leaf([0.2]), torch.tensor([0.0]), weight=torch.tensor([3.0])),
         "binary_cross_entropy",
         "−weight·(target·log input + (1 − target)·log(1 − input))", "−3·log(1 − 0.2)"),
        (lambda: F.binary_cross_entropy(leaf([0.2]), torch.tensor([0.0])), "BinaryCrossEntropyBackward",
         "g · (self − target)/(self·(1 − self))", None),
        (lambda: F.binary_cross_entropy_with_logits(leaf([0.2, -3.0]), torch.tensor([0.0, 1.0])),
         "binary_cross_entropy_with_logits",
         "−1/2 · Σ (target·log σ(input) + (1 − target)·log(1 − σ(input)))",
         "−1/2 · (log(1 − σ(0.2)) + log σ(−3))"),
        (lambda: F.binary_cross_entropy_with_logits(leaf([0.2, -3.0]), torch.tensor([0.0, 1.0])),
         "BinaryCrossEntropyWithLogitsBackward", "g · (σ(self) − target)/2", None),
        (lambda: F.binary_cross_entropy_with_logits(
            leaf([0.2, -3.0]), torch.tensor([0.0, 1.0]), pos_weight=torch.tensor([2.0])),
         "BinaryCrossEntropyWithLogitsBackward",
         "g · ((1 + (pos_weight − 1)·target)·σ(self) − pos_weight·target)/2", None),
    ],
)  # fmt: skip
def test_two_classes_read_as_their_definition(
    function: Call, name: str, symbols: str, element: str | None
) -> None:
    found = shown(function, name)
    assert found.symbols == symbols
    assert element is None or found.element == element


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_two_classes_with_all_options_and_gradients_for_the_target(
    reduction: str, dtype: torch.dtype
) -> None:
    torch.manual_seed(3)
    x = torch.randn(4, 3, dtype=dtype, requires_grad=True)
    t = torch.rand(4, 3, dtype=dtype, requires_grad=True)
    weight, positive = torch.rand(4, 3, dtype=dtype), torch.rand(3, dtype=dtype) + 0.5
    for evidence in (
        both_ways(lambda: F.binary_cross_entropy(x.sigmoid(), t, weight, reduction=reduction)),
        both_ways(
            lambda: F.binary_cross_entropy_with_logits(x, t, weight, pos_weight=positive, reduction=reduction)
        ),
        both_ways(lambda: F.binary_cross_entropy_with_logits(x, t, reduction=reduction)),
    ):
        assert wrong(evidence, OURS) == []
        assert misread(evidence, OURS)[0] == []
        assert unnoticed(evidence, OURS) == []


@pytest.mark.parametrize("dtype", FLOATS)
def test_certain_predictions(dtype: torch.dtype) -> None:
    p = [0.0, 1.0, 1e-9, 1 - 1e-7, 1e-30]
    for t in (torch.zeros(5, dtype=dtype), torch.ones(5, dtype=dtype), torch.full((5,), 0.5, dtype=dtype)):
        function = lambda t=t: F.binary_cross_entropy(leaf(p, dtype), t, reduction="none")  # noqa: E731
        found = correct(function, "binary_cross_entropy", "BinaryCrossEntropyBackward")
        note = found["binary_cross_entropy"][0].note
        assert note is not None and note.endswith("exactly 0 or 1: torch takes log 0 to be −100")
        note = found["BinaryCrossEntropyBackward"][0].note
        assert note is not None and note.endswith("torch divides by 1e-12 there instead of by 0")


@pytest.mark.parametrize("dtype", FLOATS)
def test_saturated_scores(dtype: torch.dtype) -> None:
    scores = [0.0, 18.0, -18.0, 40.0, -40.0, 800.0, -800.0]
    for t in (torch.zeros(7, dtype=dtype), torch.ones(7, dtype=dtype)):
        function = lambda t=t: F.binary_cross_entropy_with_logits(leaf(scores, dtype), t, reduction="none")  # noqa: E731
        found = correct(function, "binary_cross_entropy_with_logits", "BinaryCrossEntropyWithLogitsBackward")
        note = found["BinaryCrossEntropyWithLogitsBackward"][0].note
        count = 6 if dtype is torch.float32 else 4
        name = str(dtype).removeprefix("torch.")
        assert note == f"{count} of 7 scores so far from 0 that σ is 0 or 1 to the precision of {name}"


def test_the_last_layer_and_the_loss_in_one() -> None:
    x, weight, bias = leaf([[1.0, 2.0]]), leaf([[1.0, 0.0], [0.0, 1.0]]), leaf([0.5, -1.0])
    function = lambda: F.linear_cross_entropy(x, weight, torch.tensor([0]), linear_bias=bias)  # noqa: E731
    found = shown(function, "linear_cross_entropy")
    assert found.symbols == "−log softmax(input·linear_weightᵀ + linear_bias)[target]"
    assert found.element == "−log(e^1.5 / (e^1.5 + e^1))"


def test_a_generative_adversarial_network() -> None:
    evidence = script(REAL / "gan.py", "--iterations", "1")
    names = {one.name for one in evidence}
    assert {"binary_cross_entropy_with_logits", "BinaryCrossEntropyWithLogitsBackward0"} <= names
    assert wrong(evidence, OURS) == []


@pytest.mark.usefixtures("torch_database")
@pytest.mark.parametrize("name", NAMES)
def test_samples_of_the_database(name: str) -> None:
    assert database(f"nn.functional.{name}", OURS, 8) == []


@pytest.mark.usefixtures("torch_database")
@pytest.mark.exhaustive
@pytest.mark.parametrize("dtype", [*FLOATS, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("name", NAMES)
def test_all_of_the_database(name: str, dtype: torch.dtype) -> None:
    assert database(f"nn.functional.{name}", OURS, 10_000, dtype) == []
