"""Rules of products of matrices and vectors against torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from backprop_tui.explain.explanation import explain
from backprop_tui.explain.rules import contractions, product_slopes, products
from explain.both_ways import both_ways, family
from explain.checking import all_right, database, unnoticed
from explain.observing import backward, call
from explain.reading import misread

OURS = family(products, product_slopes, contractions)
FLOATS = [torch.float32, torch.float64]


def leaf(*values: Any) -> torch.Tensor:
    return torch.tensor(values, requires_grad=True)


# -- texts ----------------------------------------------------------------------------------------


def test_the_lesson_of_one_update() -> None:
    """What the weight of the second layer of the lesson `update` is told: the error times what came in."""
    weight, h = leaf([0.14, 0.15]), torch.tensor([0.85, 0.48])
    nodes = {
        one.name.rstrip("0123456789"): one for one in backward(F.linear(h, weight), torch.tensor([-1.0]))
    }
    (shown,) = explain(nodes["MmBackward"])
    assert shown.verdict == "✓"
    assert shown.symbols == "(gᵀ · self)ᵀ"
    assert shown.numbers == "([[−1]]ᵀ · [[0.85 0.48]])ᵀ"
    assert shown.result == "[[−0.85] [−0.48]]"
    assert shown.element == "0.85·(−1)"
    (turned,) = explain(nodes["TBackward"])
    assert (turned.symbols, turned.result) == ("gᵀ", "[[−0.85 −0.48]]")


def test_linear_reads_as_in_a_textbook() -> None:
    x, weight, bias = leaf([1.0, 2.0]), leaf([3.0, 4.0], [5.0, -6.0]), leaf(0.5, 0.25)
    evidence, result = call("linear", F.linear, x, weight, bias)
    (shown,) = explain(evidence, (0, 1))
    assert shown.symbols == "input · weightᵀ + bias"
    assert shown.numbers == "[[1 2]] · [[3 4] [5 −6]]ᵀ + [0.5 0.25]"
    assert shown.element == "1·5 + 2·(−6) + 0.25"
    assert shown.result == "[[11.5 −6.75]]"
    of_bias, of_input, of_weight = explain(backward(result, torch.tensor([[1.0, 2.0]]))[0])
    assert (of_bias.symbols, of_bias.result) == ("Σ broadcast (g)", "[1 2]")
    assert (of_input.symbols, of_input.result) == ("g · mat2ᵀ", "[[13 −8]]")
    assert (of_weight.symbols, of_weight.result) == ("(gᵀ · mat1)ᵀ", "[[1 2] [2 4]]")


@pytest.mark.parametrize(
    ("function", "symbols", "element"),
    [
        (lambda a, b: a @ b, "input · other", "1·6 + 2·8"),
        (lambda a, b: torch.mm(a, b), "input · mat2", "1·6 + 2·8"),
        (lambda a, b: torch.mv(a, b[0]), "input · vec", "1·5 + 2·6"),
        (lambda a, b: torch.dot(a[0], b[0]), "input · tensor", "1·5 + 2·6"),
        (lambda a, b: torch.outer(a[0], b[0]), "input · vec2ᵀ", "1 · 6"),
        (lambda a, b: torch.addmm(a, a, b), "input + mat1 · mat2", "2 + 1·6 + 2·8"),
        (
            lambda a, b: torch.addmm(a, a, b, beta=2, alpha=3),
            "2·input + 3·mat1 · mat2",
            "2·2 + 3·(1·6 + 2·8)",
        ),
        (lambda a, b: torch.addmm(a, a, b, beta=0), "mat1 · mat2", "1·6 + 2·8"),
        (lambda a, b: torch.einsum("ij,kj->ik", a, b), "Σ tensor 0 · tensor 1 by ij,kj->ik", "1·7 + 2·8"),
        (lambda a, b: torch.tensordot(a, b, 1), "Σ a·b", None),
        (lambda a, b: torch.cdist(a, b), "‖x1 − x2‖, each with each", "√((1 − 7)² + (2 − 8)²)"),
    ],
)
def test_how_it_reads(function: Callable[..., Any], symbols: str, element: str | None) -> None:
    a, b = torch.tensor([[1.0, 2.0], [3.0, 4.0]]), torch.tensor([[5.0, 6.0], [7.0, 8.0]])
    evidence = both_ways(lambda: function(a, b))[-1]
    place = (0, 1)[: len(evidence.outputs[0].shape)] if evidence.outputs[0].shape != (2,) else (0,)
    (shown,) = explain(evidence, place)
    assert (shown.verdict, shown.symbols) == ("✓", symbols)
    assert element is None or shown.element == element


def test_of_a_long_product_the_largest_terms_are_written() -> None:
    a = torch.arange(100.0)
    evidence, _ = call("dot", torch.dot, a, a)
    (shown,) = explain(evidence)
    assert shown.element == "99·99 + 98·98 + 97·97 + 96·96 + 95·95 + 94·94 + 94 more"


# -- everything there is ------------------------------------------------------------------------------

SIZES: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = {
    "matrices": ((2, 3), (3, 4)),
    "matrix and vector": ((2, 3), (3,)),
    "vector and matrix": ((3,), (3, 4)),
    "vectors": ((3,), (3,)),
    "batches": ((5, 2, 3), (5, 3, 4)),
    "batch and matrix": ((5, 2, 3), (3, 4)),
    "matrix and batch": ((2, 3), (5, 3, 4)),
    "batch and vector": ((5, 2, 3), (3,)),
    "vector and batch": ((3,), (5, 3, 4)),
    "broadcast batches": ((2, 1, 2, 3), (4, 3, 2)),
    "long": ((4, 300), (300, 5)),
}


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", SIZES)
def test_matmul_of_all_dimensions(name: str, dtype: torch.dtype) -> None:
    torch.manual_seed(2)
    a, b = (torch.randn(size, dtype=dtype, requires_grad=True) for size in SIZES[name])
    all_right(lambda: [a @ b, torch.matmul(a, b), b.__rmatmul__(a)], "matmul")


CALLS: dict[str, Callable[[Callable[..., torch.Tensor]], Any]] = {
    "mm": lambda t: torch.mm(t(2, 3), t(3, 4)),
    "of transposed": lambda t: torch.mm(t(3, 2).t(), t(4, 3).t()),
    "bmm": lambda t: torch.bmm(t(2, 3, 4), t(2, 4, 5)),
    "mv": lambda t: t(2, 3).mv(t(3)),
    "dot": lambda t: [t(3).dot(t(3)), torch.vdot(t(3), t(3)), torch.inner(t(2, 3), t(4, 3))],
    "outer": lambda t: [torch.outer(t(3), t(2)), torch.ger(t(3), t(2))],
    "addmm": lambda t: [
        torch.addmm(t(4), t(2, 3), t(3, 4)), t(2, 4).addmm(t(2, 3), t(3, 4), beta=2, alpha=0.5),
    ],
    "addmv": lambda t: [
        torch.addmv(t(2), t(2, 3), t(3)), torch.addmv(t(2), t(2, 3), t(3), beta=0.5, alpha=3),
    ],
    "addr": lambda t: torch.addr(t(3, 2), t(3), t(2), beta=0.5, alpha=2),
    "addbmm": lambda t: torch.addbmm(t(3, 5), t(2, 3, 4), t(2, 4, 5), beta=2, alpha=3),
    "baddbmm": lambda t: torch.baddbmm(t(2, 3, 5), t(2, 3, 4), t(2, 4, 5), beta=0.5, alpha=2),
    "linear": lambda t: [
        F.linear(t(4, 3), t(2, 3), t(2)), F.linear(t(4, 3), t(2, 3)), F.linear(t(3), t(2, 3), t(2)),
    ],
    "linear of more": lambda t: [
        F.linear(t(2, 4, 3), t(5, 3), t(5)), F.linear(t(2, 4, 3), t(5, 3)), F.linear(t(3), t(3)),
    ],
    "bilinear": lambda t: [
        F.bilinear(t(4, 2), t(4, 3), t(5, 2, 3), t(5)), F.bilinear(t(2), t(3), t(1, 2, 3)),
    ],
    "einsum": lambda t: [
        torch.einsum("ij,kj->ik", t(2, 3), t(4, 3)), torch.einsum("bij,bjk", t(2, 3, 4), t(2, 4, 5)),
    ],
    "einsum of one": lambda t: [
        torch.einsum("ii->i", t(3, 3)), torch.einsum("ij->", t(2, 3)), torch.einsum("ii", t(2, 2)),
    ],
    "einsum of many": lambda t: torch.einsum("...ij,...jk,k->...i", t(2, 3, 4), t(4, 5), t(5)),
    "einsum spaced": lambda t: torch.einsum("b h i d, b h j d -> b h i j", t(2, 2, 3, 4), t(2, 2, 3, 4)),
    "tensordot": lambda t: [
        torch.tensordot(t(2, 3), t(3, 4), 1), torch.tensordot(t(2, 3), t(2, 3), dims=([0, 1], [0, 1])),
    ],
    "chain": lambda t: [torch.linalg.multi_dot([t(2, 3), t(3, 4), t(4, 5)]), torch.kron(t(2, 2), t(1, 3))],
    "cross": lambda t: [torch.cross(t(4, 3), t(4, 3), dim=1), torch.linalg.cross(t(3), t(3))],
    "cdist": lambda t: [
        torch.cdist(t(3, 4), t(5, 4)), torch.cdist(t(3, 4), t(5, 4), p=1),
        torch.cdist(t(2, 3, 4), t(2, 5, 4), 3),
    ],
}  # fmt: skip


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", CALLS)
def test_other_products(name: str, dtype: torch.dtype) -> None:
    torch.manual_seed(3)

    def made(*size: int) -> torch.Tensor:
        return torch.randn(size, dtype=dtype, requires_grad=True)

    evidence = [
        one for one in both_ways(lambda: CALLS[name](made)) if one.name not in ("randn", "requires_grad_")
    ]
    assert [one.name for one in evidence for shown in explain(one) if shown.verdict != "✓"] == []


def test_integers_and_half_precision() -> None:
    whole = torch.tensor([[1, 2], [3, 4]])
    all_right(lambda: [whole @ whole, torch.einsum("ij,jk", whole, whole)], "matmul", "einsum")
    for dtype in (torch.float16, torch.bfloat16):
        a, b = (torch.randn(40, 40).to(dtype).requires_grad_() for _ in range(2))
        all_right(lambda a=a, b=b: [a @ b, F.linear(a, b)], "MmBackward")


def test_a_weight_that_is_frozen_or_shared() -> None:
    x, weight = torch.randn(3, 2), torch.randn(4, 2, requires_grad=True)
    all_right(lambda: F.linear(x, weight), "MmBackward")
    all_right(lambda: F.linear(x.requires_grad_(), weight.detach()), "MmBackward")


@pytest.mark.parametrize("name", CALLS)
def test_the_arithmetic_of_an_element_comes_to_it(name: str) -> None:
    torch.manual_seed(6)
    wrong, read = misread(
        both_ways(lambda: CALLS[name](lambda *size: torch.randn(size, requires_grad=True))), OURS
    )
    assert wrong == [] and read


def test_a_wrong_sign_factor_or_thousandth_is_noticed() -> None:
    a, b = torch.randn(3, 4, requires_grad=True), torch.randn(4, 3, requires_grad=True)
    for function in (
        lambda: a @ b,
        lambda: torch.addmm(torch.eye(3), a, b),
        lambda: torch.einsum("ij,jk", a, b),
    ):
        assert unnoticed(both_ways(function), OURS) == []


NAMES = """
    addbmm addmm addmv addr baddbmm nn.functional.bilinear bmm cdist cross dot einsum inner kron
    linalg.cross linalg.multi_dot linalg.vecdot nn.functional.linear matmul mm mv outer __rmatmul__
    tensordot vdot
""".split()  # noqa: SIM905


@pytest.mark.usefixtures("torch_database")
@pytest.mark.parametrize("name", NAMES[::3])
def test_samples_of_pytorch(name: str) -> None:
    assert database(name, OURS, 3) == []


@pytest.mark.usefixtures("torch_database")
@pytest.mark.exhaustive
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", NAMES)
def test_all_samples_of_pytorch(name: str, dtype: torch.dtype) -> None:
    assert database(name, OURS, 1_000_000, dtype) == []
