"""The action that races futures against each other, and what follows when one is chosen."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from backprop_tui.debugger.failure import Refused
from backprop_tui.debugger.futures import settings_to_try
from backprop_tui.screens.questions import QuestionActions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from backprop_tui.debugger.futures import Future
    from backprop_tui.screens.race import Result
    from backprop_tui.screens.race_setup import Wanted

ITERATIONS = 100


class RaceActions(QuestionActions):
    """The action of the main screen that opens a race."""

    _raced: tuple[Sequence[Future], int] = ((), ITERATIONS)
    """The changes and the length of the last race: the next one begins with them."""

    def action_race(self) -> None:
        """Ask for the futures."""
        self.commands.submit("race?", self._ask_race)

    async def _ask_race(self) -> None:
        from backprop_tui.screens.race_setup import RaceSetup

        optimizers, losses = await self.session.choices("optimizer"), await self.session.choices("loss")
        present = (self.view.toggles.optimizer or "").split(" + ")
        suggestions = [*settings_to_try(present, optimizers), *self._element()]
        suggestions += [*(f"loss={name}" for name in losses), *(f"optimizer={text}" for text in optimizers)]
        setup = RaceSetup(f"What if? Futures from {self._place()} on", suggestions, *self._raced)
        self.app.push_screen(setup, self._start_race)

    def _element(self) -> list[str]:
        """To set the element that is chosen in the parameters pane."""
        chosen = self.chosen_element()
        if chosen is None or chosen.index is None or chosen.attribute not in ("value", "grad"):
            return []
        grad = ".grad" if chosen.attribute == "grad" else ""
        return [f"set={chosen.name}{grad}[{','.join(map(str, chosen.index))}]=0"]

    def _place(self) -> str:
        stop = self.view.stop
        return f"iteration {stop.iteration}, operation {stop.number}" if stop is not None else "here"

    def _start_race(self, wanted: Wanted | None) -> None:
        if wanted is None:
            return
        futures, iterations = wanted
        self._raced = futures[1:], iterations

        async def start() -> None:
            from backprop_tui.screens.race import RaceScreen

            race = await self.session.race(futures, iterations)
            title = f"{iterations} iterations from {self._place()} on"
            self.app.push_screen(RaceScreen(race, title), partial(self._raced_to, futures))

        self.commands.submit("race", start)

    def _raced_to(self, futures: Sequence[Future], result: Result) -> None:
        """A future was chosen: make its changes here, one after another."""
        if isinstance(result, str):
            self.say(result)
        elif result == 0:
            self.say("the run stays as it is")
        elif result is not None:
            self.commands.submit("becomes", partial(self._become, futures[result]))

    async def _become(self, future: Future) -> None:
        try:
            for kind, value in future.changes:
                await self.session.change(kind, value)
        except Refused as refusal:
            raise Refused(f"{future.text}: {refusal}") from None
        self.say(f"this is the run from here on: {future.text}")
