"""Breakpoints: as they are typed, as they are listed, as the debuggee wants them."""

from __future__ import annotations

import contextlib
import math
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from backprop_tui.debugger.failure import Refused

FULL_SPEED = "full speed"
GRADIENTS = "reads gradients"
GRAPH = "walks graph"
COPIES = "copies parameters"
OBSERVED = "observed"
RESULTS = "looks at results"
RECORDED = "recorded"
COSTS = {
    FULL_SPEED: "some µs an iteration",
    GRADIENTS: "each, or each parameter, once an iteration",
    COPIES: "at each step, and compares them",
    GRAPH: "of each backward pass, about 1 µs a node",
    OBSERVED: "every operation, 1.2 to 4 times as slow",
    RESULTS: "of every operation, 2 to 8 times as slow",
    RECORDED: "every operation, 3 to 22 times as slow",
}
"""What it costs to look for a breakpoint while running, in words."""


@dataclass(frozen=True)
class Form:
    """One way of writing a breakpoint."""

    written: str
    meaning: str
    cost: str


FORMS: tuple[Form, ...] = (
    Form("loss > 10", "backward from a loss above (<: below)", FULL_SPEED),
    Form("loss rising 5", "the loss has risen 5 times in a row", FULL_SPEED),
    Form("non-finite loss", "the loss is NaN or infinite", FULL_SPEED),
    Form("grad None", "a step meets a gradient that is None", FULL_SPEED),
    Form("scheduler first", "scheduler.step() before optimizer.step()", FULL_SPEED),
    Form("lr changed", "the learning rate is another one", FULL_SPEED),
    Form("iteration 50", "an iteration begins", FULL_SPEED),
    Form("non-finite", "a loss, gradient, parameter is NaN or inf", GRADIENTS),
    Form("non-finite gradient", "only a gradient", GRADIENTS),
    Form("non-finite parameter", "only a parameter, after a step", GRADIENTS),
    Form("grad norm > 100", "norm of all gradients above (<: below)", GRADIENTS),
    Form("grad zero", "a step meets a gradient that is all 0", GRADIENTS),
    Form("grad zero of fc.bias", "of this one (grad None of … too)", GRADIENTS),
    Form("unchanged parameter", "a step leaves a parameter as it was", COPIES),
    Form("unchanged fc.bias", "it leaves this one (fc.*, …) as it was", COPIES),
    Form("changed fc.bias", "a step changes this one", COPIES),
    Form("frozen changed", "… one that requires no gradient", COPIES),
    Form("no optimizer", "a parameter with a gradient is in none", GRAPH),
    Form("backward twice", "backward adds to gradients not cleared", GRAPH),
    Form("op relu", "an operation is next (*Backward0, step)", OBSERVED),
    Form("update of fc.weight", "the update of a parameter is next", OBSERVED),
    Form("non-finite forward", "an operation makes NaN or inf", RESULTS),
    Form("line 16", "control comes to a line (line FILE:16)", OBSERVED),
    Form("notice stale-gradient", "a notice is given, by its name", RECORDED),
)
"""Everything that can be typed. ``*`` and ``?`` stand for parts of a name; `` x3`` at the end: the third
time."""


@dataclass(frozen=True)
class Breakpoint:
    """What a run is to stop for."""

    kind: str
    what: Any = None
    """A pattern of names, ``>`` or ``<``, (file, line), or which values."""
    threshold: float = 0.0
    """Of a kind without one 0, which is equal to itself."""
    count: int = 1
    """Stop at the n-th hit from where the run is continued."""
    enabled: bool = True

    @property
    def text(self) -> str:
        """As it can be typed."""
        return _WRITTEN[self.kind](self) + (f" x{self.count}" if self.count > 1 else "")

    @property
    def cost(self) -> str:
        """A key of `COSTS`."""
        if self.kind == "non-finite":
            return {"loss": FULL_SPEED, "forward": RESULTS}.get(self.what, GRADIENTS)
        if self.kind == "gradient":
            return FULL_SPEED if self.what[1] == "None" else GRADIENTS
        return _COST_OF.get(self.kind, FULL_SPEED)

    @property
    def observed(self) -> bool:
        """Whether every operation must be observed."""
        return self.cost in (OBSERVED, RESULTS, RECORDED)

    def wire(self, number: int, count: int | None = None) -> dict[str, Any]:
        """As the debuggee wants it; ``number`` names it in what is found."""
        return {
            "id": number,
            "kind": self.kind,
            "what": self.what,
            "threshold": self.threshold,
            "count": self.count if count is None else count,
        }


_COST_OF = {
    "line": OBSERVED,
    "op": OBSERVED,
    "update": OBSERVED,
    "notice": RECORDED,
    "grad-norm": GRADIENTS,
    "unchanged": COPIES,
    "changed": COPIES,
    "frozen": COPIES,
    "no-optimizer": GRAPH,
    "backward-twice": GRAPH,
}


def _number(value: float) -> str:
    """``10``, ``0.5``, ``1e-6``"""
    if math.isfinite(value) and value == int(value) and abs(value) < 1e15:
        return str(int(value))
    return re.sub(r"e([+-])0+", r"e\1", repr(value))


def _of(words: str, name: str) -> str:
    return words if name == "*" else f"{words} of {name}"


def _loss_text(point: Breakpoint) -> str:
    return f"loss {point.what} {_number(point.threshold)}"


_WRITTEN: dict[str, Callable[[Breakpoint], str]] = {
    "line": lambda point: f"line {point.what[0]}:{point.what[1]}",
    "op": lambda point: f"op {point.what}",
    "update": lambda point: f"update of {point.what}",
    "iteration": lambda point: f"iteration {_number(point.threshold)}",
    "loss": _loss_text,
    "grad-norm": lambda point: f"grad norm {point.what} {_number(point.threshold)}",
    "non-finite": lambda point: "non-finite" if point.what == "any" else f"non-finite {point.what}",
    "gradient": lambda point: _of(f"grad {point.what[1]}", point.what[0]),
    "unchanged": lambda point: "unchanged parameter" if point.what == "*" else f"unchanged {point.what}",
    "changed": lambda point: "changed parameter" if point.what == "*" else f"changed {point.what}",
    "frozen": lambda point: "frozen changed" if point.what == "*" else f"frozen changed {point.what}",
    "no-optimizer": lambda point: _of("no optimizer", point.what),
    "backward-twice": lambda point: "backward twice",
    "scheduler-first": lambda point: "scheduler first",
    "lr": lambda point: "lr changed",
    "notice": lambda point: f"notice {point.what}",
}

_COUNT = re.compile(r"\s+[x×](\d+)$")
_NAME = r"(\S.*)"


def parse(text: str, file: str = "") -> Breakpoint:
    """Read what was typed; ``file``: the one that ``line 16`` means. Raises Refused with the forms."""
    words = " ".join(text.split())
    count = _COUNT.search(words)
    if count is not None:
        words = words[: count.start()]
    point = _read(words, file)
    times = int(count[1]) if count is not None else 1
    if times < 1:
        raise Refused(f"“{text}”: a breakpoint stops at the first time (x1) or later, not x{times}")
    return replace(point, count=times)


def _read(words: str, file: str) -> Breakpoint:
    for pattern, make in _READERS:
        found = re.fullmatch(pattern, words, re.IGNORECASE)
        if found is not None:
            return make(found)
    found = re.fullmatch(r"line (?:(.+):)?(\d+)", words, re.IGNORECASE)
    if found is not None and (found[1] or file):
        path = found[1] or file
        return Breakpoint("line", (os.path.abspath(path) if os.path.exists(path) else path, int(found[2])))
    written = ", ".join(form.written for form in FORMS)
    raise Refused(f"“{words}” is no breakpoint; there are: {written}")


def _limit(kind: str) -> Callable[[re.Match[str]], Breakpoint]:
    def make(found: re.Match[str]) -> Breakpoint:
        try:
            threshold = float(found[2])
        except ValueError:
            threshold = math.nan
        if math.isnan(threshold):
            raise Refused(f"“{found[2]}” is not a number, as in {found[0].split(found[1])[0]}{found[1]} 10")
        return Breakpoint(kind, found[1], threshold)

    return make


def _whole(kind: str, what: Any = None) -> Callable[[re.Match[str]], Breakpoint]:
    def make(found: re.Match[str]) -> Breakpoint:
        number = int(found[1])
        if number < 1:
            raise Refused(f"“{found[0]}”: the number must be 1 or more")
        return Breakpoint(kind, what, float(number))

    return make


def _notice(found: re.Match[str]) -> Breakpoint:
    from backprop_tui.explain.notices.table import TABLE

    if found[1] not in TABLE:
        raise Refused(f"there is no notice “{found[1]}”; there are: {', '.join(TABLE)}")
    return Breakpoint("notice", found[1])


def _named(kind: str) -> Callable[[re.Match[str]], Breakpoint]:
    return lambda found: Breakpoint(kind, "*" if found[1] in (None, "parameter") else found[1])


_PARTS = {"none": "None", "zero": "zero", "0": "zero"}
_READERS: tuple[tuple[str, Callable[[re.Match[str]], Breakpoint]], ...] = (
    (r"loss rising (\d+)", _whole("loss", "rising")),
    (r"loss ?([<>]) ?(\S+)", _limit("loss")),
    (r"grad(?:ient)? norm ?([<>]) ?(\S+)", _limit("grad-norm")),
    (r"non-?finite", lambda found: Breakpoint("non-finite", "any")),
    (
        r"non-?finite (loss|gradient|parameter|forward)",
        lambda found: Breakpoint("non-finite", found[1].lower()),
    ),
    (
        rf"grad(?:ient)? (None|zero|0)(?: of {_NAME})?",
        lambda found: Breakpoint("gradient", (found[2] or "*", _PARTS[found[1].lower()])),
    ),
    (rf"unchanged {_NAME}", _named("unchanged")),
    (rf"frozen changed(?: {_NAME})?", _named("frozen")),
    (rf"changed {_NAME}", _named("changed")),
    (rf"no optimizer(?: of {_NAME})?", _named("no-optimizer")),
    (r"backward twice", lambda found: Breakpoint("backward-twice")),
    (r"scheduler first", lambda found: Breakpoint("scheduler-first")),
    (r"lr changed", lambda found: Breakpoint("lr")),
    (r"iteration (\d+)", _whole("iteration")),
    (rf"op {_NAME}", lambda found: Breakpoint("op", found[1])),
    (rf"update of {_NAME}", lambda found: Breakpoint("update", found[1])),
    (rf"notice {_NAME}", _notice),
)


_OFF = "off: "


class Breakpoints:
    """Those of one session, in the order in which they were made."""

    def __init__(self) -> None:
        self._points: list[Breakpoint] = []

    def __iter__(self) -> Iterator[Breakpoint]:
        return iter(self._points)

    def __len__(self) -> int:
        return len(self._points)

    def __getitem__(self, place: int) -> Breakpoint:
        return self._points[place]

    def clear(self) -> None:
        """Forget all."""
        self._points.clear()

    def add(self, point: Breakpoint) -> None:
        """One more, unless the same is there; then it is enabled."""
        alike = [place for place, known in enumerate(self._points) if _same(known, point)]
        if alike:
            self._points[alike[0]] = replace(point, enabled=True)
        else:
            self._points.append(point)

    def put(self, place: int, point: Breakpoint | None) -> None:
        """Another in the place of one; None removes it."""
        self._points[place : place + 1] = [] if point is None else [point]

    def enable(self, place: int, on: bool) -> None:
        """Whether one stops a run."""
        self._points[place] = replace(self._points[place], enabled=on)

    def toggle_line(self, file: str, line: int) -> None:
        """Set or remove the breakpoint of a line."""
        at = [place for place, point in enumerate(self._points) if point.what == (file, line)]
        if at:
            del self._points[at[0]]
        else:
            self._points.append(Breakpoint("line", (file, line)))

    def saved(self) -> tuple[str, ...]:
        """As text, each as it can be typed; `_OFF` before one that is switched off."""
        return tuple(("" if point.enabled else _OFF) + point.text for point in self._points)

    def restore(self, texts: Iterable[str]) -> None:
        """Take the place of those that are there. What is no breakpoint is passed over."""
        self._points = []
        for text in texts:
            with contextlib.suppress(Refused):
                self._points.append(
                    replace(parse(text.removeprefix(_OFF)), enabled=not text.startswith(_OFF))
                )

    @property
    def enabled(self) -> Sequence[Breakpoint]:
        """Those that stop a run."""
        return tuple(point for point in self._points if point.enabled)

    @property
    def lines(self) -> frozenset[tuple[str, int]]:
        """(file, line) of those that are lines and enabled."""
        return frozenset(point.what for point in self.enabled if point.kind == "line")


def _same(one: Breakpoint, other: Breakpoint) -> bool:
    return replace(one, count=1).text == replace(other, count=1).text
