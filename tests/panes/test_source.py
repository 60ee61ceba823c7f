"""Which lines of a file an operation can belong to."""

from __future__ import annotations

import pytest

from backprop_tui.panes.source import lines_of_code

TEXT = """\
'''Says what it is for,
in two lines.'''

import torch  # code

def total(x):
    "one line"
    # a comment
    return torch.cat([
        x,

        x * 2,
    ]).sum()
"""


def test_code_begins_at_these_lines() -> None:
    assert lines_of_code(TEXT) == {4, 6, 9, 10, 12}


def test_a_string_that_is_used_is_code() -> None:
    assert lines_of_code("f = print\nf('x')\n'unused'\nx = (\n  'used')\n") == {1, 2, 4, 5}


def test_what_is_not_python_is_told() -> None:
    with pytest.raises(SyntaxError):
        lines_of_code("def")
