"""A gradient arrives at a leaf: what was in ``.grad`` before and what this pass brings make what is in it now.

torch/csrc/autograd/functions/accumulate_grad.h: ``.grad`` is taken over if there was none, else added to.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from backprop_tui.explain.check import EPSILON, Verdict, compare
from backprop_tui.explain.evidence import Array, Evidence, Tensor
from backprop_tui.explain.explanation import NO, SHOWN_TERMS, UNKNOWN, WHOLE, YES, Explanation
from backprop_tui.explain.numbers import display
from backprop_tui.explain.rule import Index, bracketed, element_text

STALE = (
    "Stale: the gradient of an earlier pass was still in .grad when this iteration's backward began, "
    "and this pass is added to it. Call zero_grad() before backward()."
)
REPLACED = ".grad was None: it becomes what this pass brings."
ADDED = ".grad was not None, so this pass is added to what was there."


def explain_accumulate(
    evidence: Evidence, earlier: Sequence[Evidence] = (), stale: bool = False, index: Index | None = None
) -> Explanation:
    """Why ``.grad`` is what it is after one pass has brought its gradient.

    ``earlier``: what was accumulated in the same ``.grad`` since it was last cleared, in order;
    ``stale``: whether this is the first backward of an iteration, so that nothing should have been there.
    """
    saved = evidence.saved
    before, added, after = saved.get("before"), saved.get("added"), saved.get("after")
    if added is None:
        return _nothing_came(before, after)
    terms = [*_passes(before, earlier), *_uses(saved.get("uses") or (), added)]
    place = _place(after or added, index)
    verdict = _verdict(before, added, after)
    numbers = "" if place is None else " + ".join(bracketed(_text(term, place)) for term in terms)
    return Explanation(
        symbols=_symbols(before, len(_passes(before, earlier)), len(_uses(saved.get("uses") or (), added))),
        numbers=numbers if len(terms) > 1 else numbers.strip("()"),
        result="" if after is None or place is None else _text(after, place),
        verdict=UNKNOWN if verdict is None else YES if verdict.agrees else NO,
        difference=None if verdict is None or verdict.agrees else _difference(verdict),
        note=_note(before, stale),
        element=numbers or None,
        operands=_names(saved.get("tensor")),
        index=place,
    )  # fmt: skip
