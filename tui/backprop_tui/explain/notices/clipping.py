"""Where gradients are clipped, and what that does to the step."""

from __future__ import annotations

import math

from backprop_tui.explain.notices.detector import Detector, Handlers
from backprop_tui.explain.notices.notice import Give
from backprop_tui.explain.notices.past import Past
from backprop_tui.explain.notices.values import is_loss_scale, one_number
from backprop_tui.explain.notices.words import exact, number
from backprop_tui.explain.numbers import flat
from backprop_tui.protocol import PHASE, Record

_FACTOR = 100
_DIVIDING = frozenset({"Adam", "AdamW", "NAdam", "Adamax"})
"""Optimizers whose step does not change if all gradients are multiplied by a factor."""


class Clipping(Detector):
    """`clip-order`, `clip-non-finite` and `adam-step-is-lr`."""

    def __init__(self, past: Past, give: Give) -> None:
        super().__init__(past, give)
        self._gradients = False
        """Something was accumulated since the last zero_grad."""
        self._stepped: Record | None = None
        """A step since the last backward pass."""
        self._late: Record | None = None
        """A clip after it."""
        self._scale: float | None = None
        """What the loss was multiplied by, until the gradients are divided by it."""
        self._guarded = False
        """A GradScaler has looked at the gradients: if one is not finite, there will be no step."""
        self._shortened: tuple[float, float] | None = None
        """Norm and limit of a clip to a small part."""
        self._longest = 0.0
        """The largest change of a weight since then."""

    def handlers(self) -> Handlers:
        return {
            ":clip_grad_norm_": self._clip,
            ":clip_grad_value_": self._clip,
            ":_amp_foreach_non_finite_check_and_unscale_": self._unscaled,
            "accumulate": self._accumulated,
            "clear": self._cleared,
            "zero_grad": self._cleared,
            "backward": self._passed,
            "update": self._updated,
            "step": self._step,
        }

    def _accumulated(self, record: Record) -> None:
        self._gradients = True

    def _cleared(self, record: Record) -> None:
        self._gradients = False
        self._too_late("zero_grad()", record)

    def _unscaled(self, record: Record) -> None:
        self._scale, self._guarded = None, True

    def _passed(self, record: Record) -> None:
        if record["level"] == PHASE and record["name"] == "backward":
            self._too_late("the next backward()", record)
            self._stepped = self._shortened = None
            self._scale, self._guarded = self._scale_of(record), False

    def _scale_of(self, record: Record) -> float | None:
        """The power of two that a GradScaler has multiplied the loss by."""
        roots = record.get("inputs", [])
        maker = self.past.maker(roots[0]) if len(roots) == 1 else None
        if maker is None or maker["name"] != "mul" or len(maker.get("inputs", ())) != 2:
            return None
        factors = [one_number(info) for info in maker["inputs"] if not info.get("requires_grad")]
        return factors[0] if factors and is_loss_scale(factors[0]) else None

    def _clip(self, record: Record) -> None:
        if record["kind"] != "op":
            return
        norm = _norm(record)
        if norm == 0 or not record.get("inputs"):
            self._too_early(record)
        elif norm is not None and not math.isfinite(norm):
            if not self._guarded:
                self._spoils(record, norm)
        elif self._scale is not None and not self.past.writes_since_backward:
            text = (
                f"{record['name']} clips gradients that are still {exact(self._scale)} times too long: "
                f"scaler.unscale_(optimizer) has not come yet{_norm_words(norm)}"
            )
            self.give("clip-order", record, text)
        elif self._stepped is not None:
            self._late = record
        limit = record.get("settings", {}).get("max_norm")
        if norm is not None and isinstance(limit, (int, float)) and math.inf > norm >= _FACTOR * limit > 0:
            self._shortened, self._longest = (norm, float(limit)), 0.0
        self.past.writes_since_backward += 1

    def _too_early(self, record: Record) -> None:
        if not self._gradients:
            text = (
                f"{record['name']} comes before backward(): there is no gradient yet, so the norm is 0 and "
                "nothing is clipped"
            )
            self.give("clip-order", record, text)

    def _too_late(self, word: str, record: Record) -> None:
        """Gradients that were clipped after the step are cleared or added to before any other step."""
        late, self._late = self._late, None
        if late is not None and self._stepped is not None:
            text = (
                f"{late['name']} comes after {self._stepped.get('optimizer')}.step() (line "
                f"{self._stepped.get('line')}), and {word} before the next step: nothing of it is used"
            )
            self.give("clip-order", late, text)

    def _spoils(self, record: Record, norm: float) -> None:
        word = "NaN" if math.isnan(norm) else "∞"
        text = (
            f"the norm of the gradients is {word}, so {record['name']} multiplies each of them by "
            f"{'NaN' if word == 'NaN' else '0'}"
        )
        self.give("clip-non-finite", record, text)

    def _updated(self, record: Record) -> None:
        if self._shortened is not None:
            self._longest = max(self._longest, _change(record))

    def _step(self, record: Record) -> None:
        self._stepped, self._late = record, None
        shortened, self._shortened = self._shortened, None
        if shortened is None or record.get("optimizer") not in _DIVIDING:
            return
        norm, limit = shortened
        moved = f", and a weight still moves by {number(self._longest, digits=3)}" if self._longest else ""
        text = (
            f"clipping made the gradients {number(norm / limit, digits=3)} times shorter (norm "
            f"{number(norm)} → {exact(limit)}), which {record['optimizer']} divides out again{moved}"
        )
        self.give("adam-step-is-lr", record, text)


def _norm(record: Record) -> float | None:
    outputs = record.get("outputs", [])
    value = one_number(outputs[0]) if outputs else None
    return None if value is None else float(value)


def _norm_words(norm: float | None) -> str:
    return "" if norm is None else f" (norm {number(norm)})"


def _change(record: Record) -> float:
    """The largest change of an element, 0 if the elements are not known."""
    before, after = record.get("before"), record.get("after")
    if before is None or after is None or before.get("values") is None or after.get("values") is None:
        return 0.0
    pairs = zip(flat(before["values"]), flat(after["values"]), strict=False)
    return max((abs(float(b) - float(a)) for a, b in pairs), default=0.0)
