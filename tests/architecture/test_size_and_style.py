"""Sizes at which a newcomer still finds the way, and rules that no linter knows."""

import ast
import math
import re
from pathlib import Path

import pytest

import backprop_tui

PACKAGE = Path(backprop_tui.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))
PRIVATE = PACKAGE / "debuggee" / "private.py"

PRIVATE_NAMES = re.compile(
    r"torch\.(?:\w+\.)*_(?!_)\w+"
    r"|_engine_run_backward|_pop_mode|_push_mode|_get_current_function_mode|_get_sequence_nr"
    r"|\.(?:_sequence_nr|_opt_called|_saved_\w+|_register_hook_dict|_step_count|_input_metadata|_is_zerotensor)\b"
    r"|profile_hook_step"
)
"""What torch does not promise to keep."""


def functions(file: Path) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return [node for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]


def length(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    assert function.end_lineno is not None
    return function.end_lineno - function.lineno + 1


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_a_file_has_fewer_than_500_lines(file: Path) -> None:
    assert len(file.read_text(encoding="utf-8").splitlines()) < 500


def test_nine_functions_of_ten_fit_in_35_lines() -> None:
    lengths = sorted(length(function) for file in FILES for function in functions(file))

    assert lengths[math.ceil(0.9 * len(lengths)) - 1] <= 35


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_private_parts_of_torch_are_used_in_one_file_only(file: Path) -> None:
    if file == PRIVATE:
        return
    code = without_docstrings(file)
    found = [(node.lineno, text) for node, text in attribute_chains(code) if PRIVATE_NAMES.search(text)]

    assert not found


def without_docstrings(file: Path) -> ast.Module:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [item for item in body if not is_text(item)]  # type: ignore[attr-defined]
    return tree


def is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def attribute_chains(tree: ast.Module) -> list[tuple[ast.expr | ast.stmt, str]]:
    """(where, dotted text) of every attribute access, imported name, and string given to getattr."""
    found: list[tuple[ast.expr | ast.stmt, str]] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            found.append((node, ast.unparse(node)))
        elif isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "torch":
            found += [(node, f"{node.module}.{alias.name}") for alias in node.names]
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in {"getattr", "setattr", "hasattr"}:
            found += [(node, "." + str(a.value)) for a in node.args[1:2] if isinstance(a, ast.Constant)]
    return found


def test_the_rule_on_private_parts_would_notice_one() -> None:
    bad = ast.parse(
        "import torch\ntorch._C._get_default_device()\nnode._saved_self\ngetattr(o, '_opt_called')"
    )
    found = [text for _, text in attribute_chains(bad) if PRIVATE_NAMES.search(text)]

    assert {"torch._C", "node._saved_self", "._opt_called"} <= set(found)


@pytest.mark.parametrize(
    "file",
    [PACKAGE / "__init__.py", PACKAGE / "protocol.py", *sorted((PACKAGE / "debuggee").rglob("*.py"))],
    ids=lambda file: str(file.relative_to(PACKAGE)),
)
def test_what_runs_in_the_users_python_keeps_to_the_syntax_of_3_10(file: Path) -> None:
    ast.parse(file.read_text(encoding="utf-8"), feature_version=(3, 10))


def test_the_syntax_check_would_notice_a_newer_one() -> None:
    with pytest.raises(SyntaxError):
        ast.parse("try:\n    pass\nexcept* ValueError:\n    pass\n", feature_version=(3, 10))
