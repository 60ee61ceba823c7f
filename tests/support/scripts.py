"""Run a script under bare Python and under `backprop-tui trace`, and compare what they leave behind."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

from support import warm

TESTS = Path(__file__).resolve().parents[1]
SCRIPTS = TESTS / "scripts"
DUMPER = TESTS / "support" / "dump_state.py"

MARK = "=== the end of one script"
"""As in support/dump_state.py."""

TIMEOUT = 120
"""Seconds after which a run counts as hung."""


@dataclass(frozen=True)
class Run:
    """What a script said and left."""

    status: int
    output: str
    """Its standard output and standard error, in the order in which they were written."""
    state: dict[str, Any] = field(default_factory=dict)
    """Digests, see `dump_state`; empty if they were not asked for."""
    records: tuple[dict[str, Any], ...] = ()
    """What `trace` printed, if it was asked for."""


def environment(**extra: str) -> dict[str, str]:
    """One thread and unbuffered output, so that results and their order can be compared."""
    single = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    # pytest-xdist sets a size of the terminal for its workers; a program believes it more than its terminal.
    inherited = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
    return {**inherited, **single, "PYTHONUNBUFFERED": "1", "PYTHONHASHSEED": "0", **extra}


def script(name: str) -> str:
    """Path of a script under tests/scripts, by its name without folder: ``toy``, ``seed_004``."""
    (path,) = SCRIPTS.glob(f"**/{name}.py")
    return str(path)


def python(*arguments: str) -> list[str]:
    return [sys.executable, *arguments]


def backprop_tui(*arguments: str) -> list[str]:
    return python("-m", "backprop_tui", *arguments)


def said(command: Sequence[str], **options: Any) -> CompletedProcess[str]:
    """A command as a shell sees it: its exit status and its output, which is no terminal."""
    return warm.run(command, **_run_options({**warm.CAPTURED, **options}))


def bare(name: str, *arguments: str, dump: bool = True, **options: Any) -> Run:
    """The script under Python alone."""
    with tempfile.TemporaryDirectory() as folder:
        target = _target(name, arguments, folder if dump else None)
        done = warm.run(python(*target), stdout=warm.PIPE, stderr=warm.STDOUT, **_run_options(options))
        return Run(done.returncode, done.stdout, _state(folder))


def traced(
    name: str,
    *arguments: str,
    trace: Sequence[str] = (),
    dump: bool = True,
    keep_records: bool = False,
    **options: Any,
) -> Run:
    """The script under `backprop-tui trace`, whose own options are `trace`."""
    with tempfile.TemporaryDirectory() as folder, open(f"{folder}/records", "w+b") as records:
        target = _target(name, arguments, folder if dump else None)
        done = warm.run(
            backprop_tui("trace", *trace, *target),
            stdout=records if keep_records else warm.DEVNULL,
            stderr=warm.PIPE,
            **_run_options(options),
        )
        records.seek(0)
        kept = tuple(json.loads(line) for line in records)
        return Run(done.returncode, done.stderr, _state(folder), kept)


def several(run: Callable[..., Run], scripts: Mapping[str, Sequence[str]]) -> dict[str, Run]:
    """Scripts (path and arguments, by name) in one process, so that torch is imported once.

    ``run``: `bare` or `traced`. Each has its own state and output.
    """
    words = [word for script in scripts.values() for word in ("--", *script)]
    with tempfile.TemporaryDirectory() as folder:
        done = run(str(DUMPER), folder, "--several", *words[1:], dump=False, timeout=300)
        assert done.status == 0, done.output
        outputs = done.output.split(f"{MARK}\n{MARK}\n")
        states = [json.loads(Path(folder, f"{index}.json").read_text()) for index in range(len(scripts))]
    return {
        name: Run(0, output, state)
        for name, output, state in zip(scripts, outputs[: len(scripts)], states, strict=True)
    }


def records(
    name: str, *arguments: str, trace: Sequence[str] = (), **options: Any
) -> tuple[dict[str, Any], ...]:
    """The records of a script under `trace`, which must end well."""
    run = traced(name, *arguments, trace=trace, dump=False, keep_records=True, **options)
    assert run.status == 0, run.output
    return run.records


def of_kind(records: Sequence[dict[str, Any]], *kinds: str) -> list[dict[str, Any]]:
    return [record for record in records if record.get("kind") in kinds]


def difference(one: Run, other: Run) -> str:
    """The first thing in which two runs differ, as a sentence; empty if they are equal bit for bit."""
    if one.status != other.status:
        return f"exit status {one.status} against {other.status}: {other.output[-2000:]}"
    for number, (a, b) in enumerate(_longest(one.output.splitlines(), other.output.splitlines()), 1):
        if a != b:
            return f"line {number} of the output: {a!r} against {b!r}"
    for name in sorted(one.state.keys() | other.state.keys()):
        if one.state.get(name, "absent") != other.state.get(name, "absent"):
            return f"{name}: {one.state.get(name, 'absent')} against {other.state.get(name, 'absent')}"
    return ""


def _longest(one: list[str], other: list[str]) -> Iterator[tuple[str | None, str | None]]:
    for i in range(max(len(one), len(other))):
        yield (one[i] if i < len(one) else None), (other[i] if i < len(other) else None)


def _target(name: str, arguments: Sequence[str], folder: str | None) -> list[str]:
    path = name if name.endswith(".py") else script(name)
    dumper = [str(DUMPER), f"{folder}/state.json"] if folder else []
    return [*dumper, path, *arguments]


def _run_options(options: dict[str, Any]) -> dict[str, Any]:
    defaults = {"stdin": warm.DEVNULL, "timeout": TIMEOUT, "env": environment()}
    return {**defaults, **options}


def _state(folder: str) -> dict[str, Any]:
    file = Path(folder) / "state.json"
    return json.loads(file.read_text()) if file.exists() else {}
