"""Which parts of the network the next operation reads and which the last one wrote."""

from __future__ import annotations

from dataclasses import dataclass, field

from backprop_tui.debugger.view import View
from backprop_tui.panes.drawing.layers import Chain, Layer, Quantity, is_of
from backprop_tui.panes.drawing.observed import (
    Observed,
    changed_by_last,
    origin_of,
    reads,
    time_of,
    used_by_last,
)
from backprop_tui.protocol import Record, Time


@dataclass
class Marks:
    """``read``, ``wrote`` or nothing, for each part of the picture; columns count from the input, 0."""

    parts: dict[tuple[str, int], str] = field(default_factory=dict)

    def _mark(self, part: str, number: int) -> str:
        return self.parts.get((part, number), "")

    def value(self, column: int) -> str:
        """What a column of neurons hands on."""
        return self._mark("value", column)

    def before(self, column: int) -> str:
        """The values before the activation."""
        return self._mark("before", column)

    def gradient(self, column: int) -> str:
        return self._mark("gradient", column)

    def gradient_before(self, column: int) -> str:
        return self._mark("gradient_before", column)

    def weight(self, layer: int) -> str:
        return self._mark("weight", layer)

    def weight_gradient(self, layer: int) -> str:
        return self._mark("weight_gradient", layer)

    def bias(self, layer: int) -> str:
        return self._mark("bias", layer)

    def loss(self) -> str:
        return self._mark("loss", 0)

    def forward(self, column: int) -> str:
        """State of the way into a column: ahead, read, wrote or done."""
        return self._mark("forward", column)

    def backward(self, column: int) -> str:
        """State of the way back out of a column; nothing before the backward pass has begun."""
        return self._mark("backward", column)


def mark_chain(view: View, seen: Observed, chain: Chain) -> Marks:
    """Marks of the next and the last operation on a chain of layers."""
    marker = _Marker(seen, chain)
    marker.used(used_by_last(view))
    if seen.last is not None:
        marker.wrote(seen.last)
        for record in changed_by_last(view):
            marker.changed(record)
    if seen.next is not None:
        marker.read(seen.next)
    marker.rails()
    return Marks(marker.parts)


class _Marker:
    def __init__(self, seen: Observed, chain: Chain) -> None:
        self.seen = seen
        self.chain = chain
        self.parts: dict[tuple[str, int], str] = {}

    def _column_times(self, column: int) -> set[Time]:
        """The operations of one column; the loss is the last column."""
        if column > len(self.chain.layers):
            return self.chain.loss.times if self.chain.loss else set()
        layer = self.chain.layers[column - 1]
        return layer.pre.times | (layer.post.times if layer.post else set())

    def _columns(self) -> range:
        return range(1, len(self.chain.layers) + 1 + bool(self.chain.loss))

    def used(self, names: frozenset[str]) -> None:
        """What stands in the formula that explains the last operation."""
        for number, layer in enumerate(self.chain.layers):
            for part, name in (("weight", layer.weight), ("bias", layer.bias)):
                if name in names:
                    self.parts[part, number] = "used"

    # ---- the next operation

    def read(self, record: Record) -> None:
        if record["kind"] == "node":
            self._read_gradient(record)
            return
        if record["kind"] in ("op", "module", "forward", "loss"):
            self._read_values(record)
        names = reads(record)
        for number, layer in enumerate(self.chain.layers):
            self._read_names(number, layer, names)

    def _read_names(self, number: int, layer: Layer, names: frozenset[str]) -> None:
        for part, name in (("weight", layer.weight), ("bias", layer.bias)):
            if name in names:
                self.parts[part, number] = "read"
            if name is not None and f"{name}.grad" in names:
                self.parts[f"{part}_gradient", number] = "read"

    def _read_values(self, record: Record) -> None:
        for info in record.get("inputs") or []:
            for column, part, quantity in reversed(list(self._quantities())):
                if quantity.known and is_of(self.seen, info, quantity):
                    self.parts[part, column] = "read"
                    break

    def _quantities(self) -> list[tuple[int, str, Quantity]]:
        found = [(0, "value", self.chain.start)]
        for number, layer in enumerate(self.chain.layers):
            if layer.post is not None:
                found.append((number + 1, "before", layer.pre))
            found.append((number + 1, "value", layer.out))
        return found

    def _read_gradient(self, record: Record) -> None:
        for column, part, quantity in self._quantities():
            if origin_of(record) in quantity.times:
                self.parts["gradient" if part == "value" else "gradient_before", column] = "read"
        if self.chain.loss and origin_of(record) in self.chain.loss.times:
            self.parts["loss", 0] = "read"

    # ---- the last operation

    def wrote(self, record: Record) -> None:
        time = time_of(record)
        for column, part, quantity in self._quantities():
            if time in quantity.times:
                self.parts[part, column] = "wrote"
        if self.chain.loss and (time in self.chain.loss.times or record["kind"] == "loss"):
            self.parts["loss", 0] = "wrote"
        if record["kind"] == "node":
            self._wrote_gradient(record)

    def _wrote_gradient(self, record: Record) -> None:
        """The gradient of the column before, unless more nodes of this column follow."""
        origin = origin_of(record)
        following = origin_of(self.seen.next) if self.seen.next else None
        for column in self._columns():
            times = self._column_times(column)
            known = column > 1 and self.chain.layers[column - 2].out.grad is not None
            if known and origin in times and following not in times:
                self.parts["gradient", column - 1] = "wrote"

    def changed(self, record: Record) -> None:
        """A parameter or its gradient was written."""
        name = record.get("parameter") or record.get("tensor")
        suffix = "" if record["kind"] == "update" else "_gradient"
        for number, layer in enumerate(self.chain.layers):
            for part, own in (("weight", layer.weight), ("bias", layer.bias)):
                if own is not None and own == name:
                    self.parts[part + suffix, number] = "wrote"

    # ---- the ways between the columns

    def rails(self) -> None:
        begun = any(time_of(n) in self.seen.completed for nodes in self.seen.nodes.values() for n in nodes)
        for column in self._columns():
            self.parts["forward", column] = self._forward(column)
            if begun or self._backward(column) != "ahead":
                self.parts["backward", column] = self._backward(column)

    def _forward(self, column: int) -> str:
        own = "loss" if column > len(self.chain.layers) else "value"
        target = (own, 0 if own == "loss" else column)
        if "wrote" in (self.parts.get(target), self.parts.get(("before", column))):
            return "wrote"
        coming = self.seen.next and self.seen.next["kind"] == "op"
        if coming and self.parts.get(("value", column - 1)) == "read":
            return "read"
        if own == "loss":
            return "done" if self.chain.loss and self.chain.loss.value is not None else "ahead"
        return "done" if self.chain.layers[column - 1].out.known else "ahead"

    def _backward(self, column: int) -> str:
        times = self._column_times(column)
        if self.seen.next and origin_of(self.seen.next) in times:
            return "read"
        if self.seen.last and self.seen.last["kind"] == "node" and origin_of(self.seen.last) in times:
            return "wrote"
        nodes = [node for time in times for node in self.seen.nodes.get(time, [])]
        return "done" if nodes else "ahead"
