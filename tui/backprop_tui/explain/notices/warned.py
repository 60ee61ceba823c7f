"""Warnings of torch that say what people often get wrong."""

from __future__ import annotations

from backprop_tui.explain.notices.detector import Detector, Handlers
from backprop_tui.protocol import Record

_WARNINGS: dict[str, tuple[str, str]] = {
    ".grad attribute of a Tensor that is not a leaf": (
        "non-leaf-grad",
        "the script reads .grad of a tensor that is no leaf: it is None, whatever backward() computed",
    ),
    "duplicate parameters": (
        "duplicate-parameters",
        "this optimizer was given a parameter more than once",
    ),
    "None of the inputs have requires_grad=True": (
        "checkpoint-no-grad",
        "none of the inputs of this checkpoint requires a gradient, so its output has no history",
    ),
}
"""Fragment of the message that torch keeps from version to version: (notice, sentence)."""


class Warned(Detector):
    """`non-leaf-grad`, `duplicate-parameters` and `checkpoint-no-grad`."""

    def handlers(self) -> Handlers:
        return {"warning": self._warned}

    def _warned(self, record: Record) -> None:
        text = record.get("text", "")
        for fragment, (name, sentence) in _WARNINGS.items():
            if fragment in text:
                self.give(name, record, sentence)
