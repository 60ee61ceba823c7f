"""The learning rate three ways: what was used, what ``get_last_lr()`` says, and what ``get_lr()`` says.

``get_lr()`` is what ``step()`` calls to make the next rate out of the present one. Called by hand between
two steps, most schedulers apply their factor once more (pytorch issues 20486, 31871).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from backprop_tui.explain.evidence import Evidence
from backprop_tui.explain.formula import constant
from backprop_tui.explain.schedulers import stepping
from backprop_tui.explain.schedulers.forms import SCHEDULES
from backprop_tui.explain.schedulers.schedule import Unknown
from backprop_tui.explain.schedulers.stepping import Made, Now

CLOSE = 1e-9


def three_rates(
    used: Sequence[float], last: Sequence[float], get_lr: Sequence[float] | None, evidence: Evidence
) -> str:
    """Why the three are the same or not.

    ``used``: the rates of the last ``optimizer.step()``; ``last``: ``get_last_lr()``; ``get_lr``: what
    ``get_lr()`` says now, None if it raises NotImplementedError; ``evidence``: of the scheduler's last
    step, or of the scheduler as it is now.
    """
    return " ".join(text for text in (_of_used(used, last), _of_get_lr(last, get_lr, evidence)) if text)


def _of_used(used: Sequence[float], last: Sequence[float]) -> str:
    if _same(used, last):
        return f"The last optimizer.step() used {_text(used)}, and the next one will."
    return (
        f"The last optimizer.step() used {_text(used)}; scheduler.step() has set {_text(last)} for the next."
    )


def _of_get_lr(last: Sequence[float], get_lr: Sequence[float] | None, evidence: Evidence) -> str:
    kind = evidence.name
    if get_lr is None:
        return f"{kind} has no get_lr() of its own: get_last_lr() is the rate."
    schedule = SCHEDULES.get(kind)
    if schedule is None:
        return "" if _same(get_lr, last) else f"get_lr() says {_text(get_lr)}; get_last_lr() is the rate."
    if schedule.again is None and _same(get_lr, last):
        besides = " Calling it also sets the momentum." if schedule.momentum else ""
        return f"get_lr() agrees: it works the rate out from the epoch alone.{besides}"
    made = _by_hand(last, evidence)
    if made is None or schedule.again is None or not _same([made.value], get_lr[:1]):
        return f"get_lr() says {_text(get_lr)}: it is what step() uses to make the next rate, not the rate."
    if _same(get_lr, last):
        return "get_lr() happens to agree here."
    again = schedule.again.format(epoch=_epoch(evidence))
    return (
        f"get_lr() is not the rate: it {again}, {made.symbols} = {made.numbers} = {_text(get_lr)}. "
        "It is the factor applied again; get_last_lr() is the rate."
    )


def _by_hand(last: Sequence[float], evidence: Evidence) -> Made | None:
    """What ``get_lr()`` computes for the first group if it is called now."""
    spec = {**evidence.group, **(evidence.saved.get("after") or {})}
    now = Now(_epoch(evidence), spec.get("_step_count", 0))
    try:
        with np.errstate(all="ignore"):
            return stepping.computed(spec, list(last), now, spec["groups"])[0].rates[-1]
    except Unknown:
        return None


def _epoch(evidence: Evidence) -> int:
    after = evidence.saved.get("after") or evidence.group
    return int(after["last_epoch"])


def _same(one: Sequence[float], other: Sequence[float]) -> bool:
    return bool(np.allclose(one, other, rtol=CLOSE, atol=0))


def _text(rates: Sequence[float]) -> str:
    return ", ".join(constant(float(rate)) for rate in rates)
