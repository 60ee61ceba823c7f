"""Run a script observed, without a debugger, and say between its own lines where it is counted to be.

    python counted.py whole|each SCRIPT ARGS

whole: what torch does by itself within a call of the script's is counted, where nobody looks at it; each:
every operation is announced. A line at every operation of depth 0 and at every landmark: which it is, the
iteration, the number in it, and whether that is sure.
"""

import sys
from typing import Any

from backprop_tui.debuggee import boot
from backprop_tui.debuggee.clock import Clock
from backprop_tui.debuggee.gate import Until
from backprop_tui.debuggee.op import Op
from backprop_tui.debuggee.runner import Program, run


class Nobody:
    """In the place of the connection to a debugger."""

    def __init__(self, address: Any) -> None:
        pass

    def send(self, message: Any) -> None:
        pass

    def close(self) -> None:
        pass


class Told(Clock):
    """Says when a landmark passes."""

    __slots__ = ()

    def pass_landmark(self, value: float, ends_iteration: bool) -> None:
        super().pass_landmark(value, ends_iteration)
        print("landmark", self.landmark, self.iteration, self.number, self.unsure is None, flush=True)


class Announced(boot.Engine):
    """Says when an operation of depth 0 begins."""

    def begin(self, level: str, kind: str, name: str, inputs: Any = None, call: Any = None) -> Op:
        op = super().begin(level, kind, name, inputs, call)
        if op.depth == 0:
            print(kind, name, *op.time, op.iteration, op.number, self.clock.unsure is None, flush=True)
        return op


def main(how: str, script: str, arguments: list[str]) -> int:
    boot.Channel = Nobody  # type: ignore[assignment, misc]
    boot.Engine = Announced  # type: ignore[misc]
    debuggee = boot.Debuggee({"address": "", "folder": "", "capture": False})
    debuggee.prepare()
    engine = debuggee.engine
    engine.clock = Told()
    engine.gate.arm(Until())
    if how == "each":
        engine.overlooks = lambda kind: False  # type: ignore[method-assign]
    engine.observing = True
    debuggee.server.observes = lambda iteration: True  # type: ignore[method-assign]
    engine.next_report = float("inf")
    debuggee.sync()
    outcome = run(Program(script, tuple(arguments), False))
    print("ended", outcome.status, outcome.error or "")
    return outcome.status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], sys.argv[3:]))
