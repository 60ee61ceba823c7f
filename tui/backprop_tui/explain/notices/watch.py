"""Looks at records as they come and says what seems to be wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from backprop_tui.explain.notices.clipping import Clipping
from backprop_tui.explain.notices.errors import Errors
from backprop_tui.explain.notices.gradients import Gradients
from backprop_tui.explain.notices.graphs import Graphs
from backprop_tui.explain.notices.losses import Losses
from backprop_tui.explain.notices.modes import Modes
from backprop_tui.explain.notices.notice import Notice, notice
from backprop_tui.explain.notices.outputs import DeadReLU, NonFinite
from backprop_tui.explain.notices.ownership import Ownership
from backprop_tui.explain.notices.passes import Passes
from backprop_tui.explain.notices.past import Past
from backprop_tui.explain.notices.schedules import Schedules
from backprop_tui.explain.notices.steps import Steps
from backprop_tui.explain.notices.updates import Updates
from backprop_tui.explain.notices.warned import Warned
from backprop_tui.protocol import Record

Handler = Callable[[Record], None]
DETECTORS: tuple[Callable[..., Any], ...] = (
    Errors,
    Warned,
    Gradients,
    Passes,
    Ownership,
    Steps,
    Clipping,
    Schedules,
    Updates,
    Graphs,
    Losses,
    Modes,
    NonFinite,
    DeadReLU,
)
"""Each is made with (past, give) and has `handlers`: from a kind of record, ``error``, or ``name of a
function`` with a colon before it, to a method that takes the record."""

_MADE = frozenset({"op", "module", "forward", "loss"})
_CALLS = frozenset({"op", "loss"})


class Watch:
    """The notices of one run, from its records in the order in which operations completed.

    What is kept is about this iteration, the one before, and each parameter: a run may be long.
    It may also begin in its middle: what lies before is then not known, and nothing is said that
    depends on it.
    """

    def __init__(self) -> None:
        self._past = Past()
        self._found: list[Notice] = []
        self._given: set[tuple[Any, ...]] = set()
        self._handlers: dict[str, list[Handler]] = {}
        for detector in DETECTORS:
            for key, handler in detector(self._past, self._give).handlers().items():
                self._handlers.setdefault(key, []).append(handler)
        self._by_name = {key[1:]: found for key, found in self._handlers.items() if key.startswith(":")}

    def see(self, record: Record) -> list[Notice]:
        """Take one record in, and give what there is to say now."""
        past, kind = self._past, record["kind"]
        if record["iteration"] != past.iteration:
            self._turn(record)
        if "error" in record:
            self._tell(self._handlers.get("error", ()), record)
        else:
            self._tell(self._handlers.get(kind, ()), record)
            if kind in _CALLS:
                self._tell(self._by_name.get(record["name"], ()), record)
            if kind in _MADE:
                past.made(record)
        found, self._found = self._found, []
        return found

    @staticmethod
    def _tell(handlers: Iterable[Handler], record: Record) -> None:
        for handler in handlers:
            handler(record)

    def _turn(self, record: Record) -> None:
        if self._past.iteration < 0:
            self._past.begin(record)
        self._past.begin_iteration(record["iteration"])
        self._given.clear()
        self._tell(self._handlers.get("iteration", ()), record)

    def _give(self, name: str, record: Record, text: str, subject: str = "", **prose: str) -> None:
        key = (name, record.get("file"), record.get("line"), subject)
        if key not in self._given:
            self._given.add(key)
            self._found.append(notice(name, record, text, subject, **prose))


def notices_of(records: Sequence[Record]) -> list[Notice]:
    """What there is to say of this iteration and the one before, given their records.

    Warnings may stand anywhere among them.
    """
    watch = Watch()
    found = [notice for record in _in_order(records) for notice in watch.see(record)]
    return sorted(found, key=lambda notice: notice.time)


def _in_order(records: Sequence[Record]) -> Iterator[Record]:
    """Each warning before the first operation that completed and had not begun before it."""
    warnings = sorted((record for record in records if record["kind"] == "warning"), key=_time)
    for record in records:
        if record["kind"] == "warning":
            continue
        while warnings and _time(warnings[0]) <= _time(record):
            yield warnings.pop(0)
        yield record
    yield from warnings


def _time(record: Record) -> tuple[int, int]:
    return record["time"][0], record["time"][1]
