"""Everything that a key can do, once: bindings, footer, palette and help are made from this table."""

from __future__ import annotations

from dataclasses import dataclass

GROUPS = {
    "step": "One operation at a time",
    "run": "Many at once",
    "change": "Change something and go on",
    "ask": "Ask why, in copies of the script",
    "see": "What is on the screen",
    "learn": "In a lesson",
    "keep": "Keep for later",
    "app": "The program",
}
"""Groups of actions with their headings in the help, in that order."""


@dataclass(frozen=True)
class Action:
    """One thing to do. `call` is a Textual action of the main screen, as in ``step('into', True)``."""

    call: str
    keys: tuple[str, ...]
    label: str
    """One or two words, for the footer and the palette."""
    help: str
    """One sentence, for the help and the palette."""
    group: str
    footer: int = 0
    """Place in the footer from the left; 0: not in it."""
    short: str = ""
    """The footer's word, if `label` is too long for it."""

    @property
    def key_text(self) -> str:
        """Its keys as a person reads them: ``space``, ``?/F1``."""
        return "/".join(key_name(key) for key in self.keys)


KEY_NAMES = {
    "question_mark": "?",
    "exclamation_mark": "!",
    "equals_sign": "=",
    "comma": ",",
    "backspace": "⌫",
    "escape": "Esc",
    "f1": "F1",
    "space": "space",
}


def key_name(key: str) -> str:
    """A key as a person reads it."""
    return KEY_NAMES.get(key, key.replace("ctrl+", "^"))


ALWAYS_SHOWN = ("help", "quit")
"""Calls whose footer entries are never cut."""

ACTIONS: tuple[Action, ...] = (
    Action("step('walk')", ("space",), "Step", "Run the next operation.", "step", 1, "step"),
    Action("step('walk', True)", ("backspace",), "Step back", "Take the last one back.", "step", 2, "back"),
    Action("step('into')", ("s",), "Step into", "As step, also inside an update.", "step"),
    Action("step('into', True)", ("S",), "Into, backwards", "As step back, also inside an update.", "step"),
    Action("step('over')", ("n",), "Step over", "Run an operation with all inside it.", "step", 3, "over"),
    Action("step('over', True)", ("N",), "Over, backwards", "Take one back with all inside it.", "step"),
    Action("step('out')", ("f",), "Step out", "Run to the end of the operation around this.", "step"),
    Action("step('out', True)", ("F",), "Out, backwards", "Back to before the operation around it.", "step"),
    Action("run", ("c",), "Continue", "Run at full speed to a breakpoint.", "run", 4, "run"),
    Action("run(True)", ("C",), "Continue backwards", "Go back to the last breakpoint or the start.", "run"),
    Action("pause", ("p",), "Pause", "Stop a running script at its next operation.", "run"),
    Action("to_cursor", ("t",), "Run to the cursor", "Run to the line cursor of pane 1.", "run"),
    Action("to_cursor(True)", ("T",), "Back to the cursor", "Go back to the line cursor of pane 1.", "run"),
    Action("breakpoint", ("b",), "Breakpoint", "Set or remove a breakpoint at the line cursor.", "run"),
    Action("stops", ("B",), "Breakpoints…", "Stop for a condition: add, edit, switch off, remove.", "run"),
    Action("who", ("W",), "Who wrote this?", "Back to what last changed the chosen number.", "run"),
    Action("first_bad", ("ctrl+f",), "First bad", "Back to what made the first NaN or infinity.", "run"),
    Action("goto", ("g",), "Go to…", "Go to an iteration and operation.", "run"),
    Action("restart", ("ctrl+r",), "Restart", "Start the script again from its first operation.", "run"),
    Action("zero_grad", ("z",), "zero_grad", "zero_grad on, off, or to zero.", "change", 5),
    Action("loss", ("l",), "Loss…", "Use another loss function.", "change", 6, "loss"),
    Action("optimizer", ("o",), "Optimizer…", "Use another optimizer.", "change", 7, "optimizer"),
    Action("rate", ("r",), "Learning rate…", "Set the learning rate.", "change"),
    Action("scheduler", ("d",), "Scheduler", "Switch the learning-rate scheduler on or off.", "change"),
    Action("gradient", ("u",), "backward(loss)", "Switch backward(gradient=loss) on or off.", "change"),
    Action("edit", ("e",), "Edit a value…", "Set an element or a tensor by hand.", "change"),
    Action("seed", ("ctrl+n",), "Seed…", "Seed the generators of random numbers here.", "change"),
    Action("ghosts", ("ctrl+g",), "Dismiss ghosts", "Drop the curves of futures that were left.", "change"),
    Action("race", ("w",), "What if…", "Race several futures from here, in copies.", "ask"),
    Action("notices", ("exclamation_mark",), "Notices", "What looks like a mistake, to jump through.", "ask"),
    Action(
        "exact", ("equals_sign",), "Exact value", "All digits of the number chosen in pane 2 or 3.", "ask"
    ),
    Action("verify", ("v",), "Verify a gradient", "Finite differences for the chosen number.", "ask"),
    Action("chain", ("i",), "Chain rule", "All ways from the loss to the chosen number.", "ask"),
    Action("downhill", ("h",), "Downhill?", "The step's predicted and measured change of the loss.", "ask"),
    Action("pane('program')", ("1",), "Program", "Go to the program pane.", "see"),
    Action("pane('network')", ("2",), "Network", "Go to the network pane.", "see"),
    Action("pane('parameters')", ("3",), "Parameters", "Go to the parameters pane.", "see"),
    Action("pane('operation')", ("4",), "This operation", "Go to the pane of this operation.", "see"),
    Action("pane('loss')", ("5",), "Loss curve", "Go to the loss pane.", "see"),
    Action("pane('rate')", ("6",), "Learning rate curve", "Go to the learning-rate pane.", "see"),
    Action("pane('output')", ("7",), "Output", "Go to the output pane.", "see"),
    Action("pane('guide')", ("0",), "Guide", "Go to the guide of the lesson.", "learn"),
    Action("guide_next", ("enter",), "Next point", "Go on in the story, and bring the run there.", "learn"),
    Action("guide_back", ("comma",), "Previous point", "Go back in the story.", "learn"),
    Action("lessons", ("ctrl+o",), "Lessons…", "Open another lesson.", "learn"),
    Action("maximise", ("x",), "Maximise", "The focused pane alone on the screen, or all.", "see"),
    Action("log_scale", ("y",), "Log scale", "Loss curve linear or logarithmic.", "see"),
    Action("close", ("escape",), "Close", "Close what is open, end maximising.", "see"),
    Action("save", ("ctrl+s",), "Save…", "Write the session into a file, to be resumed.", "keep"),
    Action("export", ("ctrl+e",), "Export…", "Curves, values, operations or the picture, as a file.", "keep"),
    Action("share", ("ctrl+y",), "Share…", "The session as a string to paste.", "keep"),
    Action("help", ("question_mark", "f1"), "Help", "This pane explained, and all keys.", "app", 8, "help"),
    Action("palette", ("ctrl+p",), "Palette", "Find any of these by name.", "app"),
    Action("quit", ("q", "ctrl+q"), "Quit", "Leave the program and end the script.", "app", 9, "quit"),
)


def in_footer() -> list[Action]:
    """The actions of the footer, from the left."""
    return sorted((action for action in ACTIONS if action.footer), key=lambda action: action.footer)


def fitting(width: int) -> list[tuple[Action, str]]:
    """The footer's entries with their texts (`` space step ``) that fit into `width` columns.

    Help and quit always stay; the others go from the right.
    """
    entries = [(action, footer_text(action)) for action in in_footer()]
    while sum(len(text) for _, text in entries) > width:
        removable = [index for index, (action, _) in enumerate(entries) if action.call not in ALWAYS_SHOWN]
        if not removable:
            break
        del entries[removable[-1]]
    return entries


def footer_text(action: Action) -> str:
    """`` space step ``"""
    return f" {key_name(action.keys[0])} {action.short or action.label} "
