"""Rules of element-by-element arithmetic."""

from __future__ import annotations

from backprop_tui.explain.rule import Rule

OPS: dict[str, Rule] = {
    "mul": Rule("{input} · {other}", lambda c: [c["input"] * c["other"]], "input, other"),
}

NODES: dict[str, Rule] = {
    # tools/autograd/derivatives.yaml: mul.Tensor
    "MulBackward": Rule(
        ("{g} · {other}", "{g} · {self}"),
        lambda c: [
            c.g * c["other"] if c.has("other") else None,
            c.g * c["self"] if c.has("self") else None,
        ],
    ),
}
