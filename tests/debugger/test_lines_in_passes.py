"""Breakpoints at lines that run within a backward pass, or after one that failed: a run to them counts the
nodes of a pass as a whole, and stops at the very operation all the same."""

from pathlib import Path

import pytest

from support.driving import Driver

pytestmark = pytest.mark.xdist_group("debugger_breakpoints")

SCRIPT = """\
import torch
from torch import nn
from torch.autograd.graph import saved_tensors_hooks

torch.manual_seed(0)
net = nn.Linear(2, 2)
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
x = torch.rand(3, 2)

def halve(gradient):
    half = gradient * 0.5  # in a hook
    return half

def unpack(saved):
    return saved + 0.0  # where a node asks for what was saved

def packed(x):
    with saved_tensors_hooks(torch.clone, unpack):
        return x.exp()

class Twice(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x * 2

    @staticmethod
    def backward(ctx, gradient):
        return gradient * 2  # in a function of the script's

for i in range(4):
    optimizer.zero_grad()
    out = {forward}
    loss = out.square().mean()
    loss.backward()
    try:
        {then}
    except RuntimeError:
        pass
    norm = net.weight.norm()  # after the pass
    optimizer.step()
"""
HOOK = "net(x); out.register_hook(halve)"


def load(driver: Driver, folder: Path, comment: str, forward: str, then: str = "pass") -> int:
    path = folder / "passes.py"
    path.write_text(SCRIPT.replace("{forward}", forward).replace("{then}", then))
    line = next(n for n, text in enumerate(path.read_text().splitlines(), 1) if text.endswith(f"# {comment}"))
    driver.load(path)
    driver.session.set_breakpoint(f"line {path}:{line}")
    return line


def stops(driver: Driver, backwards: bool = False) -> list[tuple[int, str, int, int]]:
    """(iteration, name, number and line of the next operation) of every stop at the breakpoint."""
    found = []
    while not driver.run(backwards).over and driver.stop.time > (0, 0):
        record = driver.stop.next
        assert record is not None
        found.append((record["iteration"], record["name"], record["number"], record["line"]))
    return found


@pytest.mark.parametrize(
    ("comment", "forward", "then", "name"),
    [
        ("in a hook", HOOK, "pass", "mul"),
        ("after the pass", HOOK, "pass", "norm"),
        ("in a function of the script's", "Twice.apply(net(x))", "pass", "mul"),
        ("where a node asks for what was saved", "packed(net(x))", "pass", "add"),
        ("after the pass", "net(x)", "loss.backward()", "norm"),
        ("after the pass", "net(x) * net.weight.exp().sum()", "loss.backward()", "norm"),
    ],
)
def test_every_visit_in_both_directions(
    driver: Driver, tmp_path: Path, comment: str, forward: str, then: str, name: str
) -> None:
    line = load(driver, tmp_path, comment, forward, then)
    forwards = stops(driver)
    expected = [(iteration, name, line) for iteration in (1, 2, 3, 4)]
    assert [(iteration, met, place) for iteration, met, _, place in forwards] == expected
    assert stops(driver, backwards=True) == forwards[::-1]
    driver.session.set_breakpoint(f"line {line} x3", 0, driver.view.file)
    assert stops(driver) == forwards[2:3]
