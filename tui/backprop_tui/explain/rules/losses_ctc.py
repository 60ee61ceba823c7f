"""Rules of connectionist temporal classification (Graves et al. 2006; aten/src/ATen/native/LossCTC.cpp)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from backprop_tui.explain.evidence import Array
from backprop_tui.explain.rule import Case, Index, Rule
from backprop_tui.explain.rules.reducing import MEAN, Loss, reduction
from backprop_tui.explain.rules.writing import single, summand


@dataclass(frozen=True)
class _Sample:
    """One sequence: the log probabilities of its steps, and its labels with blanks around each."""

    logs: Array
    labels: Array
    blank: int

    @property
    def path(self) -> Array:
        """Labels as an alignment passes through them: blank, first, blank, second, ... blank."""
        path = np.full(2 * len(self.labels) + 1, self.blank)
        path[1::2] = self.labels
        return path

    @property
    def forwards(self) -> Array:
        """log α: of all ways to be at each place of the path after each step."""
        path = self.path
        skip = np.zeros(len(path), dtype=bool)
        skip[2:] = (path[2:] != self.blank) & (path[2:] != path[:-2])
        found = np.full((len(self.logs), len(path)), -np.inf)
        found[0, :2] = self.logs[0, path[:2]]
        for t in range(1, len(self.logs)):
            before = found[t - 1]
            ways = np.logaddexp(before, _moved(before, 1))
            ways = np.where(skip, np.logaddexp(ways, _moved(before, 2)), ways)
            found[t] = ways + self.logs[t, path]
        return found

    @property
    def backwards(self) -> Array:
        """log β: the same from the end."""
        turned = _Sample(self.logs[::-1], self.labels[::-1], self.blank)
        return turned.forwards[::-1, ::-1]

    @property
    def loss(self) -> float:
        if not len(self.logs):
            return 0.0 if not len(self.labels) else np.inf
        return float(-np.logaddexp.reduce(self.forwards[-1, -2:]))

    @property
    def passing(self) -> Array:
        """Probability to be at each class at each step, given the labels."""
        found = np.zeros(self.logs.shape)
        path = self.path
        share = np.exp(self.forwards + self.backwards - self.logs[:, path] + self.loss)
        np.add.at(found.T, path, share.T)
        return found


def _moved(values: Array, places: int) -> Array:
    moved = np.full(values.shape, -np.inf)
    moved[places:] = values[: max(len(values) - places, 0)]
    return moved


def _samples(case: Case) -> Iterator[_Sample]:
    logs = case["log_probs"]
    logs = logs[:, None] if logs.ndim == 2 else logs
    steps, lengths = _lengths(case, "input_lengths"), _lengths(case, "target_lengths")
    targets = case["targets"]
    starts = np.cumsum([0, *lengths])
    for n, (step, length) in enumerate(zip(steps, lengths, strict=True)):
        several = targets.ndim > 1
        labels = targets[n, :length] if several else targets[starts[n] : starts[n] + length]
        yield _Sample(logs[:step, n], labels, int(case["blank"]))


def _lengths(case: Case, name: str) -> list[int]:
    return [int(item) for item in np.atleast_1d(np.asarray(case[name]))]


def _terms(case: Case) -> Array:
    found = np.array([sample.loss for sample in _samples(case)])
    if case["zero_infinity"]:
        found = np.where(np.isinf(found), 0, found)
    if reduction(case) == MEAN:
        found = found / np.maximum(_lengths(case, "target_lengths"), 1)
    return np.reshape(found, case["log_probs"].shape[1:-1])


def _sizes(case: Case) -> Array:
    """Each step adds a rounding relative to the sum so far."""
    return np.asarray(_terms(case) * max(1, np.sqrt(case["log_probs"].shape[0]) / 4))


def _piece(case: Case, index: Index) -> str:
    n = index[0] if index else 0
    sample = list(_samples(case))[n]
    divided = f"/{max(len(sample.labels), 1)}" if reduction(case) == MEAN else ""
    return f"{single(sample.loss)}{divided}"


def _symbols(case: Case) -> str:
    divided = "/length" if reduction(case) == MEAN else ""
    return f"(−log P({{targets}})){divided}"


def _note(case: Case) -> str | None:
    if not np.isfinite([sample.loss for sample in _samples(case)]).all():
        return "a sequence is too short for its labels: no alignment has that many steps, so −log 0 is inf"
    return "P adds up the probabilities of all alignments (blanks and repetitions removed give the labels)"


def _backward(case: Case) -> Sequence[Array | None]:
    return [_gradient(case, lambda sample: -1)]


def _gradient_scale(case: Case) -> Sequence[Array | None]:
    """α and β are as small as exp(−loss): their logarithms' rounding is relative to the loss."""
    return [np.abs(_gradient(case, lambda sample: 1 + sample.loss))]


def _gradient(case: Case, weight: Callable[[_Sample], float]) -> Array:
    """Incoming times the probability plus a multiple of the share of alignments."""
    found = np.zeros(case["log_probs"].shape)
    view = found[:, None] if found.ndim == 2 else found
    g = np.atleast_1d(case.g)
    for n, sample in enumerate(_samples(case)):
        steps = len(sample.logs)
        if not steps or (case["zero_infinity"] and np.isinf(sample.loss)):
            continue
        passing = sample.passing if np.isfinite(sample.loss) else np.nan
        view[:steps, n] = g[n] * (np.exp(sample.logs) + weight(sample) * passing)
    return found


def _gradient_at(case: Case, number: int, index: Index) -> str:
    t, n, c = index if len(index) == 3 else (index[0], 0, index[1])
    sample = list(_samples(case))[n]
    if t >= len(sample.logs):
        return f"0, the sequence has {len(sample.logs)} steps"
    incoming = summand(np.atleast_1d(case.g)[n])
    return f"{incoming} · ({single(np.exp(sample.logs[t, c]))} − {single(sample.passing[t, c])})"


OPS: dict[str, Rule] = {
    "ctc_loss": Loss(_symbols, _terms, _piece, _sizes).rule(
        "log_probs, targets, input_lengths, target_lengths, blank=0, reduction='mean', zero_infinity=False",
        _note,
    ),
}

NODES: dict[str, Rule] = {
    # tools/autograd/derivatives.yaml: _ctc_loss
    "CtcLossBackward": Rule(
        "{g} · (exp({log_probs}) − P(class at this step | {targets}))",
        _backward,
        element=_gradient_at,
        note=lambda c: (
            "torch has put log_softmax's own derivative in: the gradient fits scores, not any log p"
        ),
        scale=_gradient_scale,
    ),
}
