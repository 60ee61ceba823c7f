"""Changes of the command line that met nothing in the whole script: what to say at its end."""

from __future__ import annotations

from collections.abc import Iterable

SENTENCES = {
    "loss": "the script called no loss function, so there was none to swap",
    "optimizer": "the script made no optimizer, so there was none to swap",
    "lr": "the script made no optimizer, so there was no learning rate to set",
    "scheduler": "the script stepped no scheduler, so there was none to switch off",
    "zero_grad": "the script cleared no gradient, so there was nothing to keep or to set to zero",
    "backward_gradient": "backward was called on no single number, so it was given no gradient",
    "set": "no training loop began, so nothing was set",
    "seed": "no training loop began, so nothing was seeded",
}


class Unmet:
    """Which changes were asked for before the script ran, and which of them it gave occasion to."""

    def __init__(self) -> None:
        self._asked: dict[str, None] = {}
        self._met: set[str] = set()

    def ask(self, kind: str) -> None:
        """A change is to be in force from the first line."""
        self._asked[kind] = None

    def meet(self, kind: str) -> None:
        """There was something to change."""
        self._met.add(kind)

    def sentences(self, met: Iterable[str]) -> list[str]:
        """What to say of the others, in the order in which they were asked for.

        ``met``: those that are known elsewhere to have had something to change.
        """
        known = self._met.union(met)
        return [SENTENCES[kind] for kind in self._asked if kind in SENTENCES and kind not in known]
