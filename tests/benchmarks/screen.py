"""What a person waits for: the first frame, and a key's effect on the screen."""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Iterator
from pathlib import Path

from running import LOOPS, REPEATS, Row, milli, percentile

from support.processes import command_line, cpu_seconds, marked
from support.scripts import python
from support.terminal import Terminal

BARE_APP = str(Path(__file__).parent / "bare_app.py")


def time_to(word: str, command: list[str] | None = None) -> float:
    """Seconds from the start of the program to the word on the screen."""
    start = time.perf_counter()
    with Terminal(command=command) as terminal:
        terminal.wait_for(word)
        return time.perf_counter() - start


def first_frame() -> Iterator[Row]:
    pairs = [(time_to("update.py"), time_to("bare frame", python(BARE_APP))) for _ in range(REPEATS)]
    ours, floor = (statistics.median(times) for times in zip(*pairs, strict=True))
    yield (
        "first frame of the app, over a bare Textual app",
        "≤ 1.5",
        f"{ours / floor:.2f} ({milli(ours)}, bare {milli(floor)})",
    )


def press_and_wait(terminal: Terminal, key: str) -> float:
    """Seconds from the key to the arrival of the changed frame.

    What came is put through the emulator, which takes milliseconds, only when all of it is here.
    """
    before, changed = terminal.text, []
    start = time.perf_counter()
    terminal.press(key)
    while not changed:
        frames = list(arrivals(terminal))
        assert frames, f"nothing changed on the screen after {key!r}:\n{before}"
        for arrived, written in frames:
            terminal.feed(written)
            if not changed and terminal.text != before:
                changed.append(arrived)
    return changed[0] - start


def arrivals(terminal: Terminal, silence: float = 0.05) -> Iterator[tuple[float, str]]:
    """What the program writes and when it came, from the first until it has been silent for some seconds."""
    patience = 20.0
    while written := terminal.receive(patience):
        yield time.perf_counter(), written
        patience = silence


def keys() -> Iterator[Row]:
    with Terminal(LOOPS, "toy", "1000000") as terminal:
        terminal.wait_for("loops.py")
        forwards = [press_and_wait(terminal, " ") for _ in range(300)][50:]
        yield "key to changed frame in a pty at 120x36, stepping", "p95 ≤ 25 ms", summary(forwards)
        go_on_for(terminal, iterations=400)
        yield (
            "the same, stepping back anywhere in the last 10,000 operations",
            "p95 ≤ 80 ms",
            summary(list(backward_steps(terminal, iterations=400))),
        )


def keys_with_explanations() -> Iterator[Row]:
    """Larger programs, where what is explained has many elements."""
    for name in ("cnn", "transformer"):
        with Terminal(LOOPS, name, "100000") as terminal:
            terminal.wait_for("loops.py", seconds=60)
            times = [press_and_wait(terminal, " ") for _ in range(150)][30:]
            yield f"key to changed frame, stepping, {name}", "p95 ≤ 30 ms", summary(times)


def go_on_for(terminal: Terminal, iterations: int) -> None:
    """Run on to an iteration: about 25 operations each."""
    go_to(terminal, f"{iterations} 1")


def go_to(terminal: Terminal, where: str) -> None:
    iteration = where.split()[0]
    terminal.press("g")
    while terminal.read(0.1):
        pass
    terminal.press(where + "\r")
    terminal.wait(lambda text: f"iteration {iteration}" in text)
    while terminal.read(0.1):
        pass


def backward_steps(terminal: Terminal, iterations: int) -> Iterator[float]:
    """From random places, one step back each."""
    chooser = random.Random(0)
    for _ in range(60):
        go_to(terminal, f"{chooser.randrange(10, iterations)} {chooser.randrange(1, 20)}")
        yield press_and_wait(terminal, "\x7f")


def summary(times: list[float]) -> str:
    return f"median {milli(statistics.median(times))}, p95 {milli(percentile(times, 0.95))}"


def idle() -> Iterator[Row]:
    with Terminal() as terminal:
        terminal.wait_for("iteration 1", seconds=60)  # torch has been loaded
        look_for(terminal, 3)
        before, start = cpu_seconds(marked(terminal.mark)), time.monotonic()
        look_for(terminal, 10)
        used = (cpu_seconds(marked(terminal.mark)) - before) / (time.monotonic() - start)
        without_torch = not uses_torch(terminal.child.pid)
    yield "idle, nothing running", "≤ 1 % CPU", f"{used:.1%}"
    yield "torch is not in the app's process", "yes", "yes" if without_torch else "no"


def look_for(terminal: Terminal, seconds: float) -> None:
    """Only look."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        terminal.read(0.1)


def uses_torch(pid: int) -> bool:
    assert command_line(pid)
    return "libtorch" in Path(f"/proc/{pid}/maps").read_text()
