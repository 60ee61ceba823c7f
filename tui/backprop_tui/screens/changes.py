"""The actions that ask something first: go to, restart, and the changes."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING, Any

from textual.screen import Screen

from backprop_tui.debugger.failure import Refused
from backprop_tui.debugger.options import parse_change
from backprop_tui.debugger.view import Choice, View
from backprop_tui.explain.numbers import shortest

if TYPE_CHECKING:
    from backprop_tui.screens.ask import Accept
    from backprop_tui.screens.commands import CommandQueue
    from backprop_tui.screens.session_like import SessionLike

AS_WRITTEN = "as the script has it"
REDUCTIONS = ("mean", "sum")
EDITABLE = ("value", "grad")
ZERO_GRAD = ("on", "off", "zero")


def read_time(text: str, view: View) -> tuple[int, int]:
    """``3.7`` or ``3 7`` as (iteration, operation); ``3`` is its first operation, ``.7`` of the present one.

    Raises Refused with what can be typed.
    """
    first, _, second = text.strip().replace(" ", ".").partition(".")
    present = view.stop.iteration if view.stop else 1
    try:
        iteration, number = int(first or present), int(second or 1)
    except ValueError:
        raise Refused(f"“{text}” is not ITERATION.OPERATION; {_range(view)}") from None
    if iteration < 0 or number < 1:
        raise Refused(f"Iterations and operations count from 1, and iteration 0 comes before; {_range(view)}")
    return iteration, number


def _range(view: View) -> str:
    length = f"; an iteration has {view.iteration_length} operations" if view.iteration_length else ""
    here = f"in iteration {view.iteration}" if view.iteration else "before iteration 1 (iteration 0)"
    return f"for example 2.1 or 2. The run is {here}{length}."


def read_rate(text: str) -> float:
    """A learning rate. Raises Refused unless it is a number, finite and not negative."""
    try:
        rate = float(text)
    except ValueError:
        raise Refused(f"“{text}” is not a number; for example 0.05 or 1e-3.") from None
    if not math.isfinite(rate) or rate < 0:
        raise Refused(f"A learning rate must be 0 or more and finite, not {text}.")
    return rate


def loss_choices(names: list[str]) -> list[str]:
    """The script's own, and every loss with the script's reduction and with each other one."""
    found = [AS_WRITTEN, *(f"{AS_WRITTEN}, {reduction}" for reduction in REDUCTIONS)]
    for name in names:
        found += [name, *(f"{name}, {reduction}" for reduction in REDUCTIONS)]
    return found


def read_loss(choice: str) -> dict[str, str | None]:
    """An entry of `loss_choices` as the session wants it."""
    name, _, reduction = choice.partition(", ")
    return {"name": None if name == AS_WRITTEN else name, "reduction": reduction or None}


def not_editable(chosen: Choice | None) -> str:
    """Why the choice is not a number that can be set, and how to choose one."""
    if chosen is None:
        return "choose a number first: 3 goes to the parameters, 2 to the network, arrows choose there"
    if chosen.index is None:
        return f"enter opens {chosen.name} in the parameters pane (3): choose one of its numbers there"
    return "values and gradients can be set, not the optimizer's state: a changes what is shown"


def future_lost(view: View) -> str:
    """What a change here would forget; empty if nothing is known of the future."""
    if view.future is None:
        return ""
    return f"The timeline is cut here: what is known up to iteration {view.future:,} will be forgotten."


def _edited(chosen: Choice | None) -> str:
    return "Set something by its name" if chosen is None else f"Set {chosen} to"


class ChangeActions(Screen[None]):
    """Actions of the main screen that change something or ask where to go."""

    view: View
    commands: CommandQueue

    @property
    def session(self) -> SessionLike:
        """What is commanded."""
        raise NotImplementedError

    def say(self, message: str) -> None:
        """Put a sentence into the message line."""
        raise NotImplementedError

    def _ask(self, title: str, accept: Accept, **options: Any) -> None:
        from backprop_tui.screens.ask import Ask

        self.say("")  # what was said was about something else
        self.app.push_screen(Ask(title, accept, **options))

    def _ask_change(self, title: str, accept: Accept, **options: Any) -> None:
        """Ask for a change; if that would cut off a future that is known, say so first."""
        self._ask(f"{title}\n{future_lost(self.view)}".strip(), accept, **options)

    def _change(self, kind: str, value: Any) -> None:
        self.say("")
        self.commands.submit(f"{kind} {value}", partial(self.session.change, kind, value))

    def action_goto(self) -> None:
        """Ask for a time."""

        async def go(text: str) -> None:
            await self.session.goto(*read_time(text, self.view))

        title = "Go to ITERATION.OPERATION, or to an ITERATION"
        self._ask(title, go, hint=f"{_range(self.view)} Enter goes, Esc closes")

    def action_restart(self) -> None:
        """Start again; asks if changes would be undone by it."""
        from backprop_tui.screens.ask import Confirm

        restart = partial(self.commands.submit, "restart", self.session.restart)
        count = len(self.view.changes)
        if not count:
            restart()
            return
        what = "the change" if count == 1 else f"the {count} changes"
        self.app.push_screen(
            Confirm(f"Restart, and undo {what} in force?"), lambda yes: restart() if yes else None
        )

    def action_zero_grad(self) -> None:
        """On, off, zero, on ..."""
        present = self.view.toggles.zero_grad
        following = ZERO_GRAD[(ZERO_GRAD.index(present) + 1) % len(ZERO_GRAD)]
        self._change("zero_grad", following)

    def action_scheduler(self) -> None:
        """Off if there is one at work, else on."""
        self._change("scheduler", "on" if self.view.toggles.scheduler == "off" else "off")

    def action_gradient(self) -> None:
        """``backward()`` or ``backward(gradient=loss)``."""
        self._change("backward_gradient", not self.view.toggles.backward_gradient)

    def action_loss(self) -> None:
        """Choose among the losses that fit."""
        self.commands.submit("loss?", self._ask_loss)

    async def _ask_loss(self) -> None:
        async def use(choice: str) -> None:
            changed = any(change.kind == "loss" for change in self.view.changes)
            if choice == AS_WRITTEN and not changed:
                self.say("the loss is as the script has it already")
            else:
                await self.session.change("loss", read_loss(choice))

        choices = loss_choices(await self.session.choices("loss"))
        self._ask_change("Loss function", use, choices=choices, editable=False)

    def action_optimizer(self) -> None:
        """Edit the optimizer as text."""
        self.commands.submit("optimizer?", self._ask_optimizer)

    async def _ask_optimizer(self) -> None:
        async def use(text: str) -> None:
            await self.session.change("optimizer", text)

        choices = await self.session.choices("optimizer")
        name, *others = (self.view.toggles.optimizer or "SGD").split(" + ")
        present = next((choice for choice in choices if choice.startswith(f"{name}(")), f"{name}()")
        which = f"The first optimizer of {len(others) + 1}" if others else "Optimizer"
        self._ask_change(f"{which}, as you would write it in Python", use, value=present, choices=choices)

    def action_rate(self) -> None:
        """Type a learning rate."""

        async def use(text: str) -> None:
            await self.session.change("lr", read_rate(text))

        present = self.view.toggles.lr
        value = "" if present is None else shortest(present, "float64")
        self._ask_change("Learning rate", use, value=value)

    def action_edit(self) -> None:
        """Type a value for the chosen element, or an edit of anything by its name."""
        from backprop_tui.debugger.edits import FORMS, read_edit

        chosen = self.chosen_element()
        if chosen is not None and chosen.attribute not in EDITABLE:
            self.say(not_editable(chosen))
            return

        async def use(text: str) -> None:
            names = [row["name"] or "" for row in [*self.view.parameters, *await self.session.tensors()]]
            await self.session.change(*read_edit(text, chosen, names))

        self._ask_change(_edited(chosen), use, hint=f"{FORMS} · Enter takes it · Esc closes")

    def action_seed(self) -> None:
        """Type a seed."""

        async def use(text: str) -> None:
            try:
                seed = parse_change("seed", text)
            except ValueError as error:
                raise Refused(str(error)) from None
            await self.session.change("seed", seed)

        self._ask_change("Seed torch's, Python's and NumPy's generators here with", use)

    def action_ghosts(self) -> None:
        """Drop the curves of the futures that were left."""
        if self.view.ghosts:
            self.session.dismiss_ghosts()
        else:
            self.say("there is no ghost: a change makes one of the future that was known and is left by it")

    def chosen_element(self) -> Choice | None:
        """The number chosen in the network or the parameters pane, whichever was used last."""
        raise NotImplementedError
