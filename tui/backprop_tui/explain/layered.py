"""The chain rule for one element of a wide net: ∂L/∂w summed at every operation on the way.

Paths are too many to be written out there. At an operation whose results are the elements a, each element's
part of the gradient is ∂L/∂a · ∂a/∂w: what all paths through it have in common from both ends. The sum over
the elements, with what reaches w past the operation (a residual connection), is ∂L/∂w again.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from backprop_tui.protocol import number

if TYPE_CHECKING:
    from backprop_tui.explain.rule import Index

MOST_ELEMENTS = 512
"""An operation with more gradient elements is not taken apart into paths, but summed."""
PRECISION = {"float64": 1e-12, "float32": 1e-5}
"""Of a sum's rounding, relative to the sum of its terms' sizes; 2e-2 for anything coarser."""
REARRANGING = frozenset(
    {"T", "Transpose", "Permute", "View", "UnsafeView", "ReshapeAlias", "Squeeze", "Unsqueeze", "Alias",
     "Clone", "ToCopy"}
)  # fmt: skip
"""Nodes that hand on the numbers they get: what is said of the next one is true of them."""

_NODE = re.compile(r"Backward\d*$")

Place = tuple[int, int]
"""(iteration, operation)"""


@dataclass(frozen=True)
class Part:
    """What the paths through one element give."""

    index: Index
    above: float
    """∂L/∂a"""
    below: float
    """∂a/∂w"""

    @property
    def product(self) -> float:
        return self.above * self.below


@dataclass(frozen=True)
class Neighbour:
    """The operation that a factor came from; without a place if it is none that can be gone to."""

    name: str
    place: Place | None


@dataclass(frozen=True)
class Layer:
    """The sum over the elements of one operation's result."""

    name: str
    """``AddmmBackward0``"""
    place: Place
    shape: tuple[int, ...]
    above: tuple[Neighbour, ...]
    """Where its gradient comes from; nothing: it is given to ``backward()``."""
    below: tuple[Neighbour, ...]
    """Through which operations w reaches it; nothing: it is computed from w itself."""
    parts: tuple[Part, ...]
    """The largest first."""
    more: int
    """Parts that are not written out."""
    rest: float
    """Their sum."""
    besides: float
    """What reaches w past this operation."""
    ways: int
    """On so many other ways."""
    size: float
    """The sum of the sizes of all that is added up."""

    @property
    def total(self) -> float:
        return sum(part.product for part in self.parts) + self.rest + self.besides

    @property
    def width(self) -> int:
        """Elements with a part."""
        return len(self.parts) + self.more


@dataclass(frozen=True)
class Pass:
    """One backward pass."""

    layers: tuple[Layer, ...]
    """The nearest to the loss first."""
    autograd: float
    """What it added to the element's gradient."""
    dtype: str

    def agrees(self, layer: Layer) -> bool:
        """Whether a layer's sum is autograd's number, to the dtype's precision."""
        size = max(layer.size, abs(self.autograd))
        if not math.isfinite(self.autograd):
            return repr(layer.total) == repr(self.autograd)
        return abs(layer.total - self.autograd) <= PRECISION.get(self.dtype, 2e-2) * size


@dataclass(frozen=True)
class Layered:
    """What every operation on the way from the loss gives to one element's gradient."""

    name: str
    index: Index
    passes: tuple[Pass, ...]

    @property
    def agrees(self) -> bool:
        """Whether every layer's sum is autograd's number."""
        return all(one.agrees(layer) for one in self.passes for layer in one.layers)


def layered(name: str, index: Index, passes: Sequence[Mapping[str, Any]]) -> Layered:
    """From the debuggee's message.

    Operations of one element, that only rearrange, or that the element does not reach are left out.
    """
    return Layered(name, index, tuple(_pass(told) for told in passes))


def _pass(told: Mapping[str, Any]) -> Pass:
    layers = [layer for layer in map(_layer, filter(_worth_telling, told["layers"])) if layer.width]
    return Pass(tuple(layers), number(told["gradient"]), told["dtype"])


def _worth_telling(layer: Mapping[str, Any]) -> bool:
    several = any(size != 1 for size in layer["shape"])
    return several and _NODE.sub("", layer["name"]) not in REARRANGING


def _layer(told: Mapping[str, Any]) -> Layer:
    parts = [Part(tuple(index), number(above), number(below)) for index, above, below in told["parts"]]
    iteration, operation = told["at"]
    below = [_neighbour(one) for one in told["below"] if one["name"] != "AccumulateGrad"]
    return Layer(
        told["name"], (iteration, operation), tuple(told["shape"]),
        tuple(_neighbour(one) for one in told["above"]), tuple(below),
        tuple(parts), told["more"], number(told["rest"]), number(told["besides"]), told["ways"],
        number(told["size"]) + number(told["besides_size"]),
    )  # fmt: skip


def _neighbour(told: Mapping[str, Any]) -> Neighbour:
    iteration, operation = told["at"]
    return Neighbour(told["name"], None if iteration is None else (iteration, operation))
