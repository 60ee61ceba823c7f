"""Who wrote a value, and where the first value that is not finite came from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from backprop_tui.debugger.breakpoints import Breakpoint
from backprop_tui.debugger.failure import Refused
from backprop_tui.debugger.processes import Checkpoint
from backprop_tui.debugger.run import EVERYTHING, Run, Target, goal_of
from backprop_tui.debugger.scout import Scout
from backprop_tui.debugger.stopping import near, stretches
from backprop_tui.debugger.timeline import START
from backprop_tui.debugger.wire import Message
from backprop_tui.protocol import Time

_LASTING = Breakpoint("non-finite", "lasting")
_OPERATION = Breakpoint("non-finite", "operation")


@dataclass(frozen=True)
class Culprit:
    """An operation that was looked for; to be stood before."""

    time: Time
    iteration: int
    sentence: str

    @property
    def target(self) -> Target:
        """Where it is."""
        return Target(self.iteration, time=self.time)


# who wrote this
async def who_wrote(run: Run, scout: Scout, name: str, attribute: str, index: Sequence[int]) -> Culprit:
    """The operation that last changed an element. Raises Refused if none has."""
    assert run.stop is not None
    part = "" if attribute == "value" else f".{attribute.removeprefix('state.')}"
    what = f"{name}{part}[{','.join(map(str, index))}]" if index else f"{name}{part}"
    track = {"name": name, "attr": attribute, "index": list(index)}
    for base, goal in stretches(run, run.stop):
        go = {**goal.condition(), "observe": EVERYTHING, "track": track}
        found = (await scout.send(base, go))["watched"]
        if found is not None:
            return _writer(what, found)
    raise Refused(f"no operation has changed {what} since the script began")


def _writer(what: str, found: Message) -> Culprit:
    landmark, operation = found["time"]
    by = found["name"] if not found["change"] else f"your change {found['change']}"
    if found["kind"] == "update":
        by = f"the update by {found['name']}"
    before, after = (_shown(found[when], found["dtype"]) for when in ("before", "after"))
    if found["before"] == "absent":
        sentence = f"{what} was made by {by}: {after}"
    elif found["change"]:
        sentence = f"{what}: {before} → {after} was {by}"
    else:
        sentence = f"{what}: {before} → {after} is what the next operation, {by}, does"
    return Culprit((landmark, operation), found["iteration"], sentence)


def _shown(value: str, dtype: str) -> str:
    """As many digits as its dtype can tell apart."""
    from backprop_tui.explain.numbers import display, shortest

    try:
        return display(shortest(float(value), dtype))
    except (ValueError, KeyError):
        return value


# first bad
async def first_bad(run: Run, scout: Scout) -> Culprit:
    """The operation that made the first value that is not finite, of those that still show in a loss, a
    gradient, a parameter, a buffer or an optimizer's state; else of all in the run. Raises Refused."""
    assert run.stop is not None
    end = goal_of(run.stop)
    for goal in (*_bad_losses(run), end):
        clean, bad = await _between_checkpoints(run, scout, goal)
        found = await _search(run, scout, clean, bad)
        if found is not None:
            return found
    if clean.time > START:
        found = await _search(run, scout, run.processes.nearest(START), end)
    if found is None:
        raise Refused("no loss, gradient, parameter or state was NaN or infinite up to here")
    return found


def _bad_losses(run: Run) -> list[Target]:
    """The first loss that is not finite, as something to run to."""
    landmarks = (point["landmark"] for point in run.history.losses if isinstance(point["value"], str))
    first = next(landmarks, None)
    return [] if first is None else [Target(0, time=(first, 0))]


async def _between_checkpoints(run: Run, scout: Scout, goal: Target) -> tuple[Checkpoint, Target]:
    """A checkpoint at which everything that lasts was finite, and a later place, up to which to look: the
    next checkpoint, if something was not finite there. Found by bisection."""
    assert goal.time is not None
    root = run.processes.nearest(START)
    places = sorted((place for place in run.processes.checkpoints if place.time < goal.time), key=_time)
    low, high = -1, len(places)
    while high - low > 1:
        middle = (low + high) // 2
        place = places[middle]
        await scout.send(place, {"time": list(place.time), "observe": EVERYTHING})
        if await scout.ask("nonfinite"):
            high = middle
        else:
            low = middle
    clean = root if low < 0 else places[low]
    return clean, goal if high == len(places) else Target(0, time=places[high].time)


def _time(place: Checkpoint) -> Time:
    return place.time


async def _search(run: Run, scout: Scout, base: Checkpoint, goal: Target) -> Culprit | None:
    """Run on at full speed to the first landmark at which something is not finite; observe the iterations
    around it; if nothing is found in them, everything from the base on."""
    starts = run.history.starts
    go = {**goal.condition(), "breaks": [_LASTING.wire(0, 1)], "observe": near(run, goal)}
    message = await scout.send(base, go)
    if message["reason"] == "breakpoint":
        goal = Target(0, time=(message["hits"][0]["landmark"], 0))
    iteration = starts.of_landmark(max(message["hits"][0]["landmark"] - 1, 0)) if message["hits"] else 0
    iteration = iteration or message["iteration"]
    first = max(iteration - 1, 0)
    begin = run.processes.nearest(starts.of(first))
    found = _fresh(await _makers(scout, begin, goal, first), iteration)
    if found is not None or not message["hits"]:
        return found
    # It was made earlier, and carried on in something that is no parameter and no state.
    for earlier in (base, run.processes.nearest(START)):
        hits = await _makers(scout, earlier, goal, 0)
        if any(hit["made"] for hit in hits):
            break
    return _rare(hits)


async def _makers(scout: Scout, base: Checkpoint, goal: Target, first: int) -> list[Message]:
    """Every operation of a stretch that makes NaN or infinity."""
    go = {**goal.condition(), "breaks": [_OPERATION.wire(0, 1)], "collect": True, "observe": [[first, None]]}
    found: list[Message] = (await scout.send(base, go))["hits"]
    return found


def _fresh(found: list[Message], iteration: int) -> Culprit | None:
    """The first of an iteration that did not do the same in the one before, after which all was well.

    None if there is none, or if the iteration was given NaN from before it.
    """
    usual = {_key(hit) for hit in found if hit["iteration"] < iteration}
    fresh = [hit for hit in found if hit["iteration"] == iteration and _key(hit) not in usual]
    return _first_bad(fresh[0]) if fresh and fresh[0]["made"] else None


def _rare(found: list[Message]) -> Culprit | None:
    """The first that did so in one iteration only; else the first at all."""
    iterations: dict[tuple[Any, ...], set[int]] = {}
    for hit in found:
        iterations.setdefault(_key(hit), set()).add(hit["iteration"])
    made = [hit for hit in found if hit["made"]]
    for hits in ([hit for hit in made if len(iterations[_key(hit)]) == 1], made, found):
        if hits:
            return _first_bad(hits[0])
    return None


def _key(hit: Message) -> tuple[Any, ...]:
    return (*hit["key"], hit["made"])


def _first_bad(hit: Message) -> Culprit:
    landmark, operation = hit["time"]
    why = "of finite numbers" if hit["made"] else "that no operation of the script has made"
    name, _, does = hit["text"].partition(" ")
    sentence = f"first bad: the next operation, {name}, {does} {why}"
    return Culprit((landmark, operation), hit["iteration"], sentence)
