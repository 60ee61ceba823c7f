"""The list of lessons: by group, with question, time and what was read; typing searches."""

from __future__ import annotations

from itertools import groupby

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, Label, OptionList
from textual.widgets.option_list import Option

from backprop_tui.guide.catalog import lessons
from backprop_tui.guide.lesson import Lesson
from backprop_tui.guide.progress import Notebook


class LessonList(ModalScreen["Lesson | None"]):
    """Enter opens the marked lesson, Esc closes."""

    BINDINGS = [
        Binding("escape", "dismiss(None)", "Close", show=False),
        Binding("down", "move(1)", "Down", show=False, priority=True),
        Binding("up", "move(-1)", "Up", show=False, priority=True),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._notebook = Notebook()

    def compose(self) -> ComposeResult:
        """What is searched for, the lessons, and the question of the marked one."""
        with Vertical(id="catalog") as page:
            page.border_title = "lessons"
            page.border_subtitle = "type to search · ↑ ↓ choose · enter opens · Esc closes"
            yield Input(placeholder="search", id="catalog-search", compact=True)
            yield OptionList(id="catalog-list", markup=False)
            yield Label("", id="catalog-about", markup=False)

    def on_mount(self) -> None:
        """Typing searches at once."""
        self._fill("")
        self.query_one(Input).focus()

    @on(Input.Changed)
    def _search(self, event: Input.Changed) -> None:
        self._fill(event.value)

    def _fill(self, typed: str) -> None:
        entries = self.query_one(OptionList)
        entries.clear_options()
        found = [lesson for lesson in lessons() if fits(lesson, typed)]
        for group, members in groupby(found, key=lambda lesson: lesson.group):
            entries.add_option(Option(Content.styled(group, "bold"), disabled=True))
            entries.add_options(Option(line_of(lesson, self._notebook), id=lesson.name) for lesson in members)
        entries.highlighted = next((n for n, entry in enumerate(entries.options) if not entry.disabled), None)
        if not found:
            self.query_one("#catalog-about", Label).update(f"no lesson has “{typed}” in it")

    @on(OptionList.OptionHighlighted)
    def _about(self, event: OptionList.OptionHighlighted) -> None:
        lesson = self._named(event.option.id)
        if lesson is not None:
            about = f"{lesson.question}\n{lesson.level} · {lesson.source_title}\n{lesson.source_address}"
            self.query_one("#catalog-about", Label).update(about)

    def _named(self, name: str | None) -> Lesson | None:
        return next((lesson for lesson in lessons() if lesson.name == name), None)

    def action_move(self, by: int) -> None:
        """Choose another one while typing goes to the search."""
        entries = self.query_one(OptionList)
        entries.action_cursor_down() if by > 0 else entries.action_cursor_up()

    @on(Input.Submitted)
    def _open(self) -> None:
        option = self.query_one(OptionList).highlighted_option
        if option is not None:
            self.dismiss(self._named(option.id))

    @on(OptionList.OptionSelected)
    def _selected(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(self._named(event.option.id))


def fits(lesson: Lesson, typed: str) -> bool:
    """Whether every word typed is somewhere in a lesson's name, title, question or source."""
    text = " ".join((lesson.name, lesson.title, lesson.question, lesson.group, lesson.source_title)).lower()
    return all(word in text for word in typed.lower().split())


def line_of(lesson: Lesson, notebook: Notebook) -> str:
    """``✓ update  10 min  How the weights are updated``: what may be cut off stands last."""
    progress = notebook.of(lesson.name)
    mark = (
        "✓"
        if progress.done
        else f"{100 * progress.beat // max(1, len(lesson.beats))}%"
        if progress.beat
        else ""
    )
    return f"{mark:>4} {lesson.name:13} {lesson.minutes:>3} min  {lesson.title}"
