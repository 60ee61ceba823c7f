"""Numeric derivatives and predicted steps, in copies: right, and without a trace in the run itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from backprop_tui.debugger.failure import Refused
from backprop_tui.explain.layered import Layered
from support.driving import Driver
from support.scripts import script

pytestmark = pytest.mark.xdist_group("debugger_running")

TRAINING = """\
import torch
torch.manual_seed(0)
model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(),
                            torch.nn.Dropout(0.2), torch.nn.Linear(4, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 2, 0.5)
x, y = torch.randn(8, 3).double().float(), torch.randn(8, 1)
log = open({log!r}, "a")
for i in range(6):
    optimizer.zero_grad()
    loss = torch.nn.functional.mse_loss(model(x), y)
    loss.backward()
    optimizer.step()
    scheduler.step()
    print(i, loss.item(), file=log, flush=True)
print("end")
"""


def training(folder: Path) -> Path:
    path = folder / "train.py"
    path.write_text(TRAINING.format(log=str(folder / "log.txt")))
    return path


WIDE = """\
import torch
torch.manual_seed(0)
class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = torch.nn.Linear(6, 300)
        self.outer = torch.nn.Linear(300, 6)
    def forward(self, x):
        return x + self.outer(torch.tanh(self.inner(x)))
class Half(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x / 2
    @staticmethod
    def backward(ctx, gradient):
        return gradient / 2
first, second = Net(), Net()
optimizer = torch.optim.SGD([*first.parameters(), *second.parameters()], lr=0.1)
for i in range(3):
    optimizer.zero_grad()
    for part in range(2):
        x = torch.randn(8, 6)
        h = first(x)
        {hook}
        loss = Half.apply(second(h)).pow(2).mean()
        loss.backward()
    optimizer.step()
"""


def ask(driver: Driver, work: Any) -> Any:
    return driver.wait(work)


@pytest.mark.parametrize("place", [(1, 1), (4, 1), (4, 12), (4, 25)])
def test_finite_differences_agree_with_autograd_from_anywhere_in_the_iteration(
    driver: Driver, tmp_path: Path, place: tuple[int, int]
) -> None:
    driver.load(training(tmp_path))
    driver.goto(*place)
    before = (driver.stop, driver.view.parameters, (tmp_path / "log.txt").read_text())
    found = ask(driver, driver.session.difference("model[0].weight", (2, 1)))
    assert found.iteration == place[0]
    assert found.error < 1e-2
    assert "agrees" in found.verdict
    assert found.autograd != 0
    assert before == (driver.stop, driver.view.parameters, (tmp_path / "log.txt").read_text())


def test_the_lesson_has_the_derivative_that_its_author_printed(driver: Driver) -> None:
    driver.load(Path("tui/backprop_tui/lessons/update.py").resolve())
    found = ask(driver, driver.session.difference("model.linear2.weight", (0, 0)))
    assert found.autograd == pytest.approx(-0.85)
    assert found.numeric == pytest.approx(-0.85, rel=1e-3)
    assert found.middle == pytest.approx(0.809)


def test_the_loss_goes_down_as_predicted_for_small_steps_and_parts_for_large_ones(
    driver: Driver, tmp_path: Path
) -> None:
    driver.load(training(tmp_path))
    driver.goto(3, 1)
    found = ask(driver, driver.session.downhill())
    times, predicted, measured = zip(*found.rows, strict=True)
    assert found.slope < 0
    assert found.lr == pytest.approx(0.025)
    assert predicted == pytest.approx([found.slope * t for t in times])
    parted = [abs(m - p) / abs(p) for p, m in zip(predicted, measured, strict=True)]
    assert parted[0] < 0.02
    assert parted[-1] > 10 * parted[0]


IN_PARTS = """\
import torch
torch.manual_seed(0)
model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Tanh(), torch.nn.Linear(8, 1)).double()
optimizer = torch.optim.{optimizer}
X, Y = torch.randn(4, 8, 4).double(), torch.randn(4, 8, 1).double()
for i in range(3):
    {body}
"""
LOSS = "torch.nn.functional.mse_loss(model(x), (k + 1) * y) / 4"
PENALTY = "torch.autograd.grad(model(x), x, torch.ones(8, 1).double(), create_graph=True)[0].norm(dim=1)"
BODIES = {
    "accumulated": (
        "SGD(model.parameters(), lr=0.01)", 4,
        f"optimizer.zero_grad()\n    for k, (x, y) in enumerate(zip(X, Y)): ({LOSS}).backward()\n"
        "    optimizer.step()",
    ),
    "clipped": (
        "SGD(model.parameters(), lr=0.1)", 1,
        f"optimizer.zero_grad()\n    x, y, k = X[0], Y[0], 9\n    ({LOSS}).backward()\n"
        "    torch.nn.utils.clip_grad_norm_(model.parameters(), 0.1)\n    optimizer.step()",
    ),
    "gradient penalty": (
        "SGD(model.parameters(), lr=0.01)", 1,
        "optimizer.zero_grad()\n    x = X[0].clone().requires_grad_()\n"
        f"    (model(x).mean() + ({PENALTY} - 1).pow(2).mean()).backward()\n    optimizer.step()",
    ),
    "closure": (
        "LBFGS(model.parameters(), lr=0.01, max_iter=3)", 1,
        "x, y, k = X[0], Y[0], 1\n    def closure():\n        optimizer.zero_grad()\n"
        f"        loss = {LOSS}\n        loss.backward()\n        return loss\n    optimizer.step(closure)",
    ),
    "autograd.grad alone": (
        "SGD(model.parameters(), lr=0.01)", 1,
        f"x, y, k = X[0], Y[0], 1\n    found = torch.autograd.grad({LOSS}, list(model.parameters()))\n"
        "    for p, g in zip(model.parameters(), found): p.grad = g\n    optimizer.step()",
    ),
}  # fmt: skip


@pytest.mark.parametrize("how", BODIES)
def test_the_loss_of_an_iteration_is_what_its_gradients_are_the_slope_of(
    driver: Driver, tmp_path: Path, how: str
) -> None:
    """The first loss alone made right gradients look wrong, and a clipped `.grad` is not the slope."""
    optimizer, passes, body = BODIES[how]
    written = tmp_path / "parts.py"
    written.write_text(IN_PARTS.format(optimizer=optimizer, body=body))
    driver.load(written)
    driver.goto(2, 1)

    found = ask(driver, driver.session.difference("model[0].weight", (2, 1)))
    assert found.autograd != 0 and found.passes == passes
    assert found.error < 1e-6

    step = ask(driver, driver.session.downhill())
    times, predicted, measured = step.rows[0]
    assert times == 0.1 and step.passes == passes
    assert measured == pytest.approx(predicted, rel=0.02)


def test_a_backward_from_several_numbers_has_no_loss(driver: Driver, tmp_path: Path) -> None:
    written = tmp_path / "parts.py"
    body = "optimizer.zero_grad()\n    model(X[0]).backward(torch.ones(8, 1).double())\n    optimizer.step()"
    written.write_text(IN_PARTS.format(optimizer="SGD(model.parameters(), lr=0.1)", body=body))
    driver.load(written)
    driver.goto(2, 1)
    with pytest.raises(Refused, match=r"a tensor of shape \(8, 1\), not on one real number"):
        ask(driver, driver.session.difference("model[0].weight", (0, 0)))


def test_a_probe_that_makes_no_sense_is_refused(driver: Driver, tmp_path: Path) -> None:
    driver.load(training(tmp_path))
    with pytest.raises(Refused, match="no tensor of the script is called 'nothing'"):
        ask(driver, driver.session.difference("nothing", (0,)))
    with pytest.raises(Refused, match="gets no gradient"):
        ask(driver, driver.session.difference("x", (0, 0)))
    driver.load(script("no_torch"))
    with pytest.raises(Refused):
        ask(driver, driver.session.downhill())


def test_the_chain_of_the_lesson(driver: Driver) -> None:
    driver.load(Path("tui/backprop_tui/lessons/update.py").resolve())
    found = ask(driver, driver.session.chain("model.linear1.weight", (1, 0)))
    (path,) = found.paths
    assert [factor.value for factor in path.factors] == pytest.approx([-1.0, 0.15, 2.0])
    assert found.agrees
    first = path.factors[0]
    driver.goto(first.iteration, first.number)
    assert driver.stop.next is not None and driver.stop.next["name"] == "AbsBackward0"


def test_the_chain_of_a_wider_net_is_summed_and_checked(driver: Driver, tmp_path: Path) -> None:
    driver.load(training(tmp_path))
    driver.goto(2, 4)
    found = ask(driver, driver.session.chain("model[0].weight", (2, 1)))
    assert found.agrees and found.autograd != 0
    assert len(found.paths) == 8, "one for each example of the batch"
    with pytest.raises(Refused, match="no gradient came to nothing"):
        ask(driver, driver.session.chain("nothing", (0,)))


def wide(folder: Path, hook: str = "pass") -> Path:
    path = folder / "wide.py"
    path.write_text(WIDE.replace("{hook}", hook))
    return path


def test_a_wide_net_is_summed_at_every_operation(driver: Driver, tmp_path: Path) -> None:
    driver.load(wide(tmp_path))
    driver.goto(2, 9)
    before = driver.stop
    found = ask(driver, driver.session.chain("first.inner.weight", (7, 2)))

    assert isinstance(found, Layered) and found.agrees
    assert driver.stop == before
    whole = ask(driver, driver.session.difference("first.inner.weight", (7, 2)))
    assert sum(one.autograd for one in found.passes) == pytest.approx(whole.autograd, rel=1e-4)
    for one in found.passes:
        names = [layer.name for layer in one.layers]
        assert names.count("TanhBackward0") == 2 and "HalfBackward" in names
        past = next(layer for layer in one.layers if layer.name == "TanhBackward0")
        assert past.ways == 1 and past.besides != 0, "the residual connection"
        inner = one.layers[-1]
        assert (inner.name, inner.shape, inner.width) == ("AddmmBackward0", (8, 300), 8)
        assert {part.index[1] for part in inner.parts} == {7}, "the row of the weight is the neuron"
        sizes = [abs(part.product) for part in inner.parts]
        assert sizes == sorted(sizes, reverse=True)


def test_the_factors_of_a_wide_net_are_torchs_numbers_and_lead_to_their_operations(
    driver: Driver, tmp_path: Path
) -> None:
    driver.load(wide(tmp_path))
    found = ask(driver, driver.session.chain("first.inner.weight", (7, 2)))
    inner = found.passes[0].layers[-1]
    driver.goto(*inner.place)
    arriving = driver.stop.next
    assert arriving is not None and arriving["name"] == "AddmmBackward0"
    (given,) = arriving["grad_outputs"]
    assert given["shape"] == [8, 300]
    (above,) = inner.above
    driver.goto(*above.place)
    assert driver.stop.next is not None and driver.stop.next["name"] == above.name == "TanhBackward0"
    x = next(row for row in ask(driver, driver.session.tensors()) if row["name"] == "x")["value"]["values"]
    for part in inner.parts:
        assert part.below == pytest.approx(x[part.index[0]][2], rel=1e-5), "∂z/∂w is the input"


def test_a_gradient_that_the_script_changes_on_the_way_is_found_out(driver: Driver, tmp_path: Path) -> None:
    driver.load(wide(tmp_path, hook="h.register_hook(lambda g: 2 * g)"))
    found = ask(driver, driver.session.chain("first.inner.weight", (7, 2)))
    (one, _) = found.passes
    wrong = [layer.name for layer in one.layers if not one.agrees(layer)]
    assert wrong and not found.agrees
    assert one.agrees(one.layers[-1]), "below the hook the sum is the gradient"
    assert one.layers[0].name in wrong


def test_what_is_too_wide_or_cannot_be_differentiated_is_refused_with_its_name(
    driver: Driver, tmp_path: Path
) -> None:
    path = wide(tmp_path)
    path.write_text(path.read_text().replace("return gradient / 2", "return gradient.detach() / 2"))
    driver.load(path)
    with pytest.raises(Refused, match="HalfBackward cannot be followed: its backward function cannot"):
        ask(driver, driver.session.chain("first.inner.weight", (7, 2)))


@pytest.mark.parametrize(
    ("name", "place", "element", "index"),
    [
        ("mlp_784", (2, 5), "model[0].weight", (3, 5)),
        ("cnn_digits", (2, 5), "model.conv1.weight", (3, 0, 1, 1)),
        ("char_transformer", (2, 5), "model.encoder.layers[0].self_attn.in_proj_weight", (7, 5)),
    ],
)
def test_real_nets_are_summed(
    driver: Driver, name: str, place: tuple[int, int], element: str, index: tuple[int, ...]
) -> None:
    driver.load(script(name))
    driver.goto(*place)
    found = ask(driver, driver.session.chain(element, index))
    assert found.agrees and found.passes[0].autograd != 0
    assert len(found.passes[0].layers) >= 4


OWN = """\
import torch
from torch.utils.checkpoint import checkpoint

class Square(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx, gradient):
        (x,) = ctx.saved_tensors
        return 2 * x * gradient

first, second = torch.nn.Linear(3, 2), torch.nn.Linear(2, 2)
optimizer = torch.optim.SGD([*first.parameters(), *second.parameters()], lr=0.1)
for i in range(3):
    optimizer.zero_grad()
    h = Square.apply(first(torch.ones(1, 3)))
    h = checkpoint(second, h, use_reentrant=False) if i == 1 else second(h)
    h.sum().backward()
    optimizer.step()
"""


def test_a_function_of_the_scripts_own_is_summed_and_a_checkpoint_refused_with_the_reason(
    driver: Driver, tmp_path: Path
) -> None:
    (tmp_path / "own.py").write_text(OWN)
    driver.load(tmp_path / "own.py")
    driver.goto(1, 20)
    found = ask(driver, driver.session.chain("first.weight", (0, 0)))
    assert found.agrees and found.passes[0].autograd != 0
    driver.goto(2, 20)
    with pytest.raises(Refused, match=r"activation checkpointing"):
        ask(driver, driver.session.chain("first.weight", (0, 0)))
