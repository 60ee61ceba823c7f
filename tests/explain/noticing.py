"""The scripts of tests/scripts/notices and all programs, run once for every test of notices."""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from typing import Any

from backprop_tui.explain.notices.notice import Notice
from backprop_tui.explain.notices.watch import Watch
from support.scripts import SCRIPTS, script
from support.tracing import Traced, trace_all

FOLDER = SCRIPTS / "notices"
WRONG = sorted(path.stem for path in FOLDER.glob("*.py") if not path.stem.endswith("_right"))
RIGHT = sorted(path.stem for path in FOLDER.glob("*_right.py"))
CORRECT = sorted(path.stem for path in (FOLDER / "correct").glob("*.py"))
"""Programs that do on purpose, and rightly, what is often done by mistake."""

REAL = {
    "cnn_digits": ["--epochs", "1", "--samples", "128"],
    "char_transformer": ["--iterations", "2"],
    "lstm": ["--epochs", "2", "--length", "100"],
    "gan": ["--iterations", "4"],
    "lbfgs": ["--steps", "1", "--max-iter", "4"],
    "accumulate": ["--epochs", "1", "--samples", "160"],
    "no_optimizer": ["--iterations", "8"],
    "custom_function": ["--iterations", "3"],
    "mlp_784": ["--iterations", "4"],
    "toy": ["12", "Adam"],
    "dropout_digest": ["8"],
}
SEEDS = {
    "seed_001_manual": [],
    "seed_001_optim": ["6"],
    "seed_002_accumulate": [],
    "seed_002_where": [],
    "seed_002_milestones": [],
    "seed_002_steplr": [],
    "seed_004": ["6"],
}

ALSO = {
    # there is no history behind the output of such a checkpoint
    "checkpoint-no-grad": {"graph-cut"},
    # the norm is infinite because a gradient is
    "clip-non-finite": {"non-finite"},
    # at the end of the cosine the rate is 0
    "schedule-past-end": {"lr-zero"},
    # the new tensor is no leaf, and its .grad is then read
    "update-made-a-new-tensor": {"non-leaf-grad"},
    # the new tensor requires no gradient
    "update-made-a-new-tensor_2": {"graph-cut"},
}
"""What a script has besides the confusion that it is about."""

ABOUT_CONFUSIONS = {
    "seed_002_accumulate": {"constant-in-loss"},  # "the loss minus 100"
    "seed_002_milestones": {"constant-in-loss", "scheduler-first", "get-lr"},  # "why get_lr() prints that"
    "seed_002_steplr": {"step-without-gradients", "get-lr"},  # the same, without any training
}
"""Questions whose programs have the confusion that they ask about."""

LONG = {
    "cnn_digits": ["--epochs", "2"],
    "char_transformer": ["--iterations", "60"],
    "lstm": ["--epochs", "6"],
    "gan": ["--iterations", "100"],
    "lbfgs": ["--steps", "4"],
    "accumulate": ["--epochs", "2"],
    "no_optimizer": ["--iterations", "300"],
    "custom_function": ["--iterations", "60"],
    "mlp_784": ["--iterations", "150"],
    "toy": ["1000"],
    "dropout_digest": ["100"],
    "seed_001_optim": ["1000"],
    "seed_004": ["1000"],
}


def arguments_of(name: str) -> list[str]:
    return {**REAL, **SEEDS}.get(name, [])


@functools.cache
def runs() -> dict[str, Traced]:
    """Every script, each in a process of its own."""
    names = (*WRONG, *RIGHT, *CORRECT, *REAL, *SEEDS)
    scripts = {name: [script(name), *arguments_of(name)] for name in names}
    return dict(zip(scripts, trace_all(scripts.values()), strict=True))


def seen(records: Sequence[Any]) -> list[Notice]:
    """As `trace` does: one watch over the whole run."""
    watch = Watch()
    return [notice for record in records for notice in watch.see(record)]


@functools.cache
def given(name: str) -> tuple[Notice, ...]:
    return tuple(seen(runs()[name].records))


def ids(notices: Sequence[Notice]) -> set[str]:
    return {notice.id for notice in notices}


def confusion_of(name: str) -> str:
    """``clip-order`` for ``clip-order_2``."""
    return re.sub(r"(_\d)?(_right)?$", "", name)
