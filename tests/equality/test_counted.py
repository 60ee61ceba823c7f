"""Where nobody looks, operations are counted as a whole: the numbers of all others, and what a script prints,
are those of a run in which each is announced."""

import pytest

from support import warm
from support.scripts import SCRIPTS, TESTS, environment, python

COUNTED = str(TESTS / "support" / "counted.py")
INEXACT = " False"
"""At the end of a line: an operation has failed since the last landmark, before it was through."""


def lines(how: str, script: str, *arguments: str) -> list[str]:
    done = warm.run(
        python(COUNTED, how, script, *arguments),
        stdout=warm.PIPE, stderr=warm.STDOUT, timeout=300, env=environment(),
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    found: list[str] = done.stdout.splitlines()
    return found


def same(script: str, *arguments: str) -> int:
    """Compare the two. So many lines they are."""
    counted, announced = lines("whole", script, *arguments), lines("each", script, *arguments)
    assert len(counted) == len(announced)
    sure = [pair for pair in zip(counted, announced, strict=True) if not pair[0].endswith(INEXACT)]
    assert [pair for pair in sure if pair[0] != pair[1]] == []
    return len(sure)


@pytest.mark.parametrize(
    ("name", "least"),
    [
        pytest.param("steps_alone", 3000, marks=pytest.mark.exhaustive),
        ("passes", 400),
        ("real/custom_function", 1500),
        ("real/gan", 10_000),
    ],
)
def test_counted_as_a_whole_and_one_by_one(name: str, least: int) -> None:
    assert same(str(SCRIPTS / f"{name}.py")) >= least


@pytest.mark.exhaustive
@pytest.mark.parametrize("plan", ["losses,1,0,4", "modules,3,1,1", "ops,10,3,2"])
def test_the_databases(plan: str) -> None:
    assert same(str(SCRIPTS / "databases.py"), plan) > 300
