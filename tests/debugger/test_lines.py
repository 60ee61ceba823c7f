"""Which file a name means, and which lines of it an operation can belong to."""

from __future__ import annotations

from pathlib import Path

import pytest

from backprop_tui.debugger.failure import Refused
from backprop_tui.debugger.lines import find, lines_of_code

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


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("train.py", "pkg/losses.py", "pkg/deep/train.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(TEXT)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    return tmp_path


@pytest.mark.parametrize(
    ("typed", "known", "meant"),
    [
        ("losses.py", ["train.py", "pkg/losses.py"], "pkg/losses.py"),
        ("losses.py", ["pkg/__init__.py"], "pkg/losses.py"),
        ("pkg/losses.py", ["train.py"], "pkg/losses.py"),
        ("deep/train.py", ["train.py", "pkg/deep/train.py"], "pkg/deep/train.py"),
        ("train.py", ["train.py", "pkg/deep/train.py"], "train.py"),
        ("../train.py", [], "train.py"),
    ],
)
def test_a_file_is_here_or_beside_a_file_of_the_script(
    package: Path, typed: str, known: list[str], meant: str
) -> None:
    assert find(typed, 9, [str(package / name) for name in known]) == str(package / meant)


def test_a_file_that_is_nowhere_and_a_line_without_code_are_refused(package: Path) -> None:
    known = [str(package / "train.py")]
    with pytest.raises(Refused, match=rf"there is no file none\.py in {package}/elsewhere or {package}$"):
        find("none.py", 1, known)
    with pytest.raises(Refused, match=r"train\.py has 13 lines: there is no line 99"):
        find("train.py", 99, known)
    with pytest.raises(Refused, match=r"line 8 of train\.py has no code"):
        find("train.py", 8, known)


def test_what_cannot_be_read_as_python_is_taken_as_it_is(package: Path) -> None:
    (package / "train.py").write_text("def")
    assert find("train.py", 99, [str(package / "train.py")]) == str(package / "train.py")
