"""The debuggee's processes: the root, the live one, the checkpoints."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from backprop_tui.debugger.failure import StartFailed, explain_start
from backprop_tui.debugger.launch import Program, launch
from backprop_tui.debugger.leftovers import sweep
from backprop_tui.debugger.timeline import START, Place, nearest, victim
from backprop_tui.debugger.wire import Hub, Message, Peer
from backprop_tui.protocol import Time

MOST_CHECKPOINTS = 64
_MEASURE_EVERY = 8
MEASURE_AFTER = 0.2
"""Seconds that checkpoints are given to become several before their memory is measured: the kernel looks at
every page of each."""
_DEATH_NEWS = 2.0
"""Seconds to wait for the parent's word on how a process ended."""


@dataclass(frozen=True)
class Checkpoint(Place):
    """A sleeping copy."""

    peer: Peer = field(kw_only=True)
    table: str | None = None
    """Which table of parameters it knows the debugger to have."""
    appended: int = 0
    """How many files had been opened to append to."""


@dataclass
class Deaths:
    """How processes ended, as their parents tell."""

    known: dict[int, int] = field(default_factory=dict)
    waiting: dict[int, asyncio.Future[int]] = field(default_factory=dict)

    def tell(self, pid: int, status: int) -> None:
        """A parent has reaped a process."""
        self.known[pid] = status
        future = self.waiting.pop(pid, None)
        if future is not None and not future.done():
            future.set_result(status)

    async def status(self, pid: int) -> int | None:
        """Exit status or minus the signal; None if nobody can tell."""
        if pid in self.known:
            return self.known[pid]
        future = self.waiting[pid] = asyncio.get_running_loop().create_future()
        with contextlib.suppress(asyncio.TimeoutError):
            return await asyncio.wait_for(future, _DEATH_NEWS)
        return None


class Processes:
    """Starts, wakes and ends processes. Says by callbacks what the live one says."""

    def __init__(
        self,
        program: Program,
        on_message: Callable[[Message], None],
        on_death: Callable[[int, int | None], None],
    ) -> None:
        self.program = program
        self.on_message = on_message
        self.on_death = on_death
        self.hub = Hub(self._hello)
        self.root: Peer | None = None
        self.live: Peer | None = None
        self.checkpoints: list[Checkpoint] = []
        self.cursor: Callable[[], Time] = lambda: START
        self._parent: Peer | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._ready: asyncio.Future[None] | None = None
        self._tokens: dict[int, tuple[Peer, asyncio.Future[Peer]]] = {}
        """Copies that were woken and have not said hello, with the checkpoint that each is forked from;
        those of side copies are below zero."""
        self._token = 0
        self._side = 0
        self._attach: dict[int, Callable[[Peer], None]] = {}
        """By token: who takes over a side copy."""
        self._deaths = Deaths()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._since_measured = 0
        self._measuring = False
        self.memory_cap = _default_cap()

    async def start(self) -> None:
        """Start the interpreter and wait for its root checkpoint. Raises StartFailed."""
        await self.hub.open()
        await self._launch()
        self._later(asyncio.to_thread(sweep))

    async def _launch(self) -> None:
        self._ready = asyncio.get_running_loop().create_future()
        if self._process is not None:
            await asyncio.to_thread(self._process.wait)
        self._process = launch(self.program, self.hub.address, self.hub.folder, capture=True)
        watch = asyncio.create_task(self._watch(self._process))
        try:
            await self._ready
        finally:
            watch.cancel()

    async def _watch(self, process: subprocess.Popen[bytes]) -> None:
        while process.poll() is None:
            await asyncio.sleep(0.05)
        log = (self.hub.folder / "start.log").read_text(errors="replace")
        if self._ready is not None and not self._ready.done():
            self._ready.set_exception(StartFailed(explain_start(self.program, process.returncode, log)))

    # greetings
    def _hello(self, peer: Peer) -> None:
        hello = peer.hello
        peer.on_message = self._message
        peer.on_close = self._closed
        if hello["role"] == "root":
            self.root = peer
            if self._ready is not None and not self._ready.done():
                self._ready.set_result(None)
        elif hello["role"] == "checkpoint":
            self._enter(peer)
        else:
            self._awake(peer)

    def _awake(self, peer: Peer) -> None:
        _, future = self._tokens.pop(peer.hello["token"], (None, None))
        attach = self._attach.pop(peer.hello["token"], None)
        if future is None or future.done():
            peer.close()
            return
        if attach is not None:
            attach(peer)
        else:
            self.live = peer
        future.set_result(peer)

    def _enter(self, peer: Peer) -> None:
        """A new checkpoint; one of the same time is replaced by it.

        One that a former live process made comes too late: what it knows may have been undone.
        """
        if peer.hello["token"] != self._token:
            peer.close()
            return
        landmark, operation = peer.hello["time"]
        time = (landmark, operation)
        for twin in [place for place in self.checkpoints if place.time == time]:
            self.drop(twin)
        hello = peer.hello
        place = Checkpoint(
            time,
            hello["iteration"],
            hello["changes"],
            counted=hello["counted"],
            peer=peer,
            table=hello["table"],
            appended=hello["appended"],
        )
        self.checkpoints.append(place)
        self._thin()

    def _thin(self) -> None:
        """Keep few enough, and small enough."""
        while len(self.checkpoints) >= MOST_CHECKPOINTS and self._give_up_one():
            pass
        self._since_measured += 1
        due = self._since_measured >= _MEASURE_EVERY or len(self.checkpoints) <= 4
        if due and not self._measuring:
            self._measuring = True
            self._later(self._keep_under_cap())

    async def _keep_under_cap(self) -> None:
        await asyncio.sleep(MEASURE_AFTER)
        self._measuring, self._since_measured = False, 0
        while len(self.checkpoints) > 1:
            total = await asyncio.to_thread(lambda pids: sum(map(private_memory, pids)), self._pids())
            if total <= self.memory_cap or not self._give_up_one():
                return

    def _pids(self) -> list[int]:
        return [place.peer.pid for place in self.checkpoints]

    def _give_up_one(self) -> bool:
        keep = [place for place in self.checkpoints if place.peer is self._parent]
        chosen = victim(self.checkpoints, self.cursor(), keep)
        if chosen is None:
            return False
        self.drop(chosen)
        return True

    def drop(self, place: Checkpoint) -> None:
        """Give a checkpoint up."""
        with contextlib.suppress(ValueError):
            self.checkpoints.remove(place)
        place.peer.close()

    def drop_after(self, time: Time, changes: int) -> None:
        """The future after a time is another one now, and changes beyond a count are undone."""
        for place in list(self.checkpoints):
            if place.time > time or place.changes > changes:
                self.drop(place)

    def nearest(self, target: Time) -> Checkpoint:
        """Where to start from in order to reach a time: a checkpoint, or the root."""
        assert self.root is not None
        found = nearest(self.checkpoints, target)
        return found if found is not None else Checkpoint(START, 0, 0, peer=self.root)

    def has(self, time: Time) -> bool:
        """Whether there is a checkpoint of this very time from which operations are numbered rightly."""
        return any(place.time == time and place.counted for place in self.checkpoints)

    # the live process
    async def wake(self, place: Checkpoint, message: Message) -> None:
        """Make a copy of a checkpoint the live process; what was live ends.

        Raises ConnectionError if the checkpoint is gone, StartFailed if it is the root, which is then
        started anew, and that fails.
        """
        if place.peer is self.root and self.root.closed:
            await self._launch()
            place = Checkpoint(START, 0, 0, peer=self.root)
        if place.peer.closed:
            raise ConnectionError("the checkpoint is gone")
        self._token += 1
        old, self.live = self.live, None
        if old is not None:
            old.close()
        self._parent = place.peer
        await self._fork(place, self._token, message)

    async def side(self, place: Checkpoint, message: Message, attach: Callable[[Peer], None]) -> None:
        """Make a copy of a checkpoint that lives beside the run. Raises ConnectionError.

        ``attach`` is given the connection at once: what the copy says may come with its greeting.
        """
        if place.peer.closed:
            raise ConnectionError("the checkpoint is gone")
        self._side += 1
        self._attach[-self._side] = attach
        await self._fork(place, -self._side, {"role": "side", **message})

    async def _fork(self, place: Checkpoint, token: int, message: Message) -> Peer:
        future: asyncio.Future[Peer] = asyncio.get_running_loop().create_future()
        self._tokens[token] = place.peer, future
        message = {"do": "wake", "token": token, **message}
        if place.peer is self.root:
            message |= {"script": self.program.script(), "threads": self.program.threads}
            message["changes"] = self.program.first_changes() + message.get("changes", [])
        place.peer.send(message)
        return await future

    def send(self, message: Message) -> bool:
        """Send to the live process. False if there is none."""
        if self.live is not None:
            self.live.send(message)
        return self.live is not None

    def _message(self, peer: Peer, message: Message) -> None:
        if message["type"] == "died":
            self._deaths.tell(message["pid"], message["status"])
            # Its greeting may still be on its way, on another connection.
            asyncio.get_running_loop().call_later(_DEATH_NEWS, self._give_up, message["token"])
        elif peer is self.live:
            self.on_message(message)

    def _closed(self, peer: Peer) -> None:
        if peer is self.live:
            self.live = None
            self._later(self._report_death(peer.pid))
        for token in [token for token, (parent, _) in self._tokens.items() if parent is peer]:
            self._give_up(token)
        self.checkpoints = [place for place in self.checkpoints if place.peer is not peer]

    def _give_up(self, token: int) -> None:
        """A copy that has not said hello will not come any more."""
        self._attach.pop(token, None)
        _, future = self._tokens.pop(token, (None, None))
        if future is not None and not future.done():
            future.set_exception(ConnectionError("the checkpoint is gone"))

    async def _report_death(self, pid: int) -> None:
        self.on_death(pid, await self.status(pid))

    async def status(self, pid: int) -> int | None:
        """How a process ended: its exit status or minus the signal; None if nobody can tell."""
        return await self._deaths.status(pid)

    def signal_live(self) -> None:
        """Ask the live process to stop."""
        if self.live is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.live.pid, PAUSE_SIGNAL)

    def _later(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """End every process and remove what they left."""
        self.live = None
        for task in self._tasks:
            task.cancel()
        await self.hub.close()
        if self._process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                await asyncio.to_thread(self._process.wait, 2)
            if self._process.poll() is None:
                self._process.kill()


PAUSE_SIGNAL = signal.SIGRTMIN + 5 if hasattr(signal, "SIGRTMIN") else signal.SIGUSR2
"""As in debuggee/boot.py."""


def private_memory(pid: int) -> int:
    """Bytes of a process that no other process shares; 0 if it cannot be known."""
    try:
        with open(f"/proc/{pid}/smaps_rollup") as file:
            return sum(int(line.split()[1]) * 1024 for line in file if line.startswith("Private_"))
    except (OSError, ValueError, IndexError):
        return 0


def _default_cap() -> int:
    """A quarter of the memory that is free now, 4 GB at most."""
    try:
        with open("/proc/meminfo") as file:
            entries = dict(line.split(":", 1) for line in file)
        available = int(entries["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        return 1 << 30
    return min(available // 4, 4 << 30)
