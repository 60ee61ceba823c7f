"""Any sequence of commands leads where a fresh run with the same changes leads, and shows the same.

The definition is a second debuggee, which does nothing but run the script again from its beginning, make
the changes on the way, and walk on to the end. Where a command leads is then a place on that walk.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, note, seed, settings
from hypothesis import strategies as st

from backprop_tui.debugger import processes, showing
from backprop_tui.debugger import saved as paper
from backprop_tui.debugger.failure import Refused
from backprop_tui.debugger.futures import parse_futures, starting_line
from backprop_tui.debugger.race import Lane
from support.driving import Driver
from support.fresh_runs import Changes, FreshRuns, Made, digests
from support.recorded_run import RecordedRun, Sight, difference, plain, sight

pytestmark = pytest.mark.xdist_group("debugger_together")

SCRIPT = """\
import sys
import torch
from torch import nn

torch.manual_seed(3)
model = nn.Linear(2, 2)
dropout = nn.Dropout(0.4)
print("ready")
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.5)
scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 2, 0.5)
x, y = torch.randn(3, 2), torch.randn(3, 2)
for epoch in range(4):
    optimizer.zero_grad()
    hidden = nn.functional.normalize(dropout(model(x)))
    loss = nn.functional.mse_loss(hidden, y)
    print("loss", loss.item())
    loss.backward()
    optimizer.step()
    scheduler.step()
    print("epoch", epoch, file=sys.stderr)
print("done")
"""
LINES = range(13, 21)
CHANGES = (
    "zero_grad=off",
    "zero_grad=zero",
    "zero_grad=on",
    "loss=l1",
    "reduction=sum",
    "optimizer=Adam(lr=0.05)",
    "lr=0.3",
    "hyperparameter=momentum=0.9",
    "scheduler=off",
    "scheduler=on",
    "backward_gradient=loss",
    "set=model.weight[0,1]=0.5",
    "set=model.bias.grad[0]=0.25",
    "seed=7",
    "lr=0.2; seed=5",
    "hyperparameter=beta7=1",
    "set=nothing[0]=1",
)
"""The last two are refused, and others are where there is nothing to change."""
CONDITIONS = (
    "iteration 2",
    "iteration 4",
    "loss > 0.5",
    "op normalize",
    "op div",
    "op step",
    "op *Backward0 x2",
)
HOWS = ("walk", "into", "over", "out")
RACED = 2
"""Iterations of a race."""
UNRECORDED = ("last", "records", "length", "time", "iteration", "number")
"""What is not known at the end of the script if it was not stepped to: no operation was observed."""


# the session
class Session:
    """A session, and where by the definition it stands."""

    def __init__(self, driver: Driver, fresh: FreshRuns) -> None:
        self.driver = driver
        self.fresh = fresh
        self.made: Changes = ()
        self.points: dict[str, bool] = {}
        """Breakpoints, in their order, and whether they are switched on."""
        driver.load(fresh.script)
        self.at = self.run.first_from(1, 1)
        self.runs = {self.made}
        """Every future that there was."""

    @property
    def run(self) -> RecordedRun:
        return self.fresh.run(self.made)

    @property
    def here(self) -> Sight:
        return self.run.sights[self.at]

    @property
    def over(self) -> bool:
        return self.at == self.run.end

    def refused(self, command: Callable[[], Any], sentence: str) -> None:
        """A command that makes no sense here: it is told, and nothing has moved."""
        with pytest.raises(Refused) as refusal:
            command()
        assert sentence in str(refusal.value)
        assert self.driver.status == self.here.status
        if not self.over:
            assert self.driver.stop.time == self.here.time

    def arrived(self, at: int, stepped: bool = True) -> None:
        """The session must stand at a place, and see there what a fresh run sees. Changes made after it are
        undone. ``stepped``: not by a run that did not know where it would end."""
        self.made = tuple(change for change in self.made if change.at <= at)
        self.at = at
        seen, known = sight(self.driver.view), self.here
        if not stepped:  # nobody knew that a stop would come, so `last` has no summaries
            seen, known = (replace(each, last=plain(each.last)) for each in (seen, known))
            if self.over:
                seen = replace(seen, **{name: getattr(known, name) for name in UNRECORDED})
        found = difference(seen, known, self.run.observed_from(at))
        assert found == "", f"at {known.time} with {self.made}: {found}"
        self.check_the_rest()

    def check_the_rest(self) -> None:
        """What is the same wherever the session has come from."""
        landmark = self.driver.stop.time[0]
        assert digests(self.driver) == [d for d in self.fresh.digests[self.made] if d[0] <= landmark]
        assert {point.text: point.enabled for point in self.driver.view.stops} == self.points
        future = self.driver.view.future
        if future is not None:
            assert not self.over and self.driver.stop.iteration <= future <= self.run.sights[-1].iteration
        for sentence in self.driver.messages:
            assert "deterministic" not in sentence and "fault" not in sentence and "again" not in sentence
        for ghost in self.driver.view.ghosts:
            assert any(self.is_of(ghost, made) for made in self.runs), ghost

    def is_of(self, ghost: Any, made: Changes) -> bool:
        """Whether a future that was left was once one of the session."""
        whole = self.fresh.run(made).sights[-1]
        chips = ", ".join(chip for _, chip, _ in whole.changes)
        return bool(
            ghost.was == chips
            and _contains(whole.losses, ghost.losses)
            and _contains(whole.rates, ghost.rates)
        )

    # where breakpoints stop
    def places(self, text: str) -> list[int]:
        """Every place of the walk at which a breakpoint stops."""
        kind, _, what = text.partition(" ")
        sights = self.run.sights[: self.run.end]
        if kind == "line":
            return self.run.visits({int(what.rpartition(":")[2])})
        if kind == "loss":
            after = [
                at for at in range(1, len(sights)) if len(sights[at].losses) > len(sights[at - 1].losses)
            ]
            return [at for at in after if sights[at].losses[-1]["value"] > float(what.removeprefix("> "))]
        if kind == "iteration":
            return [
                at for at, place in enumerate(sights) if (place.iteration, place.number) == (int(what), 1)
            ]
        return [at for at, place in enumerate(sights) if _is_named(place.next, what)]

    def met(self, backwards: bool, line: int | None = None) -> int:
        """Where a run ends, if a line may be run to besides."""
        counted = [text.partition(" x") for text, on in self.points.items() if on]
        met = [(self.places(text), int(count or 1)) for text, _, count in counted]
        met += [(self.run.visits({line}), 1)] if line is not None else []
        if backwards:
            before = [([at for at in places if at < self.at], count) for places, count in met]
            return max((places[-count] for places, count in before if len(places) >= count), default=0)
        after = [([at for at in places if at > self.at], count) for places, count in met]
        return min(
            (places[count - 1] for places, count in after if len(places) >= count), default=self.run.end
        )

    # commands
    def step(self, how: str) -> None:
        if self.over:
            self.refused(lambda: self.driver.step(how), "finished")
            return
        at = self.run.ahead(self.at, how)
        self.driver.step(how)
        self.arrived(at)

    def back(self, how: str) -> None:
        at = self.run.behind(self.at, how)
        if at is None:
            self.refused(lambda: self.driver.back(how), "first operation")
            return
        self.driver.back(how)
        self.arrived(at)

    def goto(self, iteration: int, number: int) -> None:
        wanted = (iteration, number)
        places = [self.run.sights[change.at] for change in self.made]
        stay = sum((place.iteration, place.number) <= wanted for place in places)
        self.made = self.made[:stay]
        self.driver.goto(iteration, number)
        at = self.run.first_from(iteration, number)
        self.arrived(at, stepped=at != self.run.end)

    def proceed(self, backwards: bool, line: int | None = None) -> None:
        """Continue, or run to a line."""
        file = str(self.fresh.script)
        command = (lambda: self.driver.run(backwards)) if line is None else (
            lambda: self.driver.run_to_line(file, line, backwards)
        )  # fmt: skip
        if self.over and not backwards:
            self.refused(command, "finished")
            return
        at = self.met(backwards, line)
        command()
        self.arrived(at, stepped=False)

    def breakpoint(self, text: str) -> None:
        """Set, switch off, remove."""
        session, file = self.driver.session, str(self.fresh.script)
        text = text.replace("line ", f"line {file}:")
        if text not in self.points:
            session.set_breakpoint(text)
            self.points[text] = True
            return
        place = list(self.points).index(text)
        if self.points[text]:
            session.enable_breakpoint(place, False)
            self.points[text] = False
        else:
            session.remove_breakpoint(place)
            del self.points[text]

    def change(self, text: str) -> None:
        changes = parse_futures(text)[0].changes
        made = (*self.made, Made(text, self.at))
        if self.over:
            self.refused(lambda: self.driver.change(*changes[0]), "finished")
            return
        try:
            self.fresh.run(made)
        except Refused as refusal:
            self.refused(lambda: self.driver.change(*changes[0]), str(refusal))
            return
        for kind, value in changes:
            self.driver.change(kind, value)
        self.made = made
        self.runs.add(made)
        self.arrived(self.at)

    def race(self, texts: tuple[str, ...], chosen: int) -> None:
        """Race futures, and let one become the run."""
        run = self.run
        inside = any(record["kind"] == "step" for record in self.here.open)
        if self.over or self.here.iteration < 1 or inside:
            why = (
                "finished"
                if self.over
                else "not begun"
                if self.here.iteration < 1
                else "inside optimizer.step"
            )
            self.refused(lambda: self._race(texts), why)
            return
        lanes = self._race(texts)
        since = self.here
        self.check_lane(lanes[0], run, since)
        self.arrived(self.at)
        lane = lanes[1 + chosen % len(texts)]
        self.change(lane.future.text)
        if lane.state == "refused":
            assert self.run is run
        else:
            self.check_lane(lane, self.run, since)

    def _race(self, texts: tuple[str, ...]) -> tuple[Lane, ...]:
        futures = starting_line([future for text in texts for future in parse_futures(text)])
        race = self.driver.wait(self.driver.session.race(futures, RACED))
        self.driver.wait(race.run())
        return race.lanes

    def check_lane(self, lane: Lane, run: RecordedRun, since: Sight) -> None:
        """What the race showed of a future is what comes of it."""
        whole, last = run.sights[-1], since.iteration + RACED
        for shown, all_points in ((lane.losses, whole.losses), (lane.rates, whole.rates)):
            coming = [point for point in all_points if point["landmark"] > since.time[0]]
            assert list(shown) == [point for point in coming if point["iteration"] < last], lane.future.text

    def restart(self) -> None:
        self.driver.restart()
        self.made = ()
        self.arrived(self.run.first_from(1, 1))

    def save_and_resume(self, shared: bool) -> None:
        session = self.driver.session.saved()
        text = paper.to_share(session) if shared else paper.to_text(session)
        session = paper.load(text) if shared else paper.from_text(text, "it")
        self.driver.wait(self.driver.session.open(session.program()))
        self.driver.do(self.driver.session.resume(session))
        assert self.driver.view.message.startswith("resumed")
        self.arrived(self.at, stepped=False)

    # at the end of a sequence
    def look_closely(self) -> None:
        """What comes a moment after a stop, too, is what a fresh run shows that goes straight to this place;
        and what comes from here on is what comes of it."""
        if not self.over:
            self.fresh.stand(self.made)
            self.fresh.go(self.here)
            seen, known = settled(self.driver), settled(self.fresh.driver)
            if not seen["explanations"]:  # a step over, or a run, has not kept what an explanation takes
                known["explanations"] = ()
            assert seen == known
            for _ in self.points:
                self.driver.session.remove_breakpoint(0)
            self.points.clear()
            self.proceed(backwards=False)


def _is_named(record: Any, name: str) -> bool:
    if record is None or (record["level"] == "kernel" and record["name"] != name):
        return False
    return fnmatchcase(record["name"], name) or record["kind"] == name


def _contains(whole: Any, part: Any) -> bool:
    """Whether points follow one another among others."""
    return any(list(whole[start : start + len(part)]) == list(part) for start in range(len(whole) + 1))


def settled(driver: Driver) -> dict[str, Any]:
    """What is worked out once nothing else is to be done. What an operand is called, and where it was made,
    is left out: who stepped over that, or jumped past it, has not seen it."""
    driver.settle()
    view = driver.view
    explanations = tuple(
        (each.numbers, each.result, each.verdict, each.difference, each.element, each.note)
        for each in view.explanations
    )
    return {"explanations": explanations, "notices": view.notices, "plan": view.plan}


# the sequences
@dataclass(frozen=True)
class Command:
    """A method of `Session`, with its arguments."""

    name: str
    arguments: Sequence[Any] = ()

    def __repr__(self) -> str:
        return f"{self.name}({', '.join(map(repr, self.arguments))})"


def command(name: str, *arguments: st.SearchStrategy[Any]) -> st.SearchStrategy[Command]:
    return st.builds(Command, st.just(name), st.tuples(*arguments))


steps = command("step", st.sampled_from(HOWS))
backs = command("back", st.sampled_from(HOWS))
gotos = command("goto", st.integers(0, 5), st.integers(1, 40))
lines = st.sampled_from(LINES)
changes = command("change", st.sampled_from(CHANGES))
points = st.sampled_from(CONDITIONS) | st.builds("line {}".format, lines)
COMMANDS = st.one_of(
    steps,
    backs,
    gotos,
    gotos,
    changes,
    changes,
    changes,
    command("proceed", st.booleans()),
    command("proceed", st.booleans(), lines),
    command("breakpoint", points),
    command("race", st.lists(st.sampled_from(CHANGES[:-2]), min_size=1, max_size=2, unique=True).map(tuple),
            st.integers(0, 1)),
    command("restart"),
    command("save_and_resume", st.booleans()),
)  # fmt: skip


EVERYTHING = [
    Command(name, arguments)
    for name, *arguments in (
        ("goto", 2, 5), ("change", "zero_grad=off"), ("proceed", False), ("goto", 3, 3), ("goto", 1, 2),
        ("goto", 4, 3), ("goto", 3, 3), ("change", "lr=0.3"), ("race", ("loss=l1", "seed=7"), 0),
        ("step", "over"), ("back", "out"), ("breakpoint", "line 17"), ("proceed", False), ("proceed", True),
        ("goto", 4, 2),
        ("save_and_resume", False), ("change", "optimizer=Adam(lr=0.05)"), ("breakpoint", "line 17"),
        ("proceed", False, 19), ("step", "into"), ("save_and_resume", True), ("back", "walk"),
        ("change", "set=model.weight[0,1]=0.5"), ("change", "hyperparameter=beta7=1"), ("step", "walk"),
        ("goto", 3, 3), ("proceed", False), ("proceed", True, 18), ("restart",), ("step", "out"),
        ("change", "scheduler=off"), ("change", "backward_gradient=loss"), ("goto", 4, 1), ("proceed", True),
    )
]  # fmt: skip
"""Every command at least once, and what is known of a future that was left in its way."""


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FreshRuns]:
    """A debuggee of its own."""
    script = tmp_path_factory.mktemp("together") / "train.py"
    script.write_text(SCRIPT)
    driver = Driver(str(script))
    yield FreshRuns(driver, script)
    driver.close()


def follow(
    driver: Driver, fresh: FreshRuns, commands: Sequence[Command], tell: Callable[[str], None]
) -> None:
    """Give the commands one after another; ``tell`` is told where each has led."""
    session = Session(driver, fresh)
    for each in commands:
        before = session.here
        getattr(session, each.name)(*each.arguments)
        here = session.here
        tell(
            f"{each} from {before.iteration}.{before.number} to {here.iteration}.{here.number}, {here.status}"
        )
    session.look_closely()


def test_every_command_in_one_sequence(driver: Driver, fresh: FreshRuns) -> None:
    follow(driver, fresh, EVERYTHING, print)


@pytest.mark.parametrize(
    "most",
    [pytest.param(processes.MOST_CHECKPOINTS, marks=pytest.mark.exhaustive), 3],
    ids=["many", "few"],
)
def test_any_sequence_of_commands(
    driver: Driver, fresh: FreshRuns, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    explore(driver, fresh, most, monkeypatch, settings(max_examples=3, derandomize=True), 12)


@pytest.mark.exhaustive
@pytest.mark.parametrize("most", [processes.MOST_CHECKPOINTS, 3], ids=["many", "few"])
@pytest.mark.parametrize("number", range(20))
def test_many_more_sequences(
    driver: Driver, fresh: FreshRuns, most: int, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    explore(driver, fresh, most, monkeypatch, settings(max_examples=40), 20, number)


def explore(
    driver: Driver,
    fresh: FreshRuns,
    most: int,
    monkeypatch: pytest.MonkeyPatch,
    how: settings,
    length: int,
    number: int | None = None,
) -> None:
    """Sequences of at most so many commands, with at most so many checkpoints."""
    monkeypatch.setattr(processes, "MOST_CHECKPOINTS", most)
    monkeypatch.setattr(showing, "_CHECKPOINT_EVERY", 0.0)  # where they are made must not depend on the clock

    phases = (Phase.generate, Phase.shrink)

    @settings(how, deadline=None, database=None, phases=phases, suppress_health_check=list(HealthCheck))
    @given(st.lists(COMMANDS, min_size=3, max_size=length))
    def test(commands: list[Command]) -> None:
        follow(driver, fresh, commands, note)

    (seed(number)(test) if number is not None else test)()
