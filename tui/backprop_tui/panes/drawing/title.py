"""The top line and the message line: where the run is, in what state, and what has been changed."""

from __future__ import annotations

from pathlib import Path

from backprop_tui.debugger.view import Change, Stop, View
from backprop_tui.explain.numbers import significant
from backprop_tui.panes.drawing import notices
from backprop_tui.panes.drawing.records import phase_word
from backprop_tui.panes.drawing.text import Piece, Pieces, beside, clean, width_of
from backprop_tui.protocol import counted

NAME = "backprop-tui"

STATES = {
    "starting": "starting torch…",
    "stopped": "stopped",
    "running": "running",
    "finished": "finished",
    "crashed": "crashed",
    "died": "died",
}

CLEARS = frozenset({"zero_grad", "clear"})
"""Kinds of operations that clear gradients."""

STATE_STYLES = {"running": "good", "crashed": "bad", "died": "bad"}


def position(view: View) -> str:
    """``iteration 1 · operation 9 of 14 · backward``."""
    stop = view.stop
    if view.status == "running":
        return _iteration(view.iteration)
    if stop is None:
        return ""
    parts = [_iteration(stop.iteration)]
    if stop.next is not None:
        length = view.iteration_length
        of = f" of {length}" if length and length >= stop.number else ""
        parts.append(f"operation {stop.number}{of}")
        phase = phase_word(stop.next, stop.open)
        parts += [phase] if phase else []
    return " · ".join(parts)


def _iteration(number: int) -> str:
    return f"iteration {number}" if number else "before iteration 1"


def chips(view: View, width: int = 1000) -> Pieces:
    """The settings in force; ``*`` and a style mark those that were changed.

    If they do not fit into `width` columns, the ones that the script has itself are left out.
    """
    changed = {change.kind: change for change in view.changes}
    edits = [(change.chip, True) for change in view.changes if change.kind == "set"]
    found = [*_toggles(view, changed), *edits]
    while width_of(_joined(found)) > width and not all(is_changed for _, is_changed in found):
        found.remove(next(setting for setting in found if not setting[1]))
    return _joined(found)


def _joined(found: list[tuple[str, bool]]) -> Pieces:
    pieces: list[Piece] = []
    for text, is_changed in found:
        pieces.append((" · " if pieces else "", "dim"))
        pieces.append((f"*{text}" if is_changed else text, "changed" if is_changed else ""))
    return tuple(pieces)


def _toggles(view: View, changed: dict[str, Change]) -> list[tuple[str, bool]]:
    toggles = view.toggles
    shown = [("zero_grad", _zero_grad(view))] if view.stop is not None else []
    if toggles.loss:
        shown.append(("loss", toggles.loss))
    if toggles.optimizer:
        shown.append(("optimizer", " + ".join(counted(toggles.optimizer.split(" + ")))))
    if toggles.lr is not None:
        shown.append(("lr", f"lr {significant(toggles.lr, 'float64', 4)}"))
    if toggles.scheduler:
        off = "scheduler off" if toggles.scheduler == "off" else toggles.scheduler
        shown.append(("scheduler", off))
    if toggles.backward_gradient:
        shown.append(("backward_gradient", "backward(gradient=loss)"))
    return [(changed[kind].chip if kind in changed else text, kind in changed) for kind, text in shown]


def _zero_grad(view: View) -> str:
    """``zero_grad on`` would tell somebody who has forgotten to call it that gradients are cleared."""
    assert view.stop is not None
    mode = view.toggles.zero_grad
    whole_iteration = view.stop.iteration > 1 and bool(view.records)
    if mode == "on" and whole_iteration and not any(record["kind"] in CLEARS for record in view.records):
        return "no zero_grad"
    return f"zero_grad {mode}"


def title(view: View, width: int, rows: int) -> list[Pieces]:
    """The top line, or two of them where there is little width."""
    script: Piece = (clean(Path(view.script).name), "title")
    state: Piece = (STATES[view.status], STATE_STYLES.get(view.status, "mark"))
    where: Pieces = ((" ", ""), script, ("  ", ""), state, ("  ", ""), (position(view), ""))
    named: Pieces = ((f" {NAME} ", "dim"), *where)
    if rows > 1:
        left = named if width_of(named) <= width else where
        return [beside(left, (), width), beside((), (*chips(view, width - 1), (" ", "")), width, 0)]
    wrong: Pieces = ((notices.chip(view), "warn"), ("  ", "")) if view.notices else ()
    settings: Pieces = (*wrong, *chips(view, width - width_of(where) - width_of(wrong) - 3), (" ", ""))
    fits = width_of(named) + width_of(settings) + 2 <= width
    return [beside(named if fits else where, settings, width, width_of(where))]


def hint(view: View, tell_next: bool = False) -> Piece:
    """What the message line says when there is no message: the state in a sentence, and the way on.

    `tell_next`: the next operation is told nowhere else on the screen.
    """
    stop = view.stop
    if view.status == "starting":
        return ("torch is being imported; the script starts in a moment", "dim")
    if view.status == "running":
        first = "running up to the first operation" if stop is None else "running"
        return (f"{first}: p pauses", "dim")
    if view.status == "died":
        return (f"✗ the script's process has died: {_way_on(stop, '^r starts it again')}", "bad")
    if view.status == "crashed":
        last = (stop.error or "").strip().splitlines() if stop else []
        return (f"✗ {clean(last[-1]) if last else 'crashed'} ({_way_on(stop)})", "bad")
    if view.status == "finished":
        return (f"finished{_exit(stop)}: {_way_on(stop, 'g goes to any time')}", "dim")
    wrong = notices.at(view, stop.last) if stop else []
    if wrong:
        return (f"{notices.MARK} {wrong[0].text}", "warn")
    reason = _reason(stop) if stop else ""
    return (reason or (_next(view) if tell_next else ""), "dim")


def _way_on(stop: Stop | None, also: str = "") -> str:
    """What can be done at the end: there is no way back to before the first operation."""
    if stop is not None and not stop.has_past:
        return "no operation had run; ^r starts it again"
    return f"backspace goes back{', ' * bool(also)}{also}"


def _next(view: View) -> str:
    # Not needed for the first frame.
    from backprop_tui.panes.drawing.operation import one_line

    return one_line(view)


def _exit(stop: Stop | None) -> str:
    if stop is None or stop.exit_status is None:
        return ""
    return f" with exit status {stop.exit_status}"


def _reason(stop: Stop) -> str:
    if stop.reason == "start":
        return "before the first operation: space runs it, backspace takes it back, ? explains"
    if stop.reason == "breakpoint" and stop.frames:
        return f"breakpoint at {Path(stop.frames[0].file).name}:{stop.frames[0].line}"
    return {"pause": "paused", "interrupt": "paused"}.get(stop.reason, "")
