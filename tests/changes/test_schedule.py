"""The learning rates ahead are the ones that come, and looking at them changes nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import Any

import pytest
import torch
from torch.optim import SGD, Adam, SparseAdam, lr_scheduler

from backprop_tui.debuggee.changes.errors import ChangeError
from backprop_tui.debuggee.changes.fork import in_fork, preview_in_fork, tried
from backprop_tui.debuggee.changes.optimizer import convert
from backprop_tui.debuggee.changes.registry import Registry
from backprop_tui.debuggee.changes.schedule import preview
from changes.training import SCHEDULERS, Training, equal, warned
from support.processes import children

AHEAD = 17


def preview_of_copies(registry: Registry, n: int) -> list[dict[str, Any]]:
    return preview(registry, n, of_copies=True)


ways = pytest.mark.parametrize("look", [preview_in_fork, preview_of_copies])
OF_SCRIPT = ("LambdaLR", "MultiplicativeLR")


@ways
@pytest.mark.parametrize("plan", SCHEDULERS)
@pytest.mark.parametrize("start", [0, 2])
def test_the_plan_is_what_comes(registry: Registry, plan: str, start: int, look: Any) -> None:
    run = Training("SGD", plan).steps(start)
    before = run.result()
    if look is preview_of_copies and plan in OF_SCRIPT:
        with pytest.raises(ChangeError, match=f"what {plan} does next is only asked in a copy"):
            look(registry, AHEAD)
        assert equal(run.result(), before)
        return
    (planned,), shown = warned(lambda: look(registry, AHEAD))
    assert shown == []
    assert equal(run.result(), before)
    assert planned["optimizer"] == 0
    assert planned["scheduler"] == type(run.scheduler).__name__
    plateau = isinstance(run.scheduler, lr_scheduler.ReduceLROnPlateau)
    assert ("assuming that the metric stays" in planned["note"]) == plateau
    run.optimizer.step(run.loss)  # type: ignore[arg-type]
    came = []
    for _ in range(AHEAD):
        run.schedule()
        came.append([float(group["lr"]) for group in run.optimizer.param_groups])
    assert planned["lrs"] == came


@ways
def test_the_end_of_a_plan_is_told(registry: Registry, look: Any) -> None:
    run = Training("SGD", "OneCycleLR").steps(4)
    (planned,) = look(registry, 50)
    assert len(planned["lrs"]) == 16
    assert "Tried to step 21 times" in planned["note"]
    assert run.scheduler.last_epoch == 4


@ways
def test_several_optimizers_and_groups(registry: Registry, look: Any) -> None:
    made = [
        SGD([{"params": [torch.ones(1)]}, {"params": [torch.ones(1)], "lr": 0.5}], lr=1.0) for _ in range(3)
    ]
    held = [lr_scheduler.ExponentialLR(optimizer, 0.5) for optimizer in made[1:]]
    planned = look(registry, 2)
    assert [plan["optimizer"] for plan in planned] == [1, 2]
    assert planned[0]["lrs"] == [[0.5, 0.25], [0.25, 0.125]]
    assert len(held) == 2


def test_only_the_scheduler_that_is_stepped_now(registry: Registry) -> None:
    run = Training("SGD", "StepLR").steps(3)
    later = SCHEDULERS["SWALR"](run.optimizer)
    assert preview_in_fork(registry, 1)[0]["scheduler"] == "StepLR"
    later.step()
    later.step()
    assert preview_in_fork(registry, 1)[0]["scheduler"] == "SWALR"
    for _ in range(2):
        run.schedule()
        later.step()
    assert preview_in_fork(registry, 1)[0]["scheduler"] == "StepLR, SWALR"


# a change tried in a fork
def test_a_trial_leaves_all_as_it_was(registry: Registry) -> None:
    run = Training("SGD", "CosineAnnealingLR").steps(2)
    before, random = run.result(), torch.get_rng_state()
    answer = tried(registry, run.optimizer, lambda: convert(run.optimizer, Adam, {"lr": 0.1}, registry))
    assert answer.startswith("Adam with fresh state")
    assert equal(run.result(), before)
    assert torch.equal(torch.get_rng_state(), random)


def test_what_fails_only_at_the_step_is_found(registry: Registry) -> None:
    weight = torch.nn.Parameter(torch.ones(6, 2))
    optimizer = SGD([weight], lr=0.1)
    weight.grad = torch.eye(6)[:, :2].to_sparse()
    with pytest.raises(ChangeError, match="RuntimeError: Adam does not support sparse gradients"):
        tried(registry, optimizer, lambda: convert(optimizer, Adam, {}, registry))
    assert tried(registry, optimizer, lambda: convert(optimizer, SparseAdam, {}, registry))
    assert type(optimizer) is SGD


# the fork itself
def fails() -> None:
    raise ValueError("two\nlines")


def test_answers_and_errors_come_back(capfd: Any) -> None:
    assert in_fork(lambda: {"a": [1, None, "x"]}) == {"a": [1, None, "x"]}
    assert in_fork(lambda: "x" * 300_000) == "x" * 300_000
    with pytest.raises(ChangeError, match=r"^ValueError: two lines$"):
        in_fork(fails)
    with pytest.raises(ChangeError, match="has died"):
        in_fork(lambda: os._exit(3))
    with pytest.raises(ChangeError, match="has died"):
        in_fork(lambda: os.kill(os.getpid(), signal.SIGKILL))
    with pytest.raises(ChangeError, match="SystemExit: 3"):
        in_fork(lambda: sys.exit(3))
    in_fork(lambda: print("not to be seen", flush=True))
    assert capfd.readouterr() == ("", "")


def test_a_child_that_does_not_answer_is_ended() -> None:
    begun, before = time.monotonic(), children()
    with pytest.raises(ChangeError, match=r"no answer within 0\.2 seconds"):
        in_fork(lambda: signal.pause(), timeout=0.2)
    assert time.monotonic() - begun < 5
    assert children() == before


@pytest.mark.parametrize("handler", ["ignored", "own"])
def test_the_scripts_own_handler_hears_nothing(handler: str) -> None:
    heard: list[int] = []
    own = signal.SIG_IGN if handler == "ignored" else lambda number, frame: heard.append(number)
    before = signal.signal(signal.SIGCHLD, own)
    try:
        assert in_fork(lambda: 1) == 1
        assert signal.getsignal(signal.SIGCHLD) is own
        assert heard == []
    finally:
        signal.signal(signal.SIGCHLD, before)
    assert subprocess.run([sys.executable, "-S", "-c", "raise SystemExit(3)"]).returncode == 3
