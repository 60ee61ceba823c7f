"""Starts a debuggee: torch, the patches, and the root checkpoint from which every run begins."""

from __future__ import annotations

import gc
import json
import os
import signal
import sys
from time import perf_counter
from typing import Any

import torch
import torch.utils.data

from backprop_tui.debuggee import checkpoint, clipping, compiler, private, tracers, warn
from backprop_tui.debuggee.altering import Alterations
from backprop_tui.debuggee.backward import Backward
from backprop_tui.debuggee.changes import ChangeError, Changes
from backprop_tui.debuggee.changes.registry import Registry, install
from backprop_tui.debuggee.channel import Channel
from backprop_tui.debuggee.comparing import Comparison
from backprop_tui.debuggee.describe import ALL
from backprop_tui.debuggee.engine import Engine
from backprop_tui.debuggee.inspection import Inspection
from backprop_tui.debuggee.loader import keep_in_process
from backprop_tui.debuggee.modules import ModuleCalls
from backprop_tui.debuggee.observer import Observer
from backprop_tui.debuggee.output import Output
from backprop_tui.debuggee.probe import Probe
from backprop_tui.debuggee.runner import Outcome, Program, run
from backprop_tui.debuggee.serve import Server
from backprop_tui.debuggee.steps import Steps
from backprop_tui.debuggee.table import Table
from backprop_tui.debuggee.tracking import track
from backprop_tui.protocol import KERNEL, Record

PAUSE_SIGNAL = signal.SIGRTMIN + 5 if hasattr(signal, "SIGRTMIN") else signal.SIGUSR2


class Debuggee:
    """One process with torch in it: the root, and by forks of it every live copy and checkpoint."""

    def __init__(self, setting: dict[str, Any]) -> None:
        self.setting = setting
        channel = Channel(setting["address"])
        output = Output(setting["folder"]) if setting["capture"] else None
        self.checkpoints = checkpoint.Checkpoints(channel, output)
        self.engine = Engine()
        self.registry = Registry()
        self.changes = Changes(self.registry)
        self.observer = Observer(self.engine, self.changes)
        self.modules = ModuleCalls(self.engine)
        self.server = Server(self.engine, self.checkpoints, self.sync)
        self.observer.note = self.server.note
        self.inspection = Inspection(self.engine.names, self.registry.optimizers)
        self.table = Table(self.inspection, self.engine.recorder, lambda: self.checkpoints.token)
        self.alterations = Alterations(
            self.engine, self.observer, self.changes, self.registry, self.inspection
        )

    def sync(self) -> None:
        """Let the patches follow whether the engine observes."""
        self.observer.sync()
        self.modules.sync()

    def prepare(self) -> None:
        """Patch torch, and do once what would cost every run time."""
        torch.set_num_threads(1)
        private.keep_fast_path()
        private.keep_l1_weight()
        private.name_no_ranges_of_optimizers()
        private.watch_saved_tensor_hooks()
        compiler.load_late(self.engine.quietly)
        warn.install(self.engine.warned)
        tracers.leave_alone(self.observer.away)
        checkpoint.hide_from_waiting(self.checkpoints)
        self.engine.quiet += 1
        Backward(self.engine, self.observer).install()
        install(self.registry)
        Steps(self.engine, self.observer, self.changes).install()
        clipping.install(self.engine)
        keep_in_process(self.server.note)
        self.checkpoints.appending.install()
        if self.setting["capture"]:  # a trace never comes back to the root
            with self.registry.paused():
                _warm_up()
        self.engine.quiet -= 1
        self.engine.has_optimizer = lambda: bool(self.registry.optimizers())
        self.engine.recorder.optimizers = self.registry.optimizers
        self.engine.conditions.optimizers = self.registry.optimizers
        self.server.commands.update(self._commands())
        self.server.changes_made = lambda: self.alterations.made
        self.alterations.describe_next = self.server.describe_next
        self.alterations.next_op = lambda: self.server.next_op
        self.server.table = lambda: self.table.id
        self.server.on_woken = self._woken
        os.register_at_fork(after_in_child=self._forked)
        signal.signal(PAUSE_SIGNAL, self._paused)

    def _commands(self) -> dict[str, Any]:
        return {
            "details": self._details,
            "toggles": lambda message: self.alterations.toggles(),
            "tensors": self.table.tensors,
            "window": self.inspection.window,
            "nonfinite": self.inspection.nonfinite,
            "change": self.alterations.change,
            "choices": self.alterations.choices,
            "plan": self.alterations.plan,
            "evidence": lambda message: self.engine.witness.latest,
            "obstacle": lambda message: checkpoint.obstacle(),
            **Comparison(self.inspection).commands(),
            "track": lambda message: track(self.engine, self.registry.optimizers, message),
            **Probe(self.inspection, self.engine, self.checkpoints.channel.send).commands(),
        }

    def _details(self, message: dict[str, Any]) -> dict[str, Any]:
        """What the screen shows beside the operation itself, at a stop or as an answer."""
        table = self.table.whole() if "id" in message else self.table.news()
        return {"parameters": table, "toggles": self.alterations.toggles()}

    def _woken(self, message: dict[str, Any]) -> None:
        self.table.know(message.get("table"))
        self.alterations.expect(message.get("changes", []))

    def _forked(self) -> None:
        """A child that the script forked is not ours: it must be silent."""
        if not self.checkpoints.forking:
            self.engine.quiet += 1_000_000
            self.checkpoints.channel.close()

    def _paused(self, *_: Any) -> None:
        """The debugger asks us to stop: at the next operation, or right here if it asks again."""
        engine = self.engine
        clock = engine.clock
        if self.server.stopped or not engine.gate.heeds_pause((clock.landmark, clock.operation)):
            return
        again = engine.gate.pause
        engine.gate.pause = engine.gate.armed = True
        if again and not engine.quiet:
            engine.quiet += 1
            try:
                self.server.stop(None, "interrupt")
            finally:
                engine.quiet -= 1

    def serve(self) -> None:
        """Be the root checkpoint; in each woken copy, run the script."""
        # A copy whose garbage collector looks through all of torch's objects gets pages of its own for them.
        gc.collect()
        gc.freeze()
        self.checkpoints.channel.send(
            {
                "type": "hello",
                "role": "root",
                "pid": os.getpid(),
                "torch": torch.__version__,
                "time": [0, 0],
                "iteration": 0,
            }
        )
        woken = self.checkpoints.sleep({})
        self._start(woken)

    def _start(self, woken: dict[str, Any]) -> None:
        script = woken["script"]
        _set_threads(woken.get("threads", 1), self.server.note)
        if script.get("folder"):
            os.chdir(script["folder"])
        if self.checkpoints.output is not None:
            self.checkpoints.output.take_over()
        trace = woken.get("trace")
        if trace is not None:
            self._trace(trace)
        try:
            self.alterations.expect(woken.get("changes", []))
        except ChangeError as error:
            self.server.end(2, "refused", str(error))
        self.server.go(woken["go"])
        self.engine.observing = self.server.observes(0)
        self.engine.next_report = perf_counter()
        self.sync()
        outcome = run(Program(script["target"], tuple(script["arguments"]), script["module"]))
        self._end(outcome)

    def _trace(self, trace: dict[str, Any]) -> None:
        """Send each record as soon as its operation completed; notices need them whatever is printed."""
        engine, channel = self.engine, self.checkpoints.channel
        kernels = trace["level"] == KERNEL
        engine.recorder.limit = trace["values"]
        engine.recorder.most = ALL

        def send(record: Record, evidence: Any) -> None:
            if kernels or record["level"] != KERNEL:
                message = {"type": "record", "record": record}
                channel.send(message if evidence is None else {**message, "evidence": evidence})

        engine.sink = send

    def _end(self, outcome: Outcome) -> None:
        if outcome.refusal:
            self.server.end(2, "refused", outcome.refusal)
        for sentence in self.alterations.unmet():
            self.server.note(sentence)
        reason = "crashed" if outcome.error else "finished"
        self.server.end(outcome.status, reason, outcome.error, outcome.line)


def _warm_up() -> None:
    """The first step of a process loads and allocates.

    No pass: autograd would start a thread for each GPU that there is, which the copies would not have, and
    start CUDA, which a copy cannot use then.
    """
    weight = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([weight], lr=0.0)
    optimizer.zero_grad()
    weight.grad = torch.zeros(1)
    optimizer.step()


def _set_threads(threads: int, note: Any) -> None:
    """Set the number of threads, and keep the script from changing it: a copy has one."""
    set_num_threads = torch.set_num_threads
    set_num_threads(threads)

    def ignored(count: int) -> None:
        if count != threads:
            note(f"torch.set_num_threads({count}) is ignored: this run uses {threads} (--threads N)")

    for name in ("set_num_threads", "set_num_interop_threads"):
        setattr(torch, name, ignored)


def _set_environment(variables: dict[str, str | None]) -> None:
    """Variables that only the start of this process needed: the script finds them as the user has them."""
    for name, value in variables.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


def main() -> None:
    """Entry point of the process; its setting is the last argument, as JSON."""
    setting = json.loads(sys.argv.pop())
    _set_environment(setting["environment"])
    debuggee = Debuggee(setting)
    debuggee.prepare()
    debuggee.serve()
