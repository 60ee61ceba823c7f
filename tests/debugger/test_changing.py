"""A change made at a stop is the script written that way from there on, forwards, backwards and again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from backprop_tui.debugger.cursor_copies import CursorCopies
from backprop_tui.debugger.failure import Refused
from support.driving import Driver

pytestmark = pytest.mark.xdist_group("debugger_changing")

SCRIPT = """\
import torch
from torch import nn
from torch.nn import functional as F

torch.manual_seed(1)
model = nn.Linear(3, 2)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 2, 0.5)
x, y = torch.randn(4, 3), torch.randn(4, 2)
for i in range(1, 8):
    optimizer.zero_grad()
    loss = F.mse_loss(model(x), y)
    loss.backward()
    optimizer.step()
    scheduler.step()
    print(i, loss.item())
"""
CLEAR = "    optimizer.zero_grad()\n"
LOSS = "F.mse_loss(model(x), y)"
FROM_4 = "    if i == 4:\n"

ADAM = """\
        optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
        scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 2, 0.5)
        optimizer.step = optimizer.step
        scheduler.step(); scheduler.step(); scheduler.step()
"""

# (kind, value, chip, what is replaced in the script, by what)
CHANGES: dict[str, tuple[str, Any, str, str, str]] = {
    "zero_grad off": ("zero_grad", "off", "zero_grad off", CLEAR, "    if i < 4: optimizer.zero_grad()\n"),
    "zero_grad zero": (
        "zero_grad", "zero", "zero_grad zero", "zero_grad()", "zero_grad(set_to_none=i < 4)",
    ),
    "loss": (
        "loss", {"name": "l1", "reduction": None}, "loss l1",
        LOSS, "(F.mse_loss if i < 4 else F.l1_loss)(model(x), y)",
    ),
    "half_mse": (
        "loss", {"name": "half_mse", "reduction": None}, "loss half_mse",
        LOSS, "F.mse_loss(model(x), y) if i < 4 else 0.5 * F.mse_loss(model(x), y)",
    ),
    "reduction": (
        "loss", {"name": None, "reduction": "sum"}, "loss sum",
        LOSS, "F.mse_loss(model(x), y, reduction='mean' if i < 4 else 'sum')",
    ),
    "optimizer": ("optimizer", "Adam(lr=0.05)", "Adam(lr=0.05)", CLEAR, FROM_4 + ADAM + CLEAR),
    "lr": (
        "lr", 0.7, "lr 0.7",
        CLEAR, FROM_4 + "        optimizer.param_groups[0]['lr'] = 0.7\n" + CLEAR,
    ),
    "hyperparameter": (
        "hyperparameter", {"name": "momentum", "value": 0.25}, "momentum 0.25",
        CLEAR, FROM_4 + "        optimizer.param_groups[0]['momentum'] = 0.25\n" + CLEAR,
    ),
    "scheduler": (
        "scheduler", "off", "scheduler off", "    scheduler.step()\n", "    if i < 4: scheduler.step()\n",
    ),
    "backward_gradient": (
        "backward_gradient", True, "backward(gradient=loss)",
        "loss.backward()", "loss.backward(gradient=None if i < 4 else loss.detach())",
    ),
    "set": (
        "set", {"name": "model.weight", "attr": "value", "index": [1, -1], "to": 2.5},
        "model.weight[1,-1] = 2.5",
        CLEAR, FROM_4 + "        model.weight.data[1, -1] = 2.5\n" + CLEAR,
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("changes")


@pytest.fixture
def script(folder: Path) -> Path:
    path = folder / "script.py"
    path.write_text(SCRIPT)
    return path


QUICK = ("zero_grad off", "loss", "optimizer", "set")


@pytest.fixture(
    params=[name if name in QUICK else pytest.param(name, marks=pytest.mark.exhaustive) for name in CHANGES]
)
def change(request: pytest.FixtureRequest) -> Iterator[tuple[str, Any, str, str]]:
    kind, value, chip, old, new = CHANGES[request.param]
    assert SCRIPT.count(old) == 1
    yield kind, value, chip, SCRIPT.replace(old, new)


def results(driver: Driver) -> dict[str, Any]:
    """Everything that the script has computed so far, bit for bit."""
    return {
        "parameters": {row["name"]: row["value"]["values"] for row in driver.view.parameters},
        "gradients": {row["name"]: _values(row["grad"]) for row in driver.view.parameters},
        "losses": [point["value"] for point in driver.view.losses],
        "rates": [point["lrs"] for point in driver.view.rates],
        "printed": _printed(driver),
    }


def _values(info: Any) -> Any:
    return None if info is None else info["values"]


def _printed(driver: Driver) -> str:
    return "".join(chunk.text for chunk in driver.view.output if chunk.stream == "out")


def forget_checkpoints(driver: Driver) -> None:
    """Only the root is left, so whatever comes next is replayed from the beginning."""
    driver.session.run_of_script.processes.drop_after((-1, 0), 0)


def test_a_change_is_the_script_written_that_way(
    driver: Driver, folder: Path, script: Path, change: tuple[str, Any, str, str]
) -> None:
    kind, value, chip, text = change
    written = folder / "written.py"
    written.write_text(text)
    driver.load(written)
    driver.goto(6, 1)
    later = results(driver)
    driver.run()
    end = results(driver)
    driver.load(script)
    driver.run()
    unchanged = results(driver)
    assert unchanged != end or value == "zero"  # `None` and zeros come to the same here

    driver.goto(4, 1)
    stop = driver.stop
    driver.change(kind, value)
    assert [(made.chip, made.time) for made in driver.view.changes] == [(chip, stop.time)]
    driver.run()
    assert results(driver) == end

    # A time after the change, once from a checkpoint and once from the beginning.
    driver.goto(6, 1)
    assert results(driver) == later
    forget_checkpoints(driver)
    driver.goto(5, 2)
    driver.goto(6, 1)
    assert results(driver) == later
    assert [made.chip for made in driver.view.changes] == [chip]
    driver.run()
    assert results(driver) == end
    assert not [sentence for sentence in driver.messages if "deterministic" in sentence]

    # A time before it.
    driver.goto(4, 1)
    assert [made.chip for made in driver.view.changes] == [chip]
    driver.back("walk")
    assert driver.view.changes == ()
    assert any("undone" in sentence and (chip or kind) in sentence for sentence in driver.messages)
    driver.run()
    assert results(driver) == unchanged
    assert not [sentence for sentence in driver.messages if "deterministic" in sentence]


def test_a_change_from_the_beginning_is_never_undone(driver: Driver, script: Path) -> None:
    driver.load(script, changes=(("optimizer", "Adam(lr=0.05)"), ("zero_grad", "off")))
    driver.run()
    end = results(driver)
    driver.goto(2, 3)
    assert [made.chip for made in driver.view.changes] == ["Adam(lr=0.05)", "zero_grad off"]
    assert (driver.view.toggles.optimizer, driver.view.toggles.zero_grad) == ("Adam", "off")
    driver.goto(0, 1)
    driver.run()
    assert results(driver) == end
    driver.restart()
    driver.run()

    assert results(driver) == end
    assert [made.chip for made in driver.view.changes] == ["Adam(lr=0.05)", "zero_grad off"]


def test_several_changes_are_undone_one_by_one(driver: Driver, script: Path) -> None:
    driver.load(script)
    driver.goto(2, 1)
    driver.change("zero_grad", "off")
    driver.goto(3, 1)
    driver.change("lr", 0.01)
    driver.goto(4, 2)
    driver.change("scheduler", "off")
    driver.run()
    end = results(driver)
    forget_checkpoints(driver)
    driver.goto(6, 1)
    driver.run()
    assert results(driver) == end
    for iteration, chips in ((4, ["zero_grad off", "lr 0.01"]), (2, ["zero_grad off"]), (1, [])):
        driver.goto(iteration, 1)
        assert [made.chip for made in driver.view.changes] == chips


def test_taking_a_change_back_is_as_good_as_undoing_it(driver: Driver, script: Path) -> None:
    driver.load(script)
    driver.run()
    unchanged = results(driver)
    driver.goto(3, 1)
    driver.change("zero_grad", "off")
    driver.change("zero_grad", "on")
    assert driver.view.changes == ()
    driver.run()

    assert results(driver) == unchanged


def test_zero_instead_of_none_is_seen_at_once(driver: Driver, script: Path) -> None:
    driver.load(script)
    driver.goto(3, 2)
    assert driver.stop.next is not None and driver.stop.next["kind"] == "zero_grad"
    driver.change("zero_grad", "zero")
    driver.step("over")
    assert driver.values("model.bias", "grad") == [0.0, 0.0]
    driver.goto(2, 2)
    driver.step("over")
    assert driver.values("model.bias", "grad") is None


def test_going_to_a_later_operation_of_the_same_iteration_keeps_a_change(
    driver: Driver, script: Path
) -> None:
    driver.load(script)
    driver.goto(3, 2)
    driver.change("backward_gradient", True)
    driver.run()
    driver.goto(3, 6)
    assert [made.chip for made in driver.view.changes] == ["backward(gradient=loss)"]
    driver.goto(3, 2)
    assert driver.view.toggles.backward_gradient
    driver.goto(3, 1)
    assert driver.view.changes == ()
    assert not driver.view.toggles.backward_gradient


def test_a_gradient_set_before_the_step_is_used_by_it(driver: Driver, script: Path) -> None:
    driver.load(script, changes=(("optimizer", "SGD(lr=0.5)"), ("scheduler", "off")))
    driver.goto(2, 1)
    while driver.stop.next is None or driver.stop.next["kind"] != "step":
        driver.step("over")
    before = driver.values("model.weight")
    driver.change("set", {"name": "model.weight", "attr": "grad", "index": [0, 0], "to": 64.0})
    assert driver.values("model.weight", "grad")[0][0] == 64.0
    driver.step("over")

    assert driver.values("model.weight")[0][0] == pytest.approx(before[0][0] - 32.0, abs=1e-5)


def test_a_script_that_works_its_loss_out_by_hand_is_told_of(driver: Driver, folder: Path) -> None:
    """Nothing can be swapped: the chip alone would say that something was."""
    by_hand = folder / "by_hand.py"
    by_hand.write_text(SCRIPT.replace(LOSS, "((model(x) - y) ** 2).mean()"))
    driver.load(by_hand)
    driver.goto(2, 1)
    driver.change("loss", {"name": "l1", "reduction": None})
    assert "No loss function that can be swapped was seen so far" in driver.view.message

    driver.change("loss", {"name": None, "reduction": None})
    assert "swapped" not in driver.view.message


def test_a_loss_that_was_seen_can_be_swapped_and_nothing_is_said(driver: Driver, script: Path) -> None:
    driver.load(script)
    driver.goto(2, 1)
    driver.change("loss", {"name": "l1", "reduction": None})
    assert "swapped" not in driver.view.message


def test_of_two_optimizers_the_first_is_another_one_and_the_second_is_named(
    driver: Driver, folder: Path
) -> None:
    two = folder / "two.py"
    made = "optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)\n"
    other = "other = torch.optim.RMSprop([torch.nn.Parameter(torch.ones(1))], lr=0.5)\n"
    two.write_text(SCRIPT.replace(made, made + other))
    driver.load(two)
    driver.goto(2, 1)
    driver.change("optimizer", "Adam(lr=0.25)")

    assert driver.view.toggles.optimizer == "Adam + RMSprop"
    assert driver.view.changes[-1].chip == "Adam(lr=0.25) + RMSprop"
    assert "the first of 2 optimizers: RMSprop as before" in driver.view.message

    driver.change("lr", 0.75)
    assert driver.view.message.endswith("The same in all 2 optimizers.")


REFUSED = {
    "unknown optimizer": ("optimizer", "Adamant(lr=0.1)", "Adamant"),
    "unknown hyperparameter": ("optimizer", "SGD(speed=3)", "speed"),
    "impossible hyperparameter": ("optimizer", "Adam(lr=-1)", ""),
    "only for sparse gradients": ("optimizer", "SparseAdam(lr=0.1)", ""),
    "loss of another family": ("loss", {"name": "cross_entropy", "reduction": None}, ""),
    "unknown loss": ("loss", {"name": "l3", "reduction": None}, ""),
    "unknown reduction": ("loss", {"name": None, "reduction": "median"}, ""),
    "no number": ("lr", "fast", ""),
    "negative rate": ("lr", -0.1, ""),
    "unknown hyperparameter alone": ("hyperparameter", {"name": "beta7", "value": 1}, "beta7"),
    "scheduler": ("scheduler", "maybe", "maybe"),
    "zero_grad": ("zero_grad", "sometimes", ""),
    "outside of the tensor": ("set", {"name": "model.weight", "index": [5, 0], "to": 1.0}, ""),
    "too few indices": (
        "set",
        {"name": "model.weight", "index": [0], "to": 1.0},
        "as in model.weight[0,0], not model.weight[0].",
    ),
    "no such tensor": ("set", {"name": "nothing", "index": [], "to": 1.0}, "nothing"),
    "no such change": ("weather", "fine", "weather"),
}


def test_refused_changes_leave_everything_as_it_was(driver: Driver, script: Path) -> None:
    driver.load(script)
    driver.goto(3, 1)
    driver.step("over")
    expected = results(driver)
    driver.load(script)
    driver.goto(3, 1)
    before, view = results(driver), driver.view
    for name, (kind, value, word) in REFUSED.items():
        with pytest.raises(Refused) as refusal:
            driver.change(kind, value)
        sentence = str(refusal.value)
        assert word in sentence and sentence and "\n" not in sentence, name
        now = driver.view
        assert (now.stop, now.changes, now.toggles) == (view.stop, view.changes, view.toggles), name
        assert results(driver) == before, name
    driver.step("over")

    assert results(driver) == expected


def test_no_change_inside_a_step(driver: Driver, script: Path) -> None:
    driver.load(script)
    while not any(record["kind"] == "step" for record in driver.stop.open):
        driver.step("walk")
    with pytest.raises(Refused, match=r"optimizer\.step"):
        driver.change("lr", 0.5)

    assert driver.view.changes == ()


def test_no_change_after_the_end(driver: Driver, script: Path) -> None:
    driver.load(script)
    driver.run()
    with pytest.raises(Refused, match="finished"):
        driver.change("lr", 0.5)


def test_the_next_operation_is_shown_as_it_is_after_the_change(driver: Driver, script: Path) -> None:
    driver.load(script)
    driver.goto(2, 1)
    while driver.stop.next is None or driver.stop.next["kind"] != "loss":
        driver.step("over")
    driver.change("set", {"name": "model.bias", "attr": "value", "index": [0], "to": 3.0})
    assert driver.values("model.bias")[0] == 3.0
    while driver.stop.next is None or driver.stop.next["kind"] != "update":
        driver.step("walk")
    driver.step("out")

    assert driver.stop.last is not None and driver.stop.last["kind"] == "step"


def test_the_choices_are_accepted(driver: Driver, script: Path) -> None:
    driver.load(script)
    driver.goto(3, 1)
    losses = driver.wait(driver.session.choices("loss"))
    optimizers = driver.wait(driver.session.choices("optimizer"))

    assert {"l1", "mse", "half_mse", "smooth_l1", "huber"} <= set(losses)
    assert "cross_entropy" not in losses
    assert any(text.startswith("AdamW(") for text in optimizers)
    for loss in losses:
        driver.change("loss", {"name": loss, "reduction": None})
    for text in optimizers[:3]:
        driver.change("optimizer", text)
    driver.step("over")


JUST_BEFORE = {
    "zero_grad off": "zero_grad",
    "loss": "loss",
    "optimizer": "step",
    "scheduler": "schedule",
    "backward_gradient": "backward",
}


@pytest.mark.parametrize("name", JUST_BEFORE)
def test_a_change_right_before_the_operation_that_it_is_about_is_in_time(
    driver: Driver, script: Path, name: str
) -> None:
    kind, value, _, old, new = CHANGES[name]
    changed = script.with_name(f"{name.replace(' ', '_')}_in_time.py")
    changed.write_text(SCRIPT.replace(old, new))
    driver.load(changed)
    driver.goto(6, 1)
    expected = results(driver)
    driver.load(script)
    driver.goto(4, 1)
    while driver.stop.next is None or driver.stop.next["kind"] != JUST_BEFORE[name]:
        driver.step("over")
    driver.change(kind, value)
    driver.goto(6, 1)
    assert results(driver) == expected


def test_a_checkpoint_where_a_change_is_made_may_lack_it(
    driver: Driver, script: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was made before the change, and the one made after it has not come yet."""
    driver.load(script)
    driver.goto(4, 1)
    while driver.stop.next is None or driver.stop.next["kind"] != "loss":
        driver.step("over")
    here = driver.stop
    run = driver.session.run_of_script
    driver.wait(CursorCopies(run).prepare())
    monkeypatch.setattr(driver.session, "_checkpoint_here", lambda: None)
    driver.change("loss", {"name": "l1", "reduction": None})
    seen, following = results(driver), driver.stop.next
    driver.run()
    end = results(driver)

    assert [place.changes for place in run.processes.checkpoints if place.time == here.time] == [0]
    driver.goto(here.iteration, here.number)
    assert (results(driver), driver.stop.next) == (seen, following)
    assert driver.view.toggles.loss == "l1"
    driver.run()
    assert results(driver) == end
    run.processes.drop_after(here.time, 0)
    driver.goto(6, 1)
    driver.run()
    assert results(driver) == end


# the future that a change leaves
def test_the_curves_of_the_future_that_a_change_leaves_stay_until_they_are_dismissed(
    driver: Driver, script: Path
) -> None:
    driver.load(script)
    driver.run()
    losses, rates = driver.view.losses, driver.view.rates
    driver.goto(4, 1)
    assert driver.view.ghosts == (), "going back leaves no future: it is known and will come again"
    before = len(driver.view.losses)
    driver.change("zero_grad", "off")
    (ghost,) = driver.view.ghosts
    assert (ghost.was, ghost.left_in) == ("", 4)
    assert (ghost.losses, ghost.rates) == (losses[before - 1 :], rates[before - 1 :])
    driver.change("lr", 0.3)
    assert driver.view.ghosts == (ghost,), "nothing more was known"
    driver.run()
    assert driver.view.ghosts == (ghost,)
    changed = driver.view.losses

    driver.goto(3, 1)
    undone = driver.view.ghosts[0]
    assert undone.was == "zero_grad off, lr 0.3"
    assert undone.losses == changed[before - 1 :]
    driver.session.dismiss_ghosts()
    assert driver.view.ghosts == ()
    driver.goto(5, 1)
    driver.goto(4, 1)
    driver.change("lr", 0.1)
    driver.run()
    assert [ghost.losses[-1]["iteration"] for ghost in driver.view.ghosts] == [4]
    driver.restart()
    assert driver.view.ghosts == ()


# a seed
RANDOM = """\
import random
import numpy
import torch

torch.manual_seed(1)
random.seed(1)
numpy.random.seed(1)
w = torch.ones(4, requires_grad=True)
for i in range(1, 8):
    noise = torch.rand(4) + random.random() + numpy.random.rand()
    loss = (torch.nn.functional.dropout(w, 0.5) * noise).sum()
    loss.backward()
    w.data -= 0.1 * w.grad
    print(i, loss.item())
"""
SEEDING = "        torch.manual_seed(7); random.seed(7); numpy.random.seed(7)\n"


def test_a_seed_is_the_script_seeded_in_that_place(driver: Driver, folder: Path) -> None:
    path, written = folder / "random_numbers.py", folder / "seeded.py"
    path.write_text(RANDOM)
    loss = "    loss = ("
    written.write_text(RANDOM.replace(loss, "    if i == 4:\n" + SEEDING + loss))
    driver.load(written)
    driver.run()
    end = results(driver)["losses"]
    driver.load(path)
    driver.goto(4, 1)
    while driver.stop.next is None or driver.stop.next["name"] != "dropout":
        driver.step()
    driver.change("seed", 7)
    assert [made.chip for made in driver.view.changes] == ["seed 7"]
    driver.run()
    assert results(driver)["losses"] == end

    forget_checkpoints(driver)
    driver.goto(6, 2)
    assert [made.chip for made in driver.view.changes] == ["seed 7"]
    driver.run()
    assert results(driver)["losses"] == end
    assert not [sentence for sentence in driver.messages if "deterministic" in sentence]
    for seed in (-1, 2**32, 1.5, "x", True):
        driver.goto(3, 1)
        with pytest.raises(Refused, match="A seed is a whole number from 0 to 4294967295"):
            driver.change("seed", seed)


def test_a_seed_from_the_beginning_is_in_force_when_training_begins(driver: Driver, folder: Path) -> None:
    path, written = folder / "random_numbers.py", folder / "seeded_first.py"
    path.write_text(RANDOM)
    loss = "    loss = ("
    written.write_text(RANDOM.replace(loss, "    if i == 1:\n" + SEEDING + loss))
    driver.load(written)
    driver.run()
    end = results(driver)["losses"]
    driver.load(path, changes=(("seed", 7),))
    assert [made.chip for made in driver.view.changes] == ["seed 7"]
    driver.run()
    assert results(driver)["losses"] == end


BY_HAND = """\
import torch

w = torch.tensor([1.0, 2.0], requires_grad=True)
for i in range(1, 6):
    if w.grad is not None:
        CLEAR
    (w * w).sum().backward()
    with torch.no_grad():
        w -= 0.1 * w.grad
    print(w.tolist())
"""


@pytest.mark.parametrize("clear", ["w.grad.data.zero_()", "w.grad.zero_()", "w.grad = None"])
@pytest.mark.parametrize("back", [0, 1])
def test_clearing_by_hand_can_be_switched_off_where_it_is_about_to_happen(
    driver: Driver, tmp_path: Path, clear: str, back: int
) -> None:
    """Right before it, or one operation earlier: the script may have taken the gradient already."""
    expected = tmp_path / "expected.py"
    expected.write_text(
        BY_HAND.replace("w.grad is not None", "w.grad is not None and i < 3").replace("CLEAR", clear)
    )
    script = tmp_path / "by_hand.py"
    script.write_text(BY_HAND.replace("CLEAR", clear))
    driver.load(expected)
    driver.run()
    wanted = driver.printed
    driver.load(script)
    driver.goto(3, 1)
    while driver.stop.next is None or driver.stop.next["kind"] != "clear":
        driver.step("over")
    for _ in range(back):
        driver.back("over")
    driver.change("zero_grad", "off")
    driver.run()

    assert driver.printed == wanted


def test_a_whole_tensor_is_filled_scaled_and_loaded(driver: Driver, script: Path) -> None:
    driver.load(script)
    driver.goto(2, 1)
    before = driver.values("model.weight")
    driver.change("set", {"name": "model.weight", "attr": "value", "scale": 0.5})
    assert driver.values("model.weight") == [[item / 2 for item in row] for row in before]
    driver.change("set", {"name": "model.bias", "attr": "value", "fill": -2.0})
    assert set(driver.values("model.bias")) == {-2.0}
    loaded = [[float(10 * i + j) for j, _ in enumerate(row)] for i, row in enumerate(before)]
    driver.change("set", {"name": "model.weight", "attr": "value", "load": loaded})
    assert driver.values("model.weight") == loaded
    chips = [made.chip for made in driver.view.changes]
    assert chips[:2] == ["model.weight *0.5", "model.bias fill -2.0"]
    driver.step("over")
    here = (driver.stop.iteration, driver.stop.number)
    seen = results(driver)
    driver.run()
    driver.goto(*here)
    assert results(driver) == seen, "replayed with the edits"
    driver.goto(1, 1)
    assert driver.view.changes == (), "undone by going back"


def test_an_input_is_edited_where_it_is_read(driver: Driver, script: Path) -> None:
    driver.load(script)
    driver.goto(2, 2)
    names = {row["name"] for row in driver.wait(driver.session.tensors())}
    assert "x" in names
    before = driver.wait(driver.session.window("x", "value", (0, 9), (0, 9))).values
    driver.change("set", {"name": "x", "attr": "value", "scale": 3.0})
    after = driver.wait(driver.session.window("x", "value", (0, 9), (0, 9))).values
    assert after == [[pytest.approx(3 * item) for item in row] for row in before]


def test_lists_of_another_shape_are_refused(driver: Driver, script: Path) -> None:
    driver.load(script)
    driver.goto(2, 1)
    before = results(driver)
    for value in ({"load": [1.0, 2.0, 3.0, 4.0, 5.0]}, {"fill": "much"}, {"scale": "x"}):
        with pytest.raises(Refused):
            driver.wait(driver.session.change("set", {"name": "model.weight", "attr": "value", **value}))
    assert results(driver) == before


def test_a_known_future_is_told_before_it_is_cut_off(driver: Driver, script: Path) -> None:
    driver.load(script)
    assert driver.view.future is None
    driver.goto(5, 1)
    driver.goto(3, 1)
    assert driver.view.future == 5
    driver.change("lr", 0.3)
    assert driver.view.future is None
    assert "What was known up to iteration 5 is forgotten." in driver.view.message
    driver.goto(2, 1)
    assert driver.view.future == 3
    while driver.status == "stopped":
        driver.step("over")
    driver.goto(2, 1)
    driver.run()
    assert driver.view.future is None, "nothing lies ahead of the end, however much was seen of the way there"


def test_a_change_inside_an_operation_is_undone_by_going_to_its_beginning(
    driver: Driver, tmp_path: Path
) -> None:
    path = tmp_path / "inside.py"
    path.write_text(SCRIPT.replace("model(x), y", "F.normalize(model(x)), y"))
    driver.load(path)
    driver.goto(3, 1)
    while driver.stop.next is None or driver.stop.next["name"] != "normalize":
        driver.step()
    beginning = driver.stop
    driver.step("into")
    assert driver.stop.next is not None and driver.stop.next["level"] == "kernel"
    assert driver.stop.number == beginning.number
    driver.change("lr", 0.5)
    driver.goto(beginning.iteration, beginning.number)

    assert driver.stop.time == beginning.time
    assert driver.view.changes == () and driver.view.toggles.lr == 0.05
    driver.goto(4, 1)
    assert driver.view.changes == ()


def test_an_operation_is_explained_with_the_numbers_that_a_change_right_before_it_gave(
    driver: Driver, script: Path
) -> None:
    """What it will read is taken down at the stop already."""
    driver.load(script)
    while driver.stop.next is None or driver.stop.next["name"] != "linear":
        driver.step()
    driver.settle()
    driver.change("set", {"name": "model.weight", "attr": "value", "index": [0, 0], "to": 64.0})
    driver.step()
    driver.settle()

    (shown,) = driver.view.explanations
    assert (shown.symbols, shown.check) == ("x · model.weightᵀ + model.bias", True)
