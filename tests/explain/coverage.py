"""How much of what real programs do is explained, as a table: `python tests/explain/coverage.py`.

Every program of the tests runs for a few iterations under ``trace --explain``. Operations that make
numbers instead of working them out (``torch.tensor``, ``empty``, ``item``) are not counted.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from equality.test_scripts import REAL, SEEDS
from support.scripts import backprop_tui, environment, script

ITERATIONS = "3"
GROUPS = {"op": "forward", "loss": "forward", "node": "backward", "update": "update", "manual": "update"}
PROGRAMS = {"update": [], **SEEDS, **REAL}
Tally = Counter[tuple[str, str]]
"""(group of kinds, verdict) to how many"""


def explanations(name: str, arguments: Iterable[str]) -> list[tuple[str, dict[str, Any]]]:
    """(kind of the operation, its explanation) for all of a program."""
    target = name if name == "update" else script(name)
    command = backprop_tui("trace", "--explain", "--iterations", ITERATIONS, target, *arguments)
    done = subprocess.run(
        command, capture_output=True, text=True, stdin=subprocess.DEVNULL, env=environment(), timeout=300
    )
    records = [json.loads(line) for line in done.stdout.splitlines()]
    kinds = {tuple(record["time"]): record["kind"] for record in records if _is_operation(record)}
    found = [record for record in records if record["kind"] == "explanation"]
    return [(kinds[tuple(record["time"])], record) for record in found]


def _is_operation(record: dict[str, Any]) -> bool:
    return record["kind"] not in ("explanation", "notice")


def verdict(explanation: dict[str, Any]) -> str:
    """✓ agrees, ✗ does not, ? not explained; empty for numbers that were given."""
    if explanation["check"] is not None:
        return "✓" if explanation["check"] else "✗"
    return "?" if explanation["result"] or "not" in explanation["rule"] else ""


def tally(found: Iterable[tuple[str, dict[str, Any]]]) -> Tally:
    """Count by group and verdict."""
    return Counter((GROUPS.get(kind, kind), verdict(explanation)) for kind, explanation in found)


def share(counts: Tally) -> float:
    """The share of ✓ among what works numbers out."""
    total = sum(count for (_, word), count in counts.items() if word)
    return sum(count for (_, word), count in counts.items() if word == "✓") / total if total else 1.0


def main() -> int:
    """Print the table; status 1 if anything disagrees with torch."""
    whole: Tally = Counter()
    unexplained: Counter[str] = Counter()
    groups = ("forward", "backward", "accumulate", "update", "schedule")
    print("| program | " + " | ".join(groups) + " | ✗ | ? | explained |")
    print("|---|" + "---|" * (len(groups) + 3))
    for name, arguments in PROGRAMS.items():
        found = explanations(name, arguments)
        counts = tally(found)
        unexplained.update(one["rule"] for _, one in found if verdict(one) in ("?", "✗"))
        whole += counts
        print(_row(name, counts, groups), flush=True)
    print(_row("all", whole, groups))
    for rule, count in unexplained.most_common():
        print(f"{count:5} {rule}")
    return int(any(word == "✗" for _, word in whole))


def _row(name: str, counts: Tally, groups: Iterable[str]) -> str:
    numbers = " | ".join(str(counts[group, "✓"]) for group in groups)
    wrong = sum(count for (_, word), count in counts.items() if word == "✗")
    unknown = sum(count for (_, word), count in counts.items() if word == "?")
    return f"| {name} | {numbers} | {wrong} | {unknown} | {share(counts):.1%} |"


if __name__ == "__main__":
    sys.exit(main())
