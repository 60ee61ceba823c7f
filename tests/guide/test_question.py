"""A question keeps the numbers with which it was asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from backprop_tui.guide.guide import Guide
from backprop_tui.guide.reading import read
from support.fake_session import FakeSession
from support.update_run import SCRIPT

STORY = f"""\
title = "A story"
question = "What happens?"
level = "beginner"
minutes = 1
script = "{SCRIPT}"
source = {{title = "a test", address = "https://example.org"}}

[[beat]]
title = "The step"
at = {{kind = "update", tensor = "linear2.weight", when = "before"}}
say = "One weight moves."

[beat.ask]
kind = "number"
question = "The weight is {{linear2.weight[0,0]}}. What will it be?"
answer = "linear2.weight[0,0]"
after = {{kind = "update", tensor = "linear2.weight"}}
why = "It is {{linear2.weight[0,0]}}."

[[beat]]
title = "After it"
say = "That was the step."
"""


@pytest.fixture
def guide(tmp_path: Path) -> Guide:
    path = tmp_path / "story.toml"
    path.write_text(STORY, encoding="utf-8")
    return Guide(read(path), FakeSession(lambda view: None))


async def test_an_answered_question_has_the_numbers_it_was_asked_with(guide: Guide) -> None:
    await guide.begin()
    assert guide.page.question == "The weight is 0.14. What will it be?"

    await guide.answer("0.1825")
    assert guide.page.verdict is not None and guide.page.verdict.why == "It is 0.1825."
    assert guide.page.question == "The weight is 0.14. What will it be?"


async def test_so_has_a_question_that_was_passed_in_another_session(guide: Guide) -> None:
    await guide.resume(1)
    await guide.previous()

    assert guide.page.number == 1
    assert guide.page.question == "The weight is 0.14. What will it be?"
