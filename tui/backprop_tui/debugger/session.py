"""One debugging session: what the user asks for, and the view of what comes of it.

All coroutines run in one asyncio loop. A command waits until the debuggee has stopped again, except
`run` and `run_to_line`, which only start it. What makes no sense at present raises `Refused`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from backprop_tui.debugger.failure import Refused
from backprop_tui.debugger.launch import Program
from backprop_tui.debugger.probing import Difference, Downhill, Probes
from backprop_tui.debugger.run import EVERYTHING, NEVER, Target
from backprop_tui.debugger.seeking import Seeking
from backprop_tui.debugger.showing import ENDS, blank, details_of
from backprop_tui.debugger.stops import window_from
from backprop_tui.debugger.timeline import START, back_target, time_of
from backprop_tui.debugger.view import Stop, View, Window
from backprop_tui.debugger.wire import Message
from backprop_tui.protocol import KERNEL, ParameterRow, Record

if TYPE_CHECKING:
    from backprop_tui.debugger.futures import Future
    from backprop_tui.debugger.race import Race
    from backprop_tui.debugger.saved import Saved
    from backprop_tui.explain.chain import Chain
    from backprop_tui.explain.layered import Layered

How = Literal["walk", "into", "over", "out"]


class Session(Seeking):
    """Drives one debuggee and keeps the `View` of it."""

    # life
    async def start(self) -> None:
        """Start the interpreter, run the script to the first operation of its training loop.

        Raises StartFailed if the interpreter has no torch or does not start.
        """
        await self.run_of_script.processes.start()
        await self._alone(self.run_of_script.begin())

    async def close(self) -> None:
        """End every process of the debuggee."""
        self._busy = True
        self._cancel_timer()
        self._stop_explaining()
        for task in self._tasks:
            task.cancel()
        await self.run_of_script.processes.close()

    def abandon(self) -> None:
        """This process ends at once, and every process of the debuggee with it: remove what would stay."""
        self.run_of_script.processes.hub.remove()

    # commands
    async def step(self, how: How, backwards: bool = False) -> None:
        """Go to the next (previous) operation.

        walk: at phase or operation level. into: kernels too. over: what the next operation
        contains counts as one. out: until what contains the next operation is complete.
        """
        stop = self._ready()
        if backwards:
            await self._alone(self._back(how, stop))
            return
        self._not_over()
        await self._alone(self.run_of_script.go(_step_message(how, stop)))

    async def _back(self, how: How, stop: Stop) -> Stop:
        run = self.run_of_script
        if self.view.status == "died":
            return await run.revive()
        depth = stop.next["depth"] if stop.next is not None else 0
        kernel = stop.next is not None and stop.next["level"] == KERNEL
        target = back_target(run.trail, stop.time, depth, how, kernel)
        while target is None and run.trail.since > START:
            stop = await run.look_further_back()
            target = back_target(run.trail, stop.time, depth, how, kernel)
        if target is None:
            raise Refused("this is the first operation of the script")
        return await run.go_back(Target(target["iteration"], time=time_of(target)))

    async def walk_until(self, wanted: Callable[[View], bool]) -> None:
        """Step until a view is wanted or the script ends; only the last stop is published."""
        stop = self._ready()
        self._not_over()
        await self._alone(self._walk_until(wanted, stop))

    async def _walk_until(self, wanted: Callable[[View], bool], stop: Stop) -> Stop:
        while True:
            stop = await self.run_of_script.go(_step_message("walk", stop))
            records = self.run_of_script.trail.recent(stop.iteration)
            view = replace(self.view, status=self._status_of(stop), stop=stop, records=records)
            if view.status in ENDS or self._pausing or wanted(view):
                return stop

    async def finish(self) -> None:
        """Run at full speed to the end of the script, past all breakpoints."""
        self._ready()
        self._not_over()
        await self._alone(self.run_of_script.go({"observe": [], "record": False}))

    async def open(self, program: Program) -> None:
        """Debug another program under the same interpreter: torch is not loaded again."""
        await self._quiet()
        self.run_of_script.open(program)
        self.breakpoints.clear()
        self._last_checkpoint, self._planned, self._chosen = 0.0, None, None
        self._publish(**blank(program))
        await self._alone(self.run_of_script.begin())

    async def _quiet(self) -> None:
        """End what is going on: another run begins. Raises Refused."""
        if self.view.status == "starting":
            raise Refused("torch is still being loaded")
        if self._busy:
            await self.pause()
            await asyncio.sleep(0)

    async def goto(self, iteration: int, number: int) -> None:
        """Go to an operation of an iteration, counted from 1 (iteration 0: before training)."""
        stop = self._ready()
        if iteration < 0 or number < 1:
            raise Refused("an iteration is 0 or more and an operation 1 or more, as in 12.7")
        target = Target(iteration, number=number)
        ahead = (iteration, number) > (stop.iteration, stop.number)
        if ahead and self.view.status == "stopped" and not self.run_of_script.shortcut(iteration):
            near = iteration <= stop.iteration + 1
            observe = EVERYTHING if near else [[iteration - 1, None]]
            await self._alone(self.run_of_script.go({**target.condition(), "observe": observe}))
        else:
            await self._alone(self.run_of_script.go_back(target))
        self._tell_if_elsewhere(iteration, number)

    def _tell_if_elsewhere(self, iteration: int, number: int) -> None:
        """An iteration may have fewer operations than was asked for, and a script fewer iterations."""
        stop = self._stop_of_view()
        if self.view.status == "stopped" and (stop.iteration, stop.number) != (iteration, number):
            self._publish(
                message=f"there is no operation {iteration}.{number}: this is the next one after it"
            )
        elif self.view.status == "finished":
            self._publish(message=f"there is no operation {iteration}.{number}: the script has finished")

    async def restart(self) -> None:
        """Run the script again from its beginning, without the changes made since."""
        await self._quiet()
        self.run_of_script.forget()
        self._last_checkpoint = 0.0
        await self._alone(self.run_of_script.begin())

    async def change(self, kind: str, value: Any) -> None:
        """Change something here; refused with torch's own words if it cannot work."""
        stop = self._ready()
        self._not_over()
        answer = await self.run_of_script.conversation.ask("change", kind=kind, value=value)
        self.run_of_script.changed(kind, value, answer["chip"])
        if answer["next"] is not None:
            stop = replace(stop, next=answer["next"])
        details = self.run_of_script.detailed(await self.run_of_script.conversation.ask("details"))
        self._publish(
            stop=stop,
            changes=self.run_of_script.log.chips(),
            ghosts=self.run_of_script.history.ghosts,
            future=None,
            message=" ".join(sentence for sentence in (answer["message"], self._lost()) if sentence),
            **details_of(details),
        )
        self._plan_soon()
        self._checkpoint_here()

    def _lost(self) -> str:
        future = self.view.future
        return "" if future is None else f"What was known up to iteration {future:,} is forgotten."

    def saved(self) -> Saved:
        """All that it takes to come here again."""
        from backprop_tui.debugger.keeping import saved_from

        return saved_from(self.run_of_script, self._ready(), self.breakpoints.saved())

    async def resume(self, saved: Saved) -> None:
        """Run to where a saved session stood, and say whether it is the same run."""
        from backprop_tui.debugger.keeping import brought_back, verdict

        self._ready()
        run = self.run_of_script
        await self._alone(brought_back(run, saved))
        self.breakpoints.restore(saved.breakpoints)
        self._show_breakpoints()
        self._publish(message=verdict(run, saved, self._stop_of_view()))

    def dismiss_ghosts(self) -> None:
        """Forget the curves of the futures that were left."""
        self.run_of_script.history.ghosts = ()
        self._publish(ghosts=())

    # questions
    async def difference(self, name: str, index: Sequence[int]) -> Difference:
        """The numeric derivative of this iteration's loss by one element, in copies of the script."""
        self._ready()
        return await Probes(self.run_of_script).difference(name, index)

    async def chain(self, name: str, index: Sequence[int]) -> Chain | Layered:
        """All ways from this iteration's loss to one element of a leaf, with the local derivatives."""
        self._ready()
        return await Probes(self.run_of_script).chain(name, index)

    async def operations_of(self, first: int, last: int) -> list[Record]:
        """The operations of some iterations, both ends included, from a copy of the script."""
        from backprop_tui.debugger.stretch import operations_of

        self._ready()
        return await operations_of(self.run_of_script, first, last)

    async def element_over(
        self, name: str, attribute: str, place: tuple[int, int], first: int, last: int
    ) -> list[tuple[int, Any]]:
        """One element after each of some iterations, from a copy; ``place``: row and column."""
        from backprop_tui.debugger.stretch import element_over

        self._ready()
        return await element_over(self.run_of_script, name, attribute, place, first, last)

    async def downhill(self) -> Downhill:
        """What this iteration's step was to do to the loss, and what it does, in copies of the script."""
        self._ready()
        return await Probes(self.run_of_script).downhill()

    async def race(self, futures: Sequence[Future], iterations: int) -> Race:
        """Futures that begin here, each to be run in a copy of the script; `Race.run` runs them."""
        from backprop_tui.debugger.race import Race

        self._ready()
        self._not_over()
        return Race(self.run_of_script, futures, iterations)

    async def choices(self, kind: str) -> list[str]:
        """What `change` accepts here for ``loss`` or ``optimizer``."""
        self._ready()
        self._not_over()
        found: list[str] = await self.run_of_script.conversation.ask("choices", kind=kind)
        return found

    async def window(self, name: str, attr: str, rows: tuple[int, int], cols: tuple[int, int]) -> Window:
        """Rows and columns of a tensor seen as a matrix; attr is value, grad or state.NAME."""
        ask = self.run_of_script.conversation.ask
        return window_from(await ask("window", name=name, attr=attr, rows=rows, cols=cols), rows, cols)

    async def tensors(self) -> list[ParameterRow]:
        """Every other tensor that a variable of the script leads to."""
        found: list[ParameterRow] = await self.run_of_script.conversation.ask("tensors")
        return found


def _step_message(how: How, stop: Stop) -> Message:
    """How the debuggee is told to take a step forwards."""
    following = stop.next
    if following is None:
        return {"step": True}
    depth = following["depth"]
    if how == "out" and depth == 0:
        return {"position": [stop.iteration + 1, 1]}
    limit = {"walk": None, "into": None, "over": depth, "out": depth - 1}[how]
    return {
        "step": True,
        "max_depth": limit,
        "kernels": how == "into" or (how != "walk" and following["level"] == KERNEL),
        "full_depth": NEVER[0] if limit is None else limit,
    }
