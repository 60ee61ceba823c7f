"""The main screen: seven panes, the top line, the message line, the keys."""

from __future__ import annotations

from asyncio import Event
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.geometry import Size
from textual.widget import Widget
from textual.widgets import Static

from backprop_tui.actions import ACTIONS
from backprop_tui.debugger.lines import NO_CODE
from backprop_tui.debugger.view import Choice, View
from backprop_tui.panes.pieces import TextPane
from backprop_tui.panes.program import ProgramPane
from backprop_tui.panes.title import MessageLine, Title
from backprop_tui.screens.arrangement import (
    ALONE,
    PANES,
    Arrangement,
    always,
    arrangement,
    named_at,
    spec,
    strip,
    third_for,
    too_small,
    visible,
)
from backprop_tui.screens.commands import CommandQueue
from backprop_tui.screens.footer import KeyLine
from backprop_tui.screens.keeping import KeepingActions
from backprop_tui.screens.racing import RaceActions
from backprop_tui.screens.seeking import SeekingActions
from backprop_tui.screens.session_like import How, SessionLike

if TYPE_CHECKING:
    from collections.abc import Iterable

    from backprop_tui.panes.guide import GuidePane


class Pane(Protocol):
    """What the screen asks of a pane."""

    def show(self, view: View) -> None: ...
    def frame_again(self) -> None: ...


AnyPane = TypeVar("AnyPane", bound="TextPane | GuidePane")

BEFORE_TITLE = 1
"""Cells of a border before its title."""

BINDINGS: list[BindingType] = [
    Binding(",".join(action.keys), action.call, action.label, tooltip=action.help, show=False)
    for action in ACTIONS
]


class MainScreen(KeepingActions, RaceActions, SeekingActions):
    """Shows views and passes on commands; what can be commanded is in `actions.ACTIONS`."""

    BINDINGS = BINDINGS

    def __init__(self, session: Callable[[], SessionLike], view: View) -> None:
        """``session`` answers the one to command; ``view`` is the first to be shown."""
        super().__init__()
        self._session = session
        self.view = view
        self.commands = CommandQueue(self.say)
        self._shown: dict[str, View] = {}
        self._third = "parameters"
        self._maximised: str | None = None
        self._message = ""
        self._composed = False
        self._arranged_for = Size(0, 0)
        self._mounted = frozenset({"program"})
        """Panes that are there; the others are added after the first frame."""
        self.complete = Event()
        """All panes are there."""

    @property
    def session(self) -> SessionLike:
        """What is commanded."""
        return self._session()

    def compose(self) -> ComposeResult:
        """The panes, in containers that the style sheet arranges by the class of the screen."""
        # Before there are children to style anew.
        self._classify()
        yield Title(id="title")
        with Container(id="panes"):
            with Container(id="left"):
                yield self._framed(ProgramPane(id="program", classes="pane"))
            with Container(id="right"):
                yield Container(id="middle")
                with Container(id="lower"):
                    yield Container(id="curves")
        yield Static(id="too-small", markup=False)
        yield MessageLine(id="message")
        yield KeyLine(id="keys")

    def on_mount(self) -> None:
        """Number the panes, show what there is, obey commands from now on."""
        self._composed = True
        self.pane("program").focus()
        self.call_after_refresh(self._mount_others)
        self.run_worker(self.commands.serve(), group="commands")
        self._arrange()

    async def _mount_others(self) -> None:
        """Add the other panes: the first frame, with the program, need not wait for them."""
        from backprop_tui.panes.guide import GuidePane
        from backprop_tui.panes.loss import LossPane
        from backprop_tui.panes.network import NetworkPane
        from backprop_tui.panes.operation import OperationPane
        from backprop_tui.panes.output import OutputPane
        from backprop_tui.panes.parameters import ParametersPane
        from backprop_tui.panes.rate import RatePane

        if not self.is_attached:
            return
        framed, window = self._framed, self.window
        network = framed(NetworkPane(window, id="network", classes="pane"))
        parameters = framed(ParametersPane(window, id="parameters", classes="pane"))
        loss, rate = framed(LossPane(id="loss", classes="pane")), framed(RatePane(id="rate", classes="pane"))
        operation = framed(OperationPane(id="operation", classes="pane"))
        output = framed(OutputPane(id="output", classes="pane"))
        guide = framed(GuidePane(id="guide", classes="pane"))
        with self.app.batch_update():
            mounted = [
                self.query_one("#left").mount(operation),
                self.query_one("#middle").mount(network, parameters),
                self.query_one("#curves").mount(loss, rate),
                self.query_one("#lower").mount(output),
                self.mount(guide, after="#panes"),
            ]
            for widgets in mounted:
                await widgets
            self._mounted = frozenset(pane.name for pane in PANES)
            self._arrange()
        self.complete.set()

    # what is shown

    def pane(self, name: str) -> Widget:
        """The pane of this name."""
        return self.query_one(f"#{name}")

    def show(self, view: View) -> None:
        """Show a new view in every pane on the screen; the others get it when they come back.

        A message stays until the run has stopped elsewhere: a running one brings views all the time.
        """
        if self.blind:
            return
        self.follow(view)
        view = self.seen(view)
        if (view.status, view.stop) != (self.view.status, self.view.stop) or view.message:
            self._message = ""
        self.view = view
        self._refresh_panes()

    def say(self, message: str) -> None:
        """Put a sentence into the message line, until the next stop."""
        self._message = message
        self._show_message()

    def _show_message(self) -> None:
        self.query_one(MessageLine).show(self.view, self._message, not self._next_is_told())

    def _next_is_told(self) -> bool:
        pane: Any = self.pane("operation") if "operation" in self.on_screen else None
        return pane is not None and pane.tells_next

    def on_operation_pane_fitted(self) -> None:
        """What has no room in that pane is told in the message line."""
        self._show_message()

    def _refresh_panes(self) -> None:
        if not self._composed:
            return
        with self.app.batch_update():
            self.query_one(Title).show(self.view)
            for name in self.on_screen:
                self._show_in(name)
            self._show_message()

    def _show_in(self, name: str) -> None:
        if self._shown.get(name) is not self.view:
            self._shown[name] = self.view
            cast("Pane", self.pane(name)).show(self.view)

    # what is where

    @property
    def how(self) -> Arrangement:
        """The arrangement for the present size."""
        return arrangement(self.app.size.width, self.app.size.height)

    @property
    def on_screen(self) -> frozenset[str]:
        """Names of the visible panes."""
        return visible(self.how, self._third, self._maximised, self.guided) & self._mounted

    def on_resize(self, event: events.Resize) -> None:
        """Arrange anew; a screen that resumes is told its old size again."""
        if self.app.size != self._arranged_for:
            self._arrange()

    def _classify(self) -> None:
        for name in ("tiny", "compact", "normal", "wide"):
            self.set_class(name == self.how, name)
        self.set_class(self._maximised is not None, "maximised")
        self.set_class(self._maximised == "guide", "guide-alone")
        self.set_class(self.guided, "guided")

    def arrange_again(self) -> None:
        """A guide has come or gone."""
        self._maximised = None
        if self._third in always(self.guided):
            self._third = "parameters"
        self._arrange()

    def _arrange(self) -> None:
        shown = self.on_screen
        self._arranged_for = self.app.size
        self._classify()
        for name in self._mounted:
            self.pane(name).display = name in shown
            cast("Pane", self.pane(name)).frame_again()
        self._show_containers(shown)
        self.query_one("#too-small", Static).update(too_small(self.app.size.width, self.app.size.height))
        self._keep_focus(shown)
        self._refresh_panes()

    def _framed(self, pane: AnyPane) -> AnyPane:
        pane.name_frame = partial(self._frame, pane.id or "")
        return pane

    def _frame(self, name: str, title: str) -> str:
        """The pane's number before its title.

        The chosen pane of the compact arrangement names those that it stands for.
        """
        if self.how == "compact" and not self._maximised and name == self._third:
            shared = self.guided and name not in ALONE
            return strip(name, title, self.app.size.width // (1 + shared) - 4, self.guided)
        return f"{spec(name).number} {title}"

    def on_click(self, event: events.Click) -> None:
        """The names in the border of the chosen pane lead to the panes."""
        pane = self.pane(self._third)
        in_border = event.screen_y == pane.region.y and pane.region.contains(event.screen_x, event.screen_y)
        if self.how == "compact" and not self._maximised and in_border:
            name = named_at(str(pane.border_title), event.screen_x - pane.region.x - BEFORE_TITLE)
            if name:
                self.action_pane(name)

    def _show_containers(self, shown: Iterable[str]) -> None:
        inside = {
            "left": {"program", "operation"},
            "middle": {"network", "parameters"},
            "curves": {"loss", "rate"},
            "lower": {"loss", "rate", "output"},
            "right": {"network", "parameters", "loss", "rate", "output"},
        }
        for name, panes in inside.items():
            self.query_one(f"#{name}").display = bool(panes & set(shown))

    def _keep_focus(self, shown: frozenset[str]) -> None:
        """A hidden pane must not hold the focus: its keys would seem dead."""
        focused = self.focused_pane
        if shown and focused not in shown:
            self.pane("program" if "program" in shown else next(iter(shown))).focus()

    @property
    def focused_pane(self) -> str:
        """Name of the pane with the focus, or with the widget that has it; else ``program``."""
        if self.focused is not None:
            for widget in self.focused.ancestors_with_self:
                if widget.id and widget.has_class("pane"):
                    return widget.id
        return "program"

    def action_pane(self, name: str) -> None:
        """Go to a pane, and bring it onto the screen."""
        if name not in self._mounted:
            return
        if self._maximised:
            self._maximised = name
        self.look_at(name)
        self.pane(name).focus()

    def look_at(self, name: str) -> None:
        """Bring a pane onto the screen."""
        self._third = third_for(name, self._third, self.how, self.guided)
        self._arrange()

    def action_maximise(self) -> None:
        """The focused pane alone on the screen, or all again."""
        self._maximised = None if self._maximised else self.focused_pane
        self._arrange()

    def action_close(self) -> None:
        """Drop the message, else end maximising."""
        if self._message:
            self.say("")
        elif self._maximised:
            self.action_maximise()

    def action_help(self) -> None:
        """Help for the focused pane."""
        from backprop_tui.screens.help import HelpScreen

        name = self.focused_pane
        about = getattr(self.pane(name), "HELP", None) or ""
        self.app.push_screen(HelpScreen(spec(name).title, about))

    def action_palette(self) -> None:
        """All actions by name."""
        self.app.action_command_palette()

    def action_quit(self) -> None:
        """Leave; the session is closed by the app."""
        self.app.exit()

    def action_log_scale(self) -> None:
        """Linear or logarithmic loss."""
        if "loss" not in self.on_screen:
            self.action_pane("loss")
        loss: Any = self.pane("loss")
        loss.action_toggle_log()

    def chosen_element(self) -> Choice | None:
        """The number chosen in the network or the parameters pane, whichever was used last."""
        from backprop_tui.panes.network import NetworkPane
        from backprop_tui.panes.parameters import ParametersPane

        if "parameters" not in self._mounted:
            return None
        chosen = self.query_one(NetworkPane).chosen() if self.choosing == "network" else None
        return chosen or self.query_one(ParametersPane).chosen()

    def on_descendant_focus(self) -> None:
        """To go to a pane with a chosen number is to use it."""
        if self.focused_pane in ("network", "parameters"):
            self.choosing = self.focused_pane

    # commands

    def action_step(self, how: How, backwards: bool = False) -> None:
        """One step."""
        self.commands.submit(f"step {how} {backwards}", partial(self.session.step, how, backwards))

    def action_run(self, backwards: bool = False) -> None:
        """Continue, or continue backwards."""
        self.commands.submit(f"run {backwards}", partial(self.session.run, backwards))

    def action_to_cursor(self, backwards: bool = False) -> None:
        """Run to the line cursor of the program pane, or back to it."""
        program = self.query_one(ProgramPane)
        call = partial(self.session.run_to_line, program.file, program.cursor, backwards)
        self.commands.submit(f"line {program.file}:{program.cursor} {backwards}", call)

    def action_pause(self) -> None:
        """Pause at once: a command under way may be what has to be interrupted."""
        self.commands.clear()
        self.run_worker(self.commands.obey(self.session.pause), group="pause", exclusive=True)

    @property
    def program_file(self) -> str:
        """The file in the program pane."""
        return self.query_one(ProgramPane).file

    def action_breakpoint(self) -> None:
        """Set or remove a breakpoint at the line cursor."""
        program = self.query_one(ProgramPane)
        self._toggle_breakpoint(program.file, program.cursor)

    @on(ProgramPane.BreakpointClicked)
    def _breakpoint_clicked(self, event: ProgramPane.BreakpointClicked) -> None:
        self._toggle_breakpoint(event.file, event.line)

    def _toggle_breakpoint(self, file: str, line: int) -> None:
        """Refuse one that nothing could ever stop at."""
        there = (file, line) in self.view.breakpoints
        if there or self.query_one(ProgramPane).has_code(line):
            self.session.toggle_breakpoint(file, line)
        else:
            self.say(f"line {line} {NO_CODE}")
