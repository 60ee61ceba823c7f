"""Rules of embeddings against torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from backprop_tui.explain.explanation import explain
from backprop_tui.explain.rules import embedding
from explain.both_ways import both_ways, correct, differentiated, family, wrong
from explain.checking import database, unnoticed
from explain.reading import misread

OURS = family(embedding)
FLOATS = [torch.float32, torch.float64]


def table(dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.tensor([[1.0, 2.0], [3.0, 4.0], [6.0, 8.0]], dtype=dtype, requires_grad=True)


def only(function: Callable[[], Any], name: str) -> Any:
    return correct(function, name)[name][0]


INDEX = torch.tensor([2, 0, 2])
COMING = torch.tensor([[1.0, 10.0], [2.0, 20.0], [4.0, 40.0]])


def test_rows_are_looked_up() -> None:
    found = only(lambda: F.embedding(INDEX, table()), "embedding")
    assert found.symbols == "rows input of weight"
    assert found.numbers == "rows [2 0 2] of [[1 2] [3 4] [6 8]]"
    assert found.element == "8 (row 2, column 1)"
    assert found.note is None


def test_gradients_are_added_where_an_index_came_twice() -> None:
    (node,) = differentiated(F.embedding(INDEX, table()), lambda root: COMING)
    (twice,), (never,) = explain(node, (2, 1)), explain(node, (1, 0))
    assert twice.verdict == "✓"
    assert twice.symbols == "Σ g[i] for all i where indices[i] is the row"
    assert (twice.result, twice.element) == ("[[2 20] [0 0] [5 50]]", "10 + 40")
    assert never.element == "0, the row was not used"


def test_padding_gets_no_gradient() -> None:
    result = F.embedding(INDEX, table(), padding_idx=-1)
    (node,) = differentiated(result, lambda root: COMING)
    (padding,) = explain(node, (2, 0))
    assert (padding.verdict, padding.element) == ("✓", "0, the row is padding")
    found = only(lambda: F.embedding(INDEX, table(), padding_idx=-1), "embedding")
    assert found.note == "row 2 is padding (2 of 3 indices): it gets no gradient"


def test_frequent_rows_can_be_divided_by_how_often_they_came() -> None:
    (node,) = differentiated(F.embedding(INDEX, table(), scale_grad_by_freq=True), lambda root: COMING)
    (found,) = explain(node, (2, 0))
    assert found.symbols == "Σ g[i]/how often for all i where indices[i] is the row"
    assert found.element == "1/2 · (1 + 4)"


def test_rows_no_longer_than_a_limit() -> None:
    found = only(lambda: F.embedding(INDEX, table().detach(), max_norm=5.0), "embedding")
    assert found.symbols == "rows input of weight, no longer than 5"
    assert found.element == "4 (row 2, column 1)"


BAGS = torch.tensor([[2, 0], [1, 1]])


@pytest.mark.parametrize(
    ("options", "symbols", "element"),
    [
        ({}, "mean of the rows of weight that each bag of input names", "1/2 · (8 + 2)"),
        ({"mode": "sum"}, "sum of the rows of weight that each bag of input names", "8 + 2"),
        ({"mode": "max"}, "max of the rows of weight that each bag of input names", "max(8, 2)"),
        ({"mode": "sum", "per_sample_weights": torch.tensor([[0.5, 2.0], [1.0, 1.0]])},
         "sum of per_sample_weights · the rows of weight that each bag of input names", "1·4 + 1·4"),
    ],
)  # fmt: skip
def test_bags_of_rows(options: dict[str, Any], symbols: str, element: str) -> None:
    evidence = both_ways(lambda: F.embedding_bag(BAGS, table(), **options))
    (one,) = (one for one in evidence if one.name == "embedding_bag")
    (found,) = explain(one, (1 if options.get("mode") == "sum" and len(options) > 1 else 0, 1))
    assert (found.verdict, found.symbols, found.element) == ("✓", symbols, element)


def test_the_gradient_of_bags() -> None:
    (node,) = differentiated(F.embedding_bag(BAGS, table()), lambda root: COMING[:2])
    (found,) = explain(node, (1, 1))
    assert (found.verdict, found.element) == ("✓", "0.5·20 + 0.5·20")
    weights = torch.tensor([[0.5, 2.0], [1.0, 3.0]], requires_grad=True)
    result = F.embedding_bag(BAGS, table(), mode="sum", per_sample_weights=weights)
    node = next(one for one in differentiated(result, lambda root: COMING[:2]) if "Bag" in one.name)
    to_weight, to_factors = explain(node, (1,))
    assert (to_factors.verdict, to_factors.element) == ("✓", "1·1 + 10·2")
    assert explain(node, (1, 1))[0].element == "20 + 3·20"
    assert to_weight.verdict == "✓"


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("sparse", [True, False])
def test_all_options(sparse: bool, dtype: torch.dtype) -> None:
    torch.manual_seed(2)
    index = torch.randint(0, 6, (3, 5))
    for options in ({}, {"padding_idx": 2}, {"scale_grad_by_freq": not sparse}):
        weight = torch.randn(6, 3, dtype=dtype, requires_grad=True)
        evidence = both_ways(lambda w=weight, k=options: F.embedding(index, w, sparse=sparse, **k))
        assert wrong(evidence, OURS) == []
        assert misread(evidence, OURS)[0] == []
        assert unnoticed(evidence, OURS) == []


@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
@pytest.mark.parametrize("last", [True, False])
def test_bags_by_offsets(mode: str, last: bool) -> None:
    torch.manual_seed(3)
    flat = torch.randint(0, 6, (9,))
    offsets = torch.tensor([0, 4, 4, 7, 9] if last else [0, 4, 4, 7])
    for options in ({}, {"padding_idx": 2}):
        weight = torch.randn(6, 3, requires_grad=True)
        evidence = both_ways(
            lambda w=weight, k=options: F.embedding_bag(
                flat, w, offsets, mode=mode, include_last_offset=last, **k
            )
        )
        assert wrong(evidence, OURS) == []
        assert misread(evidence, OURS)[0] == []
        assert unnoticed(evidence, OURS) == []


def test_one_row_very_often() -> None:
    weight = torch.rand(2, 3, requires_grad=True)
    index = torch.zeros(20_000, dtype=torch.int64)
    assert wrong(both_ways(lambda: F.embedding(index, weight)), OURS) == []
    assert wrong(both_ways(lambda: F.embedding_bag(index[None], weight)), OURS) == []


@pytest.mark.usefixtures("torch_database")
@pytest.mark.parametrize("name", ["embedding", "embedding_bag"])
def test_samples_of_the_database(name: str) -> None:
    assert database(f"nn.functional.{name}", OURS, 40) == []


@pytest.mark.usefixtures("torch_database")
@pytest.mark.exhaustive
@pytest.mark.parametrize("dtype", [*FLOATS, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("name", ["embedding", "embedding_bag"])
def test_all_of_the_database(name: str, dtype: torch.dtype) -> None:
    assert database(f"nn.functional.{name}", OURS, 10_000, dtype) == []
