"""A gradient arrives at a leaf: what was in ``.grad`` and what this pass brings make what is in it now.

torch/csrc/autograd/functions/accumulate_grad.h: ``.grad`` is taken over if there was none, else added to.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from backprop_tui.explain.check import Verdict, compare
from backprop_tui.explain.evidence import Array, Evidence, Tensor
from backprop_tui.explain.explanation import NO, UNKNOWN, WHOLE, YES, Explanation
from backprop_tui.explain.numbers import display
from backprop_tui.explain.rule import Index, bracketed, element_text

STALE = (
    "Stale: .grad still held the gradient of an earlier pass when this backward began, and this pass is "
    "added to it. zero_grad() before backward() would have cleared it."
)
TAKEN = ".grad was None: it becomes what this pass brings."
ADDED = ".grad was not None: this pass is added to what was there."
TO_ZERO = ".grad was 0, not None: adding this pass to it gives this pass."
NOTHING = "No gradient came here in this pass: .grad stays as it was."


def explain_accumulate(
    evidence: Evidence, earlier: Sequence[Evidence] = (), stale: bool = False, index: Index | None = None
) -> Explanation:
    """Why ``.grad`` is what it is after one pass has brought its gradient.

    ``earlier``: what was accumulated in the same ``.grad`` since it was cleared, in order; ``stale``:
    whether this is the first backward of an iteration, so that nothing should be there any more.
    """
    saved = evidence.saved
    before, added, after = saved.get("before"), saved.get("added"), saved.get("after")
    terms = _terms(before, added, [item.saved.get("added") for item in earlier], saved.get("uses") or ())
    shown = after or added or before
    place = _place(shown, index)
    verdict = None if after is None else compare(after, _sum(terms, after), _sum(terms, after, np.abs))
    numbers = "" if len(terms) < 2 else _written([tensor for _, tensor in terms], place)
    return Explanation(
        symbols=" + ".join(name for name, _ in terms) or "nothing",
        numbers=numbers,
        result="None" if shown is None else _written([shown], place),
        verdict=UNKNOWN if verdict is None else YES if verdict.agrees else NO,
        difference=None if verdict is None or verdict.agrees else _difference(verdict),
        note=_note(before, added, stale),
        element=_at(terms, place) if numbers else None,
        operands=_name(saved.get("tensor")),
        made=() if added is None or added.source is None else (("", added.source),),
        index=place,
    )  # fmt: skip


Terms = list[tuple[str, Tensor]]


def _terms(
    before: Tensor | None, added: Tensor | None, earlier: Sequence[Tensor | None], uses: Sequence[Tensor]
) -> Terms:
    """What is summed: the passes since ``.grad`` was cleared, if they are known, and the uses in this one."""
    there = [] if before is None else [("grad before", before)]
    passes = [tensor for tensor in earlier if tensor is not None]
    if before is not None and passes and _makes(passes, before):
        there = [(f"pass {number}", tensor) for number, tensor in enumerate(passes, 1)]
    if added is None:
        return there
    if len(uses) > 1 and _makes(uses, added):
        return there + [(f"use {number}", tensor) for number, tensor in enumerate(uses, 1)]
    return [*there, ("this pass", added)]


def _makes(parts: Sequence[Tensor], whole: Tensor) -> bool:
    named = [("", part) for part in parts]
    shapes = {part.shape for part in parts}
    if shapes != {whole.shape}:
        return False
    return compare(whole, _sum(named, whole), _sum(named, whole, np.abs)).agrees


def _sum(terms: Terms, like: Tensor, function: np.ufunc = np.positive) -> Array:
    total: Array = np.zeros(like.shape, np.result_type(like.values.dtype, np.float64))
    for _, tensor in terms:
        total = total + function(tensor.values)
    return np.abs(total) if function is np.absolute else total


# text
def _place(tensor: Tensor | None, index: Index | None) -> Index | None:
    """The chosen element, or the one of the largest magnitude."""
    if tensor is None or not tensor.values.size:
        return None
    if index is not None and len(index) == tensor.values.ndim:
        return index
    flat = int(np.abs(np.nan_to_num(tensor.values, nan=np.inf)).argmax())
    return tuple(int(i) for i in np.unravel_index(flat, tensor.shape))


def _written(tensors: Sequence[Tensor], place: Index | None) -> str:
    """Small tensors whole, of larger ones the chosen element."""
    if all(tensor.values.size <= WHOLE for tensor in tensors):
        texts = [_nested(tensor.values, tensor.dtype) for tensor in tensors]
    else:
        texts = [display(element_text(tensor, place or ())) for tensor in tensors]
    return " + ".join(map(bracketed, texts)) if len(texts) > 1 else texts[0]


def _at(terms: Terms, place: Index | None) -> str | None:
    if place is None:
        return None
    return " + ".join(bracketed(display(element_text(tensor, place))) for _, tensor in terms)


def _nested(values: Array, dtype: str) -> str:
    if not values.ndim:
        return display(element_text(Tensor(values, dtype), ()))
    return "[" + " ".join(_nested(row, dtype) for row in values) + "]"


def _note(before: Tensor | None, added: Tensor | None, stale: bool) -> str:
    if added is None:
        return NOTHING
    if before is None:
        return TAKEN
    if not np.any(before.values):
        return TO_ZERO
    return STALE if stale else ADDED


def _difference(verdict: Verdict) -> str:
    return f"differs by {verdict.difference:.3g} at {list(verdict.where)}"


def _name(tensor: Tensor | None) -> tuple[str, ...]:
    return (tensor.name,) if tensor is not None and tensor.name else ()
