"""Reads a guide and says clearly what is wrong with it.

A guide is TOML, beside a script of the same name::

    title = "How the weights are updated"
    question = "Why is the last weight 0.1825?"    # what its reader can answer afterwards
    group = "First steps"                          # where the list of lessons has it
    level = "beginner"                             # beginner, intermediate or advanced
    minutes = 10
    about = ["kink"]                               # notices that the script gives on purpose
    script = "update.py"                           # if it is not called like the guide

    [source]
    title = "..."
    address = "https://..."

    [printed]                                      # numbers as the source prints them
    w5 = "0.174"

    [[beat]]
    title = "The gradient of w5"
    at = {iteration = 1, kind = "accumulate", tensor = "model.linear2.weight"}
    look = {pane = "parameters", tensor = "model.linear2.weight", attribute = "grad", element = [0, 0]}
    say = "Autograd has ∂L/∂w5 = {model.linear2.weight.grad[0,0] = -0.85}."
    keep = {g5 = "model.linear2.weight.grad[0,0]"}
    check = ["losses[-1] > 0"]
    switch = {loss = "half_mse"}
    again = true

    [beat.ask]
    kind = "number"                                # or "choice", "largest"
    question = "What will w5 be?"
    answer = "model.linear2.weight[0,0]"
    after = {kind = "update", tensor = "model.linear2.weight"}
    slips = [{value = "0.14 + 0.05 * g5", say = "Against the gradient, not along it."}]
    why = "..."

`at` and `after` are a `lesson.Place`: an operation by kind, name, tensor, module or line (part of the
text of the script's line), `nth` of those of the iteration, "before" or "after" it; or "start", "end".
Numbers in a text stand in braces (guide/text.py) and are worked out from the run (guide/facts.py).
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from backprop_tui.debugger.options import PARSERS, parse_change
from backprop_tui.guide.expression import WrongExpression, parse
from backprop_tui.guide.lesson import PANES, Ask, Beat, Lesson, Look, Place, Slip
from backprop_tui.guide.text import holes

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

LARGEST = 1_000_000
"""Bytes of a guide."""
LEVELS = ("beginner", "intermediate", "advanced")
KINDS = (
    *("zero_grad", "forward", "loss", "backward", "step", "schedule"),
    *("module", "op", "node", "accumulate", "update", "clear"),
)
_FIELDS: dict[str, tuple[str, ...]] = {
    "guide": (
        *("title", "question", "group", "level", "minutes", "about", "script", "source", "printed", "beat"),
    ),
    "beat": ("title", "say", "at", "look", "ask", "switch", "again", "keep", "check"),
    "place": ("iteration", "when", "kind", "name", "tensor", "module", "line", "nth"),
    "look": ("pane", "tensor", "attribute", "element"),
    "ask": (
        *("kind", "question", "why", "answer", "tolerance", "slips", "choices", "right", "check", "values"),
        "after",
    ),
    "slip": ("value", "say"),
}


class WrongGuide(ValueError):
    """A guide that cannot be used; the message is one sentence that names file, line and field."""


def read(path: Path) -> Lesson:
    """The lesson of a guide. Raises WrongGuide."""
    return _Reader(path, _text_of(path)).lesson()


def _text_of(path: Path) -> str:
    try:
        size = path.stat().st_size
        if size > LARGEST:
            raise WrongGuide(f"{path.name}: a guide has at most {LARGEST:,} bytes, not {size:,}")
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise WrongGuide(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise WrongGuide(f"{path.name} is not text in UTF-8") from None


class _Reader:
    """Reads one guide; knows where in the file it is, for the messages."""

    def __init__(self, path: Path, text: str) -> None:
        self.path = path
        self.lines = text.splitlines()
        self.starts = [n for n, line in enumerate(self.lines, 1) if re.match(r"\s*\[\[\s*beat\s*\]\]", line)]
        self.beat = 0
        """The beat that is being read, from 1; 0: what stands before the first."""
        self.asking = False
        """Whether it is the question of the beat that is being read."""
        try:
            self.data: dict[str, Any] = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise WrongGuide(f"{path.name} is not TOML: {error}") from None

    # messages
    def wrong(self, field: str, sentence: str) -> WrongGuide:
        """The error for a field: ``guide.toml line 12, beat 3, “at” ...``."""
        missing = sentence.endswith("is missing")
        place = f"{self.path.name} line {self._range()[0] if missing else self._line(field)}"
        if self.beat:
            place += f", beat {self.beat}"
        return WrongGuide(f"{place}, “{field}” {sentence}")

    def _line(self, field: str) -> int:
        """Where a field stands, else where its beat begins."""
        first, last = self._range()
        word = re.compile(rf"(?:^|[\s{{,\[.])[\"']?{re.escape(field.rpartition('.')[2])}[\"']?\s*[=\]]")
        for number in range(first, last):
            if word.search(self.lines[number - 1]):
                return number
        return first

    def _range(self) -> tuple[int, int]:
        starts = [1, *self.starts, len(self.lines) + 1]
        at = min(self.beat, len(starts) - 2)
        first, last = starts[at], starts[at + 1]
        if self.asking:
            question = re.compile(r"\s*\[\s*beat\s*\.\s*ask\s*\]")
            first = next((n for n in range(first, last) if question.match(self.lines[n - 1])), first)
        return first, last

    # values
    def text(self, data: Mapping[str, Any], key: str, field: str = "", default: str | None = None) -> str:
        value = data.get(key, default)
        if isinstance(value, str) and (value.strip() or default == ""):
            return value.strip()
        raise self.wrong(field or key, "must be a sentence" if value is not None else "is missing")

    def whole(self, data: Mapping[str, Any], key: str, least: int, default: int | None = None) -> int:
        value = data.get(key, default)
        if isinstance(value, int) and not isinstance(value, bool) and value >= least:
            return value
        missing = value is None
        raise self.wrong(key, "is missing" if missing else f"must be a whole number, {least} or more")

    def one_of(self, data: Mapping[str, Any], key: str, valid: tuple[str, ...], default: str = "") -> str:
        value = data.get(key, default)
        if value in valid:
            return str(value)
        raise self.wrong(key, f"must be one of {', '.join(valid)}" + (f", not {value!r}" if value else ""))

    def table(self, value: Any, kind: str, field: str) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise self.wrong(field, "must be a table")
        for key in value:
            if key not in _FIELDS[kind]:
                raise self.wrong(key, f"is no field here: there are {', '.join(_FIELDS[kind])}")
        return value

    def texts(self, data: Mapping[str, Any], key: str) -> tuple[str, ...]:
        value = data.get(key, [])
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            return tuple(value)
        raise self.wrong(key, "must be a list of texts")

    def pairs(self, data: Mapping[str, Any], key: str) -> tuple[tuple[str, str], ...]:
        value = data.get(key, {})
        if isinstance(value, dict) and all(isinstance(item, str) for item in value.values()):
            return tuple(value.items())
        raise self.wrong(key, "must be a table of names and texts")

    def expression(self, text: str, field: str) -> str:
        try:
            parse(text)
        except WrongExpression as error:
            raise self.wrong(field, f"cannot be worked out: {error}") from None
        return text

    def told(self, data: Mapping[str, Any], key: str, field: str = "") -> str:
        """A text with numbers to fill in."""
        text = self.text(data, key, field)
        for hole in holes(text):
            self.expression(hole.expression, field or key)
        return text

    # the parts of a guide
    def lesson(self) -> Lesson:
        data = self.table(self.data, "guide", "guide")
        source = data.get("source", {})
        if not isinstance(source, dict):
            raise self.wrong("source", "must be a table")
        script = self.path.parent / self.text(data, "script", default=self.path.with_suffix(".py").name)
        if not script.is_file():
            raise self.wrong("script", f"names no file: {script}")
        printed = dict(self.pairs(data, "printed"))
        for name, number in printed.items():
            self._number(name, number)
        return Lesson(
            name=self.path.stem,
            title=self.text(data, "title"),
            question=self.text(data, "question"),
            group=self.text(data, "group", default="Lessons"),
            level=self.one_of(data, "level", LEVELS),
            minutes=self.whole(data, "minutes", 1),
            source_title=self.text(source, "title", "source.title"),
            source_address=self.text(source, "address", "source.address"),
            script=script,
            guide=self.path,
            about=self.texts(data, "about"),
            printed=printed,
            beats=self._beats(data.get("beat", [])),
        )

    def _number(self, name: str, text: str) -> None:
        try:
            float(text)
        except ValueError:
            raise self.wrong(name, f"must be a number in quotes, not {text!r}") from None

    def _beats(self, found: Any) -> tuple[Beat, ...]:
        if not isinstance(found, list):
            raise self.wrong("beat", "is written [[beat]]")
        if not found:
            raise WrongGuide(f"{self.path.name} has no [[beat]]")
        beats = []
        for self.beat, data in enumerate(found, 1):
            beats.append(self._beat(self.table(data, "beat", "beat")))
        for self.beat, (beat, after) in enumerate(zip(beats, [*beats[1:], None], strict=True), 1):
            if beat.switch and (after is None or after.again):
                raise self.wrong("switch", "has no effect: no beat of the same run comes after it")
        self.beat = 0
        return tuple(beats)

    def _beat(self, data: dict[str, Any]) -> Beat:
        keep, check = self.pairs(data, "keep"), self.texts(data, "check")
        for _, text in keep:
            self.expression(text, "keep")
        for text in check:
            self.expression(text, "check")
        self.asking = "ask" in data
        ask = self._ask(data["ask"]) if "ask" in data else None
        self.asking = False
        again = data.get("again", False)
        if not isinstance(again, bool):
            raise self.wrong("again", "must be true or false")
        return Beat(
            title=self.text(data, "title"),
            say=self.told(data, "say"),
            at=self._place(data["at"], "at") if "at" in data else None,
            look=self._look(data["look"]) if "look" in data else None,
            ask=ask,
            switch=self._switch(data),
            again=again,
            keep=keep,
            check=check,
            line=self._range()[0],
        )

    def _place(self, value: Any, field: str) -> Place:
        if value in ("start", "end"):
            return Place(when=value)
        if isinstance(value, str):
            raise self.wrong(field, f"must be “start”, “end” or a table, not {value!r}")
        data = self.table(value, "place", field)
        found = {key: self.text(data, key, f"{field}.{key}") for key in data.keys() & _NAMING}
        if not found:
            raise self.wrong(field, f"names no operation: give {', '.join(_NAMING)}")
        if "kind" in found:
            self.one_of(data, "kind", KINDS)
        when = self.one_of(data, "when", ("before", "after"), "after")
        iteration, nth = self.whole(data, "iteration", 0, 1), self.whole(data, "nth", 1, 1)
        return Place(iteration=iteration, nth=nth, when=when, **found)  # type: ignore[arg-type]

    def _look(self, value: Any) -> Look:
        if isinstance(value, str):
            value = {"pane": value}
        data = self.table(value, "look", "look")
        element = data.get("element")
        if element is not None and not _is_index(element):
            raise self.wrong("element", "must be a list of whole numbers")
        return Look(
            self.one_of(data, "pane", PANES),
            self.text(data, "tensor") if "tensor" in data else None,
            self.one_of(data, "attribute", ("value", "grad"), "value"),
            tuple(element) if element is not None else None,
        )

    def _switch(self, data: dict[str, Any]) -> tuple[tuple[str, str], ...]:
        found = self.pairs(data, "switch")
        for kind, text in found:
            if kind not in PARSERS:
                raise self.wrong("switch", f"knows no {kind}: choose from {', '.join(PARSERS)}")
            try:
                parse_change(kind, text)
            except ValueError as error:
                raise self.wrong(kind, f"cannot be: {error}") from None
        return found

    def _ask(self, value: Any) -> Ask:
        data = self.table(value, "ask", "ask")
        kind = self.one_of(data, "kind", ("number", "choice", "largest"))
        choices = self.texts(data, "choices")
        tolerance = data.get("tolerance", 0.005)
        if not isinstance(tolerance, (int, float)) or not 0 <= tolerance < 1:
            raise self.wrong("tolerance", "must be a number from 0 to 1")
        ask = Ask(
            kind=kind,  # type: ignore[arg-type]
            question=self.told(data, "question"),
            why=self.told(data, "why"),
            answer=self.expression(self.text(data, "answer"), "answer") if kind == "number" else "",
            tolerance=float(tolerance),
            slips=self._slips(data.get("slips", [])),
            choices=choices,
            right=self.whole(data, "right", 1) if kind == "choice" else 0,
            check=self.expression(self.text(data, "check"), "check") if "check" in data else "",
            values=tuple(self.expression(text, "values") for text in self.texts(data, "values")),
            after=self._place(data["after"], "after") if "after" in data else None,
        )
        self._check_choices(ask)
        return ask

    def _check_choices(self, ask: Ask) -> None:
        if ask.kind == "number":
            return
        if len(ask.choices) < 2:
            raise self.wrong("choices", "must be a list of two or more")
        if ask.kind == "largest" and len(ask.values) != len(ask.choices):
            raise self.wrong("values", "must have an expression for each choice")
        if ask.right > len(ask.choices):
            raise self.wrong("right", f"must be a number from 1 to {len(ask.choices)}")

    def _slips(self, value: Any) -> tuple[Slip, ...]:
        if not isinstance(value, list):
            raise self.wrong("slips", "must be a list of tables")
        tables = [self.table(item, "slip", "slips") for item in value]
        return tuple(
            Slip(self.expression(self.text(item, "value"), "slips"), self.told(item, "say", "slips"))
            for item in tables
        )


_NAMING = ("kind", "name", "tensor", "module", "line")


def _is_index(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(n, int) and not isinstance(n, bool) for n in value)
