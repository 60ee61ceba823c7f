"""Rules of the functions that do the same to each of a list of tensors, as clip_grad_norm_ calls them.

torch's documentation, "Foreach Functions": each is the function of the same name, tensor by tensor.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from backprop_tui.explain.evidence import Array, Tensor
from backprop_tui.explain.rule import Case, Index, Rule, Sum
from backprop_tui.explain.rules import arithmetic, choices, copies, functions, norms

_BASES: dict[str, Rule] = {
    **arithmetic.OPS, **functions.OPS, **choices.OPS, **copies.OPS, "norm": norms.OPS["linalg_vector_norm"],
}  # fmt: skip


def _one(case: Case, number: int, base: Rule) -> Case:
    """The call for one of the tensors."""
    seen = case.evidence

    def part(value: Any) -> Any:
        return value[number] if isinstance(value, (list, tuple)) and number < len(value) else value

    single = replace(
        seen,
        name=seen.name.removeprefix("_foreach_"),
        args=tuple(part(value) for value in seen.args),
        kwargs={name: part(value) for name, value in seen.kwargs.items()},
        outputs=(case.result(number),),
    )
    return Case(single, single.bind(base.signature))


def _many(case: Case) -> int:
    return len([one for one in case.evidence.outputs if isinstance(one, Tensor)])


def _each(base: Rule) -> Rule:
    def evaluate(case: Case) -> list[Array | None]:
        return [base.evaluate(_one(case, number, base))[0] for number in range(_many(case))]

    def scale(case: Case) -> list[Array | None]:
        if base.scale is None:
            return [None] * _many(case)
        return [base.scale(_one(case, number, base))[0] for number in range(_many(case))]

    def symbols(case: Case, number: int) -> str:
        return _template(base, _one(case, number, base)).replace("{", "").replace("}", "")

    def element(case: Case, number: int, index: Index) -> Sum | str:
        single = _one(case, number, base)
        if base.element is not None:
            return base.element(single, 0, index)
        template = _template(base, single)
        for name in single.operands:
            if f"{{{name}}}" in template:
                template = template.replace(f"{{{name}}}", single.at(name, index))
        return template

    return Rule(symbols, evaluate, "input, *rest, **named", element, scale=scale)


def _template(base: Rule, case: Case) -> str:
    found: Any = base.symbols
    if isinstance(found, Callable):  # type: ignore[arg-type]
        found = found(case, 0)
    return found if isinstance(found, str) else str(found[0])


_NAMES = [
    *["add", "sub", "mul", "div", "pow", "neg", "reciprocal", "sqrt", "rsqrt", "exp", "log", "abs", "sign"],
    *["clamp_min", "clamp_max", "maximum", "minimum", "addcmul", "addcdiv", "lerp", "norm", "zero_", "copy_"],
    *["erf", "round", "floor", "ceil"],
]

OPS: dict[str, Rule] = {
    f"_foreach_{name}{place}": _each(_BASES[f"{name}{place}" if f"{name}{place}" in _BASES else name])
    for name in _NAMES
    for place in ("", "_")
    if name in _BASES and not (name.endswith("_") and place)
}

NODES: dict[str, Rule] = {}
