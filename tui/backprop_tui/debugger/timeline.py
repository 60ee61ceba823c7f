"""Where we are, what is known of the past, and from which checkpoint to reach a time.

Pure logic over plain values: no process and no socket is touched here.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import TypeVar

from backprop_tui.protocol import KERNEL, Record, Time

START: Time = (0, 0)
_KEPT_RECORDS = 60_000
_KEPT_WARNINGS = 1_000


def observed_from(iteration: int) -> int:
    """The iteration with which observation must begin, for one to be observed: none can begin between the
    iterations 0 and 1, for no landmark lies there."""
    return iteration if iteration > 1 else 0


def time_of(record: Record) -> Time:
    """The time at which a record's operation began."""
    landmark, operation = record["time"]
    return (landmark, operation)


@dataclass
class Trail:
    """The operations that were seen, without a gap from `since` up to the cursor."""

    since: Time = START
    records: dict[Time, Record] = field(default_factory=dict)
    """Completed operations, in the order of completion."""
    open: tuple[Record, ...] = ()
    warnings: list[Record] = field(default_factory=list)
    """What the script was warned of; these records are of no operation."""
    _iterations: dict[int, dict[Time, tuple[int, Record]]] = field(default_factory=dict)
    """The records by iteration in the order of completion, each with its place in it."""
    _lengths: dict[int, int] = field(default_factory=dict)
    """The highest number of an operation in an iteration, where it has been asked for."""
    _added: int = 0

    def add(self, records: Iterable[Record]) -> None:
        """Operations that completed."""
        for record in records:
            time = time_of(record)
            if time >= self.since:
                self._drop(time)
                self._enter(time, record)

    def _enter(self, time: Time, record: Record) -> None:
        self._added += 1
        self.records[time] = record
        self._iterations.setdefault(record["iteration"], {})[time] = self._added, record
        self._lengths.pop(record["iteration"], None)

    def _drop(self, time: Time) -> None:
        record = self.records.pop(time, None)
        if record is not None:
            del self._iterations[record["iteration"]][time]
            self._lengths.pop(record["iteration"], None)

    def _keep(self, stays: Callable[[Time], bool]) -> None:
        known, self.records = self.records, {}
        self._iterations, self._lengths = {}, {}
        for time, record in known.items():
            if stays(time):
                self._enter(time, record)

    def warn(self, warnings: Iterable[Record]) -> None:
        """Warnings that the script was shown."""
        for warning in warnings:
            if time_of(warning) >= self.since and warning not in self.warnings:
                self.warnings.append(warning)
        del self.warnings[:-_KEPT_WARNINGS]

    def cut(self, time: Time) -> None:
        """Forget what began at or after a time."""
        self._keep(lambda when: when < time)
        self.warnings = [warning for warning in self.warnings if time_of(warning) < time]

    def reset(self, since: Time) -> None:
        """Nothing is known any more; ``since`` is where it begins again."""
        self.since = since
        self.records, self._iterations, self._lengths = {}, {}, {}
        self.warnings = []
        self.open = ()

    def reset_to(self, since: Time) -> None:
        """Nothing before ``since`` is known any more."""
        self.since = since
        self._keep(lambda when: when >= since)
        self.warnings = [warning for warning in self.warnings if time_of(warning) >= since]

    def set_open(self, records: Iterable[Record]) -> None:
        """Operations that have begun: what completed of them in another future did not here."""
        self.open = tuple(records)
        for record in self.open:
            self._drop(time_of(record))

    def thin(self) -> None:
        """Keep the newest; forgetting is honest as long as `since` says so."""
        if len(self.records) > _KEPT_RECORDS:
            kept = sorted(self.records)[-_KEPT_RECORDS // 2 :]
            self.since = kept[0]
            self._keep(lambda when: when >= kept[0])

    def recent(self, iteration: int) -> tuple[Record, ...]:
        """Completed operations of an iteration and the one before it."""
        before, here = self._of(iteration - 1), self._of(iteration)
        found = [*before.values(), *here.values()]
        # What contains the operations of a later iteration completes after them.
        if before and here and found[len(before) - 1][0] > found[len(before)][0]:
            found.sort(key=itemgetter(0))
        return tuple(record for _, record in found)

    def _of(self, iteration: int) -> dict[Time, tuple[int, Record]]:
        return self._iterations.get(iteration, {})

    def recent_warnings(self, iteration: int) -> tuple[Record, ...]:
        """What the script was warned of in an iteration and the one before it."""
        return tuple(warning for warning in self.warnings if warning["iteration"] >= iteration - 1)

    def length_of(self, iteration: int) -> int | None:
        """Operations in an iteration, None if it was not seen to its end."""
        if iteration not in self._lengths and (records := self._of(iteration)):
            self._lengths[iteration] = max(record["number"] for _, record in records.values())
        return self._lengths.get(iteration)

    def before(self, cursor: Time, depth: int | None, kernels: bool) -> Record | None:
        """The last operation that began before the cursor and is not deeper than ``depth``."""

        def leads_there(record: Record) -> bool:
            seen = record["level"] != KERNEL or kernels
            return seen and time_of(record) < cursor and (depth is None or record["depth"] <= depth)

        best = max(filter(leads_there, self.open), key=time_of, default=None)
        for iteration in sorted(self._iterations, reverse=True):
            records = (record for _, record in self._iterations[iteration].values())
            last = max(filter(leads_there, records), key=time_of, default=None)
            if last is not None:  # those of earlier iterations began earlier
                return last if best is None else max(last, best, key=time_of)
        return best


def back_target(trail: Trail, cursor: Time, depth: int, how: str, from_kernel: bool = False) -> Record | None:
    """Where a step backwards leads: None if it lies before what the trail knows.

    walk and into go to the operation before; over to the one before on the same level or above it,
    so that what it contains is undone as a whole; out to the beginning of what contains us. These
    two see kernels only when they start from one.
    """
    if how == "walk":
        return trail.before(cursor, None, False)
    if how == "into":
        return trail.before(cursor, None, True)
    limit = max(depth - 1, 0) if how == "out" else depth
    return trail.before(cursor, limit, from_kernel)


@dataclass(frozen=True)
class Place:
    """A checkpoint, as far as choosing among them is concerned."""

    time: Time
    iteration: int
    """The iteration that it is in, or that begins there."""
    changes: int
    """How many changes of the log its state has taken in."""
    memory: int = 0
    """Private bytes."""
    counted: bool = True
    """The operations of the iteration that it is in, or that has just ended, were observed: their numbers
    are right. (A step of a scheduler comes after the landmark that ends an iteration.)"""


P = TypeVar("P", bound=Place)


def nearest(places: Sequence[P], target: Time) -> P | None:
    """The newest checkpoint that is not after a time."""
    return max(
        (place for place in places if place.time <= target), key=lambda place: place.time, default=None
    )


def coordinate(time: Time) -> float:
    """A time as one number: landmarks are what running costs."""
    return time[0] + min(time[1], 9_999) * 1e-4


def victim(places: Sequence[P], now: Time, keep: Sequence[P] = ()) -> P | None:
    """Which checkpoint to give up: the one whose loss lengthens the way back the least.

    The gap that its loss would leave is weighed by its age, so what remains is dense near the
    cursor and ever sparser behind it.
    """
    ordered = sorted(places, key=lambda place: place.time)
    here = coordinate(now)
    best: tuple[float, P] | None = None
    for before, place, after in zip(ordered, ordered[1:], [*ordered[2:], None], strict=False):
        if place in keep:
            continue
        end = coordinate(after.time) if after is not None else max(here, coordinate(place.time))
        gap = end - coordinate(before.time)
        age = abs(here - coordinate(place.time))
        score = gap / (age + 0.02 * here + 1.0)
        if best is None or score < best[0]:
            best = (score, place)
    return None if best is None else best[1]


class Digests:
    """What each landmark looked like the first time, to notice when a replay differs."""

    def __init__(self) -> None:
        self._known = array("Q")

    def compare(self, landmark: int, digest: int) -> bool:
        """Take a landmark's digest in; False if the landmark was known and looked otherwise."""
        index = landmark - 1
        if index < len(self._known):
            known = self._known[index]
            self._known[index] = digest + 1
            return known in (0, digest + 1)
        self._known.extend([0] * (index - len(self._known)))
        self._known.append(digest + 1)
        return True

    def cut(self, landmark: int) -> None:
        """The future after a landmark is another one now."""
        del self._known[max(landmark, 0) :]

    def until(self, landmark: int) -> list[tuple[int, int]]:
        """(landmark, digest) of those that are known, up to a landmark."""
        return [(place + 1, known - 1) for place, known in enumerate(self._known[:landmark]) if known]

    def at(self, landmark: int) -> int | None:
        """The digest of a landmark, None if it has not been reached."""
        known = self._known[landmark - 1] if 0 < landmark <= len(self._known) else 0
        return known - 1 if known else None


class Starts:
    """At which landmark each iteration began."""

    def __init__(self) -> None:
        self._landmarks = array("q")

    def enter(self, iteration: int, landmark: int) -> None:
        """An iteration began; if it began elsewhere before, what is known of the later ones is void."""
        index = iteration - 1
        if index < 0 or (index < len(self._landmarks) and self._landmarks[index] == landmark):
            return
        del self._landmarks[index:]
        self._landmarks.extend([landmark] * (index + 1 - len(self._landmarks)))

    def of(self, iteration: int) -> Time:
        """The time at which an iteration began, as far as known; the start for iteration 0."""
        if iteration <= 0 or not self._landmarks:
            return START
        return (self._landmarks[min(iteration, len(self._landmarks)) - 1], 0)

    def known(self, iteration: int) -> bool:
        """Whether an iteration has begun."""
        return iteration <= len(self._landmarks)

    def of_landmark(self, landmark: int) -> int:
        """The iteration in which a landmark's operations lie."""
        low, high = 0, len(self._landmarks)
        while low < high:
            middle = (low + high) // 2
            if self._landmarks[middle] <= landmark:
                low = middle + 1
            else:
                high = middle
        return low
