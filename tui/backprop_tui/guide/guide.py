"""Leads one person through one lesson: the present beat as a page, and what enter does there."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from backprop_tui.debugger.failure import Refused
from backprop_tui.guide.answer import Verdict, check_form, everywhere, judge, right_answer
from backprop_tui.guide.expression import Quantity, WrongExpression, part
from backprop_tui.guide.facts import facts_at
from backprop_tui.guide.story import Story
from backprop_tui.guide.text import fill
from backprop_tui.guide.travel import NoSuchPlace, bring, make, operation_of, return_to

if TYPE_CHECKING:
    from backprop_tui.debugger.view import View
    from backprop_tui.guide.lesson import Ask, Beat, Lesson, Look, Place
    from backprop_tui.guide.progress import Notebook
    from backprop_tui.guide.travel import Drivable


@dataclass(frozen=True)
class Page:
    """What the guide pane shows."""

    lesson: str
    number: int
    """Of the beat, from 1."""
    of: int
    title: str
    text: str
    question: str = ""
    choices: tuple[str, ...] = ()
    verdict: Verdict | None = None
    refused: str = ""
    """Why what was typed is not an answer."""
    switch: tuple[tuple[str, str], ...] = ()
    """What enter changes here."""
    away: bool = False
    """The run is elsewhere: the reader explores freely."""
    look: Look | None = None
    hidden: frozenset[float] = frozenset()
    """Numbers that no pane may show."""
    trouble: str = ""
    """Why the story cannot go on."""

    @property
    def asks(self) -> bool:
        """Whether an answer is waited for."""
        return bool(self.question) and self.verdict is None

    @property
    def last(self) -> bool:
        """Whether the story ends here."""
        return self.number == self.of


class Guide:
    """The reader's place in a lesson. Coroutines bring the run along; `page` is what there is to read."""

    def __init__(self, lesson: Lesson, session: Drivable, notebook: Notebook | None = None) -> None:
        self.lesson = lesson
        self.session = session
        self.notebook = notebook
        self.story = Story(lesson)
        self.page = Page(lesson.title, 1, len(lesson.beats), "", "")
        self._kept: dict[int, dict[str, Any]] = {}
        self._verdicts: dict[int, Verdict] = {}
        self._told: dict[int, tuple[str, str]] = {}
        """Text and question of beats, with the numbers of where they are told."""
        self.foreseeing = False
        """The run is led to an answer and back: what it says meanwhile is not to be shown."""
        self._foreseen: dict[int, frozenset[float]] = {}
        """By beat: the number that its question asks for, found out before it is asked."""
        self._moving = False

    @property
    def _beat(self) -> Beat:
        return self.lesson.beats[self.story.beat]

    # going
    async def begin(self) -> None:
        """Tell the first beat."""
        await self._tell(0)

    async def next(self) -> None:
        """Go on: skip an open question, make a beat's switch, tell the next beat."""
        if self.page.asks and not self.page.away:
            await self._answer(None)
            return
        beat = self.story.beat
        if beat + 1 < len(self.lesson.beats):
            await self._tell(beat + 1, switch=self._beat.switch)

    async def previous(self) -> None:
        """Tell the beat before; where the run is elsewhere, the present one again."""
        await self._tell(max(0, self.story.beat - (not self.page.away)))

    async def resume(self, beat: int) -> None:
        """Tell a beat, after all that it builds on."""
        beat = min(beat, len(self.lesson.beats) - 1)
        try:
            for number in range(beat):
                await self._pass(number)
        except (NoSuchPlace, Refused, WrongExpression) as error:
            await self._stay(str(error))
            return
        await self._tell(beat)

    async def _pass(self, number: int) -> None:
        """Take from a beat what later ones need; its question is behind us."""
        beat = self.lesson.beats[number]
        if beat.ask is None and not beat.keep:
            return
        if beat.ask is not None:
            await self._go(number)
            self._texts(await self._known())
        self.story.answered.add(number)
        await self._go(number)
        await self._keep()
        if beat.ask is not None:
            self._verdicts[number] = judge(beat.ask, None, await self._known())

    async def answer(self, given: str) -> None:
        """Judge an answer; one that is none at all is refused in `page`."""
        if self.page.asks:
            await self._answer(given)

    async def _tell(self, beat: int, switch: tuple[tuple[str, str], ...] = ()) -> None:
        try:
            if switch and self.story.stands_at(self.session.view):
                await make(self.session, switch)
            await self._go(beat)
            await self._foresee()
        except (NoSuchPlace, Refused, WrongExpression) as error:
            await self._stay(str(error))
            return
        await self._keep()
        await self.rewrite()
        if self.notebook is not None:
            self.notebook.reached(self.lesson.name, beat, len(self.lesson.beats) - 1)

    async def _foresee(self) -> None:
        """Find out the number that the present beat asks for, where it is still to come.

        Operations before that place may have it too: a gradient is worked out before it is stored.
        """
        beat, ask = self.story.beat, self._beat.ask
        if ask is None or ask.kind != "number" or ask.after is None:
            return
        if beat in self._foreseen or beat in self.story.answered:
            return
        self.foreseeing = self._moving = True
        try:
            await bring(self.session, self.lesson, beat, ask.after)
            self._foreseen[beat] = hidden_by(ask, await self._known(ask.after))
        finally:
            await bring(self.session, self.lesson, beat, self.story.place)
            self.foreseeing = self._moving = False

    async def refresh(self) -> None:
        """The reader has come to another beat by walking: make its page."""
        with contextlib.suppress(NoSuchPlace, Refused):
            await self._catch_up()
        if self.story.stands_at(self.session.view):
            with contextlib.suppress(NoSuchPlace, Refused):
                await self._foresee()
        await self.rewrite()

    async def _catch_up(self) -> None:
        """Take from places that the reader has walked past what this and later beats tell of them.

        The run is led there and back, unseen: its own operations and numbers are what counts.
        """
        beat, view = self.story.beat, self.session.view
        earlier = range(self.lesson.chapter_of(beat), beat)
        missing = [n for n in earlier if self.lesson.beats[n].keep and n not in self._kept]
        untold = beat not in self._told and not self.story.stands_at(view)
        if view.stop is None or not (missing or untold) or not self.story.undisturbed(view):
            return
        self.foreseeing = self._moving = True
        try:
            for number in missing:
                await self._take_from(number)
            self.story.beat = beat
            if untold:
                await bring(self.session, self.lesson, beat, self.lesson.place_of(beat))
                self._told[beat] = self._filled(await self._known(self.lesson.place_of(beat)))
        finally:
            self.story.beat = beat
            try:
                await return_to(self.session, view)
            finally:
                self.foreseeing = self._moving = False

    async def _take_from(self, number: int) -> None:
        """Bring the run to where a beat leaves it, and keep what it keeps there."""
        place = self.lesson.left_at(number)
        await bring(self.session, self.lesson, number, place)
        self.story.beat = number
        self._kept[number] = self._parts(await self._known(place))

    async def _stay(self, trouble: str) -> None:
        """The story cannot go on: say why, where we were."""
        with contextlib.suppress(NoSuchPlace, Refused):
            await self._go(self.story.beat)
        self.page = replace(self.page, trouble=trouble)

    async def _go(self, beat: int) -> None:
        """Bring the run to where a beat is told; its views on the way are not followed."""
        self._moving = True
        try:
            await bring(self.session, self.lesson, beat, self.story.place_of(beat))
            self.story.arrive(beat, self.session.view)
        finally:
            self._moving = False

    # following
    def follow(self, view: View) -> bool:
        """The run has moved; whether another beat is the present one, so that the page must be rewritten."""
        if self._moving or view.stop is None:
            return False
        moved = self.story.follow(view)
        if not moved:
            self.page = replace(self.page, away=not self.story.stands_at(view))
        return moved

    # questions
    async def _answer(self, given: str | None) -> None:
        beat, ask = self.story.beat, self._beat.ask
        assert ask is not None
        try:
            if given is not None:
                check_form(ask, given)
        except ValueError as error:
            self.page = replace(self.page, refused=str(error))
            return
        try:
            self.story.answered.add(beat)
            if ask.after is not None:
                await self._go(beat)
                await self._keep()
            self._verdicts[beat] = judge(ask, given, await self._known())
        except (NoSuchPlace, Refused, WrongExpression) as error:
            self.story.answered.discard(beat)
            await self._stay(str(error))
            return
        if self.notebook is not None:
            self.notebook.answered(self.lesson.name, beat, self._verdicts[beat].mark)
        await self.rewrite()

    # the page
    async def _keep(self) -> None:
        """Keep what the beat keeps, where it leaves the run."""
        if self.story.place != self.lesson.left_at(self.story.beat):
            return
        self._kept[self.story.beat] = self._parts(await self._known())

    def _parts(self, known: dict[str, Any]) -> dict[str, Any]:
        """What the present beat keeps."""
        kept = {}
        for name, expression in self._beat.keep:
            with contextlib.suppress(WrongExpression):
                kept[name] = part(expression, known)
        return kept

    async def _known(self, place: Place | None = None) -> dict[str, Any]:
        """What the names in the present beat's texts stand for; ``place``: where the run is, if not there."""
        view = self.session.view
        kept: dict[str, Any] = {}
        for number in range(self.story.beat + 1):
            kept.update(self._kept.get(number, {}))
        op = operation_of(place or self.story.place, view)
        return facts_at(view, op, await self.session.tensors(), kept, self.lesson.printed)

    def _texts(self, known: dict[str, Any]) -> tuple[str, str]:
        """Text and question of the present beat.

        Their numbers are those of where the beat is told: an answer leads the run on from there, and
        a reader who explores leads it anywhere.
        """
        number = self.story.beat
        here = number not in self.story.answered and self.story.stands_at(self.session.view)
        if not here and number in self._told:
            return self._told[number]
        texts = self._filled(known)
        if here:
            self._told[number] = texts
        return texts

    def _filled(self, known: dict[str, Any]) -> tuple[str, str]:
        beat = self._beat
        return fill(beat.say, known), fill(beat.ask.question, known) if beat.ask is not None else ""

    async def rewrite(self) -> None:
        """Make the page of the present beat."""
        beat, known, number = self._beat, await self._known(), self.story.beat
        text, question = self._texts(known)
        verdict = self._verdicts.get(number)
        ask = beat.ask
        self.page = Page(
            lesson=self.lesson.title,
            number=number + 1,
            of=len(self.lesson.beats),
            title=beat.title,
            text=text,
            question=question,
            choices=ask.choices if ask is not None else (),
            verdict=verdict,
            away=not self.story.stands_at(self.session.view),
            switch=beat.switch,
            look=beat.look,
            hidden=self._hidden(known) if verdict is None else frozenset(),
        )

    def _hidden(self, known: dict[str, Any]) -> frozenset[float]:
        ask, beat = self._beat.ask, self.story.beat
        if ask is None:
            return frozenset()
        return self._foreseen.get(beat, frozenset()) if ask.after is not None else hidden_by(ask, known)


def hidden_by(ask: Ask, known: dict[str, Any]) -> frozenset[float]:
    """The number that a question asks for; nothing if it is one that stands everywhere, as 0 and 1 do."""
    if ask.kind != "number":
        return frozenset()
    try:
        found = right_answer(ask, known)
    except WrongExpression:
        return frozenset()
    if not isinstance(found, Quantity) or everywhere(found.value):
        return frozenset()
    return frozenset({found.value})
