"""One scheduler step: the rates that come out of the rates that were there, scheduler inside scheduler."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from backprop_tui.explain.evidence import Tensor
from backprop_tui.explain.formula import constant, numbers_of, rough, symbols_of, value_of
from backprop_tui.explain.numbers import display, rounded, shortest
from backprop_tui.explain.schedulers.forms import SCHEDULES
from backprop_tui.explain.schedulers.schedule import Form, Schedule, Unknown, Values

Spec = Mapping[str, Any]


@dataclass(frozen=True)
class Made:
    """One new number: a rate, or a momentum."""

    kind: str
    """Class of the scheduler that made it."""
    symbols: str
    numbers: str
    value: float
    why: str

    @property
    def unchanged(self) -> bool:
        return self.symbols == "lr"


@dataclass(frozen=True)
class Stepped:
    """What one step makes of one parameter group: each scheduler's rate in turn, and the momentum."""

    rates: tuple[Made, ...]
    momenta: tuple[Made, ...] = ()


@dataclass(frozen=True)
class Now:
    """The moment at which a scheduler computes: the epoch it goes to, and how it came there."""

    epoch: Any
    count: int
    """How often it has stepped, this step included."""
    closed: bool = False
    """Whether the rate is worked out from the epoch alone, if the scheduler can."""


def number(value: Any) -> Any:
    """A plain number: learning rates may be tensors."""
    return float(value.values.reshape(-1)[0]) if isinstance(value, Tensor) else value


def stepped(spec: Spec, rates: Sequence[float], epoch: Any, groups: Sequence[Spec]) -> list[Stepped]:
    """A call of ``step``; ``epoch`` None as it is usually called. Raises Unknown."""
    kind = spec["kind"]
    if kind == "ChainedScheduler":
        return _chained(spec, rates, groups)
    if kind == "SequentialLR":
        return _sequential(spec, rates, groups)
    schedule = _schedule(kind)
    now = Now(
        spec["last_epoch"] + 1 if epoch is None else epoch, spec.get("_step_count", 0) + 1, epoch is not None
    )
    if schedule.advance is not None:
        given = 0 if epoch is None and spec["last_epoch"] < 0 else epoch
        spec = {**spec, **schedule.advance(spec, given)}
    return computed(spec, rates, now, groups)


def _schedule(kind: str) -> Schedule:
    if kind not in SCHEDULES:
        raise Unknown(f"no rule for {kind} yet")
    return SCHEDULES[kind]


def _chained(spec: Spec, rates: Sequence[float], groups: Sequence[Spec]) -> list[Stepped]:
    """Every scheduler steps, each from the rates that the one before has left."""
    found = [Stepped(()) for _ in rates]
    for inner in spec["schedulers"]:
        made = stepped(inner, rates, None, groups)
        rates = [one.rates[-1].value for one in made]
        found = [
            Stepped(one.rates + new.rates, new.momenta or one.momenta)
            for one, new in zip(found, made, strict=True)
        ]
    return found


def _sequential(spec: Spec, rates: Sequence[float], groups: Sequence[Spec]) -> list[Stepped]:
    """The scheduler whose turn it is steps; at its milestone it begins with epoch 0."""
    epoch, milestones = spec["last_epoch"] + 1, list(spec["_milestones"])
    turn = bisect_right(milestones, epoch)
    inner = spec["schedulers"][turn]
    if turn and milestones[turn - 1] == epoch:
        if inner["kind"] not in SCHEDULES:
            raise Unknown(f"no rule for {inner['kind']} yet")
        return computed(inner, rates, Now(0, inner.get("_step_count", 0), True), groups)
    return stepped(inner, rates, None, groups)


def computed(spec: Spec, rates: Sequence[float], now: Now, groups: Sequence[Spec]) -> list[Stepped]:
    """What ``get_lr`` (or the closed form) says of each group at a moment. Raises Unknown."""
    schedule = _schedule(spec["kind"])
    found = []
    for position, rate in enumerate(rates):
        try:
            values = _values(schedule, spec, rate, position, now, groups[position])
            found.append(Stepped((_rate(schedule, spec, values, now),), _momentum(schedule, spec, values)))
        except (ArithmeticError, KeyError, IndexError) as error:
            raise Unknown(f"{spec['kind']} does not tell all that its rule needs ({error})") from error
    return found


def _values(schedule: Schedule, spec: Spec, rate: float, position: int, now: Now, own: Spec) -> Values:
    plain = {name: number(value) for name, value in own.items()}
    values: Values = {
        name: number(value) for name, value in spec.items() if isinstance(value, (int, float, Tensor))
    }
    values |= {"milestones": spec.get("milestones"), "cycle_momentum": bool(spec.get("cycle_momentum"))}
    values |= {"lr": rate, "epoch": now.epoch, "count": now.count, "group": position, "own": plain}
    values["dtype"] = own["lr"].dtype if isinstance(own.get("lr"), Tensor) else "float64"
    if "base_lrs" in spec:
        values["base_lr"] = number(spec["base_lrs"][position])
    return values | schedule.prepare(values, spec)


def _rate(schedule: Schedule, spec: Spec, values: Values, now: Now) -> Made:
    if now.closed and schedule.closed is not None:
        return _made(spec, Form(schedule.closed, "worked out from epoch {epoch} alone"), values)
    return _made(spec, next(form for form in schedule.forms if value_of(form.when, values)), values)


def _momentum(schedule: Schedule, spec: Spec, values: Values) -> tuple[Made, ...]:
    forms = [form for form in schedule.momentum if value_of(form.when, values)]
    return tuple(_made(spec, form, values) for form in forms[:1])


def _made(spec: Spec, form: Form, values: Values) -> Made:
    given = {name for name in ("epoch", *spec) if _is_number(values.get(name))}
    texts = {name: constant(float(values[name])) for name in given}
    texts |= {name: _rate_text(values[name], values["dtype"]) for name in ("lr", "base_lr") if name in values}
    words = {name: rough(value, "float64") if _is_number(value) else value for name, value in values.items()}
    return Made(
        kind=spec["kind"],
        symbols=symbols_of(form.formula),
        numbers=numbers_of(form.formula, texts, values, "float64"),
        value=float(value_of(form.formula, values)),
        why=form.why.format(**{**words, **texts}),
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _rate_text(value: float, dtype: str) -> str:
    return display(shortest(rounded(float(value), dtype), dtype))
