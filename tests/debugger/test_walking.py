"""A session against its definition: every way of moving, from every place, on a recorded forward run.

One walk forwards, into everything, writes down what was seen at each stop. Wherever the session goes
afterwards, by whatever way, it must stand where the definition says and see exactly the same again.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from backprop_tui.debugger import processes
from backprop_tui.debugger.failure import Refused
from support.driving import Driver
from support.recorded_run import RecordedRun, Sight, difference, plain, sight, walk

pytestmark = pytest.mark.xdist_group("debugger_walking")

UNRECORDED = ("last", "records", "length")

LADDER = """\
import sys
import torch
from torch import nn

torch.manual_seed(3)

def widen(x):
    return torch.relu(x) + x

first = nn.Linear(3, 24)
second = nn.Linear(24, 1)
dropout = nn.Dropout(0.4)
print("ready")
optimizer = torch.optim.Adam([*first.parameters(), *second.parameters()], lr=0.05)
scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 2, 0.5)
x, y = torch.randn(5, 3), torch.randn(5, 1)
for epoch in range(4):
    optimizer.zero_grad()
    hidden = widen(dropout(first(x)))
    loss = nn.functional.mse_loss(second(hidden), y)
    print("loss", loss.item())
    loss.backward()
    optimizer.step()
    scheduler.step()
    print("epoch", epoch, file=sys.stderr)
print("done")
"""

MANUAL = """\
import torch

w = torch.tensor([1.0, 2.0], requires_grad=True)
h = torch.tensor([[0.5, -1.0], [0.25, 2.0]])
for i in range(5):
    p = (h * w).sum(dim=1).tanh(); loss = p.pow(2).mean()
    loss.backward()
    with torch.no_grad():
        w -= 0.1 * w.grad
        w.grad = None
    print(w.tolist())
"""

CLOSURE = """\
import torch

w = torch.nn.Parameter(torch.tensor([1.5, -0.5]))
optimizer = torch.optim.LBFGS([w], lr=0.5, max_iter=2)

def closure():
    optimizer.zero_grad()
    loss = (w ** 2).sum() + w.prod()
    loss.backward()
    return loss

for i in range(3):
    print(optimizer.step(closure))
"""

SCRIPTS = {"ladder": LADDER, "manual": MANUAL, "closure": CLOSURE}


class Walker:
    """Moves the session and, by the definition, an index on the recorded run."""

    def __init__(self, driver: Driver, script: Path) -> None:
        self.driver = driver
        self.script = script
        driver.load(script)
        driver.goto(0, 1)
        self.run = RecordedRun(walk(driver))
        self.at = self.run.end

    @property
    def here(self) -> Sight:
        return self.run.sights[self.at]

    @property
    def over(self) -> bool:
        return self.at == self.run.end

    # moves
    def toggle(self, line: int) -> None:
        self.driver.session.toggle_breakpoint(str(self.script), line)

    def continue_to(self, line: int, chosen: int | None, backwards: bool) -> None:
        """Continue with a breakpoint on ``line``, or run to the line ``chosen``."""
        if self.over and not backwards:
            return
        places = self.run.visits({line} | ({chosen} if chosen else set()))
        before = [index for index in places if index < self.at]
        after = [index for index in places if index > self.at]
        expected = (before or [0])[-1] if backwards else (after or [self.run.end])[0]
        self.toggle(line)
        if chosen is None:
            self.driver.run(backwards)
        else:
            self.driver.run_to_line(str(self.script), chosen, backwards)
        self.toggle(line)
        # It was not known that this would be a stop, so `last` has no summaries, and at the end of the
        # script nothing was recorded.
        unseen = UNRECORDED if expected == self.run.end else ()
        way = f"{'reverse-' * backwards}continue to {line} or {chosen}"
        self.arrived(expected, way, unseen, summaries=False)

    def run_to_end(self) -> None:
        """At full speed: nothing of what was passed is seen."""
        if self.over:
            return
        self.driver.run()
        self.arrived(self.run.end, "run", unseen=("time", "iteration", "number", *UNRECORDED))

    def step(self, how: str) -> None:
        if self.over:
            with pytest.raises(Refused, match="finished"):
                self.driver.step(how)
            return
        expected = self.run.ahead(self.at, how)
        self.driver.step(how)
        self.arrived(expected, f"step {how}")

    def back(self, how: str) -> None:
        expected = self.run.behind(self.at, how)
        if expected is None:
            return
        self.driver.back(how)
        self.arrived(expected, f"back {how}")

    def goto(self, index: int) -> None:
        place = self.run.sights[index]
        self.driver.goto(place.iteration, place.number)
        reached = self.run.first_from(place.iteration, place.number)
        self.arrived(reached, f"goto {place.iteration}.{place.number}")

    def begin(self) -> None:
        self.driver.goto(0, 1)
        self.at = 0

    def arrived(self, index: int, way: str, unseen: tuple[str, ...] = (), summaries: bool = True) -> None:
        before, self.at = self.here, index
        since = self.run.observed_from(index)
        seen = sight(self.driver.view)
        seen = replace(seen, **{name: getattr(self.here, name) for name in unseen})
        known = self.here
        if not summaries:
            seen, known = (replace(place, last=plain(place.last)) for place in (seen, known))
        assert difference(seen, known, since) == "", f"{way} from {before.time}"


@pytest.fixture(scope="module", params=SCRIPTS)
def walker(
    request: pytest.FixtureRequest, driver: Driver, tmp_path_factory: pytest.TempPathFactory
) -> Walker:
    script = tmp_path_factory.mktemp("walks") / f"{request.param}.py"
    script.write_text(SCRIPTS[request.param])
    return Walker(driver, script)


def test_the_recorded_run_reaches_the_end(walker: Walker) -> None:
    assert walker.driver.view.status in ("finished", "stopped")
    times = [place.time for place in walker.run.sights]
    assert times == sorted(set(times))
    assert len(times) > 60


def random_moves(walker: Walker, chooser: random.Random, count: int) -> None:
    walker.begin()
    hows = ("walk", "into", "over", "out")
    lines = walker.run.lines
    moves: list[tuple[int, Callable[[], None]]] = [
        (8, lambda: walker.step(chooser.choice(hows))),
        (8, lambda: walker.back(chooser.choice(hows))),
        (1, lambda: walker.goto(chooser.randrange(walker.run.end))),
        (2, lambda: walker.continue_to(chooser.choice(lines), None, chooser.random() < 0.5)),
        (1, lambda: walker.continue_to(chooser.choice(lines), chooser.choice(lines), chooser.random() < 0.5)),
        (1, walker.run_to_end),
    ]
    for _ in range(count):
        chooser.choices([move for _, move in moves], [weight for weight, _ in moves])[0]()


def test_a_random_walk_sees_what_was_seen_before(walker: Walker) -> None:
    random_moves(walker, random.Random(7), 40)


@pytest.mark.exhaustive
@pytest.mark.parametrize("seed", range(8))
def test_other_random_walks(walker: Walker, seed: int) -> None:
    random_moves(walker, random.Random(100 + seed), 100)


@pytest.mark.parametrize(("most", "memory"), [(3, 1 << 40), (64, 0)], ids=["few", "no memory"])
def test_with_hardly_a_checkpoint(
    walker: Walker, most: int, memory: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "MOST_CHECKPOINTS", most)
    monkeypatch.setattr(processes, "MEASURE_AFTER", 0)
    monkeypatch.setattr(walker.driver.session.run_of_script.processes, "memory_cap", memory)
    # Those of earlier tests are given up only when another one is made.
    walker.driver.session.run_of_script.processes.drop_after((-1, 0), 0)
    walker.driver.restart()
    random_moves(walker, random.Random(3), 15)
    assert len(walker.driver.session.run_of_script.processes.checkpoints) <= most


def test_steps_forwards_and_as_many_back_are_the_identity(walker: Walker) -> None:
    walker.begin()
    walker.goto(len(walker.run.sights) // 2)
    start = walker.at
    for _ in range(5):
        walker.step("into")
    for _ in range(5):
        walker.back("into")
    assert walker.at == start
    for _ in range(3):
        walker.step("into")
    assert walker.at == start + 3


def test_back_from_the_end_after_a_run_at_full_speed(walker: Walker) -> None:
    walker.begin()
    walker.run_to_end()
    walker.back("walk")
    walker.back("over")
    walker.goto(1)
    walker.run_to_end()
    walker.back("into")


def test_before_the_first_operation_there_is_nothing(walker: Walker) -> None:
    walker.begin()
    with pytest.raises(Refused, match="first operation"):
        walker.driver.back("walk")
    walker.arrived(0, "refused")
    walker.step("into")


def test_what_ended_the_iteration_before_is_explained_after_a_goto(driver: Driver, tmp_path: Path) -> None:
    script = tmp_path / "ladder.py"
    script.write_text(LADDER)

    def explained() -> tuple[object, ...]:
        driver.wait(driver.session.explain())
        return driver.view.explanations

    driver.load(script)
    while driver.stop.iteration == 1:
        driver.step("over")
    stepped = explained()
    assert stepped and driver.stop.last is not None and driver.stop.last["kind"] == "schedule"
    driver.load(script)
    driver.goto(2, 1)
    assert explained() == stepped
    driver.step("walk")
    stepped = explained()
    driver.goto(2, 2)
    assert explained() == stepped


def test_operations_are_numbered_rightly_from_a_checkpoint_that_no_observed_run_made(
    driver: Driver, tmp_path: Path
) -> None:
    script = tmp_path / "ladder.py"
    script.write_text(LADDER)
    driver.load(script)
    while driver.stop.iteration < 4:
        driver.step("over")
    seen = sight(driver.view)
    driver.restart()
    driver.wait(driver.session.run_of_script.go({"observe": [], "record": False, "checkpoint_at": [4]}))
    driver.goto(2, 1)
    driver.goto(4, 5)
    driver.goto(4, 1)
    assert difference(sight(driver.view), seen, seen.time) == ""


FUNCTIONAL = """\
import torch
from torch.func import functional_call, grad
net = torch.nn.Linear(2, 1)
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
x = torch.ones(3, 2)
for i in range(2):
    optimizer.zero_grad()
    own = dict(net.named_parameters())
    {body}
    loss.backward()
    optimizer.step()
"""


@pytest.mark.parametrize(
    "body",
    [
        "loss = functional_call(net, {k: v * 2 for k, v in own.items()}, (x,)).sum()",
        "loss = grad(lambda p: functional_call(net, p, (x,)).exp().sum())(own)['weight'].sum()",
    ],
    ids=["fast weights", "transform"],
)
def test_what_stands_in_for_a_parameter_for_a_while_is_none(
    driver: Driver, tmp_path: Path, body: str
) -> None:
    """No optimizer holds it, nor is one meant to."""
    written = tmp_path / "functional.py"
    written.write_text(FUNCTIONAL.replace("{body}", body))
    driver.load(written)
    while driver.stop.next is None or driver.stop.next["name"] != "linear":
        driver.step("into")

    inside = [row for row in driver.view.parameters if row["role"] == "parameter"]
    assert all(row["optimizer"] == "SGD" for row in inside)
    driver.goto(1, 1)
    assert [row["role"] for row in driver.view.parameters] == ["parameter", "parameter"]
