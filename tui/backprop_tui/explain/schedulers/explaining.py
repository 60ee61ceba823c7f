"""From the evidence of one ``scheduler.step()`` to its explanation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from backprop_tui.explain.check import Verdict, compare
from backprop_tui.explain.evidence import Evidence, Tensor
from backprop_tui.explain.explanation import NO, UNKNOWN, YES, Explanation
from backprop_tui.explain.formula import constant
from backprop_tui.explain.numbers import display, shortest
from backprop_tui.explain.schedulers import plateau, stepping
from backprop_tui.explain.schedulers.schedule import Unknown
from backprop_tui.explain.schedulers.stepping import Made, Stepped, number
from backprop_tui.explain.steps import Line


def explain_schedule(evidence: Evidence) -> Explanation:
    """Why the learning rates are what they are after a scheduler's step, group by group."""
    before, after = evidence.saved["lr_before"], evidence.saved.get("lr_after")
    try:
        with np.errstate(all="ignore"):
            found, counted, counters = _stepped(evidence)
    except Unknown as reason:
        shown = " → ".join(_texts(rates) for rates in (before, after) if rates is not None)
        return Explanation(str(reason), "", shown, UNKNOWN)
    checks = _checks(evidence, found, counters)
    bad = [(name, verdict) for name, verdict in checks.items() if not verdict.agrees]
    rates = [one.rates[-1].value for one in found]
    return Explanation(
        symbols=_joined([_form(one.rates, lambda made: made.symbols) for one in found]),
        numbers=_joined([_form(one.rates, lambda made: made.numbers) for one in found]),
        result=_texts(rates if after is None else after),
        verdict=UNKNOWN if after is None else NO if bad else YES,
        difference="; ".join(f"{name} differs by {one.difference:.3g}" for name, one in bad) or None,
        note=_reasons(evidence.name, found),
        lines=(*_counted(counted, checks), *_of_groups(found, after or [], checks)),
    )  # fmt: skip


def _stepped(evidence: Evidence) -> tuple[list[Stepped], list[tuple[str, Line]], dict[str, float]]:
    spec, given = evidence.group, evidence.saved.get("args") or {}
    rates = [float(number(rate)) for rate in evidence.saved["lr_before"]]
    if spec["kind"] == "ReduceLROnPlateau":
        if "metrics" not in given:
            raise Unknown("the metric that step() was given is not known")
        return plateau.stepped(spec, rates, float(number(given["metrics"])))
    return stepping.stepped(spec, rates, number(given.get("epoch")), spec["groups"]), [], {}


# verdicts
def _checks(
    evidence: Evidence, found: Sequence[Stepped], counters: Mapping[str, float]
) -> dict[str, Verdict]:
    """How every rate, momentum and counter compares with torch's."""
    checks = {}
    after = evidence.saved.get("lr_after") or []
    for position, (one, torchs) in enumerate(zip(found, after, strict=False)):
        # Differences of rates round relative to the largest rate around.
        scale = max(abs(float(number(evidence.saved["lr_before"][position]))), _base(evidence, position))
        checks[_named("lr", position, len(found))] = _check(torchs, one.rates[-1].value, scale)
        momentum = _momentum_of(evidence, position)
        if one.momenta and momentum is not None:
            checks[_named("momentum", position, len(found))] = _check(momentum, one.momenta[-1].value, 1.0)
    own = evidence.saved.get("after") or {}
    checks |= {name: _check(own[name], value, 0.0) for name, value in counters.items() if name in own}
    return checks


def _check(torchs: Any, ours: float, scale: float) -> Verdict:
    tensor = torchs if isinstance(torchs, Tensor) else Tensor(np.asarray(float(torchs)), "float64")
    return compare(Tensor(tensor.values.reshape(()), tensor.dtype), np.asarray(ours), np.asarray(scale))


def _base(evidence: Evidence, position: int) -> float:
    base = evidence.group.get("base_lrs") or ()
    return abs(float(number(base[position]))) if position < len(base) else 0.0


def _momentum_of(evidence: Evidence, position: int) -> Any:
    groups = evidence.saved.get("groups_after")
    if groups is None:
        return None
    betas = groups[position].get("betas")
    return groups[position].get("momentum") if betas is None else betas[0]


def _named(name: str, position: int, groups: int) -> str:
    return name if groups == 1 else f"group {position}: {name}"


# text
def _text(rate: Any) -> str:
    if isinstance(rate, Tensor):
        return display(shortest(float(number(rate)), rate.dtype))
    return constant(float(rate))


def _texts(rates: Sequence[Any]) -> str:
    return ", ".join(map(_text, rates))


def _form(made: Sequence[Made], part: Any) -> str:
    """One group's formula; of several schedulers those that change the rate, in their order."""
    changing = [one for one in made if not one.unchanged] or list(made[-1:])
    return ", then ".join(part(one) for one in changing)


def _joined(texts: Sequence[str]) -> str:
    return texts[0] if len(set(texts)) == 1 else " | ".join(texts)


def _reasons(name: str, found: Sequence[Stepped]) -> str:
    """Why these formulas; with the scheduler's name if it is one inside another."""
    texts = [(f"{made.kind}: " if made.kind != name else "") + made.why for made in found[0].rates]
    texts += [made.why for made in found[0].momenta]
    return "; ".join(texts)


def _counted(counted: Sequence[tuple[str, Line]], checks: Mapping[str, Verdict]) -> list[Line]:
    """What a scheduler counts; the last line of each counter with its verdict."""
    last = {name: position for position, (name, _) in enumerate(counted)}
    return [
        Line(
            line.symbols, line.numbers, line.value, _mark(checks.get(name)) if last[name] == position else ""
        )
        for position, (name, line) in enumerate(counted)
    ]


def _of_groups(found: Sequence[Stepped], after: Sequence[Any], checks: Mapping[str, Verdict]) -> list[Line]:
    lines: list[Line] = []
    for position, one in enumerate(found):
        name = _named("lr", position, len(found))
        verdict = _mark(checks.get(name))
        lines += [_line(name, made, constant(made.value), "") for made in one.rates[:-1]]
        value = _text(after[position]) if verdict == YES else constant(one.rates[-1].value)
        lines.append(_line(name, one.rates[-1], value, verdict))
        name = _named("momentum", position, len(found))
        lines += [_line(name, made, constant(made.value), _mark(checks.get(name))) for made in one.momenta]
    return lines


def _mark(verdict: Verdict | None) -> str:
    return "" if verdict is None else YES if verdict.agrees else NO


def _line(name: str, made: Made, value: str, verdict: str) -> Line:
    why = f"{made.kind}: {made.why}"
    if made.unchanged:
        return Line(name, "", value, verdict, why)
    return Line(
        f"{name} = {made.symbols}", "" if made.numbers == value else made.numbers, value, verdict, why
    )
