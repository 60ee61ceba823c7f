"""Measure the speed table of the README: `python tests/benchmarks/run.py [NAME ...]`.

Each number is a median over repeats that alternate between the two things compared, so that a busy
machine slows both. Prints a Markdown table. Run it alone: it wants one core to itself.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import running
import screen
from running import Row

BENCHMARKS: dict[str, Callable[[], Iterator[Row]]] = {
    "full_speed": running.full_speed,
    "observed": running.observed,
    "trace": running.trace,
    "step": running.one_step,
    "deep": running.one_step_of_many_parameters,
    "back": running.back_in_a_long_run,
    "race": running.race,
    "conditions": running.conditions,
    "keys": screen.keys,
    "keys_with_explanations": screen.keys_with_explanations,
    "first_frame": screen.first_frame,
    "idle": screen.idle,
}


def main(names: list[str]) -> int:
    unknown = [name for name in names if name not in BENCHMARKS]
    if unknown:
        print(f"No benchmark {unknown[0]!r}; there are: {', '.join(BENCHMARKS)}.", file=sys.stderr)
        return 2
    print("| what | goal | measured |\n|---|---|---|", flush=True)
    for name in names or BENCHMARKS:
        for row in BENCHMARKS[name]():
            print("| " + " | ".join(row) + " |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
