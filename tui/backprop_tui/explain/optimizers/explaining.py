"""From the evidence of one parameter's update to its explanation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from backprop_tui.explain.check import EPSILON, TINY, Verdict
from backprop_tui.explain.evidence import Evidence, Tensor
from backprop_tui.explain.explanation import NO, UNKNOWN, YES, Explanation
from backprop_tui.explain.formula import NOTATION, Option, constant, numbers_of, rough, symbols_of, value_of
from backprop_tui.explain.numbers import display, rounded, shortest
from backprop_tui.explain.optimizers import running
from backprop_tui.explain.optimizers.running import Inputs
from backprop_tui.explain.optimizers.update import Assign, Unknown, Update
from backprop_tui.explain.optimizers.values import Parted
from backprop_tui.explain.rule import Index, element_text
from backprop_tui.explain.steps import Line, Split

SKIPPED = (
    "Skipped: .grad is None, so the parameter and its state stay as they are. A gradient of 0 is not skipped."
)
NOT_YET = "This part of step() has not changed the parameter: its own turn comes later in the step."
BY_HAND = "Updated by hand: the operation itself says how."


def explain_update(
    updates: Mapping[str, Update], evidence: Evidence, index: Index | None = None
) -> Explanation:
    """Why a parameter is what it is after an optimizer's step, for one element line by line.

    ``index``: the chosen element; None for the one that moved furthest.
    """
    if evidence.saved.get("grad") is None and evidence.name != "LBFGS":
        return _skipped(evidence, index)
    update = updates.get(evidence.name)
    if update is None:
        by_hand = evidence.name == "manual"
        return _unexplained(evidence, index, BY_HAND if by_hand else f"no rule for {evidence.name} yet")
    try:
        with np.errstate(all="ignore"):
            return _explained(running.inputs_of(update, evidence), evidence, index)
    except Unknown as reason:
        return _unexplained(evidence, index, update.lines[-1].formula.replace("*", "·"), str(reason))
    except (NameError, KeyError) as missing:
        return _unexplained(evidence, index, f"no rule for this kind of {evidence.name}", str(missing))


def _explained(inputs: Inputs, evidence: Evidence, index: Index | None) -> Explanation:
    order: list[str] = []
    values = running.bounded(inputs, lambda line, _: order.append(line.name))
    found = running.verdicts(inputs, values)
    place = _place(inputs, values, found.get("w"), index)
    collected = _Lines(inputs, place, found, order)
    final = running.parted(inputs, place, collected.watch)
    shown = collected.of_weight()
    bad = [(name, verdict) for name, verdict in found.items() if not verdict.agrees]
    if "w" in dict(bad) and _equal(evidence.saved["before"], evidence.saved["after"]):
        return _unexplained(evidence, index, shown.symbols.removeprefix("w = "), NOT_YET)
    verdict = UNKNOWN if "w" not in found else NO if bad else YES
    return Explanation(
        symbols=shown.symbols.removeprefix("w = "),
        numbers=shown.numbers,
        result=shown.value,
        verdict=verdict,
        difference="; ".join(_difference(inputs.update, name, one) for name, one in bad) or None,
        note=" ".join(_remarks(inputs, evidence, final, place)) or None,
        element=shown.numbers or None,
        operands=tuple(name for name in (evidence.saved["before"].name,) if name),
        lines=tuple(line for _, line in collected.found),
        split=_split(inputs, final["w"], place),
        index=place,
    )


def _difference(update: Update, name: str, verdict: Verdict) -> str:
    entry = update.state.get(name, name)
    return f"{entry} differs by {verdict.difference:.3g} at {list(verdict.where)}"


def _place(inputs: Inputs, values: Mapping[str, Any], verdict: Verdict | None, index: Index | None) -> Index:
    """The element asked for, the one that is wrong, or the one that moved furthest."""
    before = inputs.tensors["w"].values
    if index is not None:
        index = index if len(index) == before.ndim else (*index, 0)
        if len(index) == before.ndim and all(i < size for i, size in zip(index, before.shape, strict=True)):
            return index
    if verdict is not None and not verdict.agrees and verdict.where:
        return verdict.where
    moved = np.nan_to_num(np.abs(values["w"].value - before), nan=np.inf)
    if inputs.mask is not None:
        moved = np.where(inputs.mask, moved, -1.0)
    return tuple(int(i) for i in np.unravel_index(int(moved.argmax()), before.shape)) if moved.size else ()


# the lines of one element
class _Lines:
    """Collects the lines while the update of one element runs.

    The last line of each name that torch keeps has torch's own number and the verdict.
    """

    def __init__(
        self, inputs: Inputs, place: Index, verdicts: Mapping[str, Verdict], order: Sequence[str]
    ) -> None:
        self.inputs = inputs
        self.place = place
        self.verdicts = verdicts
        self.last = {name: number for number, name in enumerate(order)}
        self.texts = _first_texts(inputs, place)
        self.found: list[tuple[str, Line]] = []

    def watch(self, line: Assign, values: Mapping[str, Any]) -> None:
        """One line, with the values before it and its result under the empty name."""
        dtype = self.inputs.dtype
        numbers = numbers_of(
            line.formula, self.texts, values, dtype, lambda it: running.element(it, self.place)
        )
        text, verdict = self._result(line.name, running.element(values[""], self.place))
        symbols = f"{NOTATION.get(line.name, line.name)} = {symbols_of(line.formula)}"
        self.found.append((line.name, Line(symbols, "" if numbers == text else numbers, text, verdict)))
        self.texts[line.name] = text

    def _result(self, name: str, value: Any) -> tuple[str, str]:
        """A line's value as text, and the verdict."""
        if name not in self.inputs.after:
            return rough(value, self.inputs.dtype), ""
        torchs = self.inputs.after[name]
        ours = _held(float(value), torchs.dtype)
        if self.last[name] != len(self.found):
            return ours, ""
        agrees = self.verdicts[name].agrees
        return (display(element_text(torchs, self.place)), YES) if agrees else (ours, NO)

    def of_weight(self) -> Line:
        """The line that says what becomes of the parameter."""
        stays = Line("w", "", display(element_text(self.inputs.tensors["w"], self.place)))
        return next((line for name, line in reversed(self.found) if name == "w"), stays)


def _held(value: float, dtype: str) -> str:
    """A number as a tensor of that dtype would hold it."""
    if dtype not in EPSILON:
        return constant(value)
    return display(shortest(rounded(value, dtype), dtype))


def _first_texts(inputs: Inputs, place: Index) -> dict[str, str]:
    texts = {name: display(element_text(tensor, place)) for name, tensor in inputs.tensors.items()}
    for name, value in {**inputs.options, **inputs.extra}.items():
        if isinstance(value, Option):
            texts[name] = constant(value)
    return texts


def _split(inputs: Inputs, weight: Any, place: Index) -> Split | None:
    """Where the step of the chosen element comes from."""
    if not inputs.update.separable:
        return None
    if not isinstance(weight, Parted):
        return Split(0.0, 0.0, 0.0)
    parts = (weight.gradient, weight.momentum, weight.decay)
    return Split(*(float(running.element(part, place)) for part in parts))


# what is said besides
def _remarks(inputs: Inputs, evidence: Evidence, final: Mapping[str, Any], place: Index) -> Iterable[str]:
    if inputs.mask is not None and not inputs.mask[place]:
        yield "This row had no gradient: a sparse gradient leaves it, its m and its v as they are."
        return
    plain = {name: running.element(value, place) for name, value in final.items()}
    yield from _of_frozen(inputs, evidence, final, place)
    for remark in inputs.update.remarks:
        if value_of(remark.when, plain):
            yield remark.text
    eps = inputs.options.get("eps", inputs.options.get("eps1"))
    if isinstance(eps, float) and 0 < eps < TINY[inputs.dtype] * EPSILON[inputs.dtype]:
        yield f"ε = {constant(eps)} is 0 in {inputs.dtype}: where v is 0 too, 0/0 is nan."
    if inputs.precision != inputs.dtype:
        yield f"Some of torch's numbers here are {inputs.precision}: the step is only that precise."


def _of_frozen(inputs: Inputs, evidence: Evidence, final: Mapping[str, Any], place: Index) -> Iterable[str]:
    """A gradient of exactly 0 is not None: memory and decay still act."""
    if inputs.tensors.get("g") is None or running.element(inputs.tensors["g"].values, place) != 0:
        return
    moved = running.element(final["w"], place) != running.element(inputs.tensors["w"].values, place)
    frozen = evidence.saved.get("requires_grad") is False
    if frozen and moved:
        yield "requires_grad is False, but .grad is 0, not None: memory and decay still move w."
    elif moved:
        yield "The gradient is 0: only memory of earlier gradients, and decay, move w."


def _skipped(evidence: Evidence, index: Index | None) -> Explanation:
    before, after = evidence.saved["before"], evidence.saved.get("after")
    same = after is not None and _equal(before, after) and _same_state(evidence)
    place = _valid(before, index)
    return Explanation(
        symbols="w",
        numbers="",
        result=_element(after or before, place),
        verdict=UNKNOWN if after is None else YES if same else NO,
        note=SKIPPED,
        operands=tuple(name for name in (before.name,) if name),
        split=Split(0.0, 0.0, 0.0),
        index=place,
    )  # fmt: skip


def _same_state(evidence: Evidence) -> bool:
    before, after = evidence.state_before, evidence.state_after
    return before.keys() == after.keys() and all(_equal(value, after[name]) for name, value in before.items())


def _equal(one: Any, other: Any) -> bool:
    if isinstance(one, Tensor) and isinstance(other, Tensor):
        return np.array_equal(one.values, other.values, equal_nan=True)
    return bool(one == other)


def _unexplained(
    evidence: Evidence, index: Index | None, symbols: str, note: str | None = None
) -> Explanation:
    before, after = evidence.saved["before"], evidence.saved.get("after")
    place = _valid(before, index)
    texts = [_element(tensor, place) for tensor in (before, after) if tensor is not None]
    return Explanation(
        symbols=symbols,
        numbers="",
        result=" → ".join(texts),
        verdict=UNKNOWN,
        note=note,
        operands=tuple(name for name in (before.name,) if name),
        index=place,
    )


def _valid(tensor: Tensor, index: Index | None) -> Index | None:
    if index is not None and len(index) == tensor.values.ndim:
        return index
    return (0,) * tensor.values.ndim if tensor.values.size else None


def _element(tensor: Tensor, place: Index | None) -> str:
    return "" if place is None else display(element_text(tensor, place))
