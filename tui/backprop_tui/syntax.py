"""Python's syntax trees, made in one thread at a time.

Python 3.11 counts the depth of the tree that is being made for all threads together: where the garbage
collector lets another one run meanwhile, which makes a tree too, a SystemError is raised ("AST constructor
recursion depth mismatch", https://github.com/python/cpython/issues/106905).
"""

from __future__ import annotations

import ast
from threading import RLock
from types import CodeType

_alone = RLock()


def tree_of(source: str | bytes, path: str = "<unknown>") -> ast.Module:
    """A whole file. Raises what `ast.parse` raises."""
    with _alone:
        return ast.parse(source, path)


def expression_of(text: str) -> ast.expr:
    """A single expression. Raises what `ast.parse` raises."""
    with _alone:
        return ast.parse(text, mode="eval").body


def code_of(expression: ast.expr, name: str) -> CodeType:
    """What evaluates an expression."""
    with _alone:
        return compile(ast.Expression(expression), name, "eval")
