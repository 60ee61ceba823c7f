"""How far each lesson was read is kept, whole or not at all."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from backprop_tui.guide import progress
from backprop_tui.guide.progress import Notebook, Progress, default_file


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "state" / "progress.json"


def test_nothing_is_written_before_something_was_read(file: Path) -> None:
    assert Notebook(file).of("update") == Progress()
    assert not file.parent.exists()


def test_it_is_kept_for_the_next_run(file: Path) -> None:
    notebook = Notebook(file)
    notebook.reached("update", 3, last=9)
    notebook.answered("update", 1, "close")

    assert Notebook(file).of("update") == Progress(3, False, {"1": "close"})
    assert Notebook(file).of("other") == Progress()


def test_the_furthest_beat_counts_and_what_was_done_stays_done(file: Path) -> None:
    notebook = Notebook(file)
    for beat in (9, 2):
        notebook.reached("update", beat, last=9)

    assert Notebook(file).of("update") == Progress(9, True)


def test_the_first_answer_counts(file: Path) -> None:
    notebook = Notebook(file)
    notebook.answered("update", 1, "wrong")
    notebook.answered("update", 1, "right")

    assert Notebook(file).of("update").answers == {"1": "wrong"}


def test_two_programs_at_once_do_not_undo_each_other(file: Path) -> None:
    one, other = Notebook(file), Notebook(file)
    one.reached("update", 3, last=9)
    other.reached("mazur", 5, last=9)

    assert Notebook(file).of("update").beat == 3
    assert Notebook(file).of("mazur").beat == 5


def test_one_lesson_is_forgotten_or_all(file: Path) -> None:
    notebook = Notebook(file)
    for name in ("update", "mazur", "adam"):
        notebook.reached(name, 3, last=9)
    notebook.reset("mazur")
    some = [Notebook(file).of(name).beat for name in ("update", "mazur", "adam")]
    notebook.reset()

    assert some == [3, 0, 3]
    assert json.loads(file.read_text()) == {}


# written whole or not at all
def test_a_reader_never_sees_half_a_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    notebook = Notebook(file)
    notebook.reached("update", 3, last=9)
    seen: list[Any] = []
    replace = os.replace

    def watched(old: str, new: Path) -> None:
        seen.append((json.loads(Path(old).read_text()), json.loads(new.read_text())))
        replace(old, new)

    monkeypatch.setattr(os, "replace", watched)
    notebook.reached("update", 4, last=9)

    ((written, before),) = seen
    assert (written["update"]["beat"], before["update"]["beat"]) == (4, 3)
    assert [path.name for path in file.parent.iterdir()] == ["progress.json"]


def test_what_has_not_changed_is_not_written(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    notebook = Notebook(file)
    notebook.reached("update", 3, last=9)
    monkeypatch.setattr(os, "replace", lambda *args: pytest.fail("written again"))

    notebook.reached("update", 2, last=9)


def test_a_write_that_fails_leaves_the_old_file_and_no_other(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notebook = Notebook(file)
    notebook.reached("update", 3, last=9)

    def full(*args: Any) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(os, "replace", full)
    notebook.reached("update", 4, last=9)

    assert notebook.of("update").beat == 4
    assert Notebook(file).of("update").beat == 3
    assert [path.name for path in file.parent.iterdir()] == ["progress.json"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_costs_only_the_progress(file: Path) -> None:
    file.parent.mkdir()
    file.parent.chmod(stat.S_IRUSR | stat.S_IXUSR)
    notebook = Notebook(file)

    notebook.reached("update", 3, last=9)

    assert notebook.of("update").beat == 3


def test_a_file_where_the_folder_should_be_costs_only_the_progress(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("in the way")
    notebook = Notebook(tmp_path / "state" / "progress.json")

    notebook.reached("update", 3, last=9)

    assert notebook.of("update").beat == 3


# a damaged file
@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "nonsense",
        "[]",
        "1",
        "null",
        '"text"',
        "\x00",
        '{"update": 1}',
        '{"update": null}',
        "[" * 100_000,
    ],
    ids=lambda text: text[:12],
)
def test_a_damaged_file_is_no_progress_and_is_mended(file: Path, text: str) -> None:
    file.parent.mkdir()
    file.write_text(text)
    notebook = Notebook(file)
    before = notebook.of("update")
    notebook.reached("update", 3, last=9)

    assert before == Progress()
    assert Notebook(file).of("update").beat == 3


def test_a_file_that_is_no_text(file: Path) -> None:
    file.parent.mkdir()
    file.write_bytes(b"\xff\xfe\x00")

    assert Notebook(file).of("update") == Progress()


def test_a_huge_file_is_not_read(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    notebook = Notebook(file)
    notebook.reached("update", 3, last=9)
    monkeypatch.setattr(progress, "_LARGEST", 10)

    assert Notebook(file).of("update") == Progress()


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({"beat": 2, "done": True, "answers": {"1": "right"}}, Progress(2, True, {"1": "right"})),
        ({"beat": "2", "done": "yes", "answers": []}, Progress()),
        ({"beat": -3}, Progress()),
        ({"beat": True}, Progress()),
        ({"beat": 2.5, "answers": {"1": "perfect", "2": "wrong", "3": []}}, Progress(answers={"2": "wrong"})),
        ({"more": 1}, Progress()),
    ],
)
def test_an_entry_of_another_form_is_read_as_far_as_it_goes(
    file: Path, entry: Any, expected: Progress
) -> None:
    file.parent.mkdir()
    file.write_text(json.dumps({"update": entry}))

    assert Notebook(file).of("update") == expected


def test_where_it_is_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))

    assert default_file() == tmp_path / "backprop-tui" / "progress.json"
