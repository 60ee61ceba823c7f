"""A lesson as a page of Markdown, with the numbers of a run of it: for a teacher to print."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from backprop_tui.guide.lesson import Lesson
    from backprop_tui.guide.walking import Told


def handout(lesson: Lesson, beats: Sequence[Told]) -> str:
    """The whole page; the answers stand at its end."""
    return "\n".join([*_head(lesson), *_story(beats), *_answers(beats)]) + "\n"


def _head(lesson: Lesson) -> Iterator[str]:
    yield f"# {lesson.title}"
    yield ""
    yield f"*{lesson.question}*"
    yield ""
    source = f"[{lesson.source_title}]({lesson.source_address})"
    yield f"{lesson.level}, {lesson.minutes} minutes. Source: {source}"
    yield ""
    yield f"Walk through it: `backprop-tui {lesson.name}`"
    yield ""
    yield "```python"
    yield lesson.script.read_text(encoding="utf-8").strip("\n")
    yield "```"
    yield ""


def _story(beats: Sequence[Told]) -> Iterator[str]:
    for told in beats:
        yield f"## {told.number}. {told.beat.title}"
        yield ""
        yield f"({told.place})"
        yield ""
        yield told.text
        yield ""
        if told.question:
            yield f"**Question {told.number}.** {told.question}"
            yield ""
            ask = told.beat.ask
            choices = ask.choices if ask is not None else ()
            yield from (f"{letter}. {choice}" for letter, choice in enumerate(choices, 1))
            yield from [""] * bool(choices)
        if told.beat.switch:
            yield f"**Switch:** {', '.join(f'{kind} → {text}' for kind, text in told.beat.switch)}"
            yield ""


def _answers(beats: Sequence[Told]) -> Iterator[str]:
    asked = [told for told in beats if told.question]
    if asked:
        yield "## Answers"
        yield ""
        for told in asked:
            yield f"**{told.number}.** {told.answer}. {told.why}"
            yield ""
