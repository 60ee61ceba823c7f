"""Where the operands of an explained operation come from, in a script that really runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from backprop_tui.panes.drawing.operands import lines_of, operand_times
from support.driving import Driver

pytestmark = pytest.mark.xdist_group("debugger_running")

SCRIPT = """\
import torch
w, b = (torch.tensor(v, requires_grad=True) for v in ([[0.5, -1.0], [2.0, 0.25]], [0.5]))
x = torch.tensor([1.0, 3.0])
optimizer = torch.optim.SGD([w, b], lr=0.1)
for i in range(2):
    optimizer.zero_grad()
    h = w @ x
    a = torch.tanh(h)
    y = a * h
    loss = (y.sum() + b).sum()
    loss.backward()
    optimizer.step()
"""

FIRST = {
    "matmul": {3, 7},  # x was made there, and w is read here
    "tanh": {7},
    "mul": {7, 8},
    "add": {10},
    "AddBackward0": {11},
    "AccumulateGrad": {10, 11},
    "MulBackward0": {7, 8, 11},
    "TanhBackward0": {8, 11},
    "MvBackward0": {3, 11},
    "SGD": {7, 11},
}
SECOND = {**FIRST, "matmul": {7}, "MvBackward0": {7, 11}}  # what made x is not kept: it is known as read


def test_operands_are_marked_where_they_were_made_and_parameters_where_they_were_read(
    driver: Driver, tmp_path: Path
) -> None:
    path = tmp_path / "operands.py"
    path.write_text(SCRIPT)
    driver.load(path)
    found: dict[tuple[int, str], set[int]] = {}
    while driver.status == "stopped":
        driver.step()
        last = driver.stop.last
        if last is None or last["name"] not in FIRST or last["kind"] == "step" or driver.status != "stopped":
            continue
        driver.until(lambda view: bool(view.explanations))
        key = (last["iteration"], last["name"])
        found.setdefault(key, set(lines_of(driver.view, operand_times(driver.view), str(path))))
    for iteration, expected in ((1, FIRST), (2, SECOND)):
        assert {name: lines for (where, name), lines in found.items() if where == iteration} == expected
