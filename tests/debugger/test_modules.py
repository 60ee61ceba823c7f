"""A module that is run: its file is known while it runs, and when it has ended."""

from __future__ import annotations

from pathlib import Path

import pytest

from backprop_tui.debugger.launch import Program
from backprop_tui.panes.drawing.program import place_of
from support.driving import Driver

TRAIN = """\
import torch
w = torch.ones(1, requires_grad=True)
for _ in range(2):
    (w * w).sum().backward()
"""


@pytest.fixture
def package(tmp_path: Path) -> Path:
    folder = tmp_path / "pkg"
    (folder / "sub").mkdir(parents=True)
    for name in ("__init__.py", "sub/__init__.py"):
        (folder / name).write_text("")
    for name in ("train.py", "__main__.py"):
        (folder / name).write_text(TRAIN)
    return folder


@pytest.mark.parametrize(("name", "file"), [("pkg.train", "train.py"), ("pkg", "__main__.py")])
def test_the_file_of_a_module_is_shown_before_it_runs_and_after_it_has_ended(
    driver: Driver, package: Path, name: str, file: str
) -> None:
    path = str(package / file)
    program = Program(name, is_module=True, folder=str(package.parent))
    assert program.module_file() == path

    driver.do(driver.session.open(program))
    assert place_of(driver.view)[0] == driver.view.file == path
    driver.run()
    assert (driver.status, driver.stop.frames) == ("finished", ())
    assert place_of(driver.view)[0] == path
    assert driver.view.script == name


def test_the_file_of_a_module_from_elsewhere_is_known_once_it_has_stopped(
    driver: Driver, package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert Program("pkg.train", is_module=True, folder=str(package)).module_file() == ""
    monkeypatch.setattr(Program, "module_file", lambda program: "")

    driver.do(driver.session.open(Program("pkg.train", is_module=True, folder=str(package.parent))))
    driver.run()

    assert (driver.status, driver.view.file) == ("finished", str(package / "train.py"))


def test_a_line_that_is_typed_is_one_of_the_module(driver: Driver, package: Path) -> None:
    driver.do(driver.session.open(Program("pkg.train", is_module=True, folder=str(package.parent))))
    driver.session.set_breakpoint("line 4")

    assert driver.view.breakpoints == {(str(package / "train.py"), 4)}


def test_a_script_is_its_own_file(driver: Driver, package: Path) -> None:
    driver.load(package / "train.py")

    assert driver.view.file == driver.view.script == str(package / "train.py")
    assert driver.view.module_file == ""
