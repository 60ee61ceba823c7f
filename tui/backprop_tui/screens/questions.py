"""The actions that ask why: answered in copies of the script, the run itself is not touched."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from textual import on

from backprop_tui.panes.choice import Chosen
from backprop_tui.screens.changes import ChangeActions, not_editable

if TYPE_CHECKING:
    from collections.abc import Sequence


class QuestionActions(ChangeActions):
    """Actions of the main screen whose answer is a page of text."""

    choosing = "parameters"
    """The pane in which a number was chosen last."""

    @on(Chosen)
    def _element_chosen(self, event: Chosen) -> None:
        """What is explained of an update is the element that is looked at."""
        self.choosing = event.pane
        self.session.choose(event.choice.name, event.choice.index)

    def action_notices(self) -> None:
        """What looks like a mistake in this iteration and the one before."""
        from backprop_tui.panes.drawing.notices import notice_lines
        from backprop_tui.screens.report import Route

        self.app.push_screen(Route("notices", notice_lines(self.view)), self._go_after)

    def _go_after(self, place: tuple[int, int] | None) -> None:
        """To where the operation has just run: that is what a notice is about."""
        if place is not None:
            self.commands.submit("goto", partial(self.session.goto, place[0], place[1] + 1))

    def action_exact(self) -> None:
        """The chosen element with all its digits."""
        chosen = self._chosen_number()
        if chosen is None:
            return
        name, attribute, index = chosen

        async def exact() -> None:
            from backprop_tui.panes.drawing.exact import exact_lines, place_in_matrix

            (shape,) = (row["value"]["shape"] for row in self.view.parameters if row["name"] == name)
            row, column = place_in_matrix(shape, index)
            window = await self.session.window(name, attribute, (row, row + 1), (column, column + 1))
            if window.values is None:
                self.say(f"{name} has no {attribute} now")
                return
            what = f"{name}{[*index]}" if attribute == "value" else f"{name}.{attribute}{[*index]}"
            self._report("exactly", exact_lines(what, window.values[0][0], window.dtype))

        self.commands.submit("exact", exact)

    def action_verify(self) -> None:
        """The numeric derivative by the chosen element."""
        chosen = self._chosen_number()
        if chosen is None:
            return
        name, _, index = chosen

        async def verify() -> None:
            from backprop_tui.panes.drawing.probes import difference_lines

            found = await self.session.difference(name, index)
            self._report("is the gradient right?", difference_lines(found))

        self.say("running this iteration again in copies…")
        self.commands.submit("verify", verify)

    def action_chain(self) -> None:
        """All ways from the loss to the chosen element."""
        chosen = self._chosen_number()
        if chosen is None:
            return
        name, _, index = chosen

        async def chain() -> None:
            from backprop_tui.panes.drawing.paths import answer_lines
            from backprop_tui.screens.report import Route

            found = await self.session.chain(name, index)
            self.say("")
            self.app.push_screen(Route("the chain rule", answer_lines(found)), self._go_there)

        self.say("running this iteration again in a copy…")
        self.commands.submit("chain", chain)

    def _go_there(self, place: tuple[int, int] | None) -> None:
        if place is not None:
            self.commands.submit("goto", partial(self.session.goto, *place))

    def action_downhill(self) -> None:
        """What this iteration's step was to do to the loss, and what it does."""

        async def downhill() -> None:
            from backprop_tui.panes.drawing.probes import downhill_lines

            self._report("does the step go downhill?", downhill_lines(await self.session.downhill()))

        self.say("running this iteration again in copies…")
        self.commands.submit("downhill", downhill)

    def _chosen_number(self) -> tuple[str, str, tuple[int, ...]] | None:
        """(name, attribute, index) of the chosen element; if no number is chosen, that is said."""
        chosen = self.chosen_element()
        if chosen is None or chosen.index is None:
            self.say(not_editable(chosen))
            return None
        return chosen.name, chosen.attribute, tuple(chosen.index)

    def _report(self, title: str, lines: Sequence[str]) -> None:
        from backprop_tui.screens.report import Report

        self.say("")
        self.app.push_screen(Report(title, lines))
