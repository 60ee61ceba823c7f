"""What the main screen does in a lesson: the guide's page, its keys, the number that it hides."""

from __future__ import annotations

from asyncio import Event
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, cast

from backprop_tui.debugger.launch import Program
from backprop_tui.debugger.view import Choice, View
from backprop_tui.screens.questions import QuestionActions

if TYPE_CHECKING:
    from textual.widget import Widget

    from backprop_tui.debugger.view import Window
    from backprop_tui.guide.guide import Guide, Page
    from backprop_tui.guide.lesson import Lesson
    from backprop_tui.panes.guide import GuidePane


class LessonActions(QuestionActions):
    """Actions of the main screen around a guide."""

    guide: Guide | None = None
    _told: tuple[str, int] | None = None
    """Lesson and beat of the page that was shown last."""
    complete: Event

    def pane(self, name: str) -> Widget:
        """The pane of this name."""
        raise NotImplementedError

    @property
    def focused_pane(self) -> str:
        """Name of the pane with the focus."""
        raise NotImplementedError

    def look_at(self, name: str) -> None:
        """Bring a pane onto the screen."""
        raise NotImplementedError

    def arrange_again(self) -> None:
        """A guide has come or gone."""
        raise NotImplementedError

    def show(self, view: View) -> None:
        """Show a view in every pane on the screen."""
        raise NotImplementedError

    @property
    def guided(self) -> bool:
        """Whether a guide is on the screen."""
        return self.guide is not None

    def open_lesson(self, lesson: Lesson, start: bool = False) -> None:
        """Run another lesson; ``start``: its script runs already."""
        self.commands.submit("lesson", partial(self._open, lesson, start))

    async def _open(self, lesson: Lesson, start: bool) -> None:
        from backprop_tui.guide.guide import Guide
        from backprop_tui.guide.progress import Notebook

        notebook = Notebook()
        await self.complete.wait()
        if not start:
            self.guide = None
            await self.session.open(Program(str(lesson.script)))
        self.guide = Guide(lesson, self.session, notebook) if lesson.beats else None
        self.arrange_again()
        if self.guide is None:
            return
        progress = notebook.of(lesson.name)
        begin = self.guide.begin if progress.done else partial(self.guide.resume, progress.beat)
        await self._led(begin)
        self.pane("guide").focus()

    async def _led(self, lead: Callable[[], Awaitable[None]]) -> None:
        """Let the guide do something, then show its page."""
        before = self._told
        await lead()
        self._told = (self.guide.lesson.name, self.guide.page.number) if self.guide is not None else None
        self.show_page(self._told != before)

    def show_page(self, turned: bool) -> None:
        """Show the guide's page; ``turned``: it is that of another beat, so look where it says."""
        if self.guide is None:
            return
        page = self.guide.page
        self._tell(page)
        if turned and page.look is not None:
            self.look_at(page.look.pane)
        self.show(self.session.view)

    def seen(self, view: View) -> View:
        """The view as a reader may see it: without the number that is asked for, and with where to look."""
        page = self.page
        if page is None:
            return view
        from backprop_tui.guide.hiding import hidden

        look, pointer = page.look, None
        if look is not None and look.tensor is not None and not page.away:
            pointer = Choice(look.tensor, look.attribute, look.element)
        return replace(hidden(view, page.hidden), pointer=pointer)

    @property
    def blind(self) -> bool:
        """Whether what the session says now is not for the reader's eyes."""
        return self.guide is not None and self.guide.foreseeing

    @property
    def page(self) -> Page | None:
        """The guide's page."""
        return self.guide.page if self.guide is not None else None

    def follow(self, view: View) -> None:
        """Let the guide follow the run."""
        if self.guide is None or view.status in ("starting", "running"):
            return
        before = self.guide.page
        if self.guide.follow(view):
            self.commands.submit("guide follows", partial(self._led, self.guide.refresh))
        elif self.guide.page != before:
            self._tell(self.guide.page)

    def _tell(self, page: Page) -> None:
        cast("GuidePane", self.pane("guide")).tell(page)

    async def window(self, name: str, attr: str, rows: tuple[int, int], cols: tuple[int, int]) -> Window:
        """Part of a tensor, without the number that is asked for."""
        found: Window = await self.session.window(name, attr, rows, cols)
        page = self.page
        if page is None or not page.hidden:
            return found
        from backprop_tui.guide.hiding import hidden_values

        return replace(found, values=hidden_values(found.values, page.hidden))

    def on_descendant_focus(self) -> None:
        """The guide says what its keys do where the focus is."""
        if self.guided:
            cast("GuidePane", self.pane("guide")).keys_go_to(self.focused_pane)

    # keys
    def action_guide_next(self) -> None:
        """To the next point of the story."""
        if self.guide is not None:
            self.commands.submit("guide next", partial(self._led, self.guide.next))

    def action_guide_back(self) -> None:
        """To the point before."""
        if self.guide is not None:
            self.commands.submit("guide back", partial(self._led, self.guide.previous))

    def on_guide_pane_passed(self) -> None:
        """Nothing was answered."""
        self.action_guide_next()

    def on_guide_pane_answered(self, event: GuidePane.Answered) -> None:
        """An answer was given."""
        if self.guide is not None:
            self.commands.submit("guide answer", partial(self._led, partial(self.guide.answer, event.text)))

    def action_lessons(self) -> None:
        """The list of lessons."""
        from backprop_tui.screens.catalog import LessonList

        self.app.push_screen(LessonList(), self._chosen_lesson)

    def _chosen_lesson(self, lesson: Lesson | None) -> None:
        if lesson is not None:
            self.open_lesson(lesson)
