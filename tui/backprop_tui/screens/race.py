"""A race while it runs and afterwards: curves above, a table of the futures below."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.widgets import Label

from backprop_tui.debugger.failure import Refused
from backprop_tui.panes.loss import split_loss
from backprop_tui.panes.race import RaceCurves, RaceTable
from backprop_tui.panes.rate import split_rates

if TYPE_CHECKING:
    from backprop_tui.screens.session_like import RaceLike

Result = int | str | None
"""The future that is to become the run; or why there was no race."""

_SHOW_EVERY = 0.1
"""Seconds."""
_BELOW = 5
"""Lines for what stands below the rows of the table."""
_LEAST_CURVES = 9
"""Lines that the plots and the keys get at least."""


class RaceScreen(ModalScreen["Result"]):
    """Runs a race for as long as it is on the screen."""

    BINDINGS = [
        Binding("escape,q", "close", "Cancel, close", show=False),
        Binding("y", "log", "Logarithmic scale", show=False),
        Binding("question_mark,f1", "help", "Help", show=False),
    ]

    def __init__(self, race: RaceLike, title: str) -> None:
        super().__init__()
        self.race = race
        self._title = title
        self._changed = False
        """There is something that is not shown yet."""

    def compose(self) -> ComposeResult:
        """The two plots, the table, the keys."""
        with Vertical(id="race"):
            with Horizontal(id="race-curves"):
                yield RaceCurves("loss", lambda lane: lane.losses, split_loss, id="race-loss", classes="pane")
                rates = RaceCurves(
                    "learning rate", lambda lane: lane.rates, split_rates, True, id="race-rate"
                )
                rates.add_class("pane")
                yield rates
            yield RaceTable(id="race-table", classes="pane")
            yield Label("", id="race-keys", markup=False)

    def on_mount(self) -> None:
        """Begin."""
        self.query_one(RaceTable).focus()
        self.query_one(RaceTable).entitle(self._title)
        self.race.on_change = self._note_change
        self._fit()
        self._show()
        self.set_interval(_SHOW_EVERY, self._show_changes)
        self.run_worker(self._run(), group="race")

    async def _run(self) -> None:
        try:
            await self.race.run()
        except Refused as refusal:
            self.dismiss(str(refusal))

    def _note_change(self) -> None:
        self._changed = True

    def _show_changes(self) -> None:
        if self._changed:
            self._show()

    def _show(self) -> None:
        self._changed = False
        lanes = self.race.lanes
        for curves in self.query(RaceCurves):
            curves.show_lanes(lanes)
        self.query_one(RaceTable).show_lanes(lanes, self.race.iterations, self.race.note)
        self.query_one("#race-keys", Label).update(self._keys())

    def _keys(self) -> str:
        leave = "Esc closes" if self.race.over else "Esc cancels"
        return f" ↑ ↓ choose · enter: it becomes the run · y logarithmic · ? help · {leave}"

    def on_resize(self, event: events.Resize) -> None:
        """The table gets the lines that it needs, the curves the others."""
        self._fit()

    def _fit(self) -> None:
        table = self.query_one(RaceTable)
        rows, height = len(self.race.lanes) + 1, self.app.size.height
        wanted = rows + _BELOW + bool(self.race.note)
        table.styles.height = max(5, min(wanted + 2, height - _LEAST_CURVES))

    def action_log(self) -> None:
        """Both plots linear or logarithmic."""
        for curves in self.query(RaceCurves):
            curves.action_toggle_log()

    def action_help(self) -> None:
        """What everything here means."""
        from backprop_tui.screens.help import HelpScreen

        self.app.push_screen(HelpScreen("what if", RaceTable.HELP))

    def action_close(self) -> None:
        """End the race; if it has ended, close."""
        if self.race.over:
            self.dismiss(None)
        else:
            self.workers.cancel_group(self, "race")

    @on(RaceTable.Chosen)
    def _becomes_the_run(self, event: RaceTable.Chosen) -> None:
        lane: Any = self.race.lanes[event.number]
        if lane.state == "refused":
            self.app.bell()
            return
        self.dismiss(event.number)
