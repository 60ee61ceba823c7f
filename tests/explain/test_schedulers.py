"""Every scheduler of torch, alone, chained and in sequence: each rate is what the formulas say."""

from __future__ import annotations

import ast
import itertools
import math
import random
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.optim import lr_scheduler, swa_utils

from backprop_tui.debuggee import evidence_steps
from backprop_tui.debuggee.changes.errors import ChangeError
from backprop_tui.debuggee.changes.fork import in_fork
from backprop_tui.explain.evidence import Evidence
from backprop_tui.explain.explanation import explain
from backprop_tui.explain.schedulers import SCHEDULES, explain_schedule, stepping
from backprop_tui.explain.schedulers.schedule import Form, Schedule
from backprop_tui.explain.schedulers.stepping import Now
from explain.observing import travelled
from explain.stepping import here, parameter, scheduled

Make = Callable[[Any], Any]
STEPS = 14

ALONE: dict[str, Make] = {
    "LambdaLR": lambda o: lr_scheduler.LambdaLR(o, lambda n: 0.9**n),
    "MultiplicativeLR": lambda o: lr_scheduler.MultiplicativeLR(o, lambda n: 1 - 0.1 / (n + 1)),
    "StepLR": lambda o: lr_scheduler.StepLR(o, 3, 0.5),
    "MultiStepLR": lambda o: lr_scheduler.MultiStepLR(o, [2, 5, 5, 9], 0.5),
    "ConstantLR": lambda o: lr_scheduler.ConstantLR(o, 0.5, 4),
    "LinearLR": lambda o: lr_scheduler.LinearLR(o, 0.1, 0.8, 6),
    "ExponentialLR": lambda o: lr_scheduler.ExponentialLR(o, 0.9),
    "PolynomialLR": lambda o: lr_scheduler.PolynomialLR(o, 8, 2.0),
    "CosineAnnealingLR": lambda o: lr_scheduler.CosineAnnealingLR(o, 5, 0.01),
    "CosineAnnealingWarmRestarts": lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 3, 2, 0.01),
    "CyclicLR triangular": lambda o: lr_scheduler.CyclicLR(o, 0.01, 0.1, 3, 2),
    "CyclicLR triangular2": lambda o: lr_scheduler.CyclicLR(o, 0.01, 0.1, 3, 2, mode="triangular2"),
    "CyclicLR exp_range": lambda o: lr_scheduler.CyclicLR(o, 0.01, 0.1, 3, mode="exp_range", gamma=0.9),
    "CyclicLR own scale": lambda o: lr_scheduler.CyclicLR(
        o, 0.01, 0.1, 3, scale_fn=lambda n: 1 / (n + 1), scale_mode="iterations", cycle_momentum=False
    ),
    "CyclicLR own scale of cycles": lambda o: lr_scheduler.CyclicLR(
        o, 0.01, 0.1, 3, scale_fn=lambda n: 1 / n, scale_mode="cycle"
    ),
    "OneCycleLR": lambda o: lr_scheduler.OneCycleLR(o, 0.5, total_steps=16),
    "OneCycleLR in three": lambda o: lr_scheduler.OneCycleLR(
        o, 0.5, total_steps=16, three_phase=True, anneal_strategy="linear"
    ),
    "SWALR": lambda o: swa_utils.SWALR(o, 0.05, 4),
    "SWALR linear": lambda o: swa_utils.SWALR(o, 0.05, 4, "linear"),
    "SWALR at once": lambda o: swa_utils.SWALR(o, 0.05, 0),
}  # fmt: skip

TOGETHER: dict[str, Make] = {
    f"{kind} {one}, {other}": (lambda o, k=kind, a=one, b=other: _together(k, o, ALONE[a], ALONE[b]))
    for kind in ("SequentialLR", "ChainedScheduler")
    for one, other in itertools.product(ALONE, repeat=2)
}  # fmt: skip


def _together(kind: str, optimizer: Any, one: Make, other: Make) -> Any:
    if kind == "SequentialLR":
        return lr_scheduler.SequentialLR(optimizer, [one(optimizer), other(optimizer)], [4])
    return lr_scheduler.ChainedScheduler([one(optimizer), other(optimizer)], optimizer)


def optimizer(groups: int = 2, kind: str = "SGD", tensors: bool = False) -> torch.optim.Optimizer:
    rates = [0.1 * (number + 1) for number in range(groups)]
    given = [{"params": [parameter([1.0])], "lr": torch.tensor(rate) if tensors else rate} for rate in rates]
    found: torch.optim.Optimizer = (
        torch.optim.SGD(given, lr=0.1, momentum=0.9) if kind == "SGD" else torch.optim.Adam(given, lr=0.1)
    )
    found.step()
    return found


def run(scheduler: Any, steps: int = STEPS, epochs: Sequence[int] | None = None) -> Iterator[Evidence]:
    for number in range(steps):
        yield scheduled(scheduler, *([] if epochs is None else [epochs[number]]))


def wrong(evidence: Iterator[Evidence]) -> list[str]:
    found = [explain_schedule(item) for item in evidence]
    return [
        f"{one.verdict} {one.symbols} {one.numbers}: {one.difference}" for one in found if one.verdict != "✓"
    ]


def test_every_scheduler_of_torch_has_a_rule() -> None:
    known = {
        name
        for name, kind in vars(lr_scheduler).items()
        if isinstance(kind, type)
        and issubclass(kind, lr_scheduler.LRScheduler)
        and not name.startswith("_")
        and name != "LRScheduler"
    }

    assert known == SCHEDULES.keys() - {"SWALR"} | {"SequentialLR", "ChainedScheduler", "ReduceLROnPlateau"}
    assert len(known) >= 15
    assert {name.partition(" ")[0] for name in ALONE} == SCHEDULES.keys()


@pytest.mark.parametrize("name", ALONE)
def test_each_alone(name: str) -> None:
    assert wrong(run(ALONE[name](optimizer()))) == []
    if not name.startswith("SWALR"):
        assert wrong(run(ALONE[name](optimizer(kind="Adam")))) == []


@pytest.mark.parametrize("name", [name for name in ALONE if "Cyc" not in name])
def test_rates_that_are_tensors(name: str) -> None:
    assert wrong(run(ALONE[name](optimizer(tensors=True)))) == []


@pytest.mark.parametrize("name", [name for name in ALONE if "Cyc" not in name])
def test_an_epoch_that_is_given(name: str) -> None:
    assert wrong(run(ALONE[name](optimizer()), 7, [3, 1, 4, 4, 2, 0, 9])) == []


def test_restarts_with_fractions_of_an_epoch() -> None:
    for factor in (1, 2):
        scheduler = lr_scheduler.CosineAnnealingWarmRestarts(optimizer(), 2, factor)

        assert wrong(run(scheduler, 6, [0.5, 1.25, 2.0, 3.5, 5.75, 7.0])) == []  # type: ignore[list-item]


@pytest.mark.parametrize("name", list(TOGETHER)[::29])
def test_a_fair_sample_of_two_together(name: str) -> None:
    assert wrong(run(TOGETHER[name](optimizer()), 9)) == []


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", TOGETHER)
def test_all_two_together(name: str) -> None:
    assert wrong(run(TOGETHER[name](optimizer()))) == []


def test_a_sequence_in_a_chain() -> None:
    made = optimizer()
    sequence = lr_scheduler.SequentialLR(
        made, [ALONE["LinearLR"](made), ALONE["StepLR"](made), ALONE["ExponentialLR"](made)], [3, 8]
    )
    chain = lr_scheduler.ChainedScheduler([sequence, ALONE["ExponentialLR"](made)], made)

    assert wrong(run(chain)) == []


METRICS = [1.0, 0.9, 0.9, 0.95, 0.91, 0.9, 0.5, 0.5, 0.6, 0.5, math.nan, 0.4, 0.41, 0.42, 0.43]


@pytest.mark.parametrize(
    "options",
    [
        {"patience": 1},
        {"patience": 1, "cooldown": 2, "factor": 0.5},
        {"mode": "max", "patience": 0, "factor": 0.5, "min_lr": [0.03, 0.05]},
        {"patience": 0, "threshold_mode": "abs", "threshold": 0.05},
        {"mode": "max", "patience": 0, "threshold_mode": "abs", "threshold": 0.05, "eps": 0.01},
    ],
    ids=str,
)
def test_a_plateau(options: dict[str, Any]) -> None:
    scheduler = lr_scheduler.ReduceLROnPlateau(optimizer(), **options)
    evidence = [scheduled(scheduler, metric) for metric in METRICS]

    assert wrong(iter(evidence)) == []
    assert len({item.saved["lr_after"][0] for item in evidence}) > 1


def test_a_metric_that_is_a_tensor_and_one_given_by_name() -> None:
    scheduler = lr_scheduler.ReduceLROnPlateau(optimizer(), patience=0)
    evidence = [scheduled(scheduler, torch.tensor(1.0)), scheduled(scheduler, metrics=2.0)]

    assert wrong(iter(evidence)) == []


class Own(lr_scheduler.LRScheduler):
    """A scheduler of a script's own."""

    def get_lr(self) -> list[Any]:
        return [group["lr"] / 2 for group in self.optimizer.param_groups]


def test_a_scheduler_of_the_scripts_own_has_no_rule() -> None:
    (shown,) = explain(scheduled(Own(optimizer(groups=1))))

    assert (shown.verdict, shown.result) == ("?", "0.05 → 0.025")
    assert shown.symbols.endswith("Own yet")


def test_one_of_the_scripts_own_in_a_sequence() -> None:
    made = optimizer()
    sequence = lr_scheduler.SequentialLR(made, [lr_scheduler.ExponentialLR(made, 0.5), Own(made)], [1])

    assert explain_schedule(scheduled(sequence)).verdict == "?"


def test_a_plateau_whose_metric_is_not_known() -> None:
    scheduler = lr_scheduler.ReduceLROnPlateau(optimizer())
    evidence = scheduled(scheduler, 1.0)
    evidence.saved["args"].clear()

    assert explain_schedule(evidence).symbols == "the metric that step() was given is not known"


def test_a_group_added_after_the_plateaus_scheduler_was_made() -> None:
    made = optimizer()
    scheduler = lr_scheduler.ReduceLROnPlateau(made, patience=0, min_lr=0.01)
    made.add_param_group({"params": [parameter([1.0])], "lr": 0.5})

    assert wrong(scheduled(scheduler, metric) for metric in (1.0, 2.0, 3.0)) == []


def test_a_function_of_the_script_is_asked_without_using_up_chance() -> None:
    for draw, seed in ((lambda: float(torch.rand(())), torch.manual_seed), (random.random, random.seed)):
        scheduler = lr_scheduler.LambdaLR(optimizer(), lambda n, draw=draw: draw())
        seed(3)
        expected = [draw() for _ in range(2)]
        seed(3)
        evidence = scheduled(scheduler, elsewhere=in_fork)

        # What torch's own call drew: nothing was drawn before it, and the copy drew the same.
        rates = [float(rate) for rate in evidence.saved["lr_after"]]
        assert rates == pytest.approx([0.1 * expected[0], 0.2 * expected[1]])
        assert explain_schedule(evidence).verdict == "✓"


@pytest.mark.parametrize("inside", [False, True])
def test_a_function_of_the_script_leaves_no_trace_when_it_is_asked(
    inside: bool, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    calls: list[int] = []
    with (tmp_path / "log").open("w") as log:

        def counting(epoch: int) -> float:
            calls.append(epoch)
            print("asked", epoch, flush=True)
            print(epoch, file=log, flush=True)
            return 1 / len(calls)

        own = optimizer(groups=1)
        for make in (
            lambda: lr_scheduler.LambdaLR(own, counting),
            lambda: lr_scheduler.MultiplicativeLR(own, counting),
            lambda: lr_scheduler.CyclicLR(own, 0.1, 0.5, 2, scale_fn=counting, cycle_momentum=False),
        ):
            scheduler = make()
            stepped = lr_scheduler.ChainedScheduler([scheduler], own) if inside else scheduler
            calls[:] = [0, 0]
            capfd.readouterr()
            said = log.tell()
            evidence = scheduled(stepped, elsewhere=in_fork)
            epoch = calls[-1]

            assert calls == [0, 0, epoch]
            assert capfd.readouterr().out == f"asked {epoch}\n"
            assert log.tell() == said + len(f"{epoch}\n")
            shown = explain_schedule(evidence)
            assert (shown.verdict, shown.difference) == ("✓", None)


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda o: lr_scheduler.LambdaLR(o, lambda n: 0.5), "lr_lambda"),
        (lambda o: lr_scheduler.MultiplicativeLR(o, lambda n: 0.5), "lr_lambda"),
        (lambda o: lr_scheduler.CyclicLR(o, 0.1, 0.5, 4, scale_fn=lambda n: 0.5), "scale_fn"),
        (lambda o: _together("ChainedScheduler", o, ALONE["StepLR"], ALONE["LambdaLR"]), "lr_lambda"),
    ],
)
def test_a_function_that_cannot_be_asked_is_said_to_be_unknown(make: Make, name: str) -> None:
    def refused(function: Callable[[], Any]) -> Any:
        raise ChangeError("CUDA is in use")

    shown = explain_schedule(scheduled(make(optimizer()), elsewhere=refused))

    assert shown.verdict == "?"
    assert shown.symbols.endswith(f"what {name} says is not known: CUDA is in use")


def test_of_a_sequence_only_the_scheduler_whose_turn_it_is_is_asked() -> None:
    asked: list[str] = []

    def of(name: str) -> Make:
        return lambda o: lr_scheduler.LambdaLR(o, lambda n: asked.append(name) or 1.0)

    sequence = _together("SequentialLR", optimizer(groups=1), of("first"), of("second"))
    for _ in range(6):
        asked.clear()
        evidence_steps.of_schedule(sequence, here)
        before = list(asked)
        asked.clear()
        sequence.optimizer.step()
        sequence.step()
        assert before == asked


def test_a_function_that_fails_is_left_to_fail_in_the_script() -> None:
    def broken(epoch: int) -> float:
        if epoch:
            raise ValueError("no more epochs")
        return 1.0

    with pytest.raises(ValueError, match="no more epochs"):
        scheduled(lr_scheduler.LambdaLR(optimizer(), broken))


# mutants: a formula that is wrong must be found wrong
def _evidence_of(name: str) -> list[Evidence]:
    found: list[Evidence] = []
    for alone, make in ALONE.items():
        if alone.partition(" ")[0] == name:
            found += run(make(optimizer()))
            if name not in ("CyclicLR", "OneCycleLR", "SWALR"):
                found += run(make(optimizer()), 4, [3, 1, 7, 9])
    return found


def _by_hand(name: str) -> Iterator[tuple[Evidence, list[float]]]:
    """Schedulers as they are made, also in the middle of their epochs, and what get_lr() says of them."""
    made = [make(optimizer()) for alone, make in ALONE.items() if alone.partition(" ")[0] == name]
    if name == "CosineAnnealingLR":
        resumed = optimizer()
        for group in resumed.param_groups:
            group["initial_lr"] = group["lr"]
        made.append(lr_scheduler.CosineAnnealingLR(resumed, 5, 0.01, last_epoch=2))
    for scheduler in made:
        evidence = travelled(evidence_steps.of_schedule(scheduler, here))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # "please use get_last_lr()"
            yield evidence, [float(rate) for rate in scheduler.get_lr()]


def _hand_is_wrong(evidence: Evidence, said: list[float]) -> bool:
    spec = evidence.group
    now = Now(spec["last_epoch"], spec["_step_count"])
    found = stepping.computed(spec, evidence.saved["lr_before"], now, spec["groups"])
    return [one.rates[-1].value for one in found] != pytest.approx(said, 1e-12)


COUNTS_FROM_ZERO = {"CosineAnnealingWarmRestarts", "LambdaLR", "MultiplicativeLR", "SWALR"}
"""What these need is asked of them for the epoch that comes, or has a count that get_lr() does not have."""


def _broken(text: str) -> Iterator[str]:
    """A formula with one operator exchanged, or 1 added to one constant."""
    other: dict[type[ast.operator], ast.operator] = {
        ast.Add: ast.Sub(), ast.Sub: ast.Add(), ast.Mult: ast.Div(), ast.Div: ast.Mult(),
    }  # fmt: skip
    for place in range(len(list(ast.walk(ast.parse(text, mode="eval"))))):
        tree = ast.parse(text, mode="eval")
        node = list(ast.walk(tree))[place]
        if isinstance(node, ast.BinOp) and type(node.op) in other:
            node.op = other[type(node.op)]
            yield ast.unparse(tree)
        elif isinstance(node, ast.Constant) and isinstance(node.value, int):
            node.value += 1
            yield ast.unparse(tree)


def _mutants(schedule: Schedule) -> Iterator[tuple[str, Schedule]]:
    for place, form in enumerate(schedule.forms):
        for text in [*_broken(form.formula), "lr + 0.001"]:
            forms = (*schedule.forms[:place], replace(form, formula=text), *schedule.forms[place + 1 :])
            yield text, replace(schedule, forms=forms)
    if schedule.closed is not None:
        for text in _broken(schedule.closed):
            yield text, replace(schedule, closed=text)
    for place, form in enumerate(schedule.momentum):
        for text in _broken(form.formula):
            forms = (
                *schedule.momentum[:place],
                Form(text, form.why, form.when),
                *schedule.momentum[place + 1 :],
            )
            yield text, replace(schedule, momentum=forms)


@pytest.mark.parametrize("name", SCHEDULES)
def test_no_mutant_of_a_schedule_passes(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    evidence = _evidence_of(name)
    by_hand = [] if name in COUNTS_FROM_ZERO else list(_by_hand(name))
    assert not any(_hand_is_wrong(*item) for item in by_hand)
    survivors = []
    for text, mutant in _mutants(SCHEDULES[name]):
        monkeypatch.setitem(SCHEDULES, name, mutant)
        found = any(explain_schedule(item).verdict != "✓" for item in evidence)
        if not found and not any(_hand_is_wrong(*item) for item in by_hand):
            survivors.append(text)

    assert survivors == []
