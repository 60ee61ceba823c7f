"""``backprop-tui trace``: the engine without a screen, one JSON object per operation."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from backprop_tui.debugger.explaining import explained
from backprop_tui.debugger.failure import StartFailed, explain_start
from backprop_tui.debugger.launch import Program, launch
from backprop_tui.debugger.wire import Hub, Message, Peer
from backprop_tui.debugger.written import written, written_explanation, written_notice
from backprop_tui.explain.notices.errors import crash_record
from backprop_tui.explain.notices.notice import Notice
from backprop_tui.explain.notices.watch import Watch
from backprop_tui.protocol import LEVELS, VERSION, Record

if TYPE_CHECKING:
    pass

_TOLD = 3
"""How often the same notice is printed in one run."""


@dataclass(frozen=True)
class TraceOptions:
    """What to print, and when to end."""

    level: str = "operation"
    iterations: int | None = None
    values: int = 64
    explain: bool = False
    """Print an explanation after each operation."""
    check: bool = False
    """End with status 1 if an explanation's numbers are not torch's."""


class Tracer:
    """Runs one program to its end and writes its records as they come."""

    def __init__(self, program: Program, options: TraceOptions, write: Callable[[str], None]) -> None:
        self.program = program
        self.options = options
        self.write = write
        self.wrong = 0
        """How many explanations did not agree with torch."""
        self._levels = LEVELS[: LEVELS.index(options.level) + 1]
        self._notices = Notices()
        self._first = True
        self._ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._hub = Hub(self._hello)

    async def run(self) -> int:
        """Returns the exit status."""
        await self._hub.open()
        process = launch(self.program, self._hub.address, self._hub.folder, capture=False)
        watch = asyncio.create_task(self._watch(process))
        try:
            return await self._ended
        finally:
            watch.cancel()
            await self._hub.close()
            process.wait()

    async def _watch(self, process: Any) -> None:
        """The root dies only if it cannot start (or is killed)."""
        while process.poll() is None:
            await asyncio.sleep(0.05)
        if not self._ended.done():
            self._ended.set_exception(StartFailed(explain_start(self.program, process.returncode, "")))

    def _hello(self, peer: Peer) -> None:
        peer.on_message = self._message
        if peer.hello["role"] == "root":
            options = self.options
            explain = options.explain or options.check
            go = {"record": True, "iterations": options.iterations, "explain": explain}
            trace = {"level": options.level, "values": options.values}
            peer.send(
                {
                    "do": "wake",
                    "token": 0,
                    "script": self.program.script(),
                    "threads": self.program.threads,
                    "changes": self.program.first_changes(),
                    "go": go,
                    "trace": trace,
                }
            )

    def _message(self, peer: Peer, message: Message) -> None:
        if message["type"] == "record":
            self._record(message["record"], message.get("evidence"))
        elif message["type"] == "stop":
            self._note(message)
            if message["reason"] == "crashed":
                self._notice(_crash(message))
            if message["reason"] == "refused":
                self._fail(message["error"])
            else:
                if self._first and message["reason"] == "finished" and self.options.level != "phase":
                    _say("no operation of torch was seen in this script")
                self._end(message.get("exit_status") or 0)
        elif message["type"] == "progress":
            self._note(message)
        elif message["type"] == "died":
            status = message["status"]
            self._end(128 - status if status < 0 else status)

    def _record(self, record: dict[str, Any], evidence: dict[str, Any] | None) -> None:
        if record["level"] in self._levels and record["kind"] != "warning":
            self._write(written(record))
            if evidence is not None:
                self._explain(record, evidence)
        self._notice(record)

    def _notice(self, record: Any) -> None:
        for notice in self._notices.of(record):
            place = {key: record[key] for key in ("depth", "level")}
            self._write(written_notice(notice, place))

    def _explain(self, record: dict[str, Any], evidence: dict[str, Any]) -> None:
        for explanation in explained(evidence):
            self.wrong += explanation.check is False
            if self.options.explain:
                self._write(written_explanation(record, explanation))

    def _write(self, record: dict[str, Any]) -> None:
        if self._first:
            record = {"version": VERSION, **record}
            self._first = False
        try:
            self.write(json.dumps(record, allow_nan=False))
        except BrokenPipeError:
            self._end(128 + 13)

    def _note(self, message: Message) -> None:
        for sentence in message.get("notes", ()):
            _say(sentence)

    def _end(self, status: int) -> None:
        if not self._ended.done():
            self._ended.set_result(status)

    def _fail(self, sentence: str) -> None:
        if not self._ended.done():
            self._ended.set_exception(StartFailed(sentence))


def _say(sentence: str) -> None:
    print(f"backprop-tui: {sentence}", file=sys.stderr)


class Notices:
    """The notices of a run, each the first few times that it is given."""

    def __init__(self) -> None:
        self._watch: Watch | None = Watch()
        self._given: Counter[tuple[Any, ...]] = Counter()

    def of(self, record: Record) -> list[Notice]:
        """What there is to say after a record."""
        if self._watch is None:
            return []
        try:
            return [notice for notice in self._watch.see(record) if self._is_news(notice)]
        except Exception as error:  # a fault in a notice must not end the run that it watches
            self._watch = None
            _say(f"no more notices: {type(error).__name__}: {error}")
            return []

    def _is_news(self, notice: Notice) -> bool:
        key = (notice.id, notice.file, notice.line, notice.subject)
        self._given[key] += 1
        return self._given[key] <= _TOLD


def _crash(message: Message) -> Record:
    """The exception that ended the script, as a record."""
    file, line, *_ = message["frames"][0] if message["frames"] else (None, None)
    return crash_record(message["error"] or "", message["time"], message["iteration"], file, line)


async def trace(program: Program, options: TraceOptions) -> int:
    """Print the records of a program to stdout, one a line. Returns the exit status."""

    def write(line: str) -> None:
        os.write(1, line.encode() + b"\n")

    tracer = Tracer(program, options, write)
    status = await tracer.run()
    if options.check and tracer.wrong:
        print(f"backprop-tui: {tracer.wrong} explanations do not agree with torch", file=sys.stderr)
        return status or 1
    return status
