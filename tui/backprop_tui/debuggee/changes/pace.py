"""How often the schedulers of an optimizer step: once an iteration, or once in many."""

from __future__ import annotations


class Pace:
    """Counted in iterations, which end with a step of an optimizer."""

    def __init__(self) -> None:
        self.every = 1
        """Iterations from one step of a scheduler to the next, as seen last."""
        self._last: int | None = None
        self._ahead = False

    @property
    def known(self) -> bool:
        """Whether a scheduler has stepped at all."""
        return self._last is not None

    def stepped(self, iteration: int, over: bool) -> None:
        """A scheduler has stepped in an iteration. ``over``: its optimizer has stepped in it before."""
        if iteration != self._last:  # several schedulers may step one after the other
            self.every = max(iteration - (self._last or 0), 1)
        self._last, self._ahead = iteration, not over

    def next_use(self, iteration: int) -> int:
        """The first iteration whose step will use the rate that the schedulers set next.

        Without any step so far that is expected at the end of the present iteration.
        """
        due = iteration if self._last is None else max(self._last + self.every, iteration)
        return due if self._ahead else due + 1
