"""From the evidence of one operation to the text of its explanation and the verdict."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from backprop_tui.explain import rules
from backprop_tui.explain.check import Verdict, compare
from backprop_tui.explain.evidence import Array, Evidence, Tensor
from backprop_tui.explain.rule import (
    Case,
    Index,
    Rule,
    Sum,
    bracketed,
    element_text,
    number_text,
    results_of,
    undoubled,
)
from backprop_tui.explain.sources import SOURCES
from backprop_tui.explain.steps import Line, Split

YES, NO, UNKNOWN, SOURCE = "✓", "✗", "?", ""
WHOLE = 12
"""Tensors of up to so many elements are written out whole."""
MOST_PLACES = 1_000_000
SHOWN_TERMS = 6
"""So many of a long sum's terms are written out, the largest first."""

_NUMBERED = re.compile(r"\d+(_copy)?$")
"""What torch puts behind a node's name: which form of the function, and whether the view is a copy."""

_OPERAND = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True)
class Explanation:
    """Why one result of one operation is what it is."""

    symbols: str
    """The rule with the operands' names."""
    numbers: str
    """The rule with this run's numbers: whole if small, else of the chosen element."""
    result: str
    """torch's result, whole if small, else the chosen element."""
    verdict: str
    """``✓`` the rule in float64 gives torch's result, ``✗`` it does not, ``?`` there is no rule; empty
    if nothing was worked out: the numbers were given, or drawn by chance."""
    difference: str | None = None
    """How far the two are apart, if they are."""
    note: str | None = None
    element: str | None = None
    """The sum behind the chosen element: ``0.11·2 + 0.12·3 = 0.58``."""
    operands: tuple[str, ...] = ()
    """Names, as the script has them, of the tensors in the formula."""
    made: tuple[tuple[str, tuple[int, int]], ...] = ()
    """Operands that an operation made: the name, empty if there is none, and the operation's time."""
    lines: tuple[Line, ...] = ()
    """The whole arithmetic where it takes several lines: an optimizer's update, a scheduler's step."""
    split: Split | None = None
    """Where an update's step comes from."""
    index: Index | None = None
    """The chosen element, where one was chosen."""

    @property
    def check(self) -> bool | None:
        """Whether the rule's value is torch's; None if there is no rule."""
        return {YES: True, NO: False}.get(self.verdict)


def explain(evidence: Evidence, index: Index | None = None) -> list[Explanation]:
    """One explanation for each result of the operation; a single one with ``?`` if there is no rule.

    ``index``: the chosen element of the results; None for the one of the largest magnitude.
    """
    if evidence.kind in ("update", "accumulate", "schedule"):
        return [_of_step(evidence, index)]
    rule = rule_of(evidence)
    case = None if rule is None else case_of(rule, evidence)
    if case is None and evidence.kind == "op" and evidence.name in SOURCES:
        return [Explanation(SOURCES[evidence.name], "", "", SOURCE)]
    if rule is None or case is None:
        return [_unknown(evidence, _no_rule(evidence, rule))]
    return explained(rule, case, index)


def _no_rule(evidence: Evidence, rule: Rule | None) -> str:
    if evidence.kind == "node" and all(one is None for one in evidence.grad_outputs):
        return "no gradient comes in, and none goes out"
    return f"no rule for {evidence.name}{'' if rule is None else ' with such operands'} yet"


def _of_step(evidence: Evidence, index: Index | None) -> Explanation:
    """What happens around a backward pass: these explain themselves with what is in this module."""
    from backprop_tui.explain import accumulate, optimizers, schedulers

    if evidence.kind == "update":
        return optimizers.explain_update(evidence, index)
    if evidence.kind == "accumulate":
        stale = bool(evidence.saved.get("stale"))
        return accumulate.explain_accumulate(evidence, stale=stale, index=index)
    shown = schedulers.explain_schedule(evidence)
    saved = evidence.saved
    if "get_lr" not in saved:
        return shown
    three = schedulers.three_rates(saved["lr_before"], saved["last"], saved["get_lr"], evidence)
    return replace(shown, note=" · ".join(text for text in (shown.note, three) if text))


def rule_of(evidence: Evidence) -> Rule | None:
    """The rule for an operation, if there is one."""
    if evidence.kind == "node":
        return rules.nodes().get(_NUMBERED.sub("", evidence.name))
    if evidence.kind != "op":
        return None
    rule, namesake = rules.ops().get(evidence.name), rules.namesakes().get(evidence.name)
    fits = rule is not None and (namesake is None or case_of(rule, evidence) is not None)
    return rule if fits else namesake


def case_of(rule: Rule, evidence: Evidence) -> Case | None:
    """The rule's operands in this operation; None if it was called in a way that the rule does not know."""
    if evidence.kind != "op":
        if all(one is None for one in evidence.grad_outputs):
            return None
        return Case(
            evidence, {**evidence.saved, "g": evidence.grad_outputs[0] if evidence.grad_outputs else None}
        )
    try:
        return Case(evidence, evidence.bind(rule.signature))
    except TypeError:
        return None


@np.errstate(all="ignore")
def explained(rule: Rule, case: Case, index: Index | None = None) -> list[Explanation]:
    """The explanations of all results for which the rule has a value."""
    computed = rule.evaluate(case)
    scales = rule.scale(case) if rule.scale is not None else [None] * len(computed)
    found = []
    for number, ours in enumerate(computed):
        torchs = case.result(number)
        if ours is not None and torchs is not None:
            scale = scales[number]
            size = summed_to(np.abs(ours if scale is None else scale), torchs.shape)
            precision = rule.precision(case, number)
            verdict = compare(torchs, summed_to(ours, torchs.shape), size, precision)
            found.append(_explanation(rule, case, number, torchs, verdict, index, np.shape(ours)))
    return found or [_unknown(case.evidence, _no_rule(case.evidence, rule))]


def summed_to(values: Array, shape: tuple[int, ...]) -> Array:
    """Sum what was broadcast forwards: the gradient of an operand that was used at many places.

    Values that broadcasting cannot have made of that shape come back as they are.
    """
    values = np.asarray(values)
    axes = _broadcast_axes(values.shape, shape)
    return values.sum(axis=axes).reshape(shape) if axes else values


def _broadcast_axes(large: tuple[int, ...], small: tuple[int, ...]) -> tuple[int, ...]:
    if large == small or len(large) < len(small):
        return ()
    padded = (1,) * (len(large) - len(small)) + small
    if any(one not in (1, other) for one, other in zip(padded, large, strict=True)):
        return ()
    extra = len(large) - len(small)
    return tuple(
        i for i, (one, other) in enumerate(zip(padded, large, strict=True)) if i < extra or one != other
    )


def _explanation(
    rule: Rule,
    case: Case,
    number: int,
    torchs: Tensor,
    verdict: Verdict,
    index: Index | None,
    full: tuple[int, ...],
) -> Explanation:
    template = _template(rule, case, number)
    chosen = _chosen(torchs, verdict, index)
    names = [name for name in _OPERAND.findall(template) if name in case.operands]
    told = bool(names) or rule.element is None
    small = told and torchs.values.size <= WHOLE and all(_small(case.operands[name]) for name in names)
    places = [] if chosen is None else _places(chosen, torchs.shape, full)
    element = _element(rule, case, number, template, places) if places else None
    summed = bool(_broadcast_axes(full, torchs.shape))
    whole = _filled(template, lambda name: bracketed(_whole(case.operands.get(name))))
    return Explanation(
        symbols=_summed(_filled(template, lambda name: _name(case, name)), summed),
        numbers=_summed(whole, summed) if small else element or "",
        result=_whole(torchs) if small or chosen is None else element_text(torchs, chosen),
        verdict=YES if verdict.agrees else NO,
        difference=None if verdict.agrees else _difference(verdict),
        note=rule.note(case) if rule.note is not None else None,
        element=element,
        operands=tuple(dict.fromkeys(_names(case, names))),
        made=tuple(dict.fromkeys(_made(case, names))),
        index=None if small else chosen,
    )  # fmt: skip


def unexplained(sentence: str) -> Explanation:
    """What is said where nothing can be checked."""
    return Explanation(sentence, "", "", UNKNOWN)


def _unknown(evidence: Evidence, why: str) -> Explanation:
    results = [item for item in results_of(evidence) if item is not None]
    into = [item for item in evidence.grad_outputs if item is not None]
    came = f"incoming {', '.join(_whole(item) for item in into)} · outgoing " if into else ""
    return Explanation(
        symbols=why,
        numbers="",
        result=came + ", ".join(_whole(item) for item in results),
        verdict=UNKNOWN,
    )


def _template(rule: Rule, case: Case, number: int) -> str:
    symbols = rule.symbols
    if isinstance(symbols, tuple):
        return symbols[min(number, len(symbols) - 1)]
    return symbols if isinstance(symbols, str) else symbols(case, number)


def _chosen(torchs: Tensor, verdict: Verdict, index: Index | None) -> Index | None:
    """The element to fill in: the one asked for, the one that is wrong, or the largest."""
    if not torchs.values.size:
        return None
    if index is not None and len(index) == torchs.values.ndim and all(
        i < size for i, size in zip(index, torchs.shape, strict=True)
    ):  # fmt: skip
        return index
    if not verdict.agrees and verdict.where:
        return verdict.where
    flat = int(np.abs(np.nan_to_num(torchs.values, nan=np.inf)).argmax())
    return tuple(int(i) for i in np.unravel_index(flat, torchs.shape))


def _difference(verdict: Verdict) -> str:
    return f"differs by {verdict.difference:.3g} at {list(verdict.where)}"


def _summed(text: str, summed: bool) -> str:
    return f"Σ broadcast ({text})" if summed else text


def _places(index: Index, shape: tuple[int, ...], full: tuple[int, ...]) -> list[Index]:
    """The elements, before what was broadcast is summed, that make up one element of the result."""
    axes = _broadcast_axes(full, shape)
    if not axes:
        return [index]
    extra = len(full) - len(shape)
    ranges = [range(size) if i in axes else (index[i - extra],) for i, size in enumerate(full)]
    return list(itertools.islice(itertools.product(*ranges), MOST_PLACES))


def _element(rule: Rule, case: Case, number: int, template: str, places: list[Index]) -> str:
    texts = [_element_at(rule, case, number, template, place) for place in places[:SHOWN_TERMS]]
    more = len(places) - len(texts)
    return " + ".join(texts) + (f" + {more:,} more" if more > 0 else "")


def _element_at(rule: Rule, case: Case, number: int, template: str, index: Index) -> str:
    if rule.element is None:
        return _filled(template, lambda name: _element_or_whole(case, name, index))
    found = rule.element(case, number, index)
    return found if isinstance(found, str) else sum_text(found)


def _element_or_whole(case: Case, name: str, index: Index) -> str:
    try:
        return case.at(name, index)
    except (IndexError, ValueError):
        return bracketed(_whole(case.operands.get(name)))


def sum_text(total: Sum) -> str:
    """A sum written out; of a long one the largest terms and how many more there are."""
    terms = list(total.terms)
    more = total.more
    if len(terms) > SHOWN_TERMS:
        more += len(terms) - SHOWN_TERMS
        largest = sorted(range(len(terms)), key=lambda i: -abs(terms[i].value))[:SHOWN_TERMS]
        terms = [terms[i] for i in largest]
    text = " + ".join(term.text for term in terms) or "0"
    if more:
        text += f" + {more:,} more"
    return f"{total.before}{text}{total.after}"


def _filled(template: str, fill: Callable[[str], str]) -> str:
    text = _OPERAND.sub(lambda match: fill(match.group(1)), template)
    return undoubled(text.replace("ᵀᵀ", ""))


def _name(case: Case, name: str) -> str:
    operand = case.operands.get(name)
    if name == "g":
        return "g"
    if isinstance(operand, Tensor):
        return operand.name or operand.label or name
    if isinstance(operand, (int, float)):
        return number_text(operand, "float64")
    return str(operand) if operand is not None and not isinstance(operand, (list, tuple, dict)) else name


def _names(case: Case, names: Sequence[str]) -> list[str]:
    operands = (case.operands[name] for name in names)
    called = [item.name or item.label for item in operands if isinstance(item, Tensor)]
    return [name.rstrip("ᵀ") for name in called if name]


def _made(case: Case, names: Sequence[str]) -> Iterator[tuple[str, tuple[int, int]]]:
    for item in (case.operands[name] for name in names):
        if isinstance(item, Tensor) and item.source is not None:
            yield (item.name or item.label or "").rstrip("ᵀ"), item.source


def _small(operand: Any) -> bool:
    return not isinstance(operand, Tensor) or operand.values.size <= WHOLE


def _whole(operand: Any) -> str:
    """A small tensor in brackets, row by row; of a large one its shape."""
    if not isinstance(operand, Tensor):
        return number_text(operand, "float64") if isinstance(operand, (int, float)) else str(operand)
    if operand.values.size > WHOLE:
        return "×".join(map(str, operand.shape))
    return _nested(operand.values, operand.dtype)


def _nested(values: Array, dtype: str) -> str:
    if not values.ndim:
        return number_text(values[()], dtype)
    return "[" + " ".join(_nested(row, dtype) for row in values) + "]"
