"""Walks a lesson from its first beat to its last and holds every text against the run."""

from __future__ import annotations

import re
import textwrap
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from backprop_tui.debugger.failure import Refused
from backprop_tui.guide.answer import everywhere, judge, right_answer
from backprop_tui.guide.expression import Quantity, WrongExpression, evaluate, is_true, part
from backprop_tui.guide.facts import facts_at
from backprop_tui.guide.place import described
from backprop_tui.guide.text import fill, holes, number_text, without_holes
from backprop_tui.guide.travel import NoSuchPlace, bring, make, operation_of

if TYPE_CHECKING:
    from backprop_tui.guide.lesson import Ask, Beat, Lesson, Place
    from backprop_tui.guide.travel import Drivable

_DECIMAL = re.compile(r"(?<![\w.\[])\d+\.\d+(?:[eE][-+]?\d+)?(?![\w.]*\w)")
_CODE = re.compile(r"`[^`]*`")
_HOLES = re.compile(r"\{[^{}]*\}")
WIDTH, MOST_LINES = 76, 9
"""Columns and lines of the guide's pane in a terminal of 80 by 24."""


@dataclass(frozen=True)
class Told:
    """One beat with its numbers, and what is wrong with it."""

    beat: Beat
    number: int
    """From 1."""
    place: str = ""
    text: str = ""
    question: str = ""
    answer: str = ""
    why: str = ""
    problems: tuple[str, ...] = ()
    """Sentences."""


async def walk(lesson: Lesson, session: Drivable) -> AsyncIterator[Told]:
    """Each beat as it is told. A beat that cannot be reached ends the walk."""
    kept: dict[str, Any] = {}
    for index, beat in enumerate(lesson.beats):
        told = Told(beat, index + 1, described(lesson.place_of(index)))
        try:
            if index and lesson.beats[index - 1].switch:
                await make(session, lesson.beats[index - 1].switch)
            known = await _come(lesson, session, index, lesson.place_of(index), kept)
            told = _held(told, known, kept, lesson)
            if beat.ask is not None:
                yield await _asked(lesson, session, index, told, known, kept)
            else:
                yield told
        except (NoSuchPlace, Refused) as error:
            yield replace(told, problems=(*told.problems, str(error)))
            return


async def _come(
    lesson: Lesson, session: Drivable, index: int, place: Place, kept: dict[str, Any]
) -> dict[str, Any]:
    """What is known where a beat is told, once the run is there."""
    await bring(session, lesson, index, place)
    op = operation_of(place, session.view)
    return facts_at(session.view, op, await session.tensors(), kept, lesson.printed)


def _held(told: Told, known: dict[str, Any], kept: dict[str, Any], lesson: Lesson) -> Told:
    """The beat's text with its numbers, held against the run."""
    problems = list(loose_numbers(told.beat, lesson))
    if lesson.left_at(told.number - 1) == lesson.place_of(told.number - 1):
        problems += _taken(told.beat, known, kept)
    problems += _unmet(told.beat.check, known)
    text, wrong = _filled(told.beat.say, known)
    return replace(told, text=text, problems=(*problems, *wrong, *too_long(told.beat)))


def _taken(beat: Beat, known: dict[str, Any], kept: dict[str, Any]) -> Iterator[str]:
    """Keep what a beat keeps, where it leaves the run."""
    for name, expression in beat.keep:
        try:
            kept[name] = known[name] = part(expression, known)
        except WrongExpression as error:
            yield f"keep {name}: {error}"


def _unmet(checks: tuple[str, ...], known: dict[str, Any]) -> Iterator[str]:
    for check in checks:
        try:
            if not is_true(check, known):
                yield f"“{check}” is not so{_sides(check, known)}"
        except WrongExpression as error:
            yield str(error)


def _sides(check: str, known: dict[str, Any]) -> str:
    """What stands on both sides of a comparison that fails."""
    sides = re.split(r"\s(?:==|!=|<=?|>=?)\s", check)
    if len(sides) < 2:
        return ""
    try:
        return ": " + " and ".join(number_text(evaluate(side, known)) for side in sides)
    except WrongExpression:
        return ""


def _filled(text: str, known: dict[str, Any]) -> tuple[str, list[str]]:
    try:
        return fill(text, known, strict=True), []
    except WrongExpression as error:
        return fill(text, known), [str(error)]


async def _asked(
    lesson: Lesson, session: Drivable, index: int, told: Told, known: dict[str, Any], kept: dict[str, Any]
) -> Told:
    """The question of a beat, its answer, and what its slips come to."""
    ask = told.beat.ask
    assert ask is not None
    question, wrong = _filled(ask.question, known)
    if ask.after is not None:
        known = await _come(lesson, session, index, ask.after, kept)
        wrong += _taken(told.beat, known, kept)
    problems = [*told.problems, *wrong]
    why, wrong = _filled(ask.why, known)
    told = replace(told, question=question, why=why)
    try:
        answer, found = _answered(ask, known)
        return replace(told, answer=answer, problems=(*problems, *wrong, *found))
    except WrongExpression as error:
        return replace(told, problems=(*problems, *wrong, str(error)))


def _answered(ask: Ask, known: dict[str, Any]) -> tuple[str, list[str]]:
    """The right answer as text, and what is wrong with the question."""
    right = right_answer(ask, known)
    problems = []
    if ask.check and not is_true(ask.check, known):
        problems.append(f"“{ask.check}” is not so, but the answer to “{ask.question}” rests on it")
    if not isinstance(right, Quantity):
        return ask.choices[right - 1], problems
    if ask.after is None and everywhere(right.value):
        problems.append(f"{right.value:g} cannot be hidden, it is everywhere: ask for it before it is there")
    problems += [problem for slip in ask.slips for problem in _slipped(ask, slip.value, known)]
    return number_text(right), problems


def _slipped(ask: Ask, expression: str, known: dict[str, Any]) -> Iterator[str]:
    verdict = judge(ask, repr(evaluate(expression, known).value), known)
    if verdict.mark != "close":
        yield f"the slip “{expression}” counts as {verdict.mark}"


def too_long(beat: Beat) -> Iterator[str]:
    """A beat must be readable without scrolling where the screen is smallest."""
    ask = beat.ask
    lines = _lines(beat.say)
    if ask is not None:
        lines += 1 + _lines(ask.question) + len(ask.choices)
        answer = 2 + _lines(ask.why)
        if answer > MOST_LINES:
            yield f"“why” takes {answer} lines, {MOST_LINES} of {WIDTH} columns are the most"
    if lines > MOST_LINES:
        yield f"the text takes {lines} lines, {MOST_LINES} of {WIDTH} columns are the most"


def _lines(text: str) -> int:
    """Lines that a text takes once its numbers are filled in, about."""
    short = _HOLES.sub("0.0000", text.strip())
    return sum(max(1, len(textwrap.wrap(line, WIDTH))) for line in short.split("\n"))


def loose_numbers(beat: Beat, lesson: Lesson) -> Iterator[str]:
    """Numbers with a decimal point that stand in a text without being worked out.

    Those in the script's own words, between backquotes, are its; so are those of a switch.
    """
    script = lesson.script.read_text(encoding="utf-8", errors="replace")
    words = "\n".join([script, *(text for other in lesson.beats for _, text in other.switch)])
    texts = [beat.say]
    if beat.ask is not None:
        texts += [beat.ask.question, beat.ask.why, *(slip.say for slip in beat.ask.slips)]
    for text in texts:
        bare = _CODE.sub(lambda match: "" if match[0][1:-1] in words else match[0], without_holes(text))
        for hole in holes(text):
            if hole.expression.replace(".", "").isdigit():
                yield f"the number {hole.expression} is not worked out from the run: name what it is"
        for numeral in _DECIMAL.findall(bare):
            yield f"the number {numeral} is not worked out from the run: write {{expression = {numeral}}}"
