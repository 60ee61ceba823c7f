"""Lines of the script's files: which file a name means, and at which lines something can happen."""

from __future__ import annotations

import ast
import os
import tokenize
from collections.abc import Iterable, Iterator

from backprop_tui.debugger.failure import Refused
from backprop_tui.syntax import tree_of


def find(file: str, line: int, near: Iterable[str]) -> str:
    """The full path of the file that is meant by what was typed.

    ``near``: paths of files of the script, in whose folders it may be too. Raises Refused if there is
    no such file, or no code at that line of it.
    """
    near = list(near)
    path = next(filter(os.path.isfile, _candidates(os.path.expanduser(file), near)), None)
    if path is None:
        folders = dict.fromkeys(os.path.dirname(known) for known in near)
        raise Refused(f"there is no file {file} in {' or '.join([os.getcwd(), *folders])}")
    _check(path, line)
    return os.path.abspath(path)


def _candidates(file: str, near: list[str]) -> Iterator[str]:
    """``losses.py`` may be here, beside a file of the script, or the end of the path of one."""
    yield file
    yield from (known for known in near if known.endswith(os.sep + file))
    yield from (os.path.join(os.path.dirname(known), file) for known in near)


def _check(path: str, line: int) -> None:
    name = os.path.basename(path)
    try:
        with tokenize.open(path) as stream:
            text = stream.read()
    except (OSError, SyntaxError, UnicodeDecodeError):
        return  # it cannot be known
    if has_code(text, line):
        return
    count = len(text.splitlines())
    if line > count:
        raise Refused(f"{name} has {count} lines: there is no line {line}")
    raise Refused(f"line {line} of {name} {NO_CODE}")


NO_CODE = "has no code: a breakpoint stops where an operation of its line is next"


def has_code(text: str, line: int) -> bool:
    """Whether an operation could belong to a line of a file; also where that cannot be known."""
    try:
        return line in lines_of_code(text)
    except SyntaxError:
        return True


def lines_of_code(text: str) -> frozenset[int]:
    """The lines at which code begins, from 1: not those that are blank, a comment, part of a string or a
    closing bracket. Raises SyntaxError."""
    nodes = list(ast.walk(tree_of(text)))
    strings = {id(node.value) for node in nodes if isinstance(node, ast.Expr) and _is_text(node.value)}
    code = (node for node in nodes if isinstance(node, (ast.expr, ast.stmt)) and id(node) not in strings)
    return frozenset(
        node.lineno for node in code if not (isinstance(node, ast.Expr) and _is_text(node.value))
    )


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)
