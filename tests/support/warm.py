"""Interpreters that have imported torch already: what a test would start is a fork of one that waits.

A start of Python that imports torch takes more than a second, most of it for the import. Here one process
imports it and then forks for each start. `Process` takes the place of `subprocess.Popen` for commands that
begin with this interpreter: a script, ``-m`` or ``-c``.

The same as in a real start: the arguments, ``sys.path[0]``, ``__main__``, the environment as Python sees it,
the working directory, the three standard streams (made anew from the descriptors that were given), the
signals, the exit status, exit handlers, the traceback of an exception, one thread, the generators of `random`
and numpy (seeded by the system) and of torch (by its default seed).

Not the same: what Python and torch read from the environment as they start (hash seed, numbers of threads);
``/proc/PID/cmdline`` and ``environ`` (a marked process has its mark for a name, see `support.processes`); the
parent of the process; what is imported already at the first line of the script; and nothing is destroyed at
the exit of the interpreter. A test of these starts a real one (the fixture `cold`).

The file serves on both sides: as a module it starts processes, as a program (its text after ``-c``, so that
its frames are as nameless as those of a real start) it is what forks. So it needs nothing but the standard
library.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import fcntl
import gc
import importlib
import io
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import termios
import threading
import time
import types
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

DEVNULL, PIPE, STDOUT = subprocess.DEVNULL, subprocess.PIPE, subprocess.STDOUT
CAPTURED = {"stdin": DEVNULL, "stdout": PIPE, "stderr": PIPE}
TimeoutExpired = subprocess.TimeoutExpired

WARM = "BACKPROP_TUI_TEST_WARM"
"""The variable of the environment with the folder of the sockets of what forks."""
MARK = "BACKPROP_TUI_TEST_RUN"
"""As in support/processes.py."""
KINDS = {
    "script": ("torch", "torch._dynamo"),
    "debuggee": ("torch", "backprop_tui.debuggee.boot"),
    "program": ("backprop_tui.cli", "backprop_tui.trace"),
}
"""What has been imported for each kind of process: a script under Python alone, whose first step of an
optimizer would import torch's compiler; the first process of a debuggee; backprop-tui itself. No more than
that: every library that is loaded makes each fork of a debuggee, and there are thousands, more expensive."""
LONGEST = 1 << 20
"""Bytes of a request."""
HUGE = 1 << 21
"""Bytes of a huge page."""
MADV_COLLAPSE = 25


# the side that starts processes
def kind_of(command: Sequence[str]) -> str:
    """Which of `KINDS` a command line is."""
    if command[1] == "-c":
        return "debuggee"
    return "program" if list(command[1:3]) == ["-m", "backprop_tui"] else "script"


def prepare(folder: str) -> int:
    """Make what a run of the tests needs in its folder; what forks ends when the result is closed."""
    os.mkfifo(f"{folder}/life")
    os.environ[WARM] = folder
    return os.open(f"{folder}/life", os.O_RDWR | os.O_CLOEXEC)


def wanted() -> bool:
    """Whether starts are to be forks: never where there is no Linux."""
    return WARM in os.environ and hasattr(os, "pidfd_open")


def _address(kind: str) -> str:
    """The socket of what forks processes of a kind. The first who asks starts it, for all workers."""
    folder = os.environ[WARM]
    with open(f"{folder}/lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.path.exists(f"{folder}/{kind}"):
            _start(folder)
    return f"{folder}/{kind}"


def _start(folder: str) -> None:
    single = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    environment = {name: value for name, value in os.environ.items() if name != MARK}  # it outlives the run
    with open(f"{folder}/life", "rb") as life:
        subprocess.run(
            [sys.executable, "-c", Path(__file__).read_text(), folder], stdin=life, check=True,
            env={**environment, **single, "PYTHONHASHSEED": "0"},
        )  # fmt: skip


subprocess_popen = subprocess.Popen


class Process:
    """What `subprocess.Popen` would have started, for as much of it as backprop-tui and its tests use."""

    def __new__(cls, command: Sequence[str], **options: Any) -> Any:
        """A real process if it is another program, or if nothing that forks is wanted."""
        if command[0] != sys.executable or not wanted():
            return subprocess_popen(command, **options)
        return super().__new__(cls)

    def __init__(
        self,
        command: Sequence[str],
        stdin: Any = None,
        stdout: Any = None,
        stderr: Any = None,
        env: dict[str, str] | None = None,
        cwd: Any = None,
        terminal: bool = False,
    ) -> None:
        """With ``terminal`` it leads a session of its own, whose terminal is its standard input."""
        self.args = command
        self.returncode: int | None = None
        self._line = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._line.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, LONGEST)
        self.pipes: dict[int, BinaryIO] = {}
        """By number of the stream: the end to read from."""
        with contextlib.ExitStack() as ours:
            streams = self._streams((stdin, stdout, stderr), ours)
            request = {
                "command": [str(word) for word in command[1:]],
                "environment": dict(os.environ if env is None else env),
                "folder": os.path.abspath(cwd or "."),
                "terminal": terminal,
            }
            self._line.connect(_address(kind_of(command)))
            socket.send_fds(self._line, [json.dumps(request).encode()], streams)
        self.pid = int(self._line.recv(100))

    def _streams(self, asked: Sequence[Any], ours: contextlib.ExitStack) -> list[int]:
        """A descriptor for each standard stream; the ends of pipes that only the process needs are closed."""
        found: list[int] = []
        for number, stream in enumerate(asked):
            if stream is None:
                stream = number
            elif stream == DEVNULL:
                stream = ours.enter_context(open(os.devnull, "r+b"))  # noqa: SIM115
            elif stream == PIPE:
                assert number, "only to read from"
                end, stream = os.pipe()
                ours.callback(os.close, stream)
                self.pipes[number] = open(end, "rb", 0)  # noqa: SIM115
            elif stream == STDOUT:
                stream = found[1]
            found.append(stream if isinstance(stream, int) else stream.fileno())
        return found

    def __del__(self) -> None:
        """Whether anybody waited for its end or not."""
        self._line.close()

    def poll(self) -> int | None:
        """The exit status, or minus the signal; None while it runs."""
        with contextlib.suppress(TimeoutExpired):
            return self.wait(0)
        return None

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None:
            if not select.select([self._line], [], [], timeout)[0]:
                raise TimeoutExpired(self.args, timeout or 0)
            self.returncode = int(self._line.recv(100) or -signal.SIGKILL)
            self._line.close()
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


Popen = Process


def run(command: Sequence[str], timeout: float, **options: Any) -> subprocess.CompletedProcess[str]:
    """As `subprocess.run` with ``text=True``."""
    process = Process(command, **options)
    if isinstance(process, subprocess_popen):
        with process:
            said = [stream and stream.decode() for stream in process.communicate(timeout=timeout)]
        return subprocess.CompletedProcess(command, process.returncode, *said)
    end = time.monotonic() + timeout
    try:
        found = _read(process, end)
        status = process.wait(end - time.monotonic())
    finally:
        process.kill()
        for pipe in process.pipes.values():
            pipe.close()
    return subprocess.CompletedProcess(command, status, found.get(1), found.get(2))


def _read(process: Process, end: float) -> dict[int, str]:
    """All that is written to the pipes, until nobody can write to them any more."""
    found, pipes = dict.fromkeys(process.pipes, b""), dict(process.pipes)
    while pipes:
        ready = select.select(pipes.values(), [], [], max(0, end - time.monotonic()))[0]
        if not ready:
            raise TimeoutExpired(process.args, 0, *found.values())
        for number in [number for number, pipe in pipes.items() if pipe in ready]:
            chunk = pipes[number].read(1 << 16)
            found[number] += chunk
            if not chunk:
                del pipes[number]
    return {number: data.decode() for number, data in found.items()}


# the side that forks
class Forker:
    """Listens for what is to be started. Ends when its standard input does."""

    def __init__(self, address: str, modules: Sequence[str]) -> None:
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.listener.bind(address)
        self.listener.listen(64)
        self.modules = modules
        """What to import before the first fork."""
        self.running: dict[int, tuple[int, socket.socket]] = {}
        """By descriptor that says when it has ended: the process, and who wants to know."""

    def serve(self) -> dict[str, Any]:
        """Returns in forks only, each with its request."""
        while True:
            ready, _, _ = select.select([0, self.listener, *self.running], [], [])
            if 0 in ready:  # nobody is left to write to it
                os._exit(0)
            for descriptor in set(ready) & self.running.keys():
                self._ended(descriptor)
            if self.listener in ready:
                self._import()
                request = self._start()
                if request is not None:
                    return request

    def _import(self) -> None:
        if self.modules:
            for module in self.modules:
                importlib.import_module(module)
            self.modules = ()
            settle()

    def _start(self) -> dict[str, Any] | None:
        """Fork; the request in the fork, None in what forks."""
        line, _ = self.listener.accept()
        data, streams, _, _ = socket.recv_fds(line, LONGEST, 3)
        assert len(os.listdir("/proc/self/task")) == 1, "a fork has only the thread that forked"
        pid = os.fork()
        if pid == 0:
            for number, stream in enumerate(streams):
                os.dup2(stream, number)
            self._leave(line, streams)
            request: dict[str, Any] = json.loads(data)
            return request
        for stream in streams:
            os.close(stream)
        line.send(str(pid).encode())
        self.running[os.pidfd_open(pid)] = pid, line
        return None

    def _leave(self, line: socket.socket, streams: list[int]) -> None:
        """A started interpreter has its standard streams open and nothing else."""
        self.listener.close()
        line.close()
        for descriptor, (_, other) in self.running.items():
            os.close(descriptor)
            other.close()
        for stream in streams:
            os.close(stream)

    def _ended(self, descriptor: int) -> None:
        pid, line = self.running.pop(descriptor)
        os.close(descriptor)
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        with contextlib.suppress(OSError):  # nobody wants to know any more
            line.send(str(status).encode())
        line.close()


def become(request: dict[str, Any]) -> None:
    """Make this fork what a new interpreter would be."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if request["terminal"]:
        os.setsid()
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["folder"])
    if MARK in os.environ:
        with open("/proc/self/comm", "w") as name:
            name.write(os.environ[MARK][:15])
    unbuffered = bool(os.environ.get("PYTHONUNBUFFERED"))
    sys.stdin = sys.__stdin__ = open(0, encoding="utf-8", closefd=False)  # type: ignore[misc]  # noqa: SIM115
    sys.stdout = sys.__stdout__ = _writer(1, "strict", unbuffered)  # type: ignore[misc]
    sys.stderr = sys.__stderr__ = _writer(2, "backslashreplace", unbuffered)  # type: ignore[misc]
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed()


def _writer(descriptor: int, errors: str, unbuffered: bool) -> io.TextIOWrapper:
    raw = open(descriptor, "wb", 0 if unbuffered else -1, closefd=False)  # noqa: SIM115
    by_line = descriptor == 2 or os.isatty(descriptor)
    stream = io.TextIOWrapper(
        raw, encoding="utf-8", errors=errors, line_buffering=by_line, write_through=unbuffered
    )
    stream.mode = "w"
    return stream


def execute(command: list[str]) -> None:
    """Run what follows the interpreter on its command line."""
    if command[0] == "-m":
        module, *sys.argv[1:] = command[1:]
        sys.path.insert(0, os.getcwd())
        if module == "backprop_tui":  # its debuggee, too, is to be a fork
            subprocess.Popen = Process  # type: ignore[misc,assignment]
        runpy.run_module(module, run_name="__main__", alter_sys=True)
        return
    main = types.ModuleType("__main__")
    sys.modules["__main__"] = main
    if command[0] == "-c":
        code, sys.argv[:] = compile(command[1], "<string>", "exec"), ["-c", *command[2:]]
        sys.path.insert(0, "")
    else:
        path = os.path.abspath(command[0])
        sys.argv[:] = command
        sys.path.insert(0, os.path.dirname(os.path.realpath(path)))
        main.__dict__.update(__file__=path, __cached__=None)
        loader = importlib.machinery.SourceFileLoader("__main__", path)
        main.__loader__, code = loader, compile(loader.get_data(path), path, "exec", dont_inherit=True)
    main.__dict__.update(__builtins__=__builtins__, __annotations__={})
    exec(code, main.__dict__)


def without_us(trace: types.TracebackType | None) -> types.TracebackType | None:
    while trace is not None and trace.tb_frame.f_globals in (globals(), vars(runpy)):
        trace = trace.tb_next
    return trace


def run_to_exit(command: list[str]) -> int:
    """The exit status."""
    try:
        execute(command)
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            return (end.code or 0) & 0xFF
        print(end.code, file=sys.stderr)
        return 1
    except BaseException as error:
        sys.excepthook(type(error), error, without_us(error.__traceback__))
        return 130 if isinstance(error, KeyboardInterrupt) else 1
    return 0


def leave(status: int) -> NoReturn:
    """What Python does at its exit, but for destroying every object, which takes longer than many scripts."""
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(ValueError, OSError):
            stream.flush()
    os._exit(status)


def settle() -> None:
    """Make forks cheap: their garbage collector leaves alone what is there, and few pages hold it all.

    Copying and dropping the table of 50,000 small pages is most of what a fork of torch costs; a kernel
    that knows no `MADV_COLLAPSE` (before Linux 6.1) leaves them small.
    """
    gc.collect()
    gc.freeze()
    libc = ctypes.CDLL(None)
    with open("/proc/self/maps") as file:
        lines = [line.split() for line in file]
    for places, rights, *_, inode in (line[:5] for line in lines):
        begin, end = (int(place, 16) for place in places.split("-"))
        begin, end = -(-begin // HUGE) * HUGE, end // HUGE * HUGE
        if "w" in rights and inode == "0" and begin < end:
            libc.madvise(ctypes.c_void_p(begin), ctypes.c_size_t(end - begin), MADV_COLLAPSE)


def serve(folder: str) -> NoReturn:
    """One process for each kind; each imports what it lacks when it is asked for the first time."""
    del sys.path[0]  # the present folder
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    import torch  # noqa: F401

    settle()
    for kind, modules in KINDS.items():
        forker = Forker(f"{folder}/{kind}", modules)
        if os.fork() == 0:
            request = forker.serve()
            become(request)
            leave(run_to_exit(request["command"]))
        forker.listener.close()
    os._exit(0)


if __name__ == "__main__":
    serve(*sys.argv[1:])
