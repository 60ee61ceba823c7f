"""An arithmetic in several lines, as an optimizer's update and a scheduler's step are."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Line:
    """One line: ``m = β₁·m + (1 − β₁)·g = 0.9·0 + 0.1·(−0.85) = −0.085``."""

    symbols: str
    """``m = β₁·m + (1 − β₁)·g``"""
    numbers: str
    """``0.9·0 + 0.1·(−0.85)``; empty if it would say no more than the value."""
    value: str
    """``−0.085``"""
    verdict: str = ""
    """``✓`` or ``✗`` where torch keeps the result, so that it can be compared; empty in between."""
    note: str | None = None
    """Why this line and no other: ``epoch 4 is a multiple of step_size 2``."""

    @property
    def text(self) -> str:
        """The line as it is read."""
        parts = [part for part in (self.symbols, self.numbers, self.value) if part]
        if not self.numbers and self.symbols.endswith(f" = {self.value}"):
            parts.pop()
        return " = ".join(parts)


@dataclass(frozen=True)
class Split:
    """How much of one weight's step comes from where. The three add up to the step."""

    gradient: float
    """From the gradient of this step."""
    momentum: float
    """From gradients of earlier steps that the optimizer remembers."""
    decay: float
    """From weight decay."""

    @property
    def total(self) -> float:
        return self.gradient + self.momentum + self.decay
