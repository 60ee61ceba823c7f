"""A session without a debuggee: it plays a recorded run, so that the app can be tested without torch."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from backprop_tui.debugger.breakpoints import parse
from backprop_tui.debugger.failure import Refused
from backprop_tui.debugger.futures import Future, parse_futures
from backprop_tui.debugger.launch import Program
from backprop_tui.debugger.parting import Parting
from backprop_tui.debugger.probing import Difference, Downhill
from backprop_tui.debugger.race import Lane
from backprop_tui.debugger.saved import Cursor, Saved, hash_of
from backprop_tui.debugger.view import Change, Frame, OutputChunk, Plan, Stop, Toggles, View
from backprop_tui.explain.chain import Chain, Factor, Path
from backprop_tui.protocol import ParameterRow
from support.update_run import LOSS, SCRIPT, Recording, parameters

PRINTS = {
    0: ("out", "weights before backpropagation =  [Parameter containing:\ntensor([[0.1100, 0.2100],\n"),
    6: ("out", "result =  tensor([0.1910], grad_fn=<SqueezeBackward4>)\nloss =  tensor(0.8090)\n"),
    23: ("err", "UserWarning: something the learner should see\n"),
}


def lane(text: str, *losses: float, state: str = "done", **more: Any) -> Lane:
    """A future of a race, with a loss and a rate for each iteration from 1 on."""
    numbered = list(enumerate(losses))
    future = parse_futures(text)[0] if text else Future()
    points: Any = tuple(
        {"landmark": 2 * n + 1, "iteration": n + 1, "site": "a.py:3", "value": loss} for n, loss in numbered
    )
    rates: Any = tuple(
        {"landmark": 2 * n + 2, "iteration": n + 1, "optimizer": 0, "lrs": [0.05]} for n, _ in numbered
    )
    told: Any = {"seconds": 0.25 if losses else None, "compared": state == "done", **more}
    return Lane(future, state, points, rates, iterations=len(losses), **told)  # type: ignore[arg-type]


class FakeRace:
    """A race that goes on when it is told to."""

    def __init__(self, futures: Sequence[Future], iterations: int) -> None:
        self.lanes = tuple(Lane(future) for future in futures)
        self.iterations = iterations
        self.on_change: Callable[[], None] = lambda: None
        self.over = False
        self.note = ""
        self.refusal: str | None = None
        self.go = asyncio.Event()
        self.cancelled = False

    async def run(self) -> None:
        if self.refusal is not None:
            raise Refused(self.refusal)
        try:
            await self.go.wait()
            parting = Parting(1, "model.weight", "value", (0, 0), 0.1825, 0.1744, "float32")
            self.lanes = tuple(
                replace(
                    lane(item.future.text if item.future.changes else "", 0.8, 0.4 / (n + 1)),
                    parting=parting if n else None,
                )
                for n, item in enumerate(self.lanes)
            )
        except asyncio.CancelledError:
            self.cancelled = True
            raise
        finally:
            self.over = True
            self.on_change()


class FakeSession:
    """Plays `Recording`; what it was asked to do is kept in `asked`."""

    def __init__(
        self,
        on_view: Callable[[View], None],
        refusal: type[Exception] = Refused,
        iterations: int = 1,
        script: str = SCRIPT,
    ) -> None:
        self.on_view = on_view
        self.refusal = refusal
        self.recording = Recording(iterations)
        self.position = 0
        self.view = View("starting", script)
        self.asked: list[Any] = []
        self.races: list[FakeRace] = []
        self.race_refusal: str | None = None
        self.closed = False
        self.wait: asyncio.Event | None = None
        """When set, `step` waits for it: a debuggee that takes its time."""

    async def start(self) -> None:
        self.show()

    def choose(self, name: str, index: tuple[int, ...] | None) -> None:
        self.asked.append(("choose", name, index))

    async def difference(self, name: str, index: Sequence[int]) -> Difference:
        return Difference(name, tuple(index), 1, 0.14, 0.005, 0.8133, 0.809, 0.8047, -0.86, "float32")

    async def chain(self, name: str, index: Sequence[int]) -> Chain:
        factors = tuple(
            Factor(value, node, (0, number), 1, number, (0,))
            for value, node, number in ((-1.0, "AbsBackward0", 13), (0.15, "MmBackward0", 16))
        )
        return Chain(name, tuple(index), (Path(factors, -0.15),), 2, -0.15, -0.3, -0.3, "float32")

    async def operations_of(self, first: int, last: int) -> list[Any]:
        return [record for record in self.recording.records if first <= record["iteration"] <= last]

    async def element_over(
        self, name: str, attribute: str, place: tuple[int, int], first: int, last: int
    ) -> list[tuple[int, Any]]:
        self.asked.append(("element", name, attribute, place))
        return [(iteration, 0.5) for iteration in range(first, last + 1)]

    async def downhill(self) -> Downhill:
        rows = ((0.1, -0.01, -0.0099), (1.0, -0.1, -0.09), (10.0, -1.0, 0.4))
        return Downhill(1, 0.809, -0.1, 0.06, 0.05, rows)

    async def close(self) -> None:
        self.closed = True

    def abandon(self) -> None:
        self.closed = True

    def publish(self, view: View) -> None:
        self.view = view
        self.on_view(view)

    def show(self, message: str = "") -> None:
        """Publish the view of the present position."""
        self.publish(replace(self.at(self.position), message=message))

    def at(self, position: int) -> View:
        """The view of a position, with the changes and breakpoints now in force."""
        moment = self.recording.moments[position]
        done = self.recording.records[: moment.completed]
        last = done[-1] if done else None
        upcoming = moment.next
        at = upcoming or last
        assert at is not None
        number = upcoming["number"] if upcoming else at["number"] + 1
        frames = (Frame(SCRIPT, upcoming["line"] or 1, "<module>"),) if upcoming else ()
        stop = Stop(
            (at["time"][0], at["time"][1]), at["iteration"], number,
            "step" if upcoming else "finished", upcoming, last, moment.open, frames,
            exit_status=None if upcoming else 0,
        )  # fmt: skip
        losses = [record for record in done if record["kind"] == "loss"]
        steps = [record for record in done if record["kind"] == "step"]
        return replace(
            self.view,
            status="stopped" if upcoming else "finished",
            stop=stop,
            records=tuple(done),
            parameters=parameters(done),
            losses=tuple(
                {"landmark": n, "iteration": r["iteration"], "site": "update.py:32", "value": LOSS}
                for n, r in enumerate(losses)
            ),
            rates=tuple(
                {"landmark": n, "iteration": r["iteration"], "optimizer": 0, "lrs": [0.05]}
                for n, r in enumerate(steps)
            ),
            plan=Plan(),
            output=tuple(
                OutputChunk((0, 0), stream, text)  # type: ignore[arg-type]
                for when, (stream, text) in PRINTS.items()
                if when <= position
            ),
            toggles=replace(self.toggles, lr=0.05),
            iteration=stop.iteration,
            iteration_length=None,
        )

    @property
    def toggles(self) -> Toggles:
        old = self.view.toggles
        return replace(old, loss=old.loss or "L1Loss", optimizer=old.optimizer or "SGD")

    # what the app may ask

    async def step(self, how: str, backwards: bool = False) -> None:
        self.asked.append((how, backwards))
        if self.wait:
            await self.wait.wait()
        moves = range(self.position - 1, -1, -1) if backwards else range(self.position + 1, self.end + 1)
        for position in moves:
            if self._stops(position, how):
                self.position = position
                return self.show()
        raise self.refusal("This is the start of the run." if backwards else "The script has finished.")

    def _stops(self, position: int, how: str) -> bool:
        upcoming = self.recording.moments[position].next
        if upcoming is None or how == "into":
            return True
        here = self.recording.moments[self.position].next
        depth = here["depth"] if here else 0
        if how == "over":
            return upcoming["depth"] <= depth
        if how == "out":
            return upcoming["depth"] < depth
        return upcoming["level"] != "kernel"

    @property
    def end(self) -> int:
        return len(self.recording.moments) - 1

    async def run(self, backwards: bool = False) -> None:
        self.asked.append(("run", backwards))
        self.publish(replace(self.view, status="running"))

    async def run_to_line(self, file: str, line: int, backwards: bool = False) -> None:
        self.asked.append(("line", file, line, backwards))

    async def pause(self) -> None:
        self.asked.append("pause")
        self.show()

    async def goto(self, iteration: int, number: int) -> None:
        self.asked.append(("goto", iteration, number))
        for position, moment in enumerate(self.recording.moments):
            record = moment.next
            if record and (record["iteration"], record["number"]) == (iteration, number):
                self.position = position
                return self.show()
        raise self.refusal(f"Iteration {iteration} has no operation {number}.")

    async def restart(self) -> None:
        self.asked.append("restart")
        self.position = 0
        self.view = replace(self.view, changes=())
        self.show()

    async def walk_until(self, wanted: Callable[[View], bool]) -> None:
        for position in range(self.position + 1, self.end + 1):
            self.position = position
            view = self.at(position)
            if self._stops(position, "walk") and (view.status == "finished" or wanted(view)):
                return self.show()

    async def finish(self) -> None:
        self.position = self.end
        self.show()

    def saved(self) -> Saved:
        cursor = Cursor((0, self.position), 1, self.position + 1)
        return Saved(SCRIPT, (), False, "/", None, 1, hash_of(SCRIPT), "2.13.0", (), (), (), cursor)

    async def resume(self, saved: Saved) -> None:
        self.asked.append(("resume", saved))
        self.position = saved.cursor.time[1]
        self.show("resumed")

    async def open(self, program: Program) -> None:
        self.asked.append(("open", program.target))
        await self.restart()

    async def change(self, kind: str, value: Any) -> None:
        self.asked.append((kind, value))
        if kind == "optimizer" and not str(value).startswith(("SGD", "Adam")):
            raise self.refusal(f"There is no optimizer “{value}”; Adam and SGD are known.")
        made = Change(kind, f"{kind} {value}", (0, 0), value)
        toggles = replace(self.toggles, zero_grad=value) if kind == "zero_grad" else self.toggles
        kept = tuple(change for change in self.view.changes if change.kind != kind)
        self.publish(replace(self.view, changes=(*kept, made), toggles=toggles))

    async def choices(self, kind: str) -> list[str]:
        return {
            "loss": ["l1", "mse", "half_mse", "smooth_l1", "huber"],
            "optimizer": ["SGD(lr=0.05)", "Adam(lr=0.001)", "AdamW(lr=0.001)"],
        }[kind]

    async def race(self, futures: Sequence[Future], iterations: int) -> FakeRace:
        self.races.append(FakeRace(futures, iterations))
        self.races[-1].refusal = self.race_refusal
        return self.races[-1]

    def dismiss_ghosts(self) -> None:
        self.publish(replace(self.view, ghosts=()))

    async def tensors(self) -> list[ParameterRow]:
        return list(self.view.parameters)

    def set_breakpoint(self, text: str, place: int | None = None, file: str = "") -> None:
        points = list(self.view.stops)
        at = len(points) if place is None else place
        points[at : at + 1] = [parse(text, file)]
        self.publish(replace(self.view, stops=tuple(points)))

    def enable_breakpoint(self, place: int, on: bool) -> None:
        points = list(self.view.stops)
        points[place] = replace(points[place], enabled=on)
        self.publish(replace(self.view, stops=tuple(points)))

    def remove_breakpoint(self, place: int) -> None:
        points = list(self.view.stops)
        del points[place]
        self.publish(replace(self.view, stops=tuple(points)))

    async def who_wrote(self, name: str, attr: str, index: Sequence[int]) -> None:
        self.asked.append(("who", name, attr, tuple(index)))

    async def first_bad(self) -> None:
        self.asked.append("first bad")

    def toggle_breakpoint(self, file: str, line: int) -> None:
        self.publish(replace(self.view, breakpoints=self.view.breakpoints ^ {(file, line)}))

    async def window(self, name: str, attr: str, rows: tuple[int, int], cols: tuple[int, int]) -> Any:
        raise self.refusal(f"{name} is shown whole.")
