"""``backprop-tui lessons``: what can be done with lessons without a screen."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from itertools import groupby
from pathlib import Path

from backprop_tui.debugger.launch import Program
from backprop_tui.debugger.session import Session
from backprop_tui.guide.catalog import lessons
from backprop_tui.guide.handout import handout
from backprop_tui.guide.lesson import Lesson
from backprop_tui.guide.progress import Notebook
from backprop_tui.guide.walking import Told, walk


def listing(notebook: Notebook) -> Iterator[str]:
    """The lessons by group: mark, name, minutes, question."""
    for group, members in groupby(lessons(), key=lambda lesson: lesson.group):
        yield group
        for lesson in members:
            mark = _mark(notebook, lesson)
            yield f"  {mark} {lesson.name:14} {lesson.minutes:>3} min  {lesson.question}"


def _mark(notebook: Notebook, lesson: Lesson) -> str:
    progress = notebook.of(lesson.name)
    return "✓" if progress.done else "·" if progress.beat else " "


def problems_of(lesson: Lesson) -> list[str]:
    """What is wrong with a lesson when it is walked. Raises StartFailed."""
    return [
        f"{lesson.guide.name} line {told.beat.line}, beat {told.number} “{told.beat.title}”: {problem}"
        for told in told_by(lesson)
        for problem in told.problems
    ]


def markdown_of(lesson: Lesson) -> str:
    """The lesson as a handout, with the numbers of a run. Raises StartFailed."""
    return handout(lesson, told_by(lesson))


def told_by(lesson: Lesson) -> list[Told]:
    """Every beat of a lesson as a run of its script tells it. Raises StartFailed."""

    async def collect() -> list[Told]:
        async with session_of(lesson.script) as session:
            return [told async for told in walk(lesson, session)]

    return asyncio.run(collect())


@asynccontextmanager
async def session_of(script: Path) -> AsyncIterator[Session]:
    """A session on a script; every process of it is gone afterwards."""
    session = Session(Program(str(script)))
    try:
        await session.start()
        yield session
    finally:
        await session.close()
