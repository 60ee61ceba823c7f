"""What a session shows at every stop of one walk forwards, and where the definition of a move leads on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from backprop_tui.debugger.view import View
from backprop_tui.protocol import Record
from support.driving import Driver

Time = tuple[int, int]
SUMMARIES = ("norm", "min", "max", "nonfinite")


@dataclass(frozen=True)
class Sight:
    """What a stop shows, apart from how it was reached."""

    status: str
    time: Time
    iteration: int
    number: int
    next: Record | None
    last: Record | None
    open: tuple[Record, ...]
    frames: Any
    parameters: Any
    losses: Any
    rates: Any
    records: tuple[Record, ...]
    length: int | None
    """Operations in the iteration before."""
    output: tuple[str, str]
    toggles: Any
    changes: tuple[tuple[str, str, Time], ...]

    @property
    def depth(self) -> int:
        return 0 if self.next is None else self.next["depth"]

    @property
    def kernel(self) -> bool:
        return self.next is not None and self.next["level"] == "kernel"

    @property
    def line(self) -> int | None:
        return None if self.next is None else self.next["line"]


def sight(view: View) -> Sight:
    stop = view.stop
    assert stop is not None
    streams = [
        "".join(chunk.text for chunk in view.output if chunk.stream == stream) for stream in ("out", "err")
    ]
    return Sight(
        view.status, stop.time, stop.iteration, stop.number, stop.next, stop.last, stop.open, stop.frames,
        view.parameters, view.losses, view.rates, tuple(map(plain, view.records)), view.iteration_length,
        (streams[0], streams[1]), view.toggles,
        tuple((change.kind, change.chip, change.time) for change in view.changes),
    )  # fmt: skip


def plain(value: Any) -> Any:
    """A record without the summaries of large tensors: only `next` and `last` are sure to have them."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items() if key not in SUMMARIES}
    return [plain(item) for item in value] if isinstance(value, list) else value


def _forgetful(value: Any, since: Time) -> Any:
    """Without what need not come back: the origin of what was made before a time, as after a jump nobody
    has seen that; and numbers before training, where `torch.empty` shows what was in memory."""
    if isinstance(value, dict):
        left_out = {key for key in ("source", "origin") if value.get(key) and tuple(value[key]) < since}
        if value.get("iteration") == 0:
            left_out |= {"inputs", "outputs", "before", "after"}
        return {key: _forgetful(item, since) for key, item in value.items() if key not in left_out}
    return [_forgetful(item, since) for item in value] if isinstance(value, list | tuple) else value


def difference(seen: Sight, known: Sight, since: Time) -> str:
    """The names of what differs, with both values; ``since``: from when on operations were observed."""
    found = []
    for name in seen.__dataclass_fields__:
        one, other = (_forgetful(getattr(place, name), since) for place in (seen, known))
        if one != other:
            found.append(f"{name}: {_short(one, other)}")
    return "\n".join(found)


def _short(one: Any, other: Any) -> str:
    if isinstance(one, list) and isinstance(other, list) and len(one) != len(other):
        return f"{len(one)} against {len(other)} entries"
    if isinstance(one, list) and isinstance(other, list):
        return "; ".join(_short(a, b) for a, b in zip(one, other, strict=True) if a != b)
    if isinstance(one, dict) and isinstance(other, dict):
        keys = [key for key in one.keys() | other.keys() if one.get(key) != other.get(key)]
        return f"{one.get('name')} {one.get('time')} " + ", ".join(
            f"{k}: {one.get(k)} against {other.get(k)}" for k in keys
        )
    return f"{one} against {other}"


def walk(driver: Driver) -> list[Sight]:
    """What is seen from here to the end of the script, at every stop."""
    sights = [sight(driver.view)]
    while driver.status == "stopped":
        driver.step("into")
        sights.append(sight(driver.view))
    return sights


class RecordedRun:
    """A walk into everything, from the first operation to the end of the script; a place is an index."""

    def __init__(self, sights: Sequence[Sight]) -> None:
        self.sights = sights

    @property
    def end(self) -> int:
        """The place where the script is over."""
        return len(self.sights) - 1

    @property
    def lines(self) -> list[int]:
        """Those on which something ran."""
        return sorted({place.line for place in self.sights if place.line is not None})

    def ahead(self, at: int, how: str) -> int:
        """Where a step forwards leads: the first place after this one that the way of stepping sees."""
        here = self.sights[at]
        for index in range(at + 1, self.end):
            place = self.sights[index]
            if how == "out" and here.depth == 0:
                if place.iteration > here.iteration:
                    return index
            elif sees(place, how, here):
                return index
        return self.end

    def behind(self, at: int, how: str) -> int | None:
        """Where a step backwards leads; None if there is nothing before the recorded run."""
        for index in range(at - 1, -1, -1):
            if sees(self.sights[index], how, self.sights[at]):
                return index
        return None

    def visits(self, lines: set[int]) -> list[int]:
        """Where control comes to one of the lines: operations of one line in a row are one visit, with
        what they contain and whatever other lines they call in between. A new iteration is a new visit."""
        found = []
        siblings: dict[Time, tuple[int | None, int]] = {}
        for index, place in enumerate(self.sights[:-1]):
            above = [(record["line"], record["iteration"]) for record in place.open]
            parent = (place.open[-1]["time"][0], place.open[-1]["time"][1]) if place.open else (-1, 0)
            here = (place.line, place.iteration)
            before, siblings[parent] = siblings.get(parent), here
            if place.line in lines and here not in (before, *above):
                found.append(index)
        return found

    def first_from(self, iteration: int, number: int) -> int:
        """The first place that is not before an operation of an iteration; the end if there is none."""
        places = enumerate(self.sights[: self.end])
        wanted = (iteration, number)
        return next((i for i, place in places if (place.iteration, place.number) >= wanted), self.end)

    def observed_from(self, at: int) -> Time:
        """From when on a session that went straight to a place has seen the operations."""
        iteration = self.sights[at].iteration
        return next(place.time for place in self.sights if place.iteration == iteration)


def sees(place: Sight, how: str, here: Sight) -> bool:
    """Whether a way of stepping from `here` stops at a place."""
    if how == "into":
        return True
    if how == "walk":
        return not place.kernel
    limit = here.depth - (how == "out" and here.depth > 0)
    return place.depth <= limit and (here.kernel or not place.kernel)
