"""A session on paper: written whole, read with suspicion."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backprop_tui.debugger import saved
from backprop_tui.debugger.log import Entry
from backprop_tui.debugger.saved import Cursor, Saved, WrongSession
from backprop_tui.debugger.whole_file import write_whole

SESSION = Saved(
    "/home/me/train.py", ("--epochs", "3"), False, "/home/me", None, 1, "0" * 64, "2.13.0",
    (("lr", 0.5),),
    (Entry("loss", {"name": "l1", "reduction": None}, "loss l1", (3, 2), 2, 4),),
    ("train.py:12",),
    Cursor((5, 7), 3, 8),
    tuple((landmark, landmark * 7919 % 2**32) for landmark in range(1, 6)),
)  # fmt: skip

counts = st.integers(0, 10**6)
entries = st.builds(
    Entry,
    st.sampled_from(["loss", "lr", "set"]),
    st.one_of(st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=9), st.none()),
    st.text(max_size=9),
    st.tuples(counts, counts),
    counts,
    counts,
)
sessions = st.builds(
    replace,
    st.just(SESSION),
    arguments=st.lists(st.text(max_size=5), max_size=4).map(
        lambda words: tuple(w.replace("\0", "") for w in words)
    ),
    entries=st.lists(entries, max_size=4).map(tuple),
    cursor=st.builds(Cursor, st.tuples(counts, counts), counts, st.integers(1, 99), st.booleans()),
)


@given(sessions)
def test_what_is_written_is_read_again(session: Saved) -> None:
    assert saved.from_text(saved.to_text(session), "it") == session
    assert saved.load(saved.to_share(session)) == session


def test_a_share_string_is_short_enough_to_paste() -> None:
    long = replace(SESSION, digests=tuple((landmark, landmark) for landmark in range(1, 5001)))
    assert len(saved.to_share(long)) < 700
    assert saved.load(saved.to_share(long)).digests[-1] == (5000, 5000)


def test_of_many_digests_the_last_and_ever_sparser_ones_are_kept() -> None:
    digests = tuple((landmark, 0) for landmark in range(1, 101))
    kept = [landmark for landmark, _ in saved.fewer(digests, 8)]
    assert kept == [37, 69, 85, 93, 97, 99, 100]
    assert saved.fewer(digests, 100) == digests


def whole() -> dict[str, object]:
    data = json.loads(saved.to_text(SESSION))
    assert isinstance(data, dict)
    return data


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("target", ""), ("target", 3), ("arguments", "x"), ("arguments", [1]), ("is_module", 1),
        ("folder", None), ("python", 3), ("threads", 0), ("threads", True), ("sha256", 1), ("torch", None),
        ("first", [["lr"]]), ("first", {}), ("entries", None), ("entries", [{}]), ("entries", [3]),
        ("entries", [{"kind": "lr", "value": 1, "chip": "", "time": [1], "iteration": 1, "number": 1}]),
        ("breakpoints", 1), ("cursor", None), ("cursor", {"time": [1, 2]}),
        ("cursor", {"time": [1, -2], "iteration": 1, "number": 1, "over": False}),
        ("digests", [[0, 1]]), ("digests", [["1", 1]]),
    ],
)  # fmt: skip
def test_a_hand_edited_field_is_named(field: str, value: object) -> None:
    with pytest.raises(WrongSession, match=f"mine.json: “{field}” must be"):
        saved.from_text(json.dumps({**whole(), field: value}), "mine.json")


@pytest.mark.parametrize("field", [key for key in whole() if key not in ("format", "version")])
def test_a_field_that_is_missing_is_named(field: str) -> None:
    data = whole()
    del data[field]
    if field == "python":
        assert saved.from_text(json.dumps(data), "it").python is None
        return
    with pytest.raises(WrongSession, match=f"“{field}” must be"):
        saved.from_text(json.dumps(data), "it")


@pytest.mark.parametrize("share", range(1, 10))
def test_a_truncated_file_is_told_on(tmp_path: Path, share: int) -> None:
    text = saved.to_text(SESSION)
    file = tmp_path / "cut.json"
    file.write_text(text[: len(text) * share // 10])
    with pytest.raises(WrongSession, match="not JSON, or cut off"):
        saved.load(str(file))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "not JSON"), ("[]", "no session of backprop-tui"), ("{}", "no session of backprop-tui"),
        ('{"format": "backprop-tui session", "version": 2}', "version 2: only 1 can be read"),
        ("[" * 100_000, "not JSON"),
    ],
)  # fmt: skip
def test_something_else_is_told_on(tmp_path: Path, text: str, sentence: str) -> None:
    file = tmp_path / "it.json"
    file.write_text(text)
    with pytest.raises(WrongSession, match=sentence):
        saved.load(str(file))


def test_what_cannot_be_read_is_told_on(tmp_path: Path) -> None:
    with pytest.raises(WrongSession, match=r"nothing\.json cannot be read: No such file"):
        saved.load(str(tmp_path / "nothing.json"))
    (tmp_path / "bytes").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(WrongSession, match="not text"):
        saved.load(str(tmp_path / "bytes"))
    (tmp_path / "huge").write_bytes(b" " * (saved.LARGEST + 1))
    with pytest.raises(WrongSession, match="too large"):
        saved.load(str(tmp_path / "huge"))


def test_a_damaged_share_string_is_told_on() -> None:
    word = saved.to_share(SESSION)
    for damaged in (word[:-20], word[:20], f"{saved.PREFIX}???", word[:30] + "AAAA" + word[34:]):
        with pytest.raises(WrongSession, match="share string"):
            saved.load(damaged)


def test_a_share_string_cannot_unpack_to_gigabytes() -> None:
    import base64
    import zlib

    bomb = zlib.compress(b" " * (saved.LARGEST + 10))
    with pytest.raises(WrongSession, match="cut off"):
        saved.load(saved.PREFIX + base64.urlsafe_b64encode(bomb).decode())


def test_a_changed_script_and_another_torch_are_doubts(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text("1")
    session = replace(SESSION, target=str(script), sha256=saved.hash_of(str(script)))
    assert saved.doubts(session, "2.13.0") == []
    script.write_text("2")
    assert saved.doubts(session, "2.6.0") == [
        "train.py has changed since the session was saved",
        "the session was saved with torch 2.13.0, and this is torch 2.6.0",
    ]


def test_a_kill_while_writing_leaves_the_old_file_whole(tmp_path: Path) -> None:
    """The write is made to die at its last moment, before the new file takes the old one's place."""
    file = tmp_path / "it.session.json"
    write_whole(file, saved.to_text(SESSION))
    pid = os.fork()
    if pid == 0:
        os.replace = lambda *_: os.kill(os.getpid(), 9)  # type: ignore[assignment]
        write_whole(file, saved.to_text(replace(SESSION, target="/other.py")))
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 9
    assert saved.load(str(file)) == SESSION


def test_a_write_that_fails_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError):
        write_whole(tmp_path / "it.session.json", saved.to_text(SESSION))
    assert list(tmp_path.iterdir()) == []
