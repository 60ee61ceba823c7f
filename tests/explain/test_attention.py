"""Rules of attention against torch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from backprop_tui.explain.explanation import explain
from backprop_tui.explain.rules import attention, attention_layers
from explain.both_ways import (
    both_ways,
    correct,
    differentiated,
    family,
    module_samples,
    script,
    watched,
    wrong,
)
from explain.checking import database, unnoticed
from explain.observing import call
from explain.reading import misread

OURS = family(attention, attention_layers)
FLOATS = [torch.float32, torch.float64]
NAMES = ["scaled_dot_product_attention", "multi_head_attention_forward"]
REAL = Path(__file__).parent.parent / "scripts" / "real"
NODE = "ScaledDotProductFlashAttentionForCpuBackward"


def only(function: Callable[[], Any], name: str, number: int = 0) -> Any:
    return correct(function, name)[name][number]


def three(*shape: int, dtype: torch.dtype = torch.float32) -> list[torch.Tensor]:
    return [torch.randn(shape, dtype=dtype, requires_grad=True) for _ in range(3)]


def test_attention_reads_as_its_definition() -> None:
    q = torch.tensor([[[[0.0, 0.0], [0.0, 0.0]]]])
    v = torch.tensor([[[[1.0, 2.0], [3.0, -4.0]]]])
    found = only(lambda: F.scaled_dot_product_attention(q, q, v), "scaled_dot_product_attention")
    assert found.symbols == "softmax(query · keyᵀ/√2) · value"
    assert found.result == "[[[[2 −1] [2 −1]]]]"
    assert found.element == "0.5·1 + 0.5·3"
    scaled = only(lambda: F.scaled_dot_product_attention(q, q, v, scale=0.3), "scaled_dot_product_attention")
    assert scaled.symbols == "softmax(query · keyᵀ·0.3) · value"
    mask = torch.tensor([[True, False], [True, True]])
    masked = only(lambda: F.scaled_dot_product_attention(q, q, v, mask), "scaled_dot_product_attention")
    assert masked.symbols == "softmax(query · keyᵀ/√2 + attn_mask) · value"
    assert masked.result == "[[[[1 2] [2 −1]]]]"


def test_what_masks_do_is_told() -> None:
    q = torch.zeros(1, 1, 2, 2)
    causal = only(lambda: F.scaled_dot_product_attention(q, q, q, is_causal=True), NAMES[0])
    assert causal.symbols == "softmax(query · keyᵀ/√2, causal) · value"
    assert causal.note == "causal: each place sees itself and what came before it"
    shut = torch.tensor([[False, False], [True, True]])
    empty = only(lambda: F.scaled_dot_product_attention(q, q, q, shut), NAMES[0])
    assert empty.note == "1 of 2 rows sees nothing at all: torch gives 0 there"


def test_the_gradients_of_attention() -> None:
    q = torch.zeros(1, 1, 2, 1, requires_grad=True)
    k = torch.tensor([[[[1.0], [2.0]]]], requires_grad=True)
    v = torch.tensor([[[[3.0], [5.0]]]], requires_grad=True)
    result = F.scaled_dot_product_attention(q, k, v)
    (node,) = differentiated(result, lambda root: torch.tensor([[[[1.0], [10.0]]]]))
    to_query, to_key, to_value = explain(node, (0, 0, 1, 0))
    assert [one.verdict for one in (to_query, to_key, to_value)] == ["✓"] * 3
    assert to_query.symbols == "dS · key/√1, dS = P∘(g·valueᵀ − Σ P∘(g·valueᵀ))"
    # P is one half everywhere: dS = ½(30 − 40), ½(50 − 40)
    assert to_query.element == "((−5)·1 + 5·2)/√1"
    assert to_key.element == "(0.5·0 + 5·0)/√1"
    assert (to_value.symbols, to_value.element) == ("Pᵀ · g, P = softmax(query · keyᵀ/√1)", "0.5·1 + 0.5·10")


@pytest.mark.parametrize("dtype", FLOATS)
def test_all_options(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    added, boolean = torch.randn(5, 5, dtype=dtype), torch.rand(2, 1, 5, 5) > 0.4
    for options in (
        {},
        {"is_causal": True},
        {"scale": 0.7},
        {"attn_mask": added},
        {"attn_mask": boolean},
        {"dropout_p": 0.4},
        {"dropout_p": 0.4, "is_causal": True},
    ):
        q, k, v = three(2, 3, 5, 4, dtype=dtype)
        evidence = both_ways(lambda q=q, k=k, v=v, o=options: F.scaled_dot_product_attention(q, k, v, **o))
        assert wrong(evidence, OURS) == [], options
        assert misread(evidence, OURS)[0] == []
        assert unnoticed(evidence, OURS) == []


def test_heads_that_share_their_keys() -> None:
    q, k = torch.randn(2, 6, 5, 4), torch.randn(2, 2, 5, 4)
    found = both_ways(lambda: F.scaled_dot_product_attention(q, k, k, enable_gqa=True))
    assert wrong(found, OURS) == []


def test_dropout_that_nobody_has_seen_cannot_be_checked() -> None:
    q = torch.randn(1, 2, 4, 4)
    evidence, _ = watched(lambda: F.scaled_dot_product_attention(q, q, q, dropout_p=0.5))
    assert [one.verdict for one in explain(evidence[-1])] == ["?"]


# --- layers of several heads


def test_heads_are_projected() -> None:
    layer = nn.MultiheadAttention(4, 2)
    x = torch.randn(3, 1, 4, requires_grad=True)
    found = correct(lambda: layer(x, x, x), NAMES[1])[NAMES[1]]
    assert found[0].symbols == "heads · out_proj_weightᵀ + out_proj_bias, head = softmax(q·kᵀ/√2)·v"
    assert found[0].note == "2 heads of 2; q, k, v = input · Wᵀ + b, a third of in_proj_weight each"
    assert found[1].symbols == "mean of 2 heads' softmax(q·kᵀ/√2)"
    assert found[1].element.startswith("1/2 · (")


HEADS: list[dict[str, Any]] = [
    {},
    {"dropout": 0.3},
    {"bias": False, "kdim": 3, "vdim": 5},
    {"add_bias_kv": True, "add_zero_attn": True},
]


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("weights", [True, False])
@pytest.mark.parametrize("made", HEADS)
def test_layers_with_all_options(made: dict[str, Any], weights: bool, dtype: torch.dtype) -> None:
    torch.manual_seed(1)
    layer = nn.MultiheadAttention(4, 2, **made, dtype=dtype)
    q = torch.randn(3, 2, 4, dtype=dtype, requires_grad=True)
    k = torch.randn(5, 2, made.get("kdim", 4), dtype=dtype, requires_grad=True)
    v = torch.randn(5, 2, made.get("vdim", 4), dtype=dtype, requires_grad=True)
    hidden = torch.tensor([[False, False, True, False, False], [False] * 5])
    for options in (
        {},
        {"attn_mask": torch.randn(3, 5, dtype=dtype)},
        {"attn_mask": torch.rand(4, 3, 5) > 0.8, "key_padding_mask": hidden},
        {"average_attn_weights": False},
    ):
        evidence = both_ways(lambda o=options: layer(q, k, v, need_weights=weights, **o))
        assert NAMES[1] in {one.name for one in evidence}
        assert wrong(evidence, OURS) == [], options
        assert misread(evidence, OURS, 1e-3)[0] == []
        assert unnoticed(evidence, OURS) == []


def test_a_causal_hint_and_a_single_sample() -> None:
    layer = nn.MultiheadAttention(4, 2)
    mask = nn.Transformer.generate_square_subsequent_mask(3)
    for shape in ((3, 2, 4), (3, 4)):
        x = torch.randn(shape, requires_grad=True)
        for weights in (True, False):
            evidence = both_ways(
                lambda x=x, w=weights: layer(x, x, x, attn_mask=mask, is_causal=True, need_weights=w)
            )
            assert wrong(evidence, OURS) == []
            assert misread(evidence, OURS, 1e-3)[0] == []


@pytest.mark.parametrize("weights", [True, False])
@pytest.mark.parametrize("kind", [None, 0, 1])
def test_the_fused_form_of_attention(kind: int | None, weights: bool) -> None:
    torch.manual_seed(2)
    layer, x = nn.MultiheadAttention(8, 2), torch.randn(2, 5, 8)
    masks = {
        0: torch.ones(5, 5).triu(1) > 0,
        1: torch.tensor([[False] * 5, [False, False, True, True, True]]),
    }
    with torch.no_grad():
        evidence, _ = call(
            "_native_multi_head_attention", torch._native_multi_head_attention, x, x, x, 8, 2,
            layer.in_proj_weight, layer.in_proj_bias, layer.out_proj.weight, layer.out_proj.bias,
            None if kind is None else masks[kind], weights, True, kind,
        )  # fmt: skip
    assert [one.verdict for one in explain(evidence)] == ["✓"] * (2 if weights else 1)
    assert misread([evidence], OURS, 1e-3) == ([], 2 if weights else 1)


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("activation", ["relu", "gelu"])
def test_a_whole_layer_in_one_call(activation: str, first: bool) -> None:
    torch.manual_seed(3)
    layer = nn.TransformerEncoderLayer(8, 2, 16, 0.0, activation, norm_first=first, batch_first=True)
    x, own = torch.randn(2, 5, 8) + 1, layer.self_attn
    mask = torch.ones(5, 5).triu(1) > 0
    for given, kind in ((None, None), (mask, 0)):
        with torch.no_grad():
            evidence, result = call(
                "_transformer_encoder_layer_fwd", torch._transformer_encoder_layer_fwd, x, 8, 2,
                own.in_proj_weight, own.in_proj_bias, own.out_proj.weight, own.out_proj.bias,
                activation == "gelu", first, 1e-5, layer.norm1.weight, layer.norm1.bias, layer.norm2.weight,
                layer.norm2.bias, layer.linear1.weight, layer.linear1.bias, layer.linear2.weight,
                layer.linear2.bias, given, kind,
            )  # fmt: skip
            assert torch.allclose(result, layer(x, given), atol=1e-5)
        (found,) = explain(evidence)
        assert found.verdict == "✓"
        assert found.symbols == (
            f"h + W₂·{activation}(W₁·norm(h)), h = src + attention(norm(src))"
            if first
            else f"norm(h + W₂·{activation}(W₁·h)), h = norm(src + attention(src))"
        )
        assert unnoticed([evidence], OURS) == []


def test_a_language_model_trains_and_evaluates() -> None:
    evidence = script(REAL / "char_transformer.py", "--iterations", "1", "--batch", "2", "--block", "8")
    names = {one.name for one in evidence}
    assert {NAMES[1], "_transformer_encoder_layer_fwd"} <= names
    assert wrong(evidence, OURS) == []


@pytest.mark.usefixtures("torch_database")
@pytest.mark.parametrize("name", NAMES)
def test_samples_of_the_database(name: str) -> None:
    assert database(f"nn.functional.{name}", OURS, 12) == []


@pytest.mark.usefixtures("torch_database")
@pytest.mark.exhaustive
@pytest.mark.parametrize("dtype", [*FLOATS, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("name", NAMES)
def test_all_of_the_database(name: str, dtype: torch.dtype) -> None:
    assert database(f"nn.functional.{name}", OURS, 10_000, dtype) == []


@pytest.mark.usefixtures("torch_database")
@pytest.mark.exhaustive
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", ["MultiheadAttention", "TransformerEncoderLayer", "TransformerDecoderLayer"])
def test_all_of_the_modules(name: str, dtype: torch.dtype) -> None:
    for use in module_samples(name, dtype, 10_000):
        assert wrong(both_ways(use), OURS) == []


def test_large_scores_are_one_hot() -> None:
    q = torch.eye(3)[None, None] * 300
    found = only(lambda: F.scaled_dot_product_attention(q, q, q), NAMES[0])
    assert found.result == "[[[[300 0 0] [0 300 0] [0 0 300]]]]"
