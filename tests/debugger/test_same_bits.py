"""Whatever way a session takes to the end of a real program, it leaves the bits that Python leaves."""

from __future__ import annotations

import contextlib
import json
import os
import random
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pytest

from backprop_tui.debugger.failure import Refused
from support.driving import Driver
from support.scripts import DUMPER, Run, bare, difference, environment, script

pytestmark = pytest.mark.xdist_group("debugger_same_bits")

OPTIMIZERS = ["SGD", "Adam", "AdamW", "NAdam", "RAdam", "RMSprop", "Rprop", "ASGD", "Adagrad", "Adadelta"]
PROGRAMS = {
    **{f"toy with {name}": ("toy", "6", name) for name in OPTIMIZERS},
    "cnn_digits": ("cnn_digits", "--epochs", "1", "--samples", "128"),
    "lstm": ("lstm", "--epochs", "2", "--length", "100"),
    "gan": ("gan", "--iterations", "4"),
    "lbfgs": ("lbfgs", "--steps", "2", "--max-iter", "3"),
    "char_transformer": ("char_transformer", "--iterations", "4"),
    "custom_function": ("custom_function", "--iterations", "4"),
    "no_optimizer": ("no_optimizer", "--iterations", "6"),
    "accumulate": ("accumulate", "--epochs", "1", "--samples", "64"),
}


@pytest.fixture(scope="module")
def seeded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driver]:
    """One thread and a hash seed, as the bare run has them."""
    idle = tmp_path_factory.mktemp("idle") / "idle.py"
    idle.write_text("import torch\n")
    with mock.patch.dict(os.environ, environment()):
        driver = Driver(str(idle))
    yield driver
    driver.close()


def wander(driver: Driver, chooser: random.Random) -> None:
    """A few stops anywhere in the run, and around each of them some steps to and fro."""
    for _ in range(5):
        with contextlib.suppress(Refused):
            driver.goto(chooser.randrange(1, 5), chooser.randrange(1, 30))
        for _ in range(chooser.randrange(2, 6)):
            how = chooser.choice(["walk", "into", "over", "out"])
            with contextlib.suppress(Refused):
                driver.step(how, backwards=chooser.random() < 0.5)


@pytest.mark.exhaustive
@pytest.mark.parametrize("program", PROGRAMS)
def test_a_wandering_session_leaves_the_same_bits(seeded: Driver, program: str, tmp_path: Path) -> None:
    name, *arguments = PROGRAMS[program]
    state = tmp_path / "state.json"
    seeded.load(DUMPER, str(state), script(name), *arguments)
    wander(seeded, random.Random(program))
    state.unlink(missing_ok=True)
    if seeded.view.status != "stopped":
        seeded.back("walk")
    seeded.run()
    stepped = Run(seeded.stop.exit_status or 0, seeded.printed, json.loads(state.read_text()))

    assert difference(bare(name, *arguments), stepped) == ""
