"""Rules of whole attention layers: several heads with their projections (torch/nn/functional.py), and the
fused forms that torch takes while evaluating (aten/src/ATen/native/transformers/)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from backprop_tui.explain.evidence import Array
from backprop_tui.explain.rule import Case, Index, Rule, Sum
from backprop_tui.explain.rules.attention import as_added, causal, mask_drawn, weights_of
from backprop_tui.explain.rules.sized import Sized, exact, joined
from backprop_tui.explain.rules.writing import largest, single, summand, wide


@dataclass(frozen=True, eq=False)
class _Heads:
    """What the heads have computed: samples × heads × places × width, and how much they look where."""

    outputs: Sized
    weights: Sized

    def together(self) -> Sized:
        """Side by side: samples × places × all widths."""
        count, heads, places, width = self.outputs.shape
        return self.outputs.transpose(0, 2, 1, 3).reshape(count, places, heads * width)

    def averaged(self) -> Sized:
        return self.weights.mean(1)


def _split(values: Sized, heads: int) -> Sized:
    """Samples × places × all widths, cut into heads."""
    count, places, width = values.shape
    return values.reshape(count, places, heads, width // heads).transpose(0, 2, 1, 3)


# --- multi_head_attention_forward: places × samples × width


def _batched(case: Case, name: str) -> Array:
    """Samples first; a single one gets the dimension that it lacks."""
    values: Array = case[name]
    return values[None] if values.ndim == 2 else values.swapaxes(0, 1)


def _projections(case: Case) -> tuple[Sized, Sized, Sized]:
    """Queries, keys and values, with the rows that the options append."""
    bias = np.split(case["in_proj_bias"], 3) if case.has("in_proj_bias") else [None] * 3
    if case["use_separate_proj_weight"]:
        weights = [case[f"{letter}_proj_weight"] for letter in "qkv"]
    else:
        weights = np.split(case["in_proj_weight"], 3)
    names = ("query", "key", "value")
    q, k, v = (
        exact(_batched(case, name)).linear(weight, own)
        for name, weight, own in zip(names, weights, bias, strict=True)
    )
    return q, _appended(case, k, "bias_k"), _appended(case, v, "bias_v")


def _appended(case: Case, values: Sized, name: str) -> Sized:
    if not case.has(name):
        return values
    row = np.broadcast_to(case[name].reshape(1, 1, -1), (values.shape[0], 1, values.shape[2]))
    return joined([values, exact(row)], 1)


def _key_heads(case: Case, values: Sized, fixed: str) -> Sized:
    """Keys or values of each head; ``static_k`` and ``static_v`` come cut already."""
    heads = int(case["num_heads"])
    if case.has(fixed):
        given = case[fixed]
        found = exact(given.reshape(-1, heads, *given.shape[1:]))
    else:
        found = _split(values, heads)
    if case["add_zero_attn"]:
        shape = found.shape
        found = joined([found, exact(np.zeros((*shape[:2], 1, shape[3])))], 2)
    return found


def _mask(case: Case, places: int, seen: int, given: int) -> Array | None:
    """All masks as one that is added; keys that the options append can always be seen."""
    heads = int(case["num_heads"])
    hidden = case.has("key_padding_mask")
    if case["is_causal"] and not hidden and not case["need_weights"]:
        return causal(places, seen)
    found: Array | None = None
    if case.has("attn_mask"):
        mask = _hiding(case["attn_mask"])
        found = mask[None, None] if mask.ndim == 2 else mask.reshape(-1, heads, *mask.shape[1:])
    if hidden:
        mask = _hiding(np.atleast_2d(case["key_padding_mask"]))[:, None, None]
        found = mask if found is None else found + mask
    if found is None or seen == given:
        return found
    return np.pad(found, [(0, 0)] * 3 + [(0, seen - given)])


def _hiding(mask: Array) -> Array:
    """A mask in which True hides."""
    return as_added(~mask) if mask.dtype == bool else mask


def _attended(case: Case) -> _Heads | None:
    """None if dropout has taken part and nobody knows what it dropped."""
    q, k, v = _projections(case)
    q = _split(q, int(case["num_heads"]))
    given = case["key"].shape[0]
    k, v = _key_heads(case, k, "static_k"), _key_heads(case, v, "static_v")
    mask = _mask(case, q.shape[2], k.shape[2], given)
    # Only with need_weights torch takes a softmax that gives nan where everything is hidden.
    weights = weights_of(q, k, 1 / math.sqrt(q.shape[3]), mask, np.nan if case["need_weights"] else 0.0)
    if _dropping(case):
        kept = mask_drawn(case, 0, weights.shape)
        if kept is None:
            return None
        weights = weights * exact(kept / (1 - float(case["dropout_p"])))
    return _Heads(weights @ v, weights)


def _dropping(case: Case) -> bool:
    return bool(case["training"]) and float(case["dropout_p"]) > 0


def _results(case: Case) -> list[Sized]:
    heads = _attended(case)
    if heads is None:
        return []
    bias = case["out_proj_bias"] if case.has("out_proj_bias") else None
    made = heads.together().linear(case["out_proj_weight"], bias).swapaxes(0, 1)
    seen = heads.averaged() if case["average_attn_weights"] else heads.weights
    if case["query"].ndim == 2:
        return [made[:, 0], seen[0]]
    return [made, seen]


def _symbols(case: Case, number: int) -> str:
    heads = int(case["num_heads"])
    if number:
        how = f"mean of {heads} heads' " if case["average_attn_weights"] else ""
        return f"{how}softmax(q·kᵀ/√{case['query'].shape[-1] // heads})"
    bias = " + {out_proj_bias}" if case.has("out_proj_bias") else ""
    return f"heads · {{out_proj_weight}}ᵀ{bias}, head = softmax(q·kᵀ/√{_width(case)})·v"


def _width(case: Case) -> int:
    return int(case["embed_dim_to_check"]) // int(case["num_heads"])


def _element(case: Case, number: int, index: Index) -> Sum | str:
    heads = _attended(case)
    assert heads is not None
    single_sample = case["query"].ndim == 2
    if number:
        own = (0, *index) if single_sample else index
        if not case["average_attn_weights"]:
            return single(heads.weights.value[own])
        several = heads.weights.value[own[0], :, own[1], own[2]]
        return largest(several, lambda i: single(several[i]), f"1/{len(several)} · (", ")")
    place, sample, column = (index[0], 0, index[1]) if single_sample else index
    row = heads.together().value[sample, place]
    weight = case["out_proj_weight"][column]
    after = f" + {case.at('out_proj_bias', (column,))}" if case.has("out_proj_bias") else ""
    return largest(row * weight, lambda i: f"{summand(row[i])}·{summand(weight[i])}", after=after)


def _note(case: Case) -> str:
    heads = int(case["num_heads"])
    said = f"{heads} heads of {_width(case)}; q, k, v = input · Wᵀ + b, a third of in_proj_weight each"
    if not _dropping(case):
        return said
    return f"{said}; dropout keeps {wide(round(1 - float(case['dropout_p']), 12))} of the weights"


# --- the fused forms: samples × places × width, no gradient, no dropout


@dataclass(frozen=True)
class _Names:
    """What the projections are called in a fused call."""

    qkv: str = "qkv"
    out: str = "proj"
    heads: str = "num_head"


def _fused_mask(case: Case, samples: int, heads: int) -> Array | None:
    """True hides; a mask of numbers is taken as True wherever it is not 0."""
    if not case.has("mask"):
        return None
    mask = np.where(case["mask"] != 0, -np.inf, 0.0)
    kind = case.get("mask_type")
    if mask.ndim == 2 and (kind == 1 or (kind is None and mask.shape[0] == samples != mask.shape[1])):
        return mask[:, None, None]
    return mask[None, None] if mask.ndim == 2 else mask


def _fused_heads(case: Case, x: Sequence[Sized], names: _Names) -> _Heads:
    weights, biases = np.split(case[f"{names.qkv}_weight"], 3), np.split(case[f"{names.qkv}_bias"], 3)
    heads = int(case[names.heads])
    q, k, v = (
        _split(one.linear(weight, bias), heads) for one, weight, bias in zip(x, weights, biases, strict=True)
    )
    mask = _fused_mask(case, q.shape[0], heads)
    seen = weights_of(q, k, 1 / math.sqrt(q.shape[3]), mask, 0.0)
    return _Heads(seen @ v, seen)


_ATTENTION = _Names()
_LAYER = _Names(heads="num_heads")


def _fused_attention(case: Case) -> list[Sized]:
    heads = _fused_heads(case, [exact(case[name]) for name in ("query", "key", "value")], _ATTENTION)
    made = heads.together().linear(case["proj_weight"], case["proj_bias"])
    return [made, heads.averaged() if case["average_attn_weights"] else heads.weights]


def _fused_at(case: Case, number: int, index: Index) -> Sum | str:
    heads = _fused_heads(case, [exact(case[name]) for name in ("query", "key", "value")], _ATTENTION)
    if number:
        return single(_fused_attention(case)[1].value[index])
    row = heads.together().value[index[:-1]]
    weight = case["proj_weight"][index[-1]]
    after = f" + {case.at('proj_bias', (index[-1],))}"
    return largest(row * weight, lambda i: f"{summand(row[i])}·{summand(weight[i])}", after=after)


def _norm(case: Case, x: Sized, number: int) -> Sized:
    return x.layer_norm(case[f"norm_weight_{number}"], case[f"norm_bias_{number}"], float(case["eps"]))


def _fused_layer(case: Case) -> list[Sized]:
    """nn.TransformerEncoderLayer: attention and two linear layers, each added to what came in."""
    x, first = exact(case["src"]), bool(case["norm_first"])
    into = _norm(case, x, 1) if first else x
    heads = _fused_heads(case, [into] * 3, _LAYER)
    x = x + heads.together().linear(case["proj_weight"], case["proj_bias"])
    x = x if first else _norm(case, x, 1)
    inner = (_norm(case, x, 2) if first else x).linear(case["ffn_weight_1"], case["ffn_bias_1"])
    inner = inner.gelu() if case["use_gelu"] else inner.relu()
    x = x + inner.linear(case["ffn_weight_2"], case["ffn_bias_2"])
    return [x if first else _norm(case, x, 2)]


def _layer_symbols(case: Case, number: int) -> str:
    kind = "gelu" if case["use_gelu"] else "relu"
    if case["norm_first"]:
        return f"h + W₂·{kind}(W₁·norm(h)), h = {{src}} + attention(norm({{src}}))"
    return f"norm(h + W₂·{kind}(W₁·h)), h = norm({{src}} + attention({{src}}))"


_MHA = (
    "query, key, value, embed_dim_to_check, num_heads, in_proj_weight, in_proj_bias, bias_k, bias_v,"
    " add_zero_attn, dropout_p, out_proj_weight, out_proj_bias, training=True, key_padding_mask=None,"
    " need_weights=True, attn_mask=None, use_separate_proj_weight=False, q_proj_weight=None,"
    " k_proj_weight=None, v_proj_weight=None, static_k=None, static_v=None, average_attn_weights=True,"
    " is_causal=False"
)

OPS: dict[str, Rule] = {
    "multi_head_attention_forward": Rule(
        _symbols,
        lambda c: [one.value for one in _results(c)],
        _MHA,
        _element,
        _note,
        lambda c: [one.size for one in _results(c)],
        lambda c: "which weights dropout keeps was drawn by chance; autograd has kept the mask",
    ),
    "_native_multi_head_attention": Rule(
        (
            "heads · {proj_weight}ᵀ + {proj_bias}, head = softmax(q·kᵀ/√width)·v",
            "how much each place looks at each: softmax(q·kᵀ/√width)",
        ),
        lambda c: [one.value for one in _fused_attention(c)],
        "query, key, value, embed_dim, num_head, qkv_weight, qkv_bias, proj_weight, proj_bias, mask=None,"
        " need_weights=True, average_attn_weights=True, mask_type=None",
        _fused_at,
        scale=lambda c: [one.size for one in _fused_attention(c)],
    ),
    "_transformer_encoder_layer_fwd": Rule(
        _layer_symbols,
        lambda c: [one.value for one in _fused_layer(c)],
        "src, embed_dim, num_heads, qkv_weight, qkv_bias, proj_weight, proj_bias, use_gelu, norm_first, eps,"
        " norm_weight_1, norm_bias_1, norm_weight_2, norm_bias_2, ffn_weight_1, ffn_bias_1, ffn_weight_2,"
        " ffn_bias_2, mask=None, mask_type=None",
        lambda c, number, index: single(_fused_layer(c)[0].value[index]),
        lambda c: "a whole encoder layer in one call, because nothing is to be differentiated",
        lambda c: [one.size for one in _fused_layer(c)],
    ),
}

NODES: dict[str, Rule] = {}
