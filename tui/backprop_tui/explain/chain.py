"""The chain rule for one element: ∂L/∂w as a sum over paths, each a product of local factors.

Every autograd node is a linear map of the gradient that comes in (its vector-Jacobian product), so the
factor by which one incoming element enters one outgoing element is the node's rule evaluated for a
gradient that is 1 there and 0 elsewhere. The paths are found by following, from the element up to the
loss, the incoming elements whose factor is not 0: largest contribution first.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from backprop_tui.explain.evidence import Array, Evidence, Tensor
from backprop_tui.explain.explanation import case_of, rule_of, summed_to
from backprop_tui.explain.layered import MOST_ELEMENTS
from backprop_tui.explain.rule import Index
from backprop_tui.protocol import Record

MOST_PATHS = 12
"""So many paths are written out; the others are counted and summed."""
MOST_STEPS = 4_000

Time = tuple[int, int]


class Broken(Exception):
    """The chain cannot be followed; says where and why."""


@dataclass(frozen=True)
class Factor:
    """One local derivative on a path."""

    value: float
    node: str
    """``MulBackward0``"""
    time: Time
    iteration: int
    number: int
    index: Index
    """The element of the node's result's gradient that it multiplies."""


@dataclass(frozen=True)
class Path:
    """One way from the loss to the element; factors that are exactly 1 are left out."""

    factors: tuple[Factor, ...]
    product: float


@dataclass(frozen=True)
class Chain:
    """All ways from the loss to one element."""

    name: str
    index: Index
    paths: tuple[Path, ...]
    """The largest first."""
    more: int
    """Paths that are not written out."""
    rest: float
    """Their sum."""
    total: float
    autograd: float
    """What the backward pass added to the element's gradient."""
    dtype: str

    @property
    def agrees(self) -> bool:
        """Whether the sum over the paths is autograd's number, to the dtype's precision."""
        size = sum(abs(path.product) for path in self.paths) + abs(self.rest)
        precision = 1e-12 if self.dtype == "float64" else 1e-5 if self.dtype == "float32" else 2e-2
        return abs(self.total - self.autograd) <= precision * max(size, abs(self.autograd))


@dataclass(frozen=True, eq=False)
class Node:
    """One autograd node of a pass: what was taken down of it, and when it ran."""

    evidence: Evidence
    time: Time
    iteration: int
    number: int


Place = tuple[int, int]
"""(sequence number of a node, which of its outgoing gradients)"""
Spot = tuple[int, int, Index]
"""An outgoing element of a node."""


class Graph:
    """The nodes of one backward pass, and who sends gradients to whom."""

    def __init__(self, nodes: Sequence[Node]) -> None:
        self.nodes = {node.evidence.sequence: node for node in nodes}
        self._senders: dict[object, list[Place]] = {}
        for node in nodes:
            for number, edge in enumerate(node.evidence.edges):
                if edge is not None:
                    key = tuple(edge) if isinstance(edge, (list, tuple)) else edge
                    self._senders.setdefault(key, []).append((node.evidence.sequence, number))

    def senders(self, target: object) -> list[Place]:
        """Which outgoing gradients go to a leaf (by name), or to (sequence number, input)."""
        return self._senders.get(target, [])

    def factors(self, spot: Spot) -> list[tuple[float, int, Index]]:
        """(factor, which incoming gradient, its element) for all that enter an outgoing element."""
        sequence, number, index = spot
        node = self.nodes[sequence]
        found = []
        for which, incoming in enumerate(node.evidence.grad_outputs):
            if incoming is not None:
                found += [(value, which, at) for value, at in _row(node, number, index, which, incoming)]
        return found


def _row(node: Node, number: int, index: Index, which: int, incoming: Tensor) -> list[tuple[float, Index]]:
    """One row of the node's Jacobian, transposed: by which factor each incoming element enters."""
    evidence = node.evidence
    if incoming.values.size > MOST_ELEMENTS:
        raise Broken(
            f"{evidence.name} has {incoming.values.size:,} incoming elements: too many to take apart"
        )
    rule = rule_of(evidence)
    if rule is None:
        raise Broken(f"there is no rule for {evidence.name} yet")
    row = []
    for at in np.ndindex(incoming.shape):
        unit = np.zeros(incoming.shape)
        unit[at] = 1.0
        value = _outgoing(evidence, number, which, unit)[index]
        if value != 0:
            row.append((float(value), tuple(int(i) for i in at)))
    return row


def _outgoing(evidence: Evidence, number: int, which: int, unit: Array) -> Array:
    incoming = [
        None if item is None else replace(item, values=unit if i == which else np.zeros(item.shape))
        for i, item in enumerate(evidence.grad_outputs)
    ]
    tried = replace(evidence, grad_outputs=tuple(incoming))
    rule = rule_of(tried)
    case = None if rule is None else case_of(rule, tried)
    result = evidence.grad_inputs[number]
    if rule is None or case is None or result is None:
        raise Broken(f"there is no rule for {evidence.name} yet")
    with np.errstate(all="ignore"):
        computed = rule.evaluate(case)[number]
    if computed is None:
        raise Broken(f"the rule for {evidence.name} does not give this gradient")
    return summed_to(np.asarray(computed, dtype=np.float64), result.shape)


def chain(nodes: Sequence[Node], name: str, index: Index) -> Chain:
    """The paths from the loss to one element of a leaf. Raises Broken.

    ``nodes``: those of one backward pass (or of several, whose contributions add).
    """
    graph = Graph(nodes)
    ends = [(*place, index) for place in graph.senders(name)]
    if not ends:
        raise Broken(f"no gradient came to {name} in this iteration's backward pass")
    received = [graph.nodes[end[0]].evidence.grad_inputs[end[1]] for end in ends]
    autograd = sum(float(item.values[index]) for item in received if item is not None)
    dtype = next((item.dtype for item in received if item is not None), "float32")
    paths, more, rest = _search(graph, ends)
    total = sum(path.product for path in paths) + rest
    return Chain(name, index, tuple(paths), more, rest, total, autograd, dtype)


def _search(graph: Graph, ends: Sequence[Spot]) -> tuple[list[Path], int, float]:
    """Best first: what is left when enough paths are found is known as a sum without being followed."""
    order = itertools.count()
    heap: list[tuple[float, int, float, Spot, tuple[Factor, ...]]] = []

    def push(share: float, product: float, spot: Spot, factors: tuple[Factor, ...]) -> None:
        heapq.heappush(heap, (-abs(share), next(order), product, spot, factors))

    for end in ends:
        push(_value(graph, end), 1.0, end, ())
    paths: list[Path] = []
    steps = 0
    rows: dict[Spot, list[tuple[float, int, Index]]] = {}
    while heap and len(paths) < MOST_PATHS and steps < MOST_STEPS:
        steps += 1
        _, _, product, spot, factors = heapq.heappop(heap)
        if spot not in rows:
            rows[spot] = graph.factors(spot)
        for value, which, at in rows[spot]:
            longer = _longer(graph, factors, value, spot, at)
            above = graph.senders((spot[0], which))
            for place in above:
                higher = (*place, at)
                push(product * value * _value(graph, higher), product * value, higher, longer)
            if not above:
                paths.append(_path(graph, longer, product * value, spot[0], which, at))
    left = [product * _value(graph, spot) for _, _, product, spot, _ in heap]
    paths.sort(key=lambda path: -abs(path.product))
    return paths, len(left), float(sum(left))


def _value(graph: Graph, spot: Spot) -> float:
    """The gradient element itself, as torch has it."""
    outgoing = graph.nodes[spot[0]].evidence.grad_inputs[spot[1]]
    return 0.0 if outgoing is None else float(outgoing.values[spot[2]])


def _longer(
    graph: Graph, factors: tuple[Factor, ...], value: float, spot: Spot, at: Index
) -> tuple[Factor, ...]:
    if value == 1:
        return factors
    node = graph.nodes[spot[0]]
    return (Factor(value, node.evidence.name, node.time, node.iteration, node.number, at), *factors)


def _path(
    graph: Graph, factors: tuple[Factor, ...], product: float, sequence: int, which: int, at: Index
) -> Path:
    """A path that has come to the root, where the first gradient is given: 1 for a plain ``backward()``."""
    node = graph.nodes[sequence]
    given = node.evidence.grad_outputs[which]
    first = 1.0 if given is None else float(given.values[at])
    if first != 1:
        start = Factor(first, "backward", node.time, node.iteration, node.number, at)
        factors = (start, *factors)
    return Path(factors, product * first)


def nodes_of(records: Sequence[tuple[Record, Evidence]]) -> list[Node]:
    """The nodes among records with their evidence."""
    return [
        Node(evidence, (record["time"][0], record["time"][1]), record["iteration"], record["number"])
        for record, evidence in records
        if evidence.kind == "node"
    ]
