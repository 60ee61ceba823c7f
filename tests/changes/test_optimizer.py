"""What a converted optimizer keeps, what is refused, and how an optimizer is written."""

from __future__ import annotations

import copy
import gc
import warnings
import weakref
from typing import Any

import pytest
import torch
from torch.optim import SGD, Adam, AdamW, Muon, Optimizer, lr_scheduler

from backprop_tui.debuggee import private
from backprop_tui.debuggee.changes.errors import ChangeError
from backprop_tui.debuggee.changes.history import KEY, REPLAYED, history_of
from backprop_tui.debuggee.changes.optimizer import choices, convert
from backprop_tui.debuggee.changes.parsing import classes, hyperparameters, parse_optimizer
from backprop_tui.debuggee.changes.registry import Registry, install, step_of
from changes.training import LR, OPTIMIZERS, SCHEDULERS, STEPS, Training, equal, optimizer_class, warned


def weights(*shape: int) -> torch.nn.Parameter:
    torch.manual_seed(0)
    return torch.nn.Parameter(torch.randn(*shape or (2, 2)))


# what stays
def test_hooks_and_what_the_script_hung_on_it_stay(registry: Registry) -> None:
    optimizer = SGD([weights()], lr=LR, momentum=0.9)
    called: list[str] = []
    optimizer.register_step_pre_hook(lambda *_: called.append("before"))
    optimizer.register_step_post_hook(lambda *_: called.append("after"))
    optimizer.register_state_dict_post_hook(lambda *_: called.append("state"))
    optimizer.tag = "mine"  # type: ignore[attr-defined]
    convert(optimizer, Adam, {}, registry)
    optimizer.param_groups[0]["params"][0].grad = torch.ones(2, 2)
    optimizer.step()
    optimizer.state_dict()
    assert called == ["before", "after", "state"]
    assert optimizer.tag == "mine"  # type: ignore[attr-defined]


def test_no_trace_of_the_old_class(registry: Registry) -> None:
    optimizer = SGD([weights()], lr=LR, momentum=0.9, fused=True)
    convert(optimizer, Adam, {"lr": LR}, registry)
    fresh = Adam([weights()], lr=LR)
    assert optimizer.__dict__.keys() == fresh.__dict__.keys()
    assert repr(optimizer) == repr(fresh)


def test_groups_keep_what_they_were_given_themselves(registry: Registry) -> None:
    """A group without weight decay, the usual reason for groups: as if written with the other class."""

    def groups() -> list[dict[str, Any]]:
        plain, bare, slow = weights(2, 2), weights(2, 1), weights(1, 2)
        return [
            {"params": [plain], "weight_decay": 0.1},
            {"params": [bare], "weight_decay": 0.0, "name": "bare"},
            {"params": [slow], "lr": 0.001, "nesterov": False},
        ]

    optimizer = SGD(groups(), lr=0.5, momentum=0.9, weight_decay=0.3)
    convert(optimizer, AdamW, {"lr": LR, "weight_decay": 0.2}, registry)
    expected = AdamW(groups(), lr=LR, weight_decay=0.2)
    for group in expected.param_groups:
        group.pop("nesterov", None)
    assert equal(optimizer.state_dict(), expected.state_dict())
    convert(optimizer, SGD, {"momentum": 0.9, "weight_decay": 0.3}, registry)
    assert [group["weight_decay"] for group in optimizer.param_groups] == [0.1, 0.0, 0.3]
    assert [group["lr"] for group in optimizer.param_groups] == [LR, LR, 0.001]
    assert [group["nesterov"] for group in optimizer.param_groups] == [False, False, False]


def test_a_group_added_later_counts_too(registry: Registry) -> None:
    optimizer = SGD([weights()], lr=LR)
    optimizer.add_param_group({"params": [weights()], "weight_decay": 0.0})
    convert(optimizer, AdamW, {}, registry)
    assert [group["weight_decay"] for group in optimizer.param_groups] == [0.01, 0.0]


def test_a_copied_optimizer_is_known_by_its_differences(registry: Registry) -> None:
    optimizer = copy.deepcopy(
        SGD([{"params": [weights()], "weight_decay": 0.1}, {"params": [weights()]}], lr=LR)
    )
    assert KEY not in optimizer.__dict__
    registry.add(optimizer)
    convert(optimizer, AdamW, {}, registry)
    assert [group["weight_decay"] for group in optimizer.param_groups] == [0.1, 0.01]
    assert registry.optimizers() == [optimizer]


def test_the_objective_stays(registry: Registry) -> None:
    optimizer = SGD([weights()], lr=LR, maximize=True)
    convert(optimizer, Adam, {}, registry)
    assert optimizer.param_groups[0]["maximize"] is True
    with pytest.raises(ChangeError, match="Muon has no maximize=True"):
        convert(optimizer, Muon, {}, registry)


def test_names_of_parameters_stay(registry: Registry) -> None:
    net = torch.nn.Linear(2, 2)
    optimizer = SGD(net.named_parameters(), lr=LR)
    convert(optimizer, Adam, {}, registry)
    assert optimizer.param_groups[0]["param_names"] == ["weight", "bias"]
    assert equal(optimizer.state_dict(), Adam(net.named_parameters(), lr=LR).state_dict())


def test_a_learning_rate_in_a_tensor_stays_one(registry: Registry) -> None:
    rate = torch.tensor(LR)
    optimizer = SGD([weights()], lr=rate)
    scheduler = lr_scheduler.ExponentialLR(optimizer, 0.5)
    convert(optimizer, Adam, {}, registry)
    optimizer.step()
    scheduler.step()
    assert optimizer.param_groups[0]["lr"] is rate
    assert float(rate) == pytest.approx(LR / 2)


def test_grad_scaler_goes_on(registry: Registry) -> None:
    def run(swap: bool) -> Any:
        weight = weights()
        optimizer: Optimizer = SGD([weight], lr=LR) if swap else Adam([weight], lr=LR)
        scaler = torch.amp.GradScaler("cpu")
        for step in range(4):
            optimizer.zero_grad()
            scaler.scale((weight**2).sum()).backward()
            scaler.unscale_(optimizer)
            if swap and step == 0:
                convert(optimizer, Adam, {}, registry)
            scaler.step(optimizer)
            scaler.update()
        return [weight, optimizer.state_dict(), scaler.state_dict()]

    assert equal(run(True), run(False))


# refusals
class Slotted(SGD):
    """Its instances have a layout of their own."""

    __slots__ = ("extra",)


def wrapped_by_script() -> Optimizer:
    optimizer = SGD([weights()], lr=LR)
    original = optimizer.step
    optimizer.step = lambda *args: original(*args)  # type: ignore[method-assign, assignment]
    return optimizer


def stepped_without_closure() -> Optimizer:
    optimizer = SGD([weights()], lr=LR)
    optimizer.step()
    return optimizer


def with_dense_gradient() -> Optimizer:
    optimizer = SGD([weights()], lr=LR)
    optimizer.param_groups[0]["params"][0].grad = torch.ones(2, 2)
    return optimizer


REFUSED: list[tuple[Any, str, str]] = [
    (lambda: Slotted([weights()], lr=LR), "Adam", "__slots__"),
    (wrapped_by_script, "Adam", "function of its own"),
    (stepped_without_closure, "LBFGS", "closure"),
    (lambda: SGD([{"params": [weights()]}, {"params": [weights()]}], lr=LR), "LBFGS", "parameter groups"),
    (with_dense_gradient, "SparseAdam", "sparse"),
    (lambda: SGD([weights(3)], lr=LR), "Muon", "2D"),
    (lambda: SGD([weights()], lr=0.0), "SparseAdam", "Invalid learning rate"),
]


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: f"{case[1]} {case[2]}")
def test_a_refusal_changes_nothing(registry: Registry, case: Any) -> None:
    make, name, why = case
    optimizer = make()
    kind, attributes = type(optimizer), dict(optimizer.__dict__)
    groups = [dict(group) for group in optimizer.param_groups]
    with pytest.raises(ChangeError, match=why) as caught:
        convert(optimizer, optimizer_class(name), {}, registry)
    assert str(caught.value).endswith(".") and "\n" not in str(caught.value)
    assert type(optimizer) is kind
    assert optimizer.__dict__.keys() == attributes.keys()
    assert all(optimizer.__dict__[key] is value for key, value in attributes.items())
    assert [dict(group) for group in optimizer.param_groups] == groups
    assert not any(choice.startswith(name) for choice in choices(optimizer, registry))


def test_a_closure_makes_lbfgs_possible(registry: Registry) -> None:
    optimizer = stepped_without_closure()
    assert not any(choice.startswith("LBFGS") for choice in choices(optimizer, registry))
    optimizer.step(lambda: 1.0)
    assert any(choice.startswith("LBFGS") for choice in choices(optimizer, registry))


def test_a_copy_is_known_from_its_first_step(registry: Registry) -> None:
    first = SGD([weights()], lr=LR)
    second = copy.deepcopy(first)
    assert registry.optimizers() == [first]
    second.step()
    assert registry.optimizers() == [first, second]


def test_choices_can_be_made(registry: Registry) -> None:
    optimizer = SGD([weights()], lr=LR)
    offered = choices(optimizer, registry)
    assert [text.partition("(")[0] for text in offered] == list(classes())
    assert "Adam(betas=(0.9, 0.999), eps=1e-08, weight_decay=0, amsgrad=False" in offered[4]
    for text in offered:
        kind, given = parse_optimizer(text, registry)
        convert(optimizer, kind, given, registry)
        assert type(optimizer) is kind
    assert len(classes()) >= 15


# the past
def test_a_long_run_of_equal_steps_is_one_entry(registry: Registry) -> None:
    optimizer = SGD([weights()], lr=LR)
    scheduler = lr_scheduler.StepLR(optimizer, 10**6)
    private_log = history_of(optimizer).log
    optimizer.step()
    for _ in range(3000):
        scheduler.step()
    assert private_log.length == 3000
    assert len(private_log._calls) == 1


@pytest.mark.filterwarnings("ignore:Converting a tensor with requires_grad")
def test_metrics_are_kept_as_numbers(registry: Registry) -> None:
    optimizer = SGD([weights()], lr=LR)
    scheduler = lr_scheduler.ReduceLROnPlateau(optimizer)
    loss = (optimizer.param_groups[0]["params"][0] ** 2).sum()
    held = weakref.ref(loss)
    scheduler.step(loss)
    value = loss.item()
    del loss
    assert held() is None
    assert list(history_of(optimizer).log) == [(0, (value,), {})]


def test_nothing_is_kept_alive(registry: Registry) -> None:
    """Also when the schedule is a method of the object that holds the optimizer."""

    class Trainer:
        def __init__(self) -> None:
            self.optimizer = SGD([weights()], lr=LR)
            self.scheduler = lr_scheduler.LambdaLR(self.optimizer, self.factor)

        def factor(self, epoch: int) -> float:
            return 1.0

    trainer = Trainer()
    held = [weakref.ref(trainer.optimizer), weakref.ref(trainer.scheduler)]
    del trainer
    gc.collect()
    assert [reference() for reference in held] == [None, None]
    assert registry.optimizers() == []
    loose = SGD([weights()], lr=LR)
    lr_scheduler.StepLR(loose, 1)
    reference = weakref.ref(loose)
    gc.disable()
    try:
        del loose
        assert reference() is None, "no ring of ours keeps it until the next collection"
    finally:
        gc.enable()


def hand_written(optimizer: Optimizer, scheduler: Any) -> None:
    optimizer.param_groups[0]["lr"] = 0.7


def hand_written_and_stepped(optimizer: Optimizer, scheduler: Any) -> None:
    optimizer.param_groups[0]["lr"] = 0.7
    scheduler.step()


def loaded(optimizer: Optimizer, scheduler: Any) -> None:
    scheduler.load_state_dict(scheduler.state_dict())


@pytest.mark.parametrize("disturb", [hand_written, hand_written_and_stepped, loaded])
def test_where_the_past_is_not_known_rates_are_scaled(registry: Registry, disturb: Any) -> None:
    run = Training("SGD", "ExponentialLR", lr=0.5)
    run.steps(3)
    disturb(run.optimizer, run.scheduler)
    before = run.optimizer.param_groups[0]["lr"]
    assert not history_of(run.optimizer).replayable(run.optimizer)
    convert(run.optimizer, Adam, {"lr": 0.1}, registry)
    group = run.optimizer.param_groups[0]
    assert group["lr"] == pytest.approx(before / 5)
    assert group["initial_lr"] == pytest.approx(0.1)
    assert run.scheduler.base_lrs == pytest.approx([0.1])
    run.steps(1)
    assert group["lr"] == pytest.approx(before / 5 * 0.7)


def test_a_scheduler_that_is_gone_is_not_replayed(registry: Registry) -> None:
    run = Training("SGD", "LinearLR", lr=0.5).steps(3)
    run.scheduler = lr_scheduler.ExponentialLR(run.optimizer, 0.5)
    before = run.optimizer.param_groups[0]["lr"]
    convert(run.optimizer, Adam, {"lr": 0.05}, registry)
    assert run.optimizer.param_groups[0]["lr"] == pytest.approx(before / 10)


def test_a_past_that_is_too_long_is_not_replayed(registry: Registry) -> None:
    run = Training("SGD", "StepLR").steps(2)
    history_of(run.optimizer).log.length = REPLAYED + 1
    assert not history_of(run.optimizer).replayable(run.optimizer)


def test_converting_many_times(registry: Registry) -> None:
    """Forth and back between the steps; at the end as if nothing had happened, but for the state."""
    run = Training("SGD", "OneCycleLR")
    for name in ("Adam", "RMSprop", "AdamW", "SGD"):
        given = {"momentum": 0.9, "nesterov": True} if name == "SGD" else {}
        convert(run.optimizer, optimizer_class(name), given, registry)
    assert equal(run.steps().result(), Training("SGD", "OneCycleLR").steps().result())


def test_classes_of_the_script_are_seen(registry: Registry) -> None:
    class Mine(Adam):
        def __init__(self, params: Any, lr: float) -> None:
            super().__init__(params, lr=lr)
            self.ready = True

    class Warmup(lr_scheduler.LRScheduler):
        def get_lr(self) -> list[float]:
            return [base * min(1.0, (self.last_epoch + 1) / 4) for base in self.base_lrs]  # type: ignore[misc]

    seen: list[bool] = []
    registry.on_made = lambda optimizer: seen.append(hasattr(optimizer, "ready"))
    optimizer = Mine([weights()], lr=LR)
    scheduler = Warmup(optimizer)
    assert seen == [True], "once, and after the whole construction"
    assert registry.schedulers(optimizer) == [scheduler]
    convert(optimizer, SGD, {"lr": 1.0}, registry)
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.25)


def test_inner_schedulers_are_not_outermost(registry: Registry) -> None:
    run = Training("SGD", "SequentialLR").steps(2)
    assert registry.outermost(run.optimizer) == [run.scheduler]
    assert len(registry.schedulers(run.optimizer)) == 3
    assert history_of(run.optimizer).log.length == 2


def test_scheduler_off_is_the_script_without_its_steps(registry: Registry) -> None:
    expected = Training("SGD", "ChainedScheduler")
    expected.schedule = lambda: None  # type: ignore[method-assign]
    expected.steps()
    registry.scheduler_off = True
    run = Training("SGD", "ChainedScheduler").steps()
    assert equal(run.result(), expected.result())
    registry.scheduler_off = False
    run.schedule()
    assert run.optimizer.param_groups[0]["lr"] != expected.optimizer.param_groups[0]["lr"]


def test_a_step_after_a_conversion_runs_the_new_class(registry: Registry) -> None:
    optimizer = SGD([weights()], lr=LR)
    old = SGD.step
    assert step_of(optimizer, SGD, old) is old
    convert(optimizer, Adam, {}, registry)
    assert step_of(optimizer, SGD, old) is Adam.step


def test_converted_in_the_moment_before_the_step(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    """The place that the debuggee stops at: inside ``step``, around what torch wraps it with."""
    by_hand = Training("Adam", "StepLR", lr=LR)
    original = Optimizer.profile_hook_step
    steps: list[str] = []

    def profile_hook_step(function: Any) -> Any:
        wrapped = original(function)

        def step(optimizer: Optimizer, *args: Any, **kwargs: Any) -> Any:
            before = type(optimizer)
            if before is Mine:
                convert(optimizer, Adam, {**OPTIMIZERS["Adam"], "lr": LR}, registry)
            return step_of(optimizer, before, wrapped)(optimizer, *args, **kwargs)

        return step

    monkeypatch.setattr(Optimizer, "profile_hook_step", staticmethod(profile_hook_step))

    class Mine(SGD):
        def step(self, closure: Any = None) -> Any:
            return super().step(closure)

    run = Training("SGD", None, lr=0.5)
    run.optimizer = Mine(run.net.parameters(), lr=0.5, momentum=0.9)
    run.optimizer.register_step_pre_hook(lambda *_: steps.append("hook"))
    run.scheduler = SCHEDULERS["StepLR"](run.optimizer)
    run.steps()
    by_hand.steps()
    assert steps == ["hook"] * STEPS
    assert run.rates == [[0.5], *by_hand.rates[1:]], "the first was noted before"
    run.rates = by_hand.rates
    assert equal(run.result(), by_hand.result())


def test_the_patches_leave_nothing_behind() -> None:
    before = [vars(SGD)["__init__"], vars(lr_scheduler.LRScheduler)["step"], Optimizer.add_param_group]
    patches = install(Registry())
    assert vars(SGD)["__init__"] is not before[0]
    patches.remove()
    assert [
        vars(SGD)["__init__"],
        vars(lr_scheduler.LRScheduler)["step"],
        Optimizer.add_param_group,
    ] == before
    assert "__init_subclass__" not in vars(Optimizer)


def test_warnings_name_the_line_of_the_script(registry: Registry) -> None:
    scheduler = lr_scheduler.StepLR(SGD([weights()], lr=LR), 1)
    _, shown = warned(lambda: scheduler.step())
    assert len(shown) == 1
    assert shown[0].startswith(f"{__file__}:") and "before `optimizer.step()`" in shown[0]


def test_signatures_and_names_are_torchs(registry: Registry) -> None:
    assert hyperparameters(Adam)["betas"] == (0.9, 0.999)
    assert Adam.__init__.__qualname__ == "Adam.__init__"


def test_a_conversion_neither_gives_nor_forgets_warnings(registry: Registry) -> None:
    """Making and stepping the schedulers again repeats what they warned of; Python is not to know."""
    run = Training("SGD", "StepLR")
    with warnings.catch_warnings(record=True) as shown:
        warnings.simplefilter("default")
        for _ in range(2):
            run.scheduler.step(4)
        convert(run.optimizer, Adam, {"lr": 0.1}, registry)
        run.scheduler.step(5)
    texts = [str(item.message)[:20] for item in shown]
    assert texts == ["Detected call of `lr", "The epoch parameter ", "The epoch parameter "]
    assert not private.step_by_script(run.optimizer)


# how an optimizer is written
WRITTEN = {
    "Adam": ("Adam", {}),
    " torch.optim.AdamW( lr = 0.1, ) ": ("AdamW", {"lr": 0.1}),
    "SGD(lr=1, momentum=.9, nesterov=True)": ("SGD", {"lr": 1, "momentum": 0.9, "nesterov": True}),
    "Adam(betas=[0.8, 0.9])": ("Adam", {"betas": (0.8, 0.9)}),
    "Adafactor(eps=(None, 1e-3))": ("Adafactor", {"eps": (None, 1e-3)}),
    "LBFGS(line_search_fn='strong_wolfe')": ("LBFGS", {"line_search_fn": "strong_wolfe"}),
}


@pytest.mark.parametrize("text", WRITTEN)
def test_written_optimizers(registry: Registry, text: str) -> None:
    name, given = WRITTEN[text]
    assert parse_optimizer(text, registry) == (optimizer_class(name), given)
    assert registry.optimizers() == []


WRONG = {
    "adam": "choose from ASGD, Adadelta",
    "Optimizer": "choose from",
    "": "written like",
    "Adam(": "written like",
    "Adam(lr=0.1) + 1": "written like",
    "Adam(0.1)": "Name every",
    "Adam(**x)": "Name every",
    "Adam(lr=x)": "plain value",
    "Adam(lr='fast')": "lr must be a number",
    "Adam(lr=-0.1)": "lr must be a number",
    "Adam(lr=1e999)": "lr must be a number",
    "Adam(lr=True)": "lr must be a number",
    "Adam(momentum=0.9)": "choose from lr, betas, eps",
    "Adam(betas=0.9)": "is like",
    "Adam(betas=(0.9, 'a'))": "must be a number",
    "Adam(betas=(0.9, 2.0))": "beta parameter at index 1",
    "Adam(amsgrad=1)": "True or False",
    "SGD(nesterov=True)": "Nesterov momentum requires",
    "LBFGS(max_iter=None)": "must be a number",
}


@pytest.mark.parametrize("text", WRONG)
def test_wrongly_written_optimizers(registry: Registry, text: str) -> None:
    with pytest.raises(ChangeError, match=WRONG[text]) as caught:
        parse_optimizer(text, registry)
    assert str(caught.value).endswith(".") and "\n" not in str(caught.value)
