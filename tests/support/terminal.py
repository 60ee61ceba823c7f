"""The real program in a pseudo-terminal, with a terminal emulator that says what is on the screen."""

from __future__ import annotations

import fcntl
import os
import re
import struct
import sys
import termios
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any

import pexpect
import ptyprocess
import pyte

from support import warm
from support.processes import MARK, marked, new_mark
from support.scripts import backprop_tui, environment

ENTER_ALTERNATE, LEAVE_ALTERNATE = "\x1b[?1049h", "\x1b[?1049l"
SHOW_CURSOR = "\x1b[?25h"

# The emulator prints the ends of sequences that it does not know.
UNKNOWN = re.compile(r"\x1b\[[<>=?][0-9;:$]*[a-zA-Z]|\x1b\[\d*(?:;\d*)*\$p|\x1b\[\d*(?:[:;]\d*)*t")
PRIVATE_MODE = re.compile(r"\x1b\[\?[0-9;]*[hl]$")


def _terminal_environment(**extra: str) -> dict[str, str]:
    """The size is the pty's: pytest's workers set COLUMNS and LINES, which would count for more."""
    variables = environment(TERM="xterm-256color", COLORTERM="truecolor", **extra)
    for name in ("COLUMNS", "LINES"):
        variables.pop(name, None)
    return variables


class _Pty(ptyprocess.PtyProcess):  # type: ignore[misc]
    """What runs in a pty, where it is no child of this process."""

    def __init__(self, process: warm.Process, descriptor: int) -> None:
        super().__init__(process.pid, descriptor)
        self.process = process

    def isalive(self) -> bool:
        status = self.process.poll()
        if status is None:
            return True
        self.terminated = True
        self.exitstatus, self.signalstatus = (None, -status) if status < 0 else (status, None)
        return False


class _Spawn(pexpect.spawn):  # type: ignore[misc]
    """Starts as `support.warm` does, unless only real starts are wanted."""

    def _spawnpty(self, command: list[str], dimensions: tuple[int, int], **options: Any) -> Any:
        if not warm.wanted():
            return super()._spawnpty(command, dimensions=dimensions, **options)
        master, slave = os.openpty()
        fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", *dimensions, 0, 0))
        streams = dict.fromkeys(("stdin", "stdout", "stderr"), slave)
        words = [sys.executable, *map(os.fsdecode, command[1:])]
        process = warm.Process(words, env=options["env"], terminal=True, **streams)
        os.close(slave)
        return _Pty(process, master)


class Terminal:
    """A process in a pty of a given size; `screen` is what a person would see."""

    def __init__(
        self,
        *arguments: str,
        columns: int = 120,
        rows: int = 36,
        command: list[str] | None = None,
        **extra: str,
    ) -> None:
        self.mark = new_mark()
        self.raw = ""
        """Everything that was written to the terminal."""
        self.screen = pyte.Screen(columns, rows)
        self.stream = pyte.Stream(self.screen)
        program, *rest = command or backprop_tui(*arguments)
        spawn = pexpect.spawn if command else _Spawn
        self.child = spawn(
            program, rest, dimensions=(rows, columns), encoding="utf-8", codec_errors="replace", timeout=20,
            env=_terminal_environment(**{MARK: self.mark}, **extra),
        )  # fmt: skip
        self.child.delaybeforesend = None

    def __enter__(self) -> Terminal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self.child.closed:
            self.child.close(force=True)
        for pid in marked(self.mark):
            os.kill(pid, 9)

    @property
    def text(self) -> str:
        return "\n".join(line.rstrip() for line in self.screen.display)

    def read(self, seconds: float = 0.05) -> bool:
        """Take in what the program has written; whether there was anything before the time was up."""
        data = self.receive(seconds)
        self.feed(data)
        return bool(data)

    def receive(self, seconds: float) -> str:
        """What the program has written, which is not on the screen before it is fed; empty: nothing came."""
        try:
            return self.child.read_nonblocking(65536, timeout=seconds)
        except (pexpect.TIMEOUT, pexpect.EOF):
            return ""

    def feed(self, data: str) -> None:
        """Put what the program has written on the screen."""
        self.raw += data
        self.stream.feed(UNKNOWN.sub(lambda m: m[0] if PRIVATE_MODE.fullmatch(m[0]) else "", data))

    def wait(self, condition: Callable[[str], bool], seconds: float = 20) -> str:
        """Read until the screen fulfils the condition; returns the screen's text."""
        end = time.monotonic() + seconds
        while not condition(self.text):
            assert time.monotonic() < end, f"not on the screen after {seconds} s:\n{self.text}"
            self.read()
        return self.text

    def wait_for(self, *words: str, seconds: float = 20) -> str:
        """Read until all the words are on the screen."""
        return self.wait(lambda text: all(word in text for word in words), seconds)

    def press(self, keys: str) -> None:
        self.child.send(keys)

    def resize(self, columns: int, rows: int) -> None:
        self.screen.resize(rows, columns)
        self.child.setwinsize(rows, columns)

    def hang_up(self) -> None:
        """Close the terminal, as closing its window does."""
        self.child.ptyproc.fileobj.close()
        self.child.closed = self.child.ptyproc.closed = True

    def wait_for_exit(self, seconds: float = 15) -> int:
        """Read to the end; returns the exit status (negative: the signal)."""
        end = time.monotonic() + seconds
        while self.child.isalive() or self.read(0):
            assert time.monotonic() < end, f"still running after {seconds} s:\n{self.text}"
            self.read()
        self.child.close()
        return -self.child.signalstatus if self.child.signalstatus else self.child.exitstatus or 0
