"""Rules made of parts: each result is a template and a function of the operands that the template names."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from backprop_tui.explain.evidence import Array, Tensor
from backprop_tui.explain.rule import Case, Index, Rule, Sum

Element = Callable[[Case, int, Index], "Sum | str"]
Note = Callable[[Case], "str | None"]
Template = str | Callable[[Case], str]
Value = Callable[..., Any]

_OPERAND = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True)
class Part:
    """One result of an operation.

    ``value`` and ``size`` (the magnitude to which rounding is relative) are called with the operands
    whose names stand in braces in the template, in that order, or with those in ``names``, which is
    needed where the template is chosen by the case.
    """

    template: Template
    value: Value
    size: Value | None = None
    names: str | None = None

    def text(self, case: Case) -> str:
        """The template for this case."""
        return self.template if isinstance(self.template, str) else self.template(case)

    def of(self, case: Case, torchs: Tensor | None) -> Array | None:
        """The value; None where an operand was not kept, or torch computed nothing."""
        found = None if torchs is None else self._called(self.value, case)
        return None if found is None or torchs is None else wrapped(np.asarray(found), torchs.dtype)

    def magnitude(self, case: Case, torchs: Tensor | None) -> Array | None:
        """What rounding is relative to; None for the value itself."""
        found = None if torchs is None or self.size is None else self._called(self.size, case)
        return None if found is None else np.abs(found)

    def _called(self, function: Value, case: Case) -> Any:
        operands = [case.get(name) for name in self._names()]
        return None if any(operand is None for operand in operands) else function(*operands)

    def _names(self) -> list[str]:
        if self.names is not None:
            return self.names.split()
        assert isinstance(self.template, str)
        return list(dict.fromkeys(_OPERAND.findall(self.template)))


def rule(*parts: Part, signature: str = "", note: Note | None = None, element: Element | None = None) -> Rule:
    """A rule with one part for each result."""
    return Rule(
        lambda case, number: parts[number].text(case),
        lambda case: [part.of(case, case.result(n)) for n, part in enumerate(parts)],
        signature,
        element,
        note,
        lambda case: [part.magnitude(case, case.result(n)) for n, part in enumerate(parts)],
    )


def op(
    template: Template,
    value: Value,
    signature: str = "input",
    size: Value | None = None,
    *,
    names: str | None = None,
    note: Note | None = None,
    element: Element | None = None,
) -> Rule:
    """The rule of a call that returns one tensor. Every call may be given the tensor to write to."""
    return rule(Part(template, value, size, names), signature=with_out(signature), note=note, element=element)


def node(*parts: Part, note: Note | None = None, element: Element | None = None) -> Rule:
    """The rule of an autograd node, one part for each gradient."""
    return node_of(lambda case: parts, note, element)


def node_of(
    parts: Callable[[Case], Sequence[Part]], note: Note | None = None, element: Element | None = None
) -> Rule:
    """The rule of a node whose formula depends on what it kept.

    The gradients of complex numbers are conjugate; these rules are not written for them.
    """

    def evaluate(case: Case) -> list[Array | None]:
        if _complex(case):
            return []
        return [part.of(case, case.result(n)) for n, part in enumerate(parts(case))]

    def scale(case: Case) -> list[Array | None]:
        return [part.magnitude(case, case.result(n)) for n, part in enumerate(parts(case))]

    return Rule(lambda case, number: parts(case)[number].text(case), evaluate, "", element, note, scale)


def _complex(case: Case) -> bool:
    tensors = [*case.operands.values(), *case.evidence.grad_inputs]
    return any(isinstance(one, Tensor) and one.dtype.startswith("complex") for one in tensors)


PASSED = Part("{g}", lambda g: g)
"""The gradient of what is added, copied, or seen otherwise."""
NEGATED = Part("−{g}", lambda g: -g)
"""The gradient of what is subtracted."""
FLAT = Part("0 · {g}", lambda g: np.zeros_like(g))
"""The gradient of what the result does not change with."""


def with_out(signature: str) -> str:
    """The signature with the keyword ``out`` that most functions have."""
    forms = signature.split(" | ")
    return " | ".join(
        form if "**" in form else f"{form}, {'' if '*' in form else '*, '}out=None" for form in forms
    )


def in_place(rules: Mapping[str, Rule]) -> dict[str, Rule]:
    """The same rules under the names of the methods that write into their own tensor: ``add_``."""
    return {f"{name}_": one for name, one in rules.items()}


def aliases(rules: Mapping[str, Rule], **names: str) -> dict[str, Rule]:
    """Other names for the same operations: ``aliases(OPS, subtract="sub")``."""
    return {new: rules[old] for new, old in names.items()}


def wrapped(values: Array, dtype: str) -> Array:
    """What integers of fewer bits hold of a value; other values as they are."""
    if dtype == "bool":
        return np.asarray(values != 0)
    if dtype not in ("uint8", "int8", "int16", "int32", "int64") or values.dtype.kind == "c":
        return values
    return values.astype(np.int64).astype(dtype).astype(np.int64)


def counted(mask: Callable[[Case], Any], text: str) -> Note:
    """A note about the elements for which something holds: ``3 elements are exactly 0: …``.

    Silent if there is none, or if what it needs was not kept.
    """

    def note(case: Case) -> str | None:
        try:
            count = int(np.count_nonzero(mask(case)))
        except (KeyError, TypeError):
            return None
        are = "1 element is" if count == 1 else f"{count:,} elements are"
        return f"{are} {text}" if count else None

    return note


def always(text: str) -> Note:
    """A note for every case."""
    return lambda case: text
