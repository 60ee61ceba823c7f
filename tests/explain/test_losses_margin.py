"""Rules of losses with a margin, of distances, and of connectionist temporal classification against torch."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from backprop_tui.explain.explanation import explain
from backprop_tui.explain.rules import distances, losses_ctc, losses_margin
from explain.both_ways import both_ways, correct, differentiated, family, module_samples, wrong
from explain.checking import database, unnoticed
from explain.reading import misread

OURS = family(losses_margin, losses_ctc, distances)
FLOATS = [torch.float32, torch.float64]
NAMES = [
    "hinge_embedding_loss",
    "margin_ranking_loss",
    "soft_margin_loss",
    "multi_margin_loss",
    "multilabel_margin_loss",
    "multilabel_soft_margin_loss",
    "cosine_embedding_loss",
    "triplet_margin_loss",
    "ctc_loss",
    "pairwise_distance",
    "cosine_similarity",
]

Call = Callable[[], Any]


def leaf(values: Any, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.tensor(values, dtype=dtype, requires_grad=True)


def shown(function: Call, name: str, number: int = 0) -> Any:
    return correct(function, name)[name][number]


X, SIGNS = [0.5, -1.0, 2.0, 0.0], torch.tensor([1.0, -1.0, -1.0, 1.0])
SCORES = [[1.0, 2.0, 0.5], [0.0, -1.0, 3.0]]
LABELS = torch.tensor([0, 2])


@pytest.mark.parametrize(
    ("function", "name", "symbols", "element"),
    [
        (lambda: F.hinge_embedding_loss(leaf(X), SIGNS), "hinge_embedding_loss",
         "1/4 · Σ (input if target = 1 else max(0, 1 − input))",
         "1/4 · (0.5 + max(0, 1 − (−1)) + max(0, 1 − 2) + 0)"),
        (lambda: F.margin_ranking_loss(leaf(X[:2]), leaf([1.0, 1.0]), SIGNS[:2], margin=0.5),
         "margin_ranking_loss", "1/2 · Σ max(0, −target·(input1 − input2) + 0.5)",
         "1/2 · (max(0, −1·(0.5 − 1) + 0.5) + max(0, −(−1)·((−1) − 1) + 0.5))"),
        (lambda: F.soft_margin_loss(leaf(X[:2]), SIGNS[:2]), "soft_margin_loss",
         "1/2 · Σ log(1 + exp(−target·input))", "1/2 · (log(1 + exp(−1·0.5)) + log(1 + exp(−(−1)·(−1))))"),
        (lambda: F.multi_margin_loss(leaf(SCORES), LABELS), "multi_margin_loss",
         "1/2 · Σ Σ_j≠y max(0, 1 − input[target] + input[j])/3",
         "1/2 · ((max(0, 1 − 1 + 2) + max(0, 1 − 1 + 0.5))/3"
         " + (max(0, 1 − 3 + 0) + max(0, 1 − 3 + (−1)))/3)"),
        (lambda: F.multi_margin_loss(leaf(SCORES[0]), torch.tensor(0), p=2, weight=torch.tensor([3.0, 1, 1])),
         "multi_margin_loss", "weight[target]·Σ_j≠y max(0, 1 − input[target] + input[j])²/3",
         "3·(max(0, 1 − 1 + 2)² + max(0, 1 − 1 + 0.5)²)/3"),
        (lambda: F.multilabel_margin_loss(leaf(SCORES[0]), torch.tensor([0, -1, 1])),
         "multilabel_margin_loss", "Σ max(0, 1 − input[y] + input[i])/3, y in target, i not",
         "(max(0, 1 − 1 + 2) + max(0, 1 − 1 + 0.5))/3"),
        (lambda: F.multilabel_soft_margin_loss(leaf(SCORES), torch.tensor([[0.0, 1, 1], [1, 0, 0.5]])),
         "multilabel_soft_margin_loss",
         "−1/2 · Σ Σ_c (target·log σ(input) + (1 − target)·log σ(−input))/3",
         "−1/2 · ((log(1 − σ(1)) + log σ(2) + log σ(0.5))/3"
         " + (log σ(0) + log(1 − σ(−1)) + (0.5·log σ(3) + 0.5·log(1 − σ(3))))/3)"),
        (lambda: F.cosine_embedding_loss(leaf([[3.0, 4]] * 2), leaf([[4.0, 3]] * 2), SIGNS[:2], margin=0.5),
         "cosine_embedding_loss",
         "1/2 · Σ (1 − cos if target = 1 else max(0, cos − 0.5)), cos = cos(input1, input2)",
         "1/2 · ((1 − 0.96) + max(0, 0.96 − 0.5))"),
        (lambda: F.triplet_margin_loss(leaf([[0.0]]), leaf([[3.0]]), leaf([[-2.0]])), "triplet_margin_loss",
         "max(0, ‖anchor − positive‖ − ‖anchor − negative‖ + 1)", "max(0, 2.999999 − 2.000001 + 1)"),
        (lambda: F.triplet_margin_loss(leaf([[0.0]]), leaf([[3.0]]), leaf([[-2.0]]), p=1, swap=True),
         "triplet_margin_loss",
         "max(0, ‖anchor − positive‖₁ − min(‖anchor − negative‖₁, ‖positive − negative‖₁) + 1)",
         "max(0, 2.999999 − 2.000001 + 1)"),
        (lambda: F.pairwise_distance(leaf([[3.0, 4.0]]), leaf([[0.0, 0.0]]), eps=0), "pairwise_distance",
         "‖x1 − x2 + 0‖", "√(3² + 4²)"),
        (lambda: F.cosine_similarity(leaf([[3.0, 4.0]]), leaf([[-4.0, 3.0]])), "cosine_similarity",
         "Σ x1·x2 / (‖x1‖ · ‖x2‖)", "(3·(−4) + 4·3) / (5 · 5)"),
    ],
)  # fmt: skip
def test_a_margin_reads_as_its_definition(function: Call, name: str, symbols: str, element: str) -> None:
    found = shown(function, name)
    assert found.symbols == symbols
    assert found.element == element


def at(function: Call, index: tuple[int, ...]) -> Any:
    """The explanation of one element of a loss's gradient."""
    (node,) = differentiated(function(), torch.ones_like)
    (found,) = explain(node, index)
    assert found.verdict == "✓"
    return found.element


def test_gradients_of_several_classes() -> None:
    multi = lambda: F.multi_margin_loss(leaf(SCORES), LABELS)  # noqa: E731
    assert at(multi, (0, 1)) == "1·[1 − 1 + 2 > 0]/3/2"
    assert at(multi, (0, 0)) == "−1·([1 − 1 + 2 > 0] + [1 − 1 + 0.5 > 0])/3/2"
    squares = lambda: F.multi_margin_loss(leaf(SCORES), LABELS, p=2, weight=torch.tensor([2.0, 1, 1]))  # noqa: E731
    assert at(squares, (0, 2)) == "1·2·2·max(0, 1 − 1 + 0.5)/3/2"
    labels = lambda: F.multilabel_margin_loss(leaf(SCORES), torch.tensor([[0, 2, -1], [1, -1, 0]]))  # noqa: E731
    assert at(labels, (0, 1)) == "1 · (1 + 1)/3/2"
    assert at(labels, (1, 1)) == "1 · ((−1) + (−1))/3/2"


def test_notes() -> None:
    assert (
        shown(
            lambda: F.triplet_margin_loss(leaf([[0.0]]), leaf([[0.0]]), leaf([[9.0]])), "triplet_margin_loss"
        ).note
        == "1 of 1 triplet with the negative far enough away: their loss is 0, and they send no gradient"
    )
    assert (
        shown(
            lambda: F.multilabel_margin_loss(leaf(SCORES[0]), torch.tensor([0, -1, 1])),
            "multilabel_margin_loss",
        ).note
        == "target lists the classes that hold, up to the first −1"
    )


@pytest.mark.parametrize("dtype", FLOATS)
def test_an_exponential_that_is_too_large(dtype: torch.dtype) -> None:
    found = correct(
        lambda: F.soft_margin_loss(leaf([800.0, -1.0], dtype), torch.tensor([-1.0, 1.0], dtype=dtype)),
        "soft_margin_loss",
        "SoftMarginLossBackward",
    )
    assert found["soft_margin_loss"][0].result == "inf"
    assert found["soft_margin_loss"][0].note == (
        "1 of 2 exponentials too large for the dtype: torch computes exp first, so the result is not finite"
    )


def test_a_distance_of_the_scripts_own_has_no_rule() -> None:
    evidence = both_ways(
        lambda: F.triplet_margin_with_distance_loss(
            leaf([[0.0]]), leaf([[3.0]]), leaf([[-2.0]]), distance_function=F.l1_loss
        )
    )
    (one,) = (one for one in evidence if one.name == "triplet_margin_with_distance_loss")
    assert [found.verdict for found in explain(one)] == ["?"]
    shown(
        lambda: F.triplet_margin_with_distance_loss(leaf([[0.0]]), leaf([[3.0]]), leaf([[-2.0]])),
        "triplet_margin_with_distance_loss",
    )


CALLS: dict[str, Callable[..., torch.Tensor]] = {
    "hinge_embedding_loss": lambda x, **k: F.hinge_embedding_loss(x, x.detach().sign(), margin=0.7, **k),
    "margin_ranking_loss": lambda x, **k: F.margin_ranking_loss(x, 2 * x + 1, x.detach().sign(), **k),
    "soft_margin_loss": lambda x, **k: F.soft_margin_loss(x, x.detach().flip(0).sign(), **k),
    "multi_margin_loss": lambda x, **k: F.multi_margin_loss(
        x, torch.tensor([0, 2, 4, 1]), p=2, margin=0.3, **k
    ),
    "multilabel_margin_loss": lambda x, **k: F.multilabel_margin_loss(
        x, torch.tensor([[0, 2, -1, 0, 0], [1, 3, 4, -1, -1], [-1] * 5, [4, 3, 2, 1, 0]]), **k
    ),
    "multilabel_soft_margin_loss": lambda x, **k: F.multilabel_soft_margin_loss(
        x, x.detach().sigmoid(), weight=torch.tensor([1.0, 2, 3, 4, 5], dtype=x.dtype), **k
    ),
    "cosine_embedding_loss": lambda x, **k: F.cosine_embedding_loss(
        x, x.flip(1), torch.tensor([1, -1, 1, -1]), margin=-0.2, **k
    ),
    "triplet_margin_loss": lambda x, **k: F.triplet_margin_loss(
        x, x.flip(1), x.roll(1, 0), p=3, swap=True, **k
    ),
}


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("name", CALLS)
def test_every_reduction_is_right_and_a_mistake_would_be_seen(
    name: str, reduction: str, dtype: torch.dtype
) -> None:
    torch.manual_seed(4)
    x = torch.randn(4, 5, dtype=dtype, requires_grad=True)
    evidence = both_ways(lambda: CALLS[name](x, reduction=reduction))
    assert wrong(evidence, OURS) == []
    assert misread(evidence, OURS)[0] == []
    assert unnoticed(evidence, OURS) == []


@pytest.mark.parametrize("p", [1.0, 2.0, 3.5, math.inf, 0.0])
def test_distances_of_every_kind(p: float) -> None:
    torch.manual_seed(5)
    x, y = (torch.randn(3, 4, requires_grad=True) for _ in range(2))
    for function in (
        lambda: F.pairwise_distance(x, y, p=p, keepdim=True),
        lambda: F.pairwise_distance(x, y[0], p=p),
        lambda: F.cosine_similarity(x[:, None], y[None], dim=-1),
        lambda: F.cosine_similarity(x, y, dim=0, eps=1.5),
    ):
        assert wrong(both_ways(function), OURS) == []


# --- connectionist temporal classification


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_alignments_are_added_up(reduction: str, dtype: torch.dtype) -> None:
    torch.manual_seed(6)
    scores = torch.randn(9, 3, 4, dtype=dtype, requires_grad=True)
    padded = torch.tensor([[1, 1, 3], [2, 0, 0], [0, 0, 0]])
    for targets in (padded, torch.tensor([1, 1, 3, 2])):
        evidence = both_ways(
            lambda t=targets: F.ctc_loss(scores.log_softmax(2), t, (9, 5, 4), (3, 1, 0), reduction=reduction)
        )
        assert wrong(evidence, OURS) == []
        assert misread(evidence, OURS)[0] == []
        assert unnoticed(evidence, OURS) == []


@pytest.mark.parametrize("keep", [True, False])
def test_too_few_steps_for_the_labels(keep: bool) -> None:
    logs = torch.randn(2, 1, 3, requires_grad=True).log_softmax(2)
    found = correct(
        lambda: F.ctc_loss(logs, torch.tensor([[1, 1]]), (2,), (2,), zero_infinity=not keep, reduction="sum"),
        "ctc_loss",
        "CtcLossBackward",
    )["ctc_loss"][0]
    assert found.result == ("inf" if keep else "0")
    assert found.note == (
        "a sequence is too short for its labels: no alignment has that many steps, so −log 0 is inf"
    )


def test_a_single_sequence() -> None:
    logs = torch.tensor([[0.5, 0.5], [0.25, 0.75]]).log().requires_grad_()
    found = shown(lambda: F.ctc_loss(logs, torch.tensor([1]), torch.tensor(2), torch.tensor(1)), "ctc_loss")
    assert found.symbols == "(−log P(targets))/length"
    # 1 1, blank 1, 1 blank: 0.5·0.75 + 0.5·0.75 + 0.5·0.25
    assert float(found.result) == pytest.approx(-math.log(0.875))


@pytest.mark.usefixtures("torch_database")
@pytest.mark.parametrize("name", NAMES)
def test_samples_of_the_database(name: str) -> None:
    assert database(f"nn.functional.{name}", OURS, 5) == []


@pytest.mark.usefixtures("torch_database")
@pytest.mark.exhaustive
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", [*NAMES, "CTCLoss", "MultiLabelMarginLoss", "MultiMarginLoss"])
def test_all_of_the_databases(name: str, dtype: torch.dtype) -> None:
    if name[0].islower():
        assert database(f"nn.functional.{name}", OURS, 10_000, dtype) == []
    for use in module_samples(name, dtype, 10_000):
        assert wrong(both_ways(use), OURS) == []
