"""What observing, stepping and going back cost, without a screen."""

from __future__ import annotations

import asyncio
import random
import statistics
import subprocess
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from backprop_tui.debugger.futures import parse_futures, starting_line
from backprop_tui.debugger.race import cores
from support.processes import MARK, marked, new_mark, private_bytes
from support.scripts import backprop_tui, environment, python, script
from support.sessions import open_session, run_to_end, script_output

LOOPS = str(Path(__file__).parent / "loops.py")
REPEATS = 5
MILLION = 1_000_000

Row = tuple[str, str, str]
"""What, the goal, what was measured."""


def seconds(output: str, of: str = "seconds") -> float:
    """The time of an iteration that `loops.py` printed; ``cpu``: with a core of its own."""
    (line,) = [line for line in output.splitlines() if line.startswith(f"{of} ")]
    return float(line.split()[1])


def bare(name: str, iterations: int) -> float:
    return seconds(
        subprocess.run(
            python(LOOPS, name, str(iterations)),
            capture_output=True,
            text=True,
            check=True,
            env=environment(),
        ).stdout
    )


def traced(name: str, iterations: int) -> float:
    """Every operation observed and its record written to a file."""
    with tempfile.TemporaryFile() as records:
        command = backprop_tui("trace", LOOPS, name, str(iterations))
        done = subprocess.run(
            command, stdout=records, stderr=subprocess.PIPE, text=True, check=True, env=environment()
        )
    return seconds(done.stderr)


def at_full_speed(name: str, iterations: int) -> float:
    """As `continue` in the app: observation off, checkpoints taken."""

    async def run() -> float:
        async with open_session(LOOPS, name, str(iterations)) as session:
            await run_to_end(session)
            return seconds(script_output(session))

    return asyncio.run(run())


def watched(name: str, iterations: int) -> float:
    """As `continue` with a breakpoint that is never met: every operation is looked at."""

    async def run() -> float:
        async with open_session(LOOPS, name, str(iterations)) as session:
            session.toggle_breakpoint(LOOPS, 10**6)
            await run_to_end(session)
            return seconds(script_output(session))

    return asyncio.run(run())


GUARDS = {
    "loss, rate, iteration": (
        "loss > 1e30",
        "loss rising 9999",
        "lr changed",
        "iteration 999999",
        "grad None",
    ),
    "gradient norm": ("grad norm > 1e30",),
    "non-finite": ("non-finite",),
    "frozen changed": ("frozen changed",),
    "unchanged parameter": ("unchanged nowhere",),  # a bias before a batch norm does not move
    "no optimizer": ("no optimizer",),
    "non-finite forward": ("non-finite forward",),
    "notice": ("notice dtype",),
}
"""Breakpoints that are never met."""


def guarded(name: str, iterations: int, texts: Sequence[str] = ()) -> float:
    """As `continue` with breakpoints on conditions; seconds of a core, which other programs do not change."""

    async def run() -> float:
        async with open_session(LOOPS, name, str(iterations)) as session:
            for text in texts:
                session.set_breakpoint(text)
            await run_to_end(session)
            return seconds(script_output(session), "cpu")

    return asyncio.run(run())


def conditions() -> Iterator[Row]:
    """Conditions over the plain run at full speed."""
    for name, iterations in (("cnn", 300), ("toy", 4000)):
        for what, texts in GUARDS.items():
            found, _ = ratio(partial(guarded, name, iterations, texts), partial(guarded, name, iterations), 3)
            goal = "≤ 1.1" if name == "cnn" and what in list(GUARDS)[:3] else ""
            yield f"breakpoints over the run at full speed, {name}: {what}", goal, f"{found:.2f}"


def ratio(
    one: Callable[[], float], other: Callable[[], float], repeats: int = REPEATS
) -> tuple[float, float]:
    """Median of one over median of the other, measured in turns; and the other's median."""
    pairs = [(one(), other()) for _ in range(repeats)]
    base = statistics.median(pair[1] for pair in pairs)
    return statistics.median(pair[0] for pair in pairs) / base, base


def full_speed() -> Iterator[Row]:
    for name, iterations, goal in (("toy", 5000, 1.25), ("cnn", 200, 1.05)):
        found, base = ratio(partial(at_full_speed, name, iterations), partial(bare, name, iterations))
        yield f"run at full speed over bare Python, {name}", f"≤ {goal}", f"{found:.2f} (bare {milli(base)})"


def observed() -> Iterator[Row]:
    cases = (("toy", 2000, 2.5), ("mlp", 400, 1.3), ("cnn", 200, 1.2), ("transformer", 60, 1.6))
    for name, iterations, goal in cases:
        found, base = ratio(partial(watched, name, iterations), partial(bare, name, iterations))
        yield (
            f"every operation observed, not stopping, over bare, {name}",
            f"≤ {goal}",
            f"{found:.2f} (bare {milli(base)})",
        )


def trace() -> Iterator[Row]:
    for name, iterations in (("toy", 200), ("mlp", 30), ("cnn", 30), ("transformer", 10)):
        found, base = ratio(partial(traced, name, iterations), partial(bare, name, iterations))
        yield f"`trace`, every record written, over bare, {name}", "", f"{found:.1f} (bare {milli(base)})"


OPTIMIZERS = ("Adam", "AdamW", "NAdam", "RAdam", "RMSprop", "Adagrad", "Adamax")


def race() -> Iterator[Row]:
    """Eight optimizers, the script's own included, 200 iterations each."""
    many, one = asyncio.run(races())
    yield (
        f"a race of 8 optimizers x 200 iterations, {many.at_once} at a time, over one after another, cnn",
        "≤ 0.6 on two cores",
        f"{many.seconds / one.seconds:.2f} ({many.seconds:.1f} s)",
    )


@dataclass(frozen=True)
class Raced:
    """How many futures ran at a time, and the median of the seconds that the race took."""

    at_once: int
    seconds: float


async def races() -> tuple[Raced, Raced]:
    futures = starting_line(
        [one for name in OPTIMIZERS for one in parse_futures(f"optimizer={name}(lr=0.001)")]
    )
    times: dict[int, list[float]] = {cores(): [], 1: []}
    async with open_session(script("cnn_digits"), "--epochs", "12", details=False) as session:
        for _ in range(REPEATS):
            for at_once, found in times.items():
                contest = await session.race(futures, 200)
                contest.run_at_once(at_once)
                begun = time.perf_counter()
                await contest.run()
                found.append(time.perf_counter() - begun)
    many, one = (Raced(at_once, statistics.median(found)) for at_once, found in times.items())
    return many, one


def one_step() -> Iterator[Row]:
    times = asyncio.run(steps(2000))
    yield (
        "one step, command to answer, without a screen",
        "median ≤ 0.3 ms",
        f"median {milli(statistics.median(times))}, p95 {milli(percentile(times, 0.95))}",
    )


def one_step_of_many_parameters() -> Iterator[Row]:
    """A model of 604 parameters with AdamW's state: a step must not cost what all of them cost."""
    forwards, backwards = asyncio.run(deep_steps(60, 20))
    yield (
        "one step of a model with 604 parameters, forwards / backwards, without a screen",
        "",
        f"median {milli(statistics.median(forwards))} / {milli(statistics.median(backwards))}",
    )


async def deep_steps(forwards: int, backwards: int) -> tuple[list[float], list[float]]:
    async with open_session(LOOPS, "deep", "1000") as session:
        await session.goto(2, 50)
        there = [await timed(session.step, "walk") for _ in range(forwards)]
        back = [await timed(session.step, "walk", True) for _ in range(backwards)]
        return there, back


async def steps(count: int) -> list[float]:
    async with open_session(LOOPS, "toy", "1000000") as session:
        for _ in range(200):
            await session.step("walk")
        return [await timed(session.step, "walk") for _ in range(count)]


async def timed(call: Callable[..., Awaitable[None]], *arguments: object) -> float:
    start = time.perf_counter()
    await call(*arguments)
    return time.perf_counter() - start


def back_in_a_long_run() -> Iterator[Row]:
    times, memory, operations = asyncio.run(go_back_and_forth())
    yield (
        f"back to any time in a run of {operations:,} operations",
        "≤ 1 s",
        f"median {milli(statistics.median(times))}, worst {milli(max(times))} of {len(times)}",
    )
    yield "all checkpoints together, toy net", "≤ 500 MB private", f"{memory / 1e6:.0f} MB"


async def go_back_and_forth(jumps: int = 30) -> tuple[list[float], int, int]:
    """Times of random jumps in a finished run of about a million operations, private bytes, operations."""
    mark = new_mark()
    async with open_session(LOOPS, "toy", "40", environment={MARK: mark}) as session:
        await run_to_end(session)
        length = session.view.iteration_length or 25
    iterations = MILLION // length
    chooser = random.Random(0)
    async with open_session(LOOPS, "toy", str(iterations), environment={MARK: mark}) as session:
        await run_to_end(session)
        memory = sum(private_bytes(pid) for pid in marked(mark))
        times = []
        for _ in range(jumps):
            target = chooser.randrange(1, iterations), chooser.randrange(1, length)
            times.append(await timed(session.goto, *target))
    return times, memory, iterations * length


def percentile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def milli(value: float) -> str:
    return f"{value * 1e3:.3g} ms"
