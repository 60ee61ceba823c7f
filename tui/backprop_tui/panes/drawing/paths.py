"""The chain rule for one element, as lines of text; some lines lead to an operation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from backprop_tui.explain.numbers import MINUS, significant

if TYPE_CHECKING:
    from backprop_tui.explain.chain import Chain, Factor, Path


@dataclass(frozen=True)
class PathLine:
    """One line; ``goto`` is the (iteration, operation) that enter goes to."""

    text: str
    goto: tuple[int, int] | None = None


def chain_lines(found: Chain) -> list[PathLine]:
    """Each path as a product with its factors below, then the sum."""
    name = f"{found.name}[{','.join(map(str, found.index))}]" if found.index else found.name
    count = len(found.paths) + found.more
    ways = "one path" if count == 1 else f"{count:,} paths, the largest first"
    lines = [PathLine(f"∂L/∂w for w = {name}: {ways}")]
    for number, path in enumerate(found.paths, 1):
        lines += [PathLine(""), PathLine(f"{number}.  {_product(path)}")]
        lines += [_factor_line(factor) for factor in path.factors]
    if found.more:
        lines += [PathLine(""), PathLine(f"+ {found.more:,} more, together {_number(found.rest)}")]
    verdict = "✓" if found.agrees else f"✗ autograd: {_number(found.autograd)}"
    return [*lines, PathLine(""), PathLine(f"∂L/∂w = {_sum(found)} {verdict}")]


def _product(path: Path) -> str:
    factors = [_bracketed(_number(factor.value)) for factor in path.factors] or ["1"]
    product = _number(path.product)
    return f"{' · '.join(factors)} = {product}" if len(factors) > 1 or factors != [product] else product


def _factor_line(factor: Factor) -> PathLine:
    where = f"{factor.iteration}.{factor.number}"
    text = f"      {_number(factor.value):>12}  {factor.node}"
    if factor.index:
        text += f" at [{','.join(map(str, factor.index))}]"
    return PathLine(f"{text:<58} {where}", (factor.iteration, factor.number))


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
