"""The rules, one module a family of operations. Each has OPS and NODES: name as torch has it to rule.

NAMESAKES are further rules under names that OPS has; they are for calls that do not fit those rules.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from importlib import import_module

from backprop_tui.explain.rule import Rule

FAMILIES = (
    "arithmetic",
    "functions",
    "choices",
    "copies",
    "reductions",
    "variances",
    "norms",
    "extremes",
    "ordering",
    "cumulative",
    "products",
    "product_slopes",
    "contractions",
    "views",
    "rearranging",
    "indexing",
    "scattering",
    "joining",
    "sequences",
    "activations",
    "softmax",
    "foreach",
    "losses",
    "losses_binary",
    "losses_classes",
    "losses_ctc",
    "losses_margin",
    "distances",
    "convolution",
    "unfolding",
    "pooling",
    "interpolation",
    "normalisation",
    "scaling",
    "dropout",
    "embedding",
    "attention",
    "attention_layers",
    "recurrent",
    "recurrent_backward",
    "clipping",
)


@lru_cache(maxsize=1)
def ops() -> Mapping[str, Rule]:
    """Rules of torch functions and tensor methods, by the name in the records."""
    return _gathered("OPS")


@lru_cache(maxsize=1)
def namesakes() -> Mapping[str, Rule]:
    """Rules of functions that share their name with another: ``F.unfold`` with ``Tensor.unfold``."""
    return _gathered("NAMESAKES")


@lru_cache(maxsize=1)
def nodes() -> Mapping[str, Rule]:
    """Rules of autograd nodes, by the name of the node without its final number: ``MulBackward``."""
    return _gathered("NODES")


def _gathered(table: str) -> Mapping[str, Rule]:
    found: dict[str, Rule] = {}
    for family in FAMILIES:
        rules = getattr(import_module(f"{__name__}.{family}"), table, {})
        twice = found.keys() & rules.keys()
        if twice:
            raise ValueError(f"{family} has rules that another family has too: {sorted(twice)}")
        found.update(rules)
    return found
