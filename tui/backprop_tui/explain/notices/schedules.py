"""Learning rates that are scheduled in the wrong order, too long, or twice."""

from __future__ import annotations

from typing import Any

from backprop_tui.explain.notices.detector import Detector, Handlers
from backprop_tui.explain.notices.notice import Give
from backprop_tui.explain.notices.past import Past
from backprop_tui.explain.notices.words import number
from backprop_tui.protocol import Record


class Schedules(Detector):
    """`scheduler-first`, `schedule-past-end`, `two-schedulers` and `get-lr`."""

    def __init__(self, past: Past, give: Give) -> None:
        super().__init__(past, give)
        self._stepped = False
        self._passed = False
        self._scaled = False
        """A GradScaler has looked at the gradients, and perhaps skipped the step."""
        self._told = False
        self._last: Record | None = None
        """The last schedule of this iteration."""
        self._rate: Any = None
        """The first group's rate that the last schedule set."""

    def handlers(self) -> Handlers:
        return {
            "step": self._step,
            "backward": self._pass,
            ":_amp_foreach_non_finite_check_and_unscale_": self._scale,
            "schedule": self._schedule,
            "iteration": self._begin,
            "warning": self._warned,
        }

    def _begin(self, record: Record) -> None:
        self._last = None

    def _step(self, record: Record) -> None:
        self._stepped = True
        self._last = None

    def _pass(self, record: Record) -> None:
        self._passed = True

    def _scale(self, record: Record) -> None:
        self._scaled = True

    def _warned(self, record: Record) -> None:
        text = record.get("text", "")
        if "get_last_lr()" in text:
            known = "" if self._rate is None else f": the rate in use is {number(self._rate)}"
            self.give("get-lr", record, f"get_lr() was asked outside of the scheduler's step(){known}")
        elif "`lr_scheduler.step()` before `optimizer.step()`" in text and not self._expected():
            self._first(record, "")

    def _expected(self) -> bool:
        """Whether it is known without torch's warning that this scheduler steps before the optimizer."""
        return self._told or (self.past.whole and not self._stepped)

    def _first(self, record: Record, rates: str) -> None:
        self._told = True
        if self._scaled and self._passed:
            text = (
                "scheduler.step() comes before any step of the optimizer: the GradScaler has skipped it, "
                f"because a gradient was not finite{rates}"
            )
        else:
            text = (
                "scheduler.step() comes before the first optimizer.step(), so the first rate is never "
                f"used{rates}"
            )
        self.give("scheduler-first", record, text)

    def _schedule(self, record: Record) -> None:
        before, after = record.get("lr_before") or [None], record.get("lr_after") or [None]
        if not self._told and self._expected():
            changed = before[0] != after[0]
            self._first(record, f" ({number(before[0])} → {number(after[0])})" if changed else "")
        self._past_end(record, before[0], after[0])
        self._two(record, before, after)
        self._last, self._rate = record, after[0]

    def _past_end(self, record: Record, before: Any, after: Any) -> None:
        end, now = record.get("settings", {}).get("T_max"), record.get("last_epoch")
        if record.get("scheduler") != "CosineAnnealingLR" or end is None or now is None or now <= end:
            return
        if _is_number(before) and _is_number(after) and after > before:
            text = (
                f"this is step {now} of a schedule with T_max={end}: the cosine comes back up, and the rate "
                f"rises ({number(before)} → {number(after)})"
            )
            self.give("schedule-past-end", record, text)

    def _two(self, record: Record, before: list[Any], after: list[Any]) -> None:
        last = self._last
        if last is None or (last.get("scheduler"), last.get("line")) == (
            record.get("scheduler"),
            record.get("line"),
        ):
            return
        chained = last.get("lr_after") == before
        if chained and last.get("lr_before") != before and after != before:
            text = (
                f"{last.get('scheduler')} and {record.get('scheduler')} change the rate of the same "
                f"optimizer: {number((last.get('lr_before') or [None])[0])} → {number(before[0])} → "
                f"{number(after[0])}"
            )
            self.give("two-schedulers", record, text)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float))
