"""The first iteration begins with the first operation of training; what a pass is the gradient of."""

from pathlib import Path

import pytest

from support.driving import Driver
from support.scripts import of_kind, records

pytestmark = pytest.mark.xdist_group("debugger_running")

LOOP = """\
x = torch.ones(1, 3)
for i in range(2):
    out = net(x)  # here
    opt.zero_grad()
    out.sum().backward()
    opt.step()
"""


@pytest.mark.parametrize(
    "made",
    [
        "net = nn.Linear(3, 2); opt = optim.Adagrad(net.parameters())",
        "net = parametrizations.spectral_norm(nn.Linear(3, 2)); opt = optim.SGD(net.parameters())",
        "net = parametrizations.weight_norm(nn.Linear(3, 2)); opt = optim.SGD(net.parameters())",
    ],
)
def test_what_is_made_is_no_training(driver: Driver, tmp_path: Path, made: str) -> None:
    path = tmp_path / "made.py"
    imports = "import torch\nfrom torch import nn, optim; from torch.nn.utils import parametrizations\n"
    path.write_text(f"{imports}{made}\n{LOOP}")
    driver.load(path)

    assert driver.stop.next is not None
    assert (driver.stop.iteration, driver.stop.number, driver.stop.next["line"]) == (1, 1, 6)


def test_a_class_of_the_scripts_may_train_as_it_is_made(driver: Driver, tmp_path: Path) -> None:
    path = tmp_path / "made.py"
    path.write_text(
        "import torch\n"
        "class Training:\n"
        "    def __init__(self):\n"
        "        w = torch.ones(2, requires_grad=True)\n"
        "        loss = w.sum()\n"
        "        loss.backward()\n"
        "Training()\n"
    )
    driver.load(path)

    assert driver.stop.next is not None
    assert (driver.stop.next["name"], driver.stop.iteration) == ("sum", 1)


def test_a_pass_from_several_numbers_is_no_loss(driver: Driver, tmp_path: Path) -> None:
    path = tmp_path / "penalty.py"
    path.write_text(
        "import torch\n"
        "x = torch.ones(3, requires_grad=True)\n"
        "for _ in range(2):\n"
        "    (slope,) = torch.autograd.grad(x * x, x, torch.ones(3), create_graph=True)\n"
        "    (slope.norm() - 1).square().backward()\n"
    )
    driver.load(path)
    driver.run()

    assert [(point["site"], point["value"]) for point in driver.view.losses] == [
        ("penalty.py:5", pytest.approx(6.0717969)),
        ("penalty.py:5", pytest.approx(6.0717969)),
    ]


def test_a_leaf_that_is_handed_back_was_not_made_there(tmp_path: Path) -> None:
    path = tmp_path / "leaf.py"
    path.write_text(
        "import torch\n"
        "w = torch.nn.Parameter(torch.ones(2, 2))\n"
        "same = w.flatten(1)\n"
        "w.exp()\n"
        "with torch.no_grad(): w.zero_()\n"
        "w.exp()\n"
    )
    found = records(str(path))

    first, last = of_kind(found, "op")[-3], of_kind(found, "op")[-1]
    (zeroed,) = (record for record in found if record["name"] == "zero_")
    assert first["name"] == "exp" and "from" not in first["inputs"][0]
    assert (last["name"], last["inputs"][0]["from"]) == ("exp", zeroed["time"])


def test_an_exception_without_a_text_is_its_class(tmp_path: Path) -> None:
    path = tmp_path / "silent.py"
    path.write_text(
        "import torch\n"
        "class Silent(torch.nn.Module):\n"
        "    def forward(self, x):\n"
        "        raise ValueError\n"
        "try:\n"
        "    Silent()(torch.ones(1))\n"
        "except ValueError:\n"
        "    pass\n"
    )
    assert [record["error"] for record in records(str(path)) if record.get("error")] == ["ValueError"]


@pytest.mark.parametrize(("first", "then", "cleared"), [("off", "on", True), ("on", "off", False)])
def test_what_is_switched_right_before_zero_grad_is_in_force_there(
    driver: Driver, tmp_path: Path, first: str, then: str, cleared: bool
) -> None:
    path = tmp_path / "switched.py"
    made = "net = nn.Linear(3, 2); opt = optim.SGD(net.parameters())"
    path.write_text(f"import torch\nfrom torch import nn, optim\n{made}\n{LOOP}")
    driver.load(path, changes=(("zero_grad", first),))
    driver.session.set_breakpoint("op zero_grad x2")
    driver.run()
    driver.change("zero_grad", then)
    driver.step("over")

    assert (driver.values("net.weight", "grad") is None) == cleared
