"""Rules of gradient clipping (torch/nn/utils/clip_grad.py)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from backprop_tui.explain.evidence import Array, Tensor
from backprop_tui.explain.rule import Case, Index, Rule, Sum, Term, number_text

EPSILON = 1e-6
"""Added to the norm, so that it can be divided by."""


def _tensors(case: Case) -> list[Tensor]:
    return [item for item in case.operands["gradients"] if isinstance(item, Tensor)]


def _gradients(case: Case) -> list[Array]:
    return [item.values for item in _tensors(case)]


def _norm(values: Sequence[Array], kind: float) -> float:
    """The norm of all the elements together."""
    everything = np.concatenate([np.ravel(item) for item in values]) if values else np.zeros(1)
    return float(np.linalg.norm(everything, kind))


def _total(case: Case) -> list[Array | None]:
    return [np.asarray(_norm(_gradients(case), float(case["norm_type"])))]


def _symbols(case: Case, number: int) -> str:
    kind = float(case["norm_type"])
    if kind == 2:
        return "√Σ g² over all gradients"
    return "max |g| over all gradients" if kind == np.inf else "(Σ |g|^{norm_type})^(1/{norm_type})"


def _element(case: Case, number: int, index: Index) -> Sum | str:
    kind = float(case["norm_type"])
    norms = [_norm([item], kind) for item in _gradients(case)]
    if kind != 2:
        return "of " + " ".join(number_text(value) for value in norms[:6])
    terms = [Term(f"{number_text(float(f'{value:.6g}'))}²", value * value) for value in norms]
    return Sum(terms, "√(", ")")


def _note(case: Case) -> str:
    norm, most = _norm(_gradients(case), float(case["norm_type"])), float(case["max_norm"])
    factor = most / (norm + EPSILON)
    if not factor < 1:
        return f"The norm is not above {most:g}: the gradients stay as they are."
    return (
        f"The norm is above {most:g}, so every gradient is multiplied by {most:g}/{norm:.6g} = {factor:.6g}."
    )


def _limit(case: Case) -> float:
    return float(case["clip_value"])


def _limited(case: Case) -> list[Array | None]:
    most = _limit(case)
    return [np.clip(values, -most, most) for values in _gradients(case)]


def _limited_element(case: Case, number: int, index: Index) -> str:
    owner = _tensors(case)[number]
    return _between(number_text(owner.values[index], owner.dtype), case)


def _between(what: str, case: Case) -> str:
    most = number_text(_limit(case))
    return f"min(max({what}, −{most}), {most})"


def _beyond(case: Case) -> str:
    gradients, most = _gradients(case), _limit(case)
    beyond = sum(int((np.abs(values) > most).sum()) for values in gradients)
    return f"{beyond} of {sum(values.size for values in gradients)} elements lay beyond ±{most:g}."


OPS: dict[str, Rule] = {
    "clip_grad_norm_": Rule(
        _symbols, _total, "gradients, max_norm, norm_type=2.0", element=_element, note=_note
    ),
    "clip_grad_value_": Rule(
        lambda case, number: _between("g", case),
        _limited,
        "gradients, clip_value",
        element=_limited_element,
        note=_beyond,
    ),
}

NODES: dict[str, Rule] = {}
