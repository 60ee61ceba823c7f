"""One element of a leaf followed through backward passes: what each operation gives to its gradient.

Only in a copy that is thrown away: the hooks hold on to the graph.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import torch

from backprop_tui.debuggee import private
from backprop_tui.debuggee.describe import dense
from backprop_tui.debuggee.engine import Engine
from backprop_tui.debuggee.graph import is_accumulator
from backprop_tui.debuggee.op import Op
from backprop_tui.debuggee.tangents import Tangents, Unfollowed, between, tangents, widest
from backprop_tui.protocol import plain

SHOWN = 5
"""So many parts of a layer are told one by one."""

Message = dict[str, Any]
Edge = tuple[int | None, int, int, float]
"""(position of the node that sends, None for the root's given gradient; of the one that receives; which of
its results; ∂L/∂a · ∂a/∂w summed over what is sent)"""


class Trace:
    """Follows an element through every outermost backward pass from now on."""

    def __init__(self, engine: Engine, find: Callable[[], torch.Tensor | None], index: Sequence[int]) -> None:
        self.engine = engine
        self.find = find
        self.index = tuple(index)
        self.passes: list[Pass] = []
        self.widest = 0
        self.trouble: str | None = None

    def begins(self, roots: Sequence[Any], gradients: Sequence[Any]) -> None:
        """A backward pass is about to begin with these roots and the gradients given for them."""
        for before in self.passes:
            before.unhook()
        try:
            leaf = self.find()
        except LookupError:
            return
        nodes = [] if leaf is None else between(roots, leaf)
        if not nodes:
            return
        self.widest = max(self.widest, widest(nodes))
        try:
            found = Pass(self.engine, nodes, tangents(nodes, self.index), self.index)
        except Unfollowed as reason:
            self.trouble = self.trouble or str(reason)
            return
        found.hook(roots, gradients)
        self.passes.append(found)

    def told(self) -> Message:
        """The layers of every pass that reached the leaf, and what could not be followed."""
        passes = [found.told() for found in self.passes if found.gradient is not None]
        troubles = (self.trouble, *(found.trouble for found in self.passes))
        return {"passes": passes, "widest": self.widest, "trouble": next(filter(None, troubles), None)}


class Pass:
    """One backward pass: at every node on the way ∂L/∂a, as it arrives, meets ∂a/∂w."""

    def __init__(
        self, engine: Engine, nodes: Sequence[Any], known: dict[Any, Tangents], index: tuple[int, ...]
    ) -> None:
        self.engine = engine
        self.nodes = nodes
        self.tangents = known
        self.index = index
        self.gradient: float | None = None
        """What the pass added to the element's gradient."""
        self.dtype = ""
        self.trouble: str | None = None
        self._position = {node: number for number, node in enumerate(nodes)}
        self._ops: dict[int, Op] = {}
        """By position: the operation that a node is counted as."""
        self._handles: list[Any] = []
        self._layers: list[Message] = []
        self._edges: list[Edge] = []

    def hook(self, roots: Sequence[Any], gradients: Sequence[Any]) -> None:
        """Watch what comes to every node and what it sends on."""
        for position, node in enumerate(self.nodes):
            self._handles.append(node.register_prehook(self._quietly(self._arrives, position)))
            if not is_accumulator(node):
                self._handles.append(node.register_hook(self._quietly(self._leaves, position)))
        for root, given in zip(roots, gradients, strict=False):
            node = private.root_node(root)
            if given is not None and node in self._position and not is_accumulator(node):
                self._send(None, node, root.output_nr, given)

    def unhook(self) -> None:
        """The pass is over: the nodes of leaves, and of a retained graph, serve in later ones too."""
        for handle in self._handles:
            handle.remove()

    def _quietly(self, work: Callable[[int, Any], None], position: int) -> Callable[..., None]:
        """What is worked out in a hook is no operation of the script."""

        def hook(gradients: Any, *_: Any) -> None:
            self.engine.quiet += 1
            try:
                with torch.no_grad():
                    work(position, gradients)
            except Exception as error:  # ours, not the script's: it must not see it
                self.trouble = f"{type(self.nodes[position]).__name__} cannot be followed: {error}"
            finally:
                self.engine.quiet -= 1

        return hook

    def _arrives(self, position: int, gradients: Sequence[torch.Tensor | None]) -> None:
        node = self.nodes[position]
        if self.engine.open:
            self._ops[position] = self.engine.open[-1]
        if is_accumulator(node):
            (gradient,) = gradients
            if gradient is not None:
                self.gradient = dense(gradient)[self.index].item()
                self.dtype = str(gradient.dtype)[6:]
            return
        for number, (gradient, tangent) in enumerate(zip(gradients, self.tangents[node], strict=True)):
            if gradient is not None and tangent is not None:
                self._layers.append(_layer(position, number, dense(gradient), tangent))

    def _leaves(self, position: int, gradients: Sequence[torch.Tensor | None]) -> None:
        edges = self.nodes[position].next_functions
        for gradient, (child, number) in zip(gradients, edges, strict=False):
            if gradient is not None and child in self._position:
                self._send(position, child, number, gradient)

    def _send(self, sender: int | None, node: Any, number: int, gradient: torch.Tensor) -> None:
        tangent = self.tangents[node][number]
        if tangent is not None:
            part = float((dense(gradient).double() * tangent.double()).sum())
            self._edges.append((sender, self._position[node], number, part))

    # telling
    def told(self) -> Message:
        """Every layer in the order of the pass, the nearest to the loss first."""
        cuts, into = self._cuts(), self._into()
        layers = [self._finished(layer, cuts, into) for layer in self._layers]
        return {"gradient": plain(self.gradient), "dtype": self.dtype, "layers": layers}

    def _into(self) -> dict[tuple[int, int], list[Edge]]:
        """What is sent to each result of each node."""
        into: dict[tuple[int, int], list[Edge]] = {}
        for edge in self._edges:
            into.setdefault(edge[1:3], []).append(edge)
        return into

    def _cuts(self) -> list[tuple[float, float, int]]:
        """Of all that is sent past or to each node from above it: the sum, the sum of the sizes, how much."""
        changes = [[0.0, 0.0, 0] for _ in range(len(self.nodes) + 1)]
        for sender, receiver, _, part in self._edges:
            for place, sign in ((receiver, 1), (len(self.nodes) if sender is None else sender, -1)):
                changes[place][0] += sign * part
                changes[place][1] += sign * abs(part)
                changes[place][2] += sign
        columns = [itertools.accumulate(column) for column in zip(*changes, strict=True)]
        return list(zip(*columns, strict=True))

    def _finished(
        self,
        layer: Message,
        cuts: list[tuple[float, float, int]],
        into: dict[tuple[int, int], list[Edge]],
    ) -> Message:
        """A layer with its place, and what reaches the element past it."""
        position, number = layer.pop("position"), layer.pop("result")
        arriving = into.get((position, number), [])
        total, size, ways = cuts[position]
        past = ways - len(arriving)
        below = (child for child, _ in self.nodes[position].next_functions if child in self._position)
        return layer | {
            **self._place(position),
            "above": [self._place(edge[0]) for edge in arriving if edge[0] is not None],
            "below": [self._place(spot) for spot in dict.fromkeys(self._position[child] for child in below)],
            "besides": plain(total - sum(edge[3] for edge in arriving)) if past else 0.0,
            "besides_size": plain(size - sum(abs(edge[3]) for edge in arriving)) if past else 0.0,
            "ways": past,
        }

    def _place(self, position: int) -> Message:
        op = self._ops.get(position)
        at = [None, None] if op is None else [op.iteration, op.number]
        return {"name": type(self.nodes[position]).__name__, "at": at}


def _layer(position: int, number: int, gradient: torch.Tensor, tangent: torch.Tensor) -> Message:
    """What comes to one result of a node: the largest parts of the sum over its elements."""
    above, below = gradient.double().flatten(), tangent.double().flatten()
    parts = above * below
    largest = parts.abs().nan_to_num(nan=float("inf")).topk(min(SHOWN, len(parts))).indices
    shown = [spot for spot in largest.tolist() if parts[spot] != 0]
    rest = parts.clone()
    rest[shown] = 0
    shape = tuple(tangent.shape)
    told = [[_index(spot, shape), plain(above[spot].item()), plain(below[spot].item())] for spot in shown]
    return {
        "position": position,
        "result": number,
        "shape": list(shape),
        "parts": told,
        "more": int((rest != 0).sum()),
        "rest": plain(float(rest.sum())),
        "size": plain(float(parts.abs().sum())),
    }


def _index(spot: int, shape: tuple[int, ...]) -> list[int]:
    found = []
    for size in reversed(shape):
        spot, place = divmod(spot, size)
        found.append(place)
    return found[::-1]
