"""What a view says about the last forward pass, and what the backward pass has reached of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from backprop_tui.debugger.view import View
from backprop_tui.panes.drawing.sentences import TAKEN_OUT
from backprop_tui.protocol import Record, TensorInfo, Time

FORWARD_KINDS = frozenset({"forward", "loss", "module", "op"})
WRITING_KINDS = frozenset({"accumulate", "update", "clear"})


def time_of(record: Record) -> Time:
    """(landmark, operation) of a record."""
    landmark, operation = record["time"]
    return landmark, operation


def origin_of(record: Record) -> Time | None:
    """Time of the forward operation that created an autograd node."""
    origin = record.get("origin")
    return (origin[0], origin[1]) if origin else None


def same_tensor(one: TensorInfo, other: TensorInfo) -> bool:
    """Whether two descriptions can be of one tensor: equal shapes, and equal values if both are known."""
    if one.get("shape") != other.get("shape"):
        return False
    return one.get("values") is None or other.get("values") is None or one["values"] == other["values"]


@dataclass(frozen=True)
class Observed:
    """The forward operations of one iteration in the order in which they began, and their gradients."""

    iteration: int = 0
    stale: bool = False
    """The iteration shown is the one before: this one has not gone forward yet."""
    forward: tuple[Record, ...] = ()
    """phase, module and op records; also those begun and not completed, and the next one."""
    completed: frozenset[Time] = frozenset()
    nodes: dict[Time, list[Record]] = field(default_factory=dict)
    """Time of a forward operation to its autograd nodes, in the order of the backward pass."""
    next: Record | None = None
    last: Record | None = None

    returned: dict[Time, Time] = field(default_factory=dict)
    """Time of a module call, or phase, to the operation that made what it returned."""

    def maker(self, info: TensorInfo) -> Time | None:
        """Time of the operation that made a tensor, None for a leaf or where it is not known."""
        source = info.get("source")
        if not source:
            return None
        time = (source[0], source[1])
        while time in self.returned and self.returned[time] != time:
            time = self.returned[time]
        return time

    def gradient(self, record: Record, output: int = 0) -> TensorInfo | None:
        """∂L/∂output of a forward operation: what its nodes received, if the backward pass came by."""
        outputs = record.get("outputs", [])
        if output >= len(outputs):
            return None
        for node in self.nodes.get(time_of(record), []):
            for grad in node.get("grad_outputs") or []:
                if grad is not None and grad.get("shape") == outputs[output].get("shape"):
                    return grad
        return None


def observe(view: View) -> Observed:
    """Sort the records of a view: those of its iteration, or of the one before if it has not gone forward."""
    stop = view.stop
    iteration = stop.iteration if stop else view.iteration
    seen = _sorted(view, iteration, [*stop.open, *([stop.next] if stop.next else [])] if stop else [])
    before = None if _gone_forward(seen) else observe_iteration(view, iteration - 1)
    if before is not None and before.forward:
        seen = replace(before, stale=True)
    return replace(seen, next=stop.next, last=stop.last) if stop else seen


def _gone_forward(seen: Observed) -> bool:
    """Whether more has run, or is next, than reading numbers out of tensors, as to print them."""
    return any(record["kind"] != "op" or record["name"] not in TAKEN_OUT for record in seen.forward)


def observe_iteration(view: View, iteration: int) -> Observed:
    """An iteration that is over."""
    return _sorted(view, iteration, [])


def _sorted(view: View, iteration: int, begun: list[Record]) -> Observed:
    here = _of_iteration(view, iteration)
    known = [*here, *begun]
    forward = _distinct(record for record in known if record["kind"] in FORWARD_KINDS)
    return Observed(
        iteration=iteration,
        forward=tuple(sorted(forward, key=time_of)),
        completed=frozenset(time_of(record) for record in here),
        nodes=_nodes(known),
        returned=_returned(forward),
    )


def _of_iteration(view: View, iteration: int) -> list[Record]:
    return [record for record in view.records if record["iteration"] == iteration]


def _distinct(records: Iterable[Record]) -> list[Record]:
    """Without repetitions of one operation (a stop's open operations may be records too)."""
    found: dict[Time, Record] = {}
    for record in records:
        found.setdefault(time_of(record), record)
    return list(found.values())


def _nodes(records: Iterable[Record]) -> dict[Time, list[Record]]:
    nodes: dict[Time, list[Record]] = {}
    for record in records:
        origin = origin_of(record)
        if record["kind"] == "node" and origin is not None:
            nodes.setdefault(origin, []).append(record)
    return nodes


def _returned(forward: Iterable[Record]) -> dict[Time, Time]:
    """What passes through a module is known by the time of the module: look behind it."""
    found: dict[Time, Time] = {}
    for record in forward:
        for info in (record.get("outputs") or [])[:1]:
            if record["kind"] != "op" and info.get("source"):
                found[time_of(record)] = (info["source"][0], info["source"][1])
    return found


def changed_by_last(view: View) -> list[Record]:
    """The writes of the last operation: its own, or those of the operations inside it."""
    last = view.stop.last if view.stop else None
    if last is None:
        return []
    if last["kind"] in WRITING_KINDS:
        return [last]
    if last.get("level") != "phase":
        return []
    begun = time_of(last)
    inside: list[Record] = []
    for record in reversed(view.records):
        if time_of(record) < begun:
            break
        if record["kind"] in WRITING_KINDS:
            inside.append(record)
    return inside[::-1]


def read_by_next(view: View) -> frozenset[str]:
    """Names of the tensors that the next operation reads, ``w.grad`` for the gradient of ``w``."""
    record = view.stop.next if view.stop else None
    return reads(record) if record else frozenset()


def used_by_last(view: View) -> frozenset[str]:
    """Names of the tensors in the formulas that explain the last operation."""
    return frozenset(name for item in view.explanations for name in item.operands)


def reads(record: Record) -> frozenset[str]:
    """Names of the tensors that an operation reads, ``w.grad`` for the gradient of ``w``."""
    names = {str(info["name"]) for info in record.get("inputs") or [] if info.get("name")}
    if record["kind"] in ("accumulate", "clear") and record.get("tensor"):
        names.add(f"{record['tensor']}.grad")
    if record["kind"] == "update" and record.get("parameter"):
        names |= {str(record["parameter"]), f"{record['parameter']}.grad"}
    return frozenset(names)
