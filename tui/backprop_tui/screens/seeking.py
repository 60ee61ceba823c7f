"""The actions that look for a place in the run: breakpoints, who wrote a value, the first bad one."""

from __future__ import annotations

from functools import partial

from backprop_tui.screens.questions import QuestionActions


class SeekingActions(QuestionActions):
    """Actions of the main screen that go to where something happened."""

    @property
    def program_file(self) -> str:
        """The file in the program pane."""
        raise NotImplementedError

    def action_stops(self) -> None:
        """The list of breakpoints."""
        from backprop_tui.screens.stops import StopsScreen

        self.app.push_screen(StopsScreen(self.session, lambda: self.session.view.stops, self.program_file))

    def action_who(self) -> None:
        """Back to what last changed the element chosen in the parameters pane."""
        chosen = self._chosen_number()
        if chosen is not None:
            self.commands.submit("who", partial(self.session.who_wrote, *chosen))

    def action_first_bad(self) -> None:
        """Back to what made the first value that is not finite."""
        self.commands.submit("first bad", self.session.first_bad)
