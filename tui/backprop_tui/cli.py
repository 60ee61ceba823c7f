"""The command line. Parses first and imports what it needs afterwards, so that ``--help`` is quick."""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from backprop_tui import __version__
from backprop_tui.syntax import tree_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from backprop_tui.debugger.launch import Program
    from backprop_tui.debugger.saved import Saved
    from backprop_tui.debugger.view import View
    from backprop_tui.guide.lesson import Lesson
    from backprop_tui.race import RaceOptions
    from backprop_tui.screens.session_like import SessionFactory, SessionLike

USAGE_ERROR = 2
LEAST_PYTHON = (3, 10)

_DESCRIPTION = """\
Step through a PyTorch training loop, one operation at a time, forwards and backwards.

  backprop-tui                       the first lesson, ready to step
  backprop-tui LESSON                a lesson by name
  backprop-tui SCRIPT [ARGS]         your own script, unmodified, with its own arguments
  backprop-tui -m MODULE [ARGS]      a module, as python -m would run it
  backprop-tui trace SCRIPT [ARGS]   no screen: one JSON object per operation
  backprop-tui race SCRIPT ...       no screen: several futures of the script side by side
  backprop-tui lessons               what lessons there are
  backprop-tui resume FILE|STRING    a session that was saved or shared
"""

_CHANGES = (
    "zero_grad",
    "loss",
    "reduction",
    "optimizer",
    "lr",
    "scheduler",
    "backward_gradient",
    "set",
    "seed",
)


class UsageError(Exception):
    """Bad input; the message is one sentence."""


class _Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one sentence."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message} (see {self.prog} --help)")


def main(arguments: list[str] | None = None) -> int:
    """Run a command line; returns the exit status."""
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        return _flushed(arguments)
    except UsageError as error:
        print(f"backprop-tui: {error}", file=sys.stderr)
        return USAGE_ERROR
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # Whoever read has seen enough, as `head` has; what is left must not be flushed at the exit either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE


def _flushed(arguments: list[str]) -> int:
    """Run a command line and write out all that it printed."""
    commands = {"trace": _trace, "race": _race, "lessons": _lessons, "resume": _resume}
    command = commands.get(arguments[0]) if arguments else None
    try:
        return _app(arguments) if command is None else command(arguments[1:])
    finally:
        sys.stdout.flush()


# arguments
def _parser(prog: str, description: str) -> _Parser:
    parser = _Parser(
        prog=prog,
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"backprop-tui {__version__}")
    parser.add_argument("--python", metavar="PATH", help="run the script under this interpreter")
    parser.add_argument(
        "--threads",
        type=int,
        default=1,
        metavar="N",
        help="threads for torch; more than 1: going back re-runs",
    )
    changes = parser.add_argument_group("changes, in force from the beginning")
    changes.add_argument(
        "--zero-grad", metavar="on|off|zero", help="do zero_grad, skip it, or zero instead of None"
    )
    changes.add_argument(
        "--loss", metavar="NAME", help="l1 mse half_mse smooth_l1 huber, cross_entropy nll bce ..."
    )
    changes.add_argument("--reduction", metavar="mean|sum", help="reduction of the loss")
    changes.add_argument("--optimizer", metavar="TEXT", help="for example 'Adam(lr=0.1)'")
    changes.add_argument("--lr", metavar="NUMBER", help="learning rate")
    changes.add_argument("--scheduler", metavar="on|off", help="off: the scheduler's step does nothing")
    changes.add_argument("--backward-gradient", metavar="loss", help="loss.backward(gradient=loss)")
    changes.add_argument("--set", metavar="'NAME[0,1]=0.5'", help="set an element before training begins")
    changes.add_argument("--seed", metavar="N", help="seed the generators when training begins")
    parser.add_argument("-m", dest="module", nargs=argparse.REMAINDER, help="run a module: -m MODULE ARGS")
    parser.add_argument("script", nargs=argparse.REMAINDER, metavar="SCRIPT ARGS", help="a file or a lesson")
    return parser


def _changes(options: argparse.Namespace) -> tuple[tuple[str, Any], ...]:
    """(kind, value) of the changes asked for."""
    from backprop_tui.debugger.options import change_of

    found = []
    for name in _CHANGES:
        text = getattr(options, name)
        if text is None:
            continue
        try:
            found.append(change_of(name, text))
        except ValueError as error:
            raise UsageError(f"--{name.replace('_', '-')}: {error}") from None
    return tuple(found)


def _program(options: argparse.Namespace, default: str | None, command: str = "trace") -> Program:
    """What to run. Raises UsageError if it cannot be run."""
    from backprop_tui.debugger.launch import Program

    if options.threads < 1:
        raise UsageError(f"--threads must be 1 or more, not {options.threads}")
    if options.python is not None:
        _check_interpreter(options.python)
    common: dict[str, Any] = {
        "python": options.python,
        "threads": options.threads,
        "changes": _changes(options),
    }
    if options.module is not None:
        if not options.module:
            raise UsageError("-m needs the name of a module")
        return Program(options.module[0], tuple(options.module[1:]), is_module=True, **common)
    words = options.script or ([default] if default else [])
    if not words:
        raise UsageError(f"name a script: backprop-tui {command} SCRIPT [ARGS]")
    lesson = _lesson_of(words[0])
    path = lesson[0] if lesson is not None else words[0]
    _check_script(path, check_syntax=options.python is None)
    return Program(path, tuple(words[1:]), **common)


def _check_interpreter(path: str) -> None:
    """Raises UsageError if a file is no Python that can run a debuggee."""
    import subprocess

    if shutil.which(path) is None:
        raise UsageError(f"--python: there is no interpreter {path}")
    command = [path, "-I", "-S", "-c", "import sys; print('python', *sys.version_info[:2])"]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30)
        name, major, minor = done.stdout.split()
    except (OSError, ValueError, subprocess.TimeoutExpired):
        raise UsageError(f"--python: {path} is no Python interpreter") from None
    if name != "python" or (int(major), int(minor)) < LEAST_PYTHON:
        least = ".".join(map(str, LEAST_PYTHON))
        raise UsageError(f"--python: {path} is Python {major}.{minor}, and {least} or later is needed")


def _check_script(path: str, check_syntax: bool) -> None:
    """Raises UsageError if a file is no script."""
    if os.path.isdir(path):
        raise UsageError(f"{path} is a directory: name a Python file, or use -m for a package")
    try:
        with open(path, "rb") as file:
            source = file.read()
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None
    if check_syntax:
        _check_python(path, source)


def _check_python(path: str, source: bytes) -> None:
    try:
        tree_of(source, path)
    except SyntaxError as error:
        if b"\0" in source or "codec" in str(error.msg) or "encoding" in str(error.msg):
            raise UsageError(f"{path} is not a Python file") from None
        raise UsageError(f"{path} line {error.lineno}: {error.msg}") from None
    except ValueError:
        raise UsageError(f"{path} is not a Python file") from None


def _lesson_of(word: str) -> tuple[str, Callable[[], Lesson]] | None:
    """Script and reader of the lesson of a name, or of the path of a guide; None for that of a script."""
    if word.endswith(".toml"):
        lesson = _guided(word)
        return str(lesson.script), lambda: lesson
    if os.path.exists(word):
        return None
    if os.sep in word or word.endswith(".py"):
        raise UsageError(f"there is no file {word}")
    from backprop_tui.guide import catalog

    try:
        return str(catalog.script_of(word)), lambda: catalog.find(word)
    except catalog.UnknownLesson as error:
        raise UsageError(f"there is neither a file nor a lesson {word}. {error.advice}") from None


# commands
def _trace(arguments: list[str]) -> int:
    import asyncio

    from backprop_tui.debugger.failure import StartFailed
    from backprop_tui.trace import TraceOptions, trace

    parser = _parser("backprop-tui trace", "Print one JSON object per completed operation.")
    parser.add_argument(
        "--level", default="operation", metavar="phase|operation|kernel", help="how deep to look"
    )
    parser.add_argument("--iterations", type=int, metavar="N", help="end after N iterations")
    parser.add_argument("--values", type=int, default=64, metavar="N", help="whole tensors up to N elements")
    parser.add_argument("--explain", action="store_true", help="print why each result is what it is")
    parser.add_argument(
        "--check", action="store_true", help="status 1 if an explanation is not torch's result"
    )
    options = parser.parse_args(arguments)
    if options.level not in ("phase", "operation", "kernel"):
        raise UsageError(f"--level is phase, operation or kernel, not {options.level!r}")
    if options.iterations is not None and options.iterations < 1:
        raise UsageError(f"--iterations must be 1 or more, not {options.iterations}")
    if options.values < 0:
        raise UsageError(f"--values must be 0 or more, not {options.values}")
    program = _program(options, None)
    try:
        wanted = TraceOptions(
            options.level, options.iterations, options.values, options.explain, options.check
        )
        return asyncio.run(trace(program, wanted))
    except StartFailed as error:
        raise UsageError(str(error)) from None


_RACE = """\
Run several futures of a script side by side, each in a copy of it, and say how they end and where they part.

  backprop-tui race train.py --change 'optimizer=Adam(lr=0.1)' --change zero_grad=off --iterations 200
  backprop-tui race train.py --change 'lr 1e-4..1, 8 points, log' --iterations 200 -- --epochs 3
  backprop-tui race --change seed=1 --iterations 50 train.py --epochs 3

Options may stand before SCRIPT, and what follows it is its own; or all behind it, and its own come after --.
"""


def _race(arguments: list[str]) -> int:
    import asyncio

    from backprop_tui.debugger.failure import StartFailed

    parser = _parser("backprop-tui race", _RACE)
    group = parser.add_argument_group("the race")
    group.add_argument(
        "--change", action="append", default=[], metavar="TEXT", help="one future: KIND=VALUE, or a grid"
    )
    group.add_argument("--iterations", type=int, metavar="N", help="how many each future runs")
    group.add_argument("--from", dest="first", type=int, default=1, metavar="N", help="begin at iteration N")
    group.add_argument("--json", action="store_true", help="print one JSON object")
    options = _either_side(parser, arguments)
    wanted = _race_options(options)
    program = _program(options, None, "race")
    from backprop_tui.race import BadChange, race

    try:
        return asyncio.run(race(program, wanted))
    except (StartFailed, BadChange) as error:
        raise UsageError(str(error)) from None


def _either_side(parser: _Parser, arguments: list[str]) -> argparse.Namespace:
    """Options before the script, or all of them behind it: a race without a change there is none."""
    options = parser.parse_args(arguments)
    words = options.script
    if options.change or options.module is not None or len(words) < 2:
        return options
    before, (script, *after) = arguments[: len(arguments) - len(words)], words
    end = after.index("--") if "--" in after else len(after)
    options = parser.parse_args([*before, *after[:end]])
    if options.script:
        raise UsageError(f"put the script's own arguments behind --: -- {' '.join(options.script)}")
    options.script = [script, *after[end + 1 :]]
    return options


def _race_options(options: argparse.Namespace) -> RaceOptions:
    """What the race is to be. Raises UsageError."""
    from backprop_tui.debugger.futures import parse_futures, starting_line
    from backprop_tui.race import RaceOptions

    if options.iterations is None:
        behind = any(word.partition("=")[0] == "--iterations" for word in options.script)
        where = (
            "is an argument of the script where it stands: put it before SCRIPT" if behind else "is missing"
        )
        raise UsageError(f"--iterations N says how many iterations each future runs, and it {where}")
    if options.iterations < 1:
        raise UsageError(f"--iterations must be 1 or more, not {options.iterations}")
    if options.first < 1:
        raise UsageError(f"--from must be 1 or more, not {options.first}")
    try:
        futures = starting_line([future for text in options.change for future in parse_futures(text)])
    except ValueError as error:
        raise UsageError(f"--change: {error}") from None
    return RaceOptions(futures, options.iterations, options.first, options.json)


def _lessons(arguments: list[str]) -> int:
    parser = _Parser(
        prog="backprop-tui lessons",
        description="List the lessons, or do something with one.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--check", metavar="LESSON", help="read a guide, walk it, and say what is wrong with it"
    )
    parser.add_argument("--markdown", metavar="LESSON", help="print a lesson as a handout, with its numbers")
    parser.add_argument(
        "--reset", nargs="?", const="", metavar="LESSON", help="forget the progress in a lesson, or in all"
    )
    options = parser.parse_args(arguments)
    if options.check is not None:
        return _check_lesson(_guided(options.check))
    if options.markdown is not None:
        return _print_handout(_guided(options.markdown))
    return _list_lessons(options.reset)


def _list_lessons(reset: str | None) -> int:
    from backprop_tui.guide.commands import listing
    from backprop_tui.guide.progress import Notebook

    notebook = Notebook()
    if reset is not None:
        notebook.reset(_guided(reset).name if reset else None)
    for line in listing(notebook):
        print(line)
    return 0


def _check_lesson(lesson: Lesson) -> int:
    from backprop_tui.debugger.failure import StartFailed
    from backprop_tui.guide.commands import problems_of

    try:
        problems = problems_of(lesson)
    except StartFailed as error:
        raise UsageError(str(error)) from None
    for problem in problems:
        print(problem)
    if not problems:
        print(f"{lesson.name}: {len(lesson.beats)} beats, nothing wrong")
    return 1 if problems else 0


def _print_handout(lesson: Lesson) -> int:
    from backprop_tui.debugger.failure import StartFailed
    from backprop_tui.guide.commands import markdown_of

    try:
        print(markdown_of(lesson), end="")
    except StartFailed as error:
        raise UsageError(str(error)) from None
    return 0


def _guided(word: str) -> Lesson:
    """The lesson of a name, or of the path of a guide."""
    from backprop_tui.guide import catalog, reading

    try:
        if word.endswith(".toml") or os.sep in word:
            return reading.read(Path(word))
        return catalog.find(word)
    except (catalog.UnknownLesson, reading.WrongGuide) as error:
        raise UsageError(str(error)) from None


def _resume(arguments: list[str]) -> int:
    from backprop_tui.debugger.saved import PREFIX, WrongSession, load

    parser = _Parser(
        prog="backprop-tui resume",
        description="Go on with a session that was saved, or shared as a string.",
        allow_abbrev=False,
    )
    parser.add_argument("session", metavar="FILE|STRING", help="what was saved or shared")
    parser.add_argument("--yes", action="store_true", help="do not ask before running the script of a string")
    options = parser.parse_args(arguments)
    try:
        saved = load(options.session)
    except WrongSession as error:
        raise UsageError(str(error)) from None
    saved = _moved(saved)
    if not saved.is_module:
        _check_script(saved.target, check_syntax=saved.python is None)
    if saved.python is not None and shutil.which(saved.python) is None:
        raise UsageError(f"the session needs the interpreter {saved.python}, which is not there")
    if not os.path.isdir(saved.folder):
        raise UsageError(f"the session needs the directory {saved.folder}, which is not there")
    _check_terminal()
    shared = options.session.startswith(PREFIX) and not options.yes
    if shared and not _agreed(f"This runs {saved.command()} in {saved.folder}. Run it? [y/N] "):
        return 0
    from backprop_tui.app import run

    program = saved.program()
    return run(_session_of(program), saved=saved, first=_first(program))


def _moved(saved: Saved) -> Saved:
    """A session of another machine: its script may be here, or be a lesson."""
    from dataclasses import replace

    from backprop_tui.debugger.saved import hash_of
    from backprop_tui.guide.catalog import folder

    if saved.is_module or os.path.exists(saved.target):
        return saved
    name, here = os.path.basename(saved.target), os.getcwd()
    lesson = folder() / name
    if os.path.exists(name):
        return replace(saved, target=os.path.join(here, name), folder=here)
    if lesson.is_file() and hash_of(str(lesson)) == saved.sha256:
        return replace(saved, target=str(lesson), folder=here)
    raise UsageError(
        f"the session is of {saved.target}, which is not there, and there is no {name} here either"
    )


def _check_terminal() -> None:
    """Raises UsageError if there is no screen to draw on."""
    for stream, name in ((sys.stdin, "stdin"), (sys.stdout, "stdout")):
        if not stream.isatty():
            raise UsageError(
                f"the screen needs a terminal and {name} is not one: backprop-tui trace works without"
            )


def _agreed(question: str) -> bool:
    return input(question).strip().lower() in ("y", "yes")


def _app(arguments: list[str]) -> int:
    options = _parser("backprop-tui", _DESCRIPTION).parse_args(arguments)
    from backprop_tui.guide.catalog import DEFAULT

    program = _program(options, DEFAULT)
    lesson = None if options.module is not None else _lesson_of((options.script or [DEFAULT])[0])
    _check_terminal()
    from backprop_tui.app import run

    read = lesson[1] if lesson is not None else None
    return run(_session_of(program), read, first=_first(program))


def _first(program: Program) -> View:
    """What is known before there is a session."""
    from backprop_tui.debugger.view import View

    return View("starting", program.target, module_file=program.module_file())


def _session_of(program: Program) -> SessionFactory:
    """Makes the session once there is something on the screen."""

    def make(on_view: Callable[[View], None]) -> SessionLike:
        from backprop_tui.debugger.session import Session

        return Session(program, on_view)

    return make
