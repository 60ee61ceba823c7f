"""The scripts of the lessons: the same under plain Python, all explained, and no notice unannounced."""

from __future__ import annotations

import functools
from collections import Counter

import pytest

from backprop_tui.explain.notices.table import TABLE
from backprop_tui.explain.notices.watch import Watch
from backprop_tui.guide.catalog import find, lessons
from support.scripts import Run, bare, difference, several, traced
from support.tracing import Traced, trace_all

NAMES = [lesson.name for lesson in lessons()]

alike = pytest.mark.xdist_group("lessons-alike")
looked_into = pytest.mark.xdist_group("lessons-explained")


LONG = ("mazur", "polynomial", "saturation", "softmax-twice")
"""Lessons whose scripts take long under `trace`: their numbers are held against the run anyway."""


@functools.cache
def runs() -> tuple[dict[str, Run], dict[str, Run]]:
    """Each script under plain Python and under `trace`."""
    scripts = {lesson.name: [str(lesson.script)] for lesson in lessons() if lesson.name not in LONG}
    return several(bare, scripts), several(traced, scripts)


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", LONG)
def test_a_long_one_does_the_same_too(name: str) -> None:
    script = {name: [str(find(name).script)]}

    assert difference(several(bare, script)[name], several(traced, script)[name]) == ""


FEW = 20
"""Iterations that are explained by default."""
ENOUGH = 310
"""A script that has more does the same in the others. Some train a second time, differently:
`softmax-twice` from iteration 201 on, `saturation` from iteration 301 on."""


@functools.cache
def explained(iterations: int) -> dict[str, Traced]:
    scripts = [[str(lesson.script)] for lesson in lessons()]
    return dict(zip(NAMES, trace_all(scripts, explain=True, iterations=iterations), strict=True))


@alike
@pytest.mark.parametrize("name", [name for name in NAMES if name not in LONG])
def test_it_does_the_same_under_plain_python(name: str) -> None:
    expected, run = (found[name] for found in runs())

    assert difference(expected, run) == ""
    assert expected.output.strip(), "a script that prints nothing"


how_far = pytest.mark.parametrize("iterations", [FEW, pytest.param(ENOUGH, marks=pytest.mark.exhaustive)])


@looked_into
@how_far
@pytest.mark.parametrize("name", NAMES)
def test_every_number_of_it_is_explained_and_checked(name: str, iterations: int) -> None:
    run = explained(iterations)[name]
    verdicts = Counter(explanation.verdict for _, explanation in run.explanations)
    unexplained = {
        (operation, e.symbols, e.note) for operation, e in run.explanations if e.verdict in "✗?" and e.verdict
    }

    assert run.status == 0, run.error
    assert unexplained == set()
    assert verdicts["✓"] > 3


@looked_into
@how_far
@pytest.mark.parametrize("name", NAMES)
def test_only_the_notices_that_its_guide_announces_are_given(name: str, iterations: int) -> None:
    watch = Watch()
    given = {notice.id for record in explained(iterations)[name].records for notice in watch.see(record)}
    about = set(find(name).about)

    assert about <= set(TABLE), "a notice that there is not"
    assert given <= about
