"""PyTorch's own databases, observed and bare: every optimizer, scheduler, loss, module and operation.

Both runs are whole processes that print one digest per entry, so that what is compared is what a user
would get. By default a fair sample is run (every K-th entry); `pytest -m exhaustive` runs them all.
"""

import functools

import pytest

from support.scripts import SCRIPTS, bare, traced

DATABASES = str(SCRIPTS / "databases.py")

SAMPLE = {
    "optimizers": (7, 3, 1),
    "schedulers": (51, 3, 1),
    "losses": (5, 2, 4),
    "modules": (30, 5, 1),
    "ops": (45, 11, 1),
}
"""Kind: every K-th entry, from the F-th on, at most N samples each. K must have no factor in common with the
number of schedulers, which come in the same order for every optimizer."""

ENTRIES = {"optimizers": 91, "schedulers": 240, "losses": 40, "modules": 228, "ops": 666}
"""As many as torch 2.13 has, less a few: a later torch may drop some."""


@functools.cache
def digests(*plans: str) -> tuple[list[str], list[str]]:
    """What both runs print; several kinds in one process, because the databases take seconds to import."""
    expected = bare(DATABASES, *plans, dump=False, timeout=600)
    observed = traced(DATABASES, *plans, dump=False, timeout=3000)
    assert expected.status == 0, expected.output
    assert observed.status == 0, observed.output
    return expected.output.splitlines(), observed.output.splitlines()


def of_kind(kind: str, lines: list[str]) -> list[str]:
    return [line for line in lines if line.startswith(f"{kind} ")]


def differences(expected: list[str], observed: list[str]) -> list[str]:
    assert len(expected) == len(observed)
    return [f"{one} | {other}" for one, other in zip(expected, observed, strict=True) if one != other]


@pytest.mark.xdist_group("databases")
@pytest.mark.parametrize("kind", SAMPLE)
def test_a_fair_sample(kind: str) -> None:
    plans = [f"{each},{every},{first},{samples}" for each, (every, first, samples) in SAMPLE.items()]
    expected, observed = (of_kind(kind, lines) for lines in digests(*plans))

    assert len(expected) >= 0.9 * ENTRIES[kind] / SAMPLE[kind][0]
    assert differences(expected, observed) == []


@pytest.mark.exhaustive
@pytest.mark.parametrize("kind", SAMPLE)
def test_every_entry(kind: str) -> None:
    expected, observed = digests(kind)

    assert len(expected) >= 0.9 * ENTRIES[kind]
    assert differences(expected, observed) == []
