"""The actions that write something: the session, a string to share it."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from backprop_tui.screens.exporting import ExportActions, file_named, put

if TYPE_CHECKING:
    from backprop_tui.debugger.saved import Saved


class KeepingActions(ExportActions):
    """Actions of the main screen that keep something for later."""

    def action_save(self) -> None:
        """Ask for a file and write the session into it."""
        from backprop_tui.debugger.saved import SUFFIX, to_share, to_text

        async def save(name: str) -> None:
            path, session = file_named(name), self.session.saved()
            put(path, to_text(session))
            self.app.copy_to_clipboard(to_share(session))
            self.say(f"saved; go on with: backprop-tui resume {path} (a string for it is in the clipboard)")

        stem = Path(self.session.view.script).stem
        self._ask(
            "Save the session as", save, value=f"{stem}{SUFFIX}", hint="Enter writes the file, Esc closes"
        )

    def action_share(self) -> None:
        """Show the session as a string."""
        self.commands.submit("share", self._share)

    async def _share(self) -> None:
        from backprop_tui.debugger.saved import to_share
        from backprop_tui.screens.report import Report

        text = to_share(self.session.saved())
        self.app.copy_to_clipboard(text)
        lines = ["backprop-tui resume STRING comes here again, where the script is. The string:", "", text]
        self.app.push_screen(Report("share", [*lines, "", "It was copied to the clipboard too."]))

    def resume(self, saved: Saved) -> None:
        """Run to where a session stood."""
        self.say(f"resuming {saved.command()}")
        self.commands.submit("resume", partial(self.session.resume, saved))
