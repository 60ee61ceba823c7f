"""The Textual app: owns the session, passes its views to the main screen, ends cleanly."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Iterable
from functools import cached_property
from typing import TYPE_CHECKING, Any

from textual.app import App, SystemCommand
from textual.binding import Binding
from textual.command import Provider
from textual.screen import Screen

from backprop_tui.debugger.failure import StartFailed
from backprop_tui.debugger.view import View
from backprop_tui.screens.main import MainScreen
from backprop_tui.screens.session_like import SessionFactory, SessionLike

if TYPE_CHECKING:
    from backprop_tui.debugger.saved import Saved
    from backprop_tui.guide.lesson import Lesson


def _actions() -> type[Provider]:
    # The palette's modules are not needed for the first frame.
    from backprop_tui.screens.palette import ActionProvider

    return ActionProvider


class BackpropApp(App[int]):
    """One session on one screen. Never imports torch."""

    TITLE = "backprop-tui"
    CSS_PATH = "app.tcss"
    COMMANDS = App.COMMANDS | {_actions}
    BINDINGS = [Binding("ctrl+q", "quit", "Quit", show=False, priority=True)]
    ENABLE_COMMAND_PALETTE = True

    def __init__(
        self,
        session_factory: SessionFactory,
        lesson: Callable[[], Lesson] | None = None,
        saved: Saved | None = None,
        first: View | None = None,
    ) -> None:
        """`session_factory` is given what takes a new view; the session is made after the first frame.

        ``lesson``: reads the one whose script the session runs. ``saved``: where to resume it. ``first``:
        what the first frame shows; without it the session is made at once and asked.
        """
        super().__init__()
        self._session_factory = session_factory
        self._latest: View | None = None
        self._ending = False
        self._first = first or self.session.view
        self._main = MainScreen(lambda: self.session, self._first)
        self._lesson = lesson
        self._saved = saved

    @cached_property
    def session(self) -> SessionLike:
        """Made when it is first asked for: what it takes is not needed for the first frame."""
        return self._session_factory(self._on_view)

    def get_default_screen(self) -> Screen[Any]:
        """The main screen is there from the first frame on."""
        return self._main

    def on_mount(self) -> None:
        """Listen to signals; start the session once something is on the screen."""
        self._handle_signals(add=True)
        self._main.show(self._first)
        self.call_after_refresh(self._start)

    def _start(self) -> None:
        self.run_worker(self._start_session(), group="session")

    async def _start_session(self) -> None:
        try:
            await self.session.start()
        except StartFailed as failure:
            self.exit(1, 1, message=str(failure))
            return
        if self._lesson is not None:
            self._main.open_lesson(await asyncio.to_thread(self._lesson), start=True)
        if self._saved is not None:
            self._main.resume(self._saved)

    def exit(self, result: int | None = None, return_code: int = 0, message: Any = None) -> None:
        """End the app. Views that come while the screen is taken down are not shown."""
        self._ending = True
        super().exit(result, return_code, message)

    async def on_unmount(self) -> None:
        """Whatever ended the app, the script ends with it."""
        self._handle_signals(add=False)
        await self.session.close()

    def _on_view(self, view: View) -> None:
        """Take a view. Those that come faster than they can be shown are skipped, but for the last."""
        waiting = self._latest is not None
        self._latest = view
        if not waiting:
            self.call_next(self._show_latest)

    def _show_latest(self) -> None:
        view, self._latest = self._latest, None
        if view is not None and not self._ending:
            self._main.show(view)

    def _handle_signals(self, add: bool) -> None:
        """End on SIGTERM, as `q` does, and when the terminal goes away."""
        loop = asyncio.get_running_loop()
        if add:
            status = 128 + signal.SIGTERM
            loop.add_signal_handler(signal.SIGTERM, self.exit, status, status)
            signal.signal(signal.SIGHUP, self._terminal_gone)
        else:
            loop.remove_signal_handler(signal.SIGTERM)
            signal.signal(signal.SIGHUP, signal.SIG_DFL)

    def _terminal_gone(self, *_: Any) -> None:
        """There is nothing to restore and nobody to tell.

        Textual's writer thread dies of the first write to a terminal that is gone, and then whoever
        writes waits for it for ever, the event loop included: an orderly end cannot be relied on.
        """
        self.session.abandon()
        os._exit(128 + signal.SIGHUP)

    def action_help_quit(self) -> None:
        """ctrl+c is what people try; say what does it."""
        self._main.say("q or ctrl+q quits; p pauses a running script")

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """Textual's own, but for those that the table of actions has."""
        ours = {"Quit", "Keys", "Maximize", "Minimize"}
        return (command for command in super().get_system_commands(screen) if command.title not in ours)


def run(
    session_factory: SessionFactory,
    lesson: Callable[[], Lesson] | None = None,
    saved: Saved | None = None,
    first: View | None = None,
) -> int:
    """Run the app until it ends; the exit status for the shell."""
    app = BackpropApp(session_factory, lesson, saved, first)
    app.run()
    return app.return_code or 0
