"""Why the learning rate is what it is after ``scheduler.step()``: every schedule as data, and checked."""

from __future__ import annotations

from backprop_tui.explain.schedulers.explaining import explain_schedule
from backprop_tui.explain.schedulers.forms import SCHEDULES
from backprop_tui.explain.schedulers.three import three_rates

__all__ = ["SCHEDULES", "explain_schedule", "three_rates"]
