"""The chain rule for one element, as lines of text; some lines lead to an operation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from backprop_tui.explain.numbers import MINUS, significant

if TYPE_CHECKING:
    from backprop_tui.explain.chain import Chain, Factor, Path
    from backprop_tui.explain.layered import Layer, Layered, Neighbour, Part, Pass

MOST_LAYERS = 60
"""Of more operations the nearest to the loss and the nearest to w are told."""


@dataclass(frozen=True)
class PathLine:
    """One line; ``goto`` is the (iteration, operation) that enter goes to."""

    text: str
    goto: tuple[int, int] | None = None


def answer_lines(found: Chain | Layered) -> list[PathLine]:
    """All paths of a small net, the sums at every operation of a wide one."""
    # Not needed for the first frame, which has notices and so `PathLine`.
    from backprop_tui.explain.layered import Layered

    return layer_lines(found) if isinstance(found, Layered) else chain_lines(found)


def chain_lines(found: Chain) -> list[PathLine]:
    """Each path as a product with its factors below, then the sum."""
    count = len(found.paths) + found.more
    ways = "one path" if count == 1 else f"{count:,} paths, the largest first"
    lines = [PathLine(f"∂L/∂w for w = {_element(found)}: {ways}")]
    for number, path in enumerate(found.paths, 1):
        lines += [PathLine(""), PathLine(f"{number}.  {_product(path)}")]
        lines += [_factor_line(factor) for factor in path.factors]
    if found.more:
        lines += [PathLine(""), PathLine(f"+ {found.more:,} more, together {_number(found.rest)}")]
    verdict = "✓" if found.agrees else f"✗ autograd: {_number(found.autograd)}"
    return [*lines, PathLine(""), PathLine(f"∂L/∂w = {_sum(found)} {verdict}")]


def _element(found: Chain | Layered) -> str:
    return f"{found.name}[{_place(found.index)}]" if found.index else found.name


def _place(index: tuple[int, ...]) -> str:
    return ",".join(map(str, index))


def _product(path: Path) -> str:
    factors = [_bracketed(_number(factor.value)) for factor in path.factors] or ["1"]
    product = _number(path.product)
    return f"{' · '.join(factors)} = {product}" if len(factors) > 1 or factors != [product] else product


def _factor_line(factor: Factor) -> PathLine:
    text = f"      {_number(factor.value):>12}  {factor.node}"
    if factor.index:
        text += f" at [{_place(factor.index)}]"
    return _leading(text, (factor.iteration, factor.number))


def _leading(text: str, place: tuple[int, int] | None) -> PathLine:
    """A line with the operation that it leads to at its end."""
    return PathLine(text) if place is None else PathLine(f"{text:<58} {place[0]}.{place[1]}", place)


def layer_lines(found: Layered) -> list[PathLine]:
    """At every operation the largest parts of the sum over its elements, the nearest to the loss first."""
    lines = [
        PathLine(f"∂L/∂w for w = {_element(found)}"),
        PathLine("Too many paths to write out: they are summed at each operation,"),
        PathLine("from the loss down to w. The paths through one element a give"),
        PathLine("∂L/∂a · ∂a/∂w: how the loss answers to a, times how a answers to w."),
    ]
    for number, one in enumerate(found.passes, 1):
        if len(found.passes) > 1:
            lines += [PathLine(""), PathLine(f"backward pass {number} of {len(found.passes)}")]
        lines += _pass_lines(one)
    return lines


def _pass_lines(one: Pass) -> list[PathLine]:
    lines: list[PathLine] = []
    layers, left_out = one.layers, max(0, len(one.layers) - MOST_LAYERS)
    for number, layer in enumerate(layers):
        if MOST_LAYERS // 2 <= number < MOST_LAYERS // 2 + left_out:
            continue
        if left_out and number == MOST_LAYERS // 2 + left_out:
            lines += [PathLine(""), PathLine(f"… {left_out:,} operations between …")]
        lines += [PathLine(""), *_layer_lines(one, layer)]
    wrong = sum(not one.agrees(layer) for layer in layers)
    verdict = " ✓ at every operation" if not wrong else f" ✗ at {wrong:,} of {len(layers):,} operations"
    if not layers:
        lines, verdict = [PathLine(""), PathLine("No wide operation on the way depends on it.")], ""
    return [*lines, PathLine(""), PathLine(f"∂L/∂w = {_number(one.autograd)}{verdict}")]


def _layer_lines(one: Pass, layer: Layer) -> list[PathLine]:
    shape = "×".join(map(str, layer.shape))
    lines = [_leading(f"{layer.name}: {shape}, {layer.width:,} with a part", layer.place)]
    lines += [_from("∂L/∂a", above) for above in layer.above] or [PathLine("  ∂L/∂a given to backward()")]
    lines += [_from("∂a/∂w", below) for below in layer.below] or [PathLine("  ∂a/∂w computed from w itself")]
    lines += [_part_line(layer, part) for part in layer.parts]
    if layer.more:
        lines.append(PathLine(f"  + {layer.more:,} more, together {_number(layer.rest)}"))
    if layer.ways:
        ways = "another way" if layer.ways == 1 else f"{layer.ways:,} other ways"
        lines.append(PathLine(f"  + {_number(layer.besides)} on {ways}, past this operation"))
    verdict = "✓" if one.agrees(layer) else f"✗ autograd: {_number(one.autograd)}"
    return [*lines, PathLine(f"  = {_number(layer.total)} {verdict}")]


def _from(factor: str, neighbour: Neighbour) -> PathLine:
    return _leading(f"  {factor} from {neighbour.name}", neighbour.place)


def _part_line(layer: Layer, part: Part) -> PathLine:
    factors = f"{_bracketed(_number(part.above))} · {_bracketed(_number(part.below))}"
    text = f"  {_number(part.product):>13} = {factors}"
    return PathLine(f"{text:<48} at [{_place(part.index)}]", layer.place)


def _sum(found: Chain) -> str:
    terms = [_bracketed(_number(path.product)) for path in found.paths]
    if found.more:
        terms.append(_bracketed(_number(found.rest)))
    total = _number(found.total)
    return total if len(terms) == 1 else f"{' + '.join(terms)} = {total}"


def _bracketed(text: str) -> str:
    return f"({text})" if text.startswith(MINUS) else text


def _number(value: float) -> str:
    return significant(value, "float64", 6).replace("-", MINUS, 1)
