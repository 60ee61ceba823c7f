"""Functions that the script gives to a scheduler are called as often as torch calls them."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.driving import Driver
from support.scripts import of_kind, python, records, said, traced

pytestmark = pytest.mark.xdist_group("debugger_running")

COUNTING = """\
import torch
torch.manual_seed(0)
calls = 0
def factor(epoch):
    global calls
    calls += 1
    print("factor", epoch, calls, flush=True)
    return 1 / (1 + calls)
model = torch.nn.Linear(2, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
schedulers = [
    torch.optim.lr_scheduler.LambdaLR(optimizer, factor),
    torch.optim.lr_scheduler.MultiplicativeLR(optimizer, factor),
    torch.optim.lr_scheduler.CyclicLR(optimizer, 0.01, 0.1, 3, scale_fn=factor, cycle_momentum=False),
]
for i in range(3):
    optimizer.zero_grad()
    model(torch.ones(4, 2)).pow(2).mean().backward()
    optimizer.step()
    for scheduler in schedulers:
        scheduler.step()
print("calls", calls, optimizer.param_groups[0]["lr"])
"""


@pytest.fixture
def counting(tmp_path: Path) -> Path:
    path = tmp_path / "counting.py"
    path.write_text(COUNTING)
    return path


def plain(script: Path) -> str:
    return said(python(str(script))).stdout


def test_traced_with_explanations_they_print_and_count_as_under_python(counting: Path) -> None:
    run = traced(str(counting), trace=["--explain"], dump=False, keep_records=True)

    assert run.output == plain(counting)
    steps = {tuple(record["time"]) for record in of_kind(run.records, "schedule")}
    shown = [one for one in of_kind(run.records, "explanation") if tuple(one["time"]) in steps]
    assert [one["check"] for one in shown] == [True] * 9


def test_stepped_in_a_session_they_print_and_count_as_under_python(driver: Driver, counting: Path) -> None:
    driver.load(counting)
    verdicts = {}
    while driver.status == "stopped":
        last = driver.stop.last
        if last is not None and last["kind"] == "schedule":
            driver.until(lambda view: bool(view.explanations))
            verdicts[tuple(last["time"])] = [one.verdict for one in driver.view.explanations]
        driver.step()

    assert driver.printed == plain(counting)
    assert list(verdicts.values()) == [["✓"]] * 8, "the ninth ends with the script"


def test_where_they_cannot_be_asked_the_explanation_says_why(counting: Path) -> None:
    text = "import threading\nthreading.Thread(target=threading.Event().wait, daemon=True).start()\n"
    counting.write_text(text + COUNTING)
    found = records(str(counting), trace=["--explain"])

    steps = {tuple(record["time"]) for record in of_kind(found, "schedule")}
    shown = [one for one in of_kind(found, "explanation") if tuple(one["time"]) in steps]
    assert [one["check"] for one in shown] == [None] * 9
    for name, one in zip(("lr_lambda", "lr_lambda", "scale_fn"), shown, strict=False):
        reason = "it is only asked in a copy of the process, and the script runs a thread of its own"
        assert f"what {name} says is not known: {reason}" in one["rule"]
