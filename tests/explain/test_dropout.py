"""Rules of dropout against torch: what is dropped is drawn by chance, the rest is checked."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from backprop_tui.explain.evidence import Evidence, Tensor
from backprop_tui.explain.explanation import explain
from backprop_tui.explain.rules import dropout, ops
from explain.both_ways import both_ways, correct, family, script, wrong
from explain.checking import database
from explain.reading import misread

OURS = family(dropout)
FLOATS = [torch.float32, torch.float64]
NAMES = ["dropout", "dropout2d", "dropout3d", "alpha_dropout", "feature_alpha_dropout"]
REAL = Path(__file__).parent.parent / "scripts" / "real"


def only(function: Callable[[], Any], name: str) -> Any:
    return correct(function, name)[name][0]


def evidence_of(function: Callable[[], Any], name: str) -> Evidence:
    (found,) = (one for one in both_ways(function) if one.name == name)
    return found


def with_output(evidence: Evidence, change: Callable[[Any], Any]) -> Evidence:
    (output,) = evidence.outputs
    assert isinstance(output, Tensor)
    return replace(evidence, outputs=(replace(output, values=change(output.values)),))


def test_what_is_kept_is_divided_by_its_share() -> None:
    torch.manual_seed(0)
    x = torch.tensor([0.5, -1.0, 2.0, 4.0], requires_grad=True)
    found = only(lambda: F.dropout(x, 0.2), "dropout")
    assert found.symbols == "input · [kept]/0.8"
    kept = sum(float(part.replace("−", "-")) != 0 for part in found.result.strip("[]").split())
    assert found.note == f"kept {kept} of 4 elements, by chance (on average 3.2)"
    evidence = evidence_of(lambda: F.dropout(torch.ones(1, 2), 0.5), "dropout")
    for place in range(2):
        (shown,) = explain(evidence, (0, place))
        dropped = evidence.outputs[0].values[0, place] == 0
        assert shown.element == ("0, dropped" if dropped else "1/0.5")


def test_the_rest_is_checked() -> None:
    evidence = evidence_of(lambda: F.dropout(torch.arange(1.0, 50), 0.5), "dropout")
    assert [one.verdict for one in explain(evidence)] == ["✓"]
    for mistake in (lambda y: y / 2, lambda y: -y, lambda y: y * 1.001, lambda y: y + 1):
        assert [one.verdict for one in explain(with_output(evidence, mistake))] == ["✗"]


def test_channels_are_dropped_whole() -> None:
    evidence = evidence_of(lambda: F.dropout2d(torch.rand(4, 8, 3, 3) + 1, 0.5), "dropout2d")
    (shown,) = explain(evidence)
    assert shown.verdict == "✓"
    assert shown.note is not None and "of 32 channels, by chance (on average 16)" in shown.note

    def hole(values: Any) -> Any:
        holed = values.copy()
        kept = tuple(int(place[0]) for place in (values != 0).nonzero())
        holed[kept] = 0
        return holed

    assert [one.verdict for one in explain(with_output(evidence, hole))] == ["✗"]


def test_nothing_is_dropped_while_evaluating() -> None:
    x = torch.ones(3)
    for name, function in (
        ("dropout", lambda: F.dropout(x, training=False)),
        ("alpha_dropout", lambda: F.alpha_dropout(x)),
        ("dropout", lambda: torch.dropout(x, 0.5, False)),
    ):
        found = only(function, name)
        assert (found.symbols, found.note) == ("input", "nothing is dropped while evaluating")
    assert only(lambda: F.dropout(x, 0.0), "dropout").note == "nothing is dropped"


def test_zeros_tell_nothing() -> None:
    found = only(lambda: F.dropout(torch.zeros(5), 0.5), "dropout")
    assert found.note == (
        "kept 0 of 0 elements, by chance (on average 0); of 5 that are 0 anyway nobody can tell"
    )


def test_alpha_dropout_replaces_and_scales() -> None:
    evidence = evidence_of(lambda: F.alpha_dropout(torch.full((40,), 3.0), 0.25, True), "alpha_dropout")
    factor = 1 / math.sqrt((1.7580993408473766**2 * 0.25 + 1) * 0.75)
    texts = set()
    for place in range(40):
        (shown,) = explain(evidence, (place,))
        assert shown.verdict == "✓"
        texts.add(shown.element)
    shift = factor * 1.7580993408473766 * 0.25
    for text in texts:
        scaled, _, added = text.rpartition(" + ")
        times, _, value = scaled.partition("·")
        assert float(times) == pytest.approx(factor) and float(added) == pytest.approx(shift)
        assert value in ("3", "(−1.7580993)")
    assert len(texts) == 2
    for mistake in (lambda y: y * 1.001, lambda y: y + 0.01, lambda y: -y):
        assert [one.verdict for one in explain(with_output(evidence, mistake))] == ["✗"]


@pytest.mark.parametrize("dtype", [*FLOATS, torch.bfloat16])
@pytest.mark.parametrize("p", [0.0, 0.1, 0.5, 0.9, 1.0])
def test_every_kind(p: float, dtype: torch.dtype) -> None:
    torch.manual_seed(1)
    for shape in [(7,), (3, 4), (2, 3, 4), (2, 3, 4, 5), (2, 3, 2, 2, 2)]:
        x = torch.randn(shape, dtype=dtype, requires_grad=True)
        calls: list[Callable[[], Any]] = [
            lambda x=x: F.dropout(x, p),
            lambda x=x: F.alpha_dropout(x, p, True),
            lambda x=x: F.dropout(x.detach().clone(), p, inplace=True),
            lambda x=x: torch.native_dropout(x, p, True),
        ]
        if len(shape) > 1:
            calls.append(lambda x=x: F.feature_alpha_dropout(x, p, True))
        if len(shape) in (2, 3):
            calls.append(lambda x=x: F.dropout1d(x, p))
        if len(shape) == 4:
            calls += [lambda x=x: F.dropout2d(x, p), lambda x=x: F.dropout3d(x, p)]
        if len(shape) == 5:
            calls.append(lambda x=x: F.dropout3d(x, p))
        for call in calls:
            evidence = both_ways(call)
            assert any(OURS(one) for one in evidence)
            assert wrong(evidence, OURS) == []
            assert misread(evidence, OURS, 5e-2 if dtype is torch.bfloat16 else 1e-4)[0] == []


def test_what_is_not_finite_is_still_dropped() -> None:
    x = torch.tensor([math.inf, -math.inf, math.nan] * 20)
    for function in (lambda: F.dropout(x, 0.5), lambda: F.dropout(x, 1.0)):
        only(function, "dropout")


def test_the_node_of_native_dropout() -> None:
    x = torch.ones(4, requires_grad=True)
    found = only(lambda: torch.native_dropout(x, 0.5, True)[0], "NativeDropoutBackward")
    assert found.symbols == "g · result1/0.5"


def test_rules_say_that_chance_had_a_part() -> None:
    assert all(ops()[name].random is not None for name in dropout.OPS)


def test_a_network_with_three_kinds_of_dropout() -> None:
    evidence = script(REAL / "dropout_digest.py", "1")
    assert {"dropout", "alpha_dropout"} <= {one.name for one in evidence}
    assert wrong(evidence, OURS) == []


@pytest.mark.usefixtures("torch_database")
@pytest.mark.parametrize("name", NAMES)
def test_samples_of_the_database(name: str) -> None:
    assert database(f"nn.functional.{name}", OURS, 8) == []


@pytest.mark.usefixtures("torch_database")
@pytest.mark.exhaustive
@pytest.mark.parametrize("dtype", [*FLOATS, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("name", NAMES)
def test_all_of_the_database(name: str, dtype: torch.dtype) -> None:
    assert database(f"nn.functional.{name}", OURS, 10_000, dtype) == []
