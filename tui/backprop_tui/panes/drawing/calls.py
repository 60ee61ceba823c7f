"""Which lines of a script call functions that it defines itself.

Such a function is no operation: of `loss = nll(mu, y[i])` the last operation on the line is `y[i]`, and its
result would read like the loss.
"""

from __future__ import annotations

import ast
import re

from backprop_tui.syntax import tree_of

Called = dict[int, tuple[range, ...]]
"""By line: where the functions stand that it calls by their name."""

_CALLED = re.compile(r"([A-Za-z_]\w*)\s*\(")


def called_bodies(text: str) -> Called:
    """Of a whole file; empty for what is no Python."""
    bodies = _bodies(text)
    found: Called = {}
    for number, line in enumerate(text.splitlines(), 1):
        called = [body for name in _CALLED.findall(line) for body in bodies.get(name, ())]
        if called := [body for body in called if number not in body]:
            found[number] = tuple(called)
    return found


def _bodies(text: str) -> dict[str, list[range]]:
    try:
        tree = tree_of(text)
    except (SyntaxError, ValueError):
        return {}
    found: dict[str, list[range]] = {}
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.end_lineno is not None:
            found.setdefault(node.name, []).append(range(node.lineno, node.end_lineno + 1))
    return found
