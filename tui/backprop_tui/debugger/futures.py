"""From what the user types to the futures of a race. Standard library only.

One future is one or more changes, ``optimizer=Adam(lr=0.1)`` or ``lr=0.1; seed=3``; a grid is several,
``lr 1e-4..1, 8 points, log``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from backprop_tui.debugger.options import PARSERS, change_of

MOST_CHANGED = 8
"""Futures of one race, beside the one in which nothing is changed."""
AS_IT_IS = "as it is"
_GRID = re.compile(
    r"(?P<name>[A-Za-z_][\w ]*?)\s*[ =]\s*(?P<low>[-+\d.eE]+?)\s*\.\.\s*(?P<high>[-+\d.eE]+)"
    r"(?:\s*,\s*(?P<points>[^,]*?)\s*points?)?(?:\s*,\s*(?P<scale>log|linear))?\s*"
)
_HYPERPARAMETERS = {
    "momentum": ("hyperparameter=momentum=0.9", "momentum 0..0.9, 4 points"),
    "betas": ("hyperparameter=betas=(0.8, 0.99)",),
}
"""What can be tried of an optimizer that has such a hyperparameter."""
_ALIASES = {"learning rate": "lr", "learning_rate": "lr"}
_INTEGERS = ("seed",)
_DIGITS = 4
"""Significant digits of the values in a grid."""


@dataclass(frozen=True)
class Future:
    """What is changed at the cursor before the run goes on; nothing, if it goes on as it is."""

    text: str = AS_IT_IS
    changes: tuple[tuple[str, Any], ...] = ()
    """(kind, value), made in this order."""

    @property
    def other_loss(self) -> bool:
        """Whether its loss is measured otherwise: such a loss compares with no other."""
        return any(kind == "loss" for kind, _ in self.changes)


def parse_futures(text: str) -> list[Future]:
    """One future, or those of a grid. Raises ValueError with a sentence that lists what is valid."""
    text = " ".join(text.split())
    grid = _GRID.fullmatch(text)
    if grid is not None:
        return _grid(grid)
    if ".." in text and "=" not in text.partition("..")[0]:
        raise ValueError(f"A grid is written like lr 1e-4..1, 8 points, log, not {text!r}.")
    parts = [part.strip() for part in text.split(";") if part.strip()]
    if not parts:
        raise ValueError(f"A change is written like optimizer=Adam(lr=0.1), not {text!r}.")
    return [Future("; ".join(parts), tuple(_change(part) for part in parts))]


def _change(text: str) -> tuple[str, Any]:
    name, sign, value = text.partition("=")
    kind = _kind(name)
    if not sign or not value.strip():
        raise ValueError(f"A change is written like optimizer=Adam(lr=0.1), not {text!r}.")
    if kind not in PARSERS:
        raise ValueError(f"There is no change {name.strip()!r}: choose from {', '.join(PARSERS)}.")
    return change_of(kind, value)


def _kind(name: str) -> str:
    plain = " ".join(name.split()).lower()
    return _ALIASES.get(plain, plain.replace("-", "_").replace(" ", "_"))


def _grid(found: re.Match[str]) -> list[Future]:
    """``NAME LOW..HIGH, N points, log``: of the rate, of a seed, or of any hyperparameter."""
    name = _kind(found["name"])
    count = _points(found["points"])
    try:
        low, high = float(found["low"]), float(found["high"])
    except ValueError:
        raise ValueError(f"A grid goes from a number to a number, not {found[0]!r}.") from None
    if found["scale"] == "log" and min(low, high) <= 0:
        raise ValueError(f"A logarithmic grid lies above 0, not from {found['low']} to {found['high']}.")
    values = _values(low, high, count, found["scale"] == "log")
    if name in _INTEGERS:
        return [one for value in values for one in parse_futures(f"{name}={round(value)}")]
    prefix = name if name == "lr" else f"hyperparameter={name}"
    return [one for value in values for one in parse_futures(f"{prefix}={value:.{_DIGITS}g}")]


def _points(text: str | None) -> int:
    if text is None:
        return MOST_CHANGED
    if not text.isdecimal() or not 2 <= int(text[:9]) <= MOST_CHANGED:
        raise ValueError(f"A grid has 2 to {MOST_CHANGED} points, not {text!r}.")
    return int(text)


def _values(low: float, high: float, count: int, log: bool) -> list[float]:
    """Evenly spaced, on a line or in the exponent, both ends included."""
    shares = [step / (count - 1) for step in range(count)]
    if log:
        return [low * (high / low) ** share for share in shares]
    return [low + (high - low) * share for share in shares]


def settings_to_try(present: Sequence[str], optimizers: Sequence[str]) -> list[str]:
    """Changes to propose for settings that the script has, as they are typed.

    ``present``: the classes of its optimizers, [""] if it has none. ``optimizers``: optimizers with all their
    hyperparameters, as text.
    """
    written = [next((text for text in optimizers if text.startswith(f"{name}(")), "") for name in present]
    had = [name for name in _HYPERPARAMETERS if all(f"{name}=" in text for text in written)]
    return [
        "zero_grad=off",
        "zero_grad=zero",
        "lr 1e-4..1, 8 points, log",
        *(change for name in had for change in _HYPERPARAMETERS[name]),
        "scheduler=off",
        "backward_gradient=loss",
        "seed=1",
        "seed 1..4, 4 points",
    ]


def starting_line(changed: list[Future]) -> list[Future]:
    """The futures of a race: as it is, and the changed ones, each once. Raises ValueError."""
    once = list({future.text: future for future in changed}.values())
    if not once:
        raise ValueError("A race needs at least one change, for example optimizer=Adam(lr=0.1).")
    if len(once) > MOST_CHANGED:
        raise ValueError(f"A race has at most {MOST_CHANGED} changes, not {len(once)}.")
    return [Future(), *once]
