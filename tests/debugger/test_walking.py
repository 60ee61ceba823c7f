"""A session against its definition: every way of moving, from every place, on a recorded forward run.

One walk forwards, into everything, writes down what was seen at each stop. Wherever the session goes
afterwards, by whatever way, it must stand where the definition says and see exactly the same again.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from backprop_tui.debugger import processes
from backprop_tui.debugger.failure import Refused
from backprop_tui.debugger.view import View
from backprop_tui.protocol import Record
from support.driving import Driver

pytestmark = pytest.mark.xdist_group("debugger_walking")

Time = tuple[int, int]
UNRECORDED = ("last", "records")
SUMMARIES = ("norm", "min", "max", "nonfinite")

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


@dataclass(frozen=True)
class Sight:
    """What a stop shows, apart from how it was reached."""

    time: Time
    iteration: int
    number: int
    next: Record | None
    last: Record | None
    open: tuple[Record, ...]
    frames: Any
    parameters: Any
    losses: Any
    rates: Any
    records: tuple[Record, ...]
    output: tuple[str, str]
    toggles: Any

    @property
    def depth(self) -> int:
        return 0 if self.next is None else self.next["depth"]

    @property
    def kernel(self) -> bool:
        return self.next is not None and self.next["level"] == "kernel"

    @property
    def line(self) -> int | None:
        return None if self.next is None else self.next["line"]


def sight(view: View) -> Sight:
    stop = view.stop
    assert stop is not None
    streams = [
        "".join(chunk.text for chunk in view.output if chunk.stream == stream) for stream in ("out", "err")
    ]
    return Sight(
        stop.time, stop.iteration, stop.number, stop.next, stop.last, stop.open, stop.frames,
        view.parameters, view.losses, view.rates, tuple(map(_plain, view.records)), (streams[0], streams[1]),
        view.toggles,
    )  # fmt: skip


def _plain(value: Any) -> Any:
    """A record without the summaries of large tensors: only `next` and `last` are sure to have them."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items() if key not in SUMMARIES}
    return [_plain(item) for item in value] if isinstance(value, list) else value


def _forgetful(value: Any, since: Time) -> Any:
    """Without what need not come back: the origin of what was made before a time, as after a jump nobody
    has seen that; and numbers before training, where `torch.empty` shows what was in memory."""
    if isinstance(value, dict):
        left_out = {key for key in ("source", "origin") if value.get(key) and tuple(value[key]) < since}
        if value.get("iteration") == 0:
            left_out |= {"inputs", "outputs", "before", "after"}
        return {key: _forgetful(item, since) for key, item in value.items() if key not in left_out}
    return [_forgetful(item, since) for item in value] if isinstance(value, list | tuple) else value


def difference(seen: Sight, known: Sight, since: Time) -> str:
    """The names of what differs, with both values; ``since``: from when on operations were observed."""
    found = []
    for name in seen.__dataclass_fields__:
        one, other = (_forgetful(getattr(place, name), since) for place in (seen, known))
        if one != other:
            found.append(f"{name}: {_short(one, other)}")
    return "\n".join(found)


def _short(one: Any, other: Any) -> str:
    if isinstance(one, list) and isinstance(other, list) and len(one) != len(other):
        return f"{len(one)} against {len(other)} entries"
    if isinstance(one, list) and isinstance(other, list):
        return "; ".join(_short(a, b) for a, b in zip(one, other, strict=True) if a != b)
    if isinstance(one, dict) and isinstance(other, dict):
        keys = [key for key in one.keys() | other.keys() if one.get(key) != other.get(key)]
        return f"{one.get('name')} {one.get('time')} " + ", ".join(
            f"{k}: {one.get(k)} against {other.get(k)}" for k in keys
        )
    return f"{one} against {other}"


class Walker:
    """Moves the session and, by the definition, an index on the recorded run."""

    def __init__(self, driver: Driver, script: Path) -> None:
        self.driver = driver
        self.script = script
        driver.load(script)
        driver.goto(0, 1)
        self.sights = [sight(driver.view)]
        while driver.view.status == "stopped":
            driver.step("into")
            self.sights.append(sight(driver.view))
        self.at = len(self.sights) - 1

    @property
    def here(self) -> Sight:
        return self.sights[self.at]

    @property
    def over(self) -> bool:
        return self.at == len(self.sights) - 1

    # definitions
    def ahead(self, how: str) -> int:
        """Where a step forwards leads: the first place after this one that the way of stepping sees."""
        here = self.here
        for index in range(self.at + 1, len(self.sights) - 1):
            place = self.sights[index]
            if how == "out" and here.depth == 0:
                if place.iteration > here.iteration:
                    return index
            elif self.sees(place, how, here):
                return index
        return len(self.sights) - 1

    def behind(self, how: str) -> int | None:
        """Where a step backwards leads; None if there is nothing before the recorded run."""
        for index in range(self.at - 1, -1, -1):
            if self.sees(self.sights[index], how, self.here):
                return index
        return None

    def sees(self, place: Sight, how: str, here: Sight) -> bool:
        if how == "into":
            return True
        if how == "walk":
            return not place.kernel
        limit = here.depth - (how == "out" and here.depth > 0)
        return place.depth <= limit and (here.kernel or not place.kernel)

    def visits(self, lines: set[int]) -> list[int]:
        """Where control comes to one of the lines: operations of one line in a row are one visit, with
        what they contain and whatever other lines they call in between. A new iteration is a new visit."""
        found = []
        siblings: dict[Time, tuple[int | None, int]] = {}
        for index, place in enumerate(self.sights[:-1]):
            above = [(record["line"], record["iteration"]) for record in place.open]
            parent = (place.open[-1]["time"][0], place.open[-1]["time"][1]) if place.open else (-1, 0)
            here = (place.line, place.iteration)
            before, siblings[parent] = siblings.get(parent), here
            if place.line in lines and here not in (before, *above):
                found.append(index)
        return found

    # moves
    def toggle(self, line: int) -> None:
        self.driver.session.toggle_breakpoint(str(self.script), line)

    def continue_to(self, line: int, chosen: int | None, backwards: bool) -> None:
        """Continue with a breakpoint on ``line``, or run to the line ``chosen``."""
        if self.over and not backwards:
            return
        places = self.visits({line} | ({chosen} if chosen else set()))
        before = [index for index in places if index < self.at]
        after = [index for index in places if index > self.at]
        expected = (before or [0])[-1] if backwards else (after or [len(self.sights) - 1])[0]
        self.toggle(line)
        if chosen is None:
            self.driver.run(backwards)
        else:
            self.driver.run_to_line(str(self.script), chosen, backwards)
        self.toggle(line)
        # It was not known that this would be a stop, so `last` has no summaries, and at the end of the
        # script nothing was recorded.
        unseen = UNRECORDED if expected == len(self.sights) - 1 else ()
        way = f"{'reverse-' * backwards}continue to {line} or {chosen}"
        self.arrived(expected, way, unseen, summaries=False)

    def run_to_end(self) -> None:
        """At full speed: nothing of what was passed is seen."""
        if self.over:
            return
        self.driver.run()
        self.arrived(len(self.sights) - 1, "run", unseen=("time", "iteration", "number", *UNRECORDED))

    def step(self, how: str) -> None:
        if self.over:
            with pytest.raises(Refused, match="finished"):
                self.driver.step(how)
            return
        expected = self.ahead(how)
        self.driver.step(how)
        self.arrived(expected, f"step {how}")

    def back(self, how: str) -> None:
        expected = self.behind(how)
        if expected is None:
            return
        self.driver.back(how)
        self.arrived(expected, f"back {how}")

    def goto(self, index: int) -> None:
        place = self.sights[index]
        self.driver.goto(place.iteration, place.number)
        reached = [
            i for i, s in enumerate(self.sights)
            if (s.iteration, s.number) >= (place.iteration, place.number)
        ]  # fmt: skip
        self.arrived(reached[0], f"goto {place.iteration}.{place.number}")

    def begin(self) -> None:
        self.driver.goto(0, 1)
        self.at = 0

    def arrived(self, index: int, way: str, unseen: tuple[str, ...] = (), summaries: bool = True) -> None:
        before, self.at = self.here, index
        since = next(place.time for place in self.sights if place.iteration == self.here.iteration)
        seen = sight(self.driver.view)
        seen = replace(seen, **{name: getattr(self.here, name) for name in unseen})
        known = self.here
        if not summaries:
            seen, known = (replace(place, last=_plain(place.last)) for place in (seen, known))
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
    times = [place.time for place in walker.sights]
    assert times == sorted(set(times))
    assert len(times) > 60


def random_moves(walker: Walker, chooser: random.Random, count: int) -> None:
    walker.begin()
    hows = ("walk", "into", "over", "out")
    lines = sorted({place.line for place in walker.sights if place.line is not None})
    moves: list[tuple[int, Callable[[], None]]] = [
        (8, lambda: walker.step(chooser.choice(hows))),
        (8, lambda: walker.back(chooser.choice(hows))),
        (1, lambda: walker.goto(chooser.randrange(len(walker.sights) - 1))),
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
    monkeypatch.setattr(walker.driver.session.run_of_script.processes, "memory_cap", memory)
    # Those of earlier tests are given up only when another one is made.
    walker.driver.session.run_of_script.processes.drop_after((-1, 0), 0)
    walker.driver.restart()
    random_moves(walker, random.Random(3), 15)
    assert len(walker.driver.session.run_of_script.processes.checkpoints) <= most


def test_steps_forwards_and_as_many_back_are_the_identity(walker: Walker) -> None:
    walker.begin()
    walker.goto(len(walker.sights) // 2)
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
