"""Curves, output and changes: what is kept of them, and what going back forgets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backprop_tui.debugger import printed
from backprop_tui.debugger.history import History
from backprop_tui.debugger.log import ChangeLog, chip_of
from backprop_tui.debugger.options import parse_change
from backprop_tui.debugger.printed import Printed, whole
from backprop_tui.debugger.run import Target


def message(time: tuple[int, int], **more: Any) -> dict[str, Any]:
    return {"time": list(time), "iteration": 1, **more}


class File:
    """What one process prints to one stream."""

    def __init__(self, path: Path, before: int = 0) -> None:
        self.path = path
        self.before = before
        self.path.write_bytes(b"")

    def add(self, data: bytes) -> list[Any]:
        with open(self.path, "ab") as file:
            file.write(data)
        return self.mark()

    def mark(self) -> list[Any]:
        return [str(self.path), self.path.stat().st_size, self.before]


def text(history: History, stream: str = "out") -> str:
    return "".join(chunk.text for chunk in history.output if chunk.stream == stream)


# output
def test_output_carries_its_stream_and_the_time_at_which_it_was_told(tmp_path: Path) -> None:
    history, out, err = History(), File(tmp_path / "1.out"), File(tmp_path / "1.err")
    history.take(message((0, 3), output=[out.add(b"one\n"), err.mark()]))
    history.take(message((0, 4), output=[out.mark(), err.add(b"oops\n")]))
    history.take(message((1, 0), output=[out.add(b"two\n"), err.mark()]))

    assert [(chunk.time, chunk.stream, chunk.text) for chunk in history.output] == [
        ((0, 3), "out", "one\n"), ((0, 4), "err", "oops\n"), ((1, 0), "out", "two\n"),
    ]  # fmt: skip


def test_a_character_cut_in_two_waits_for_its_rest(tmp_path: Path) -> None:
    history, out = History(), File(tmp_path / "1.out")
    euro = "€".encode()
    history.take(message((0, 1), output=[out.add(b"1 " + euro[:2]), None]))
    assert text(history) == "1 "
    history.take(message((0, 2), output=[out.add(euro[2:] + b"!"), None]))

    assert text(history) == "1 €!"


def test_bytes_that_are_no_text_are_shown_as_such(tmp_path: Path) -> None:
    history, out = History(), File(tmp_path / "1.out")
    history.take(message((0, 1), output=[out.add(b"a\xffb\n"), None]))

    assert text(history) == "a�b\n"


def test_a_woken_copy_continues_where_it_was_made(tmp_path: Path) -> None:
    history, first = History(), File(tmp_path / "1.out")
    history.take(message((0, 1), output=[first.add(b"ab"), None]))
    history.take(message((0, 2), output=[first.add(b"cd"), None]))
    history.take(message((0, 3), output=[first.add(b"ef"), None]))
    second = File(tmp_path / "2.out", before=3)
    history.take(message((0, 2), output=[second.mark(), None]))
    assert text(history) == "abc"
    history.take(message((0, 3), output=[second.add(b"XY"), None]))

    assert text(history) == "abcXY"


def test_a_copy_further_on_shows_what_lay_ahead(tmp_path: Path) -> None:
    history, first = History(), File(tmp_path / "1.out")
    history.take(message((9, 0), output=[first.add(b"abcdefgh"), None]))
    history.take(message((1, 0), output=[File(tmp_path / "2.out", before=1).add(b"bc"), None]))
    assert [(chunk.time, chunk.text) for chunk in history.output] == [((1, 0), "a"), ((1, 0), "bc")]
    history.take(message((5, 0), output=[File(tmp_path / "3.out", before=6).mark(), None]))

    assert text(history) == "abcdef"


def test_streams_are_joined_in_the_order_of_time(tmp_path: Path) -> None:
    history, out, err = History(), File(tmp_path / "1.out"), File(tmp_path / "1.err")
    for landmark, (data, other) in enumerate([(b"1", b""), (b"", b"2"), (b"3", b"4"), (b"5", b"")]):
        history.take(message((landmark, 0), output=[out.add(data), err.add(other)]))

    assert "".join(chunk.text for chunk in history.output) == "12345"


def test_what_was_printed_between_two_stops_is_in_the_order_in_which_it_was_printed(tmp_path: Path) -> None:
    history, out, err = History(), File(tmp_path / "1.out"), File(tmp_path / "1.err")
    marks = [out.add(b"1346"), err.add(b"25")]
    history.take(message((0, 1), output=marks, turns=[(0, 1), (1, 1), (0, 3), (1, 2)]))
    assert "".join(chunk.text for chunk in history.output) == "123456"
    history.take(message((0, 2), output=[out.add(b"8"), err.add(b"7")], turns=[(0, 4), (1, 3)]))

    assert "".join(chunk.text for chunk in history.output) == "12345678"


def test_one_stream_is_cut_without_the_other(tmp_path: Path) -> None:
    history, out, err = History(), File(tmp_path / "1.out"), File(tmp_path / "1.err")
    history.take(message((0, 1), output=[out.add(b"out"), err.add(b"err")]))
    again = [File(tmp_path / "2.out", before=1), File(tmp_path / "2.err", before=3)]
    history.take(message((0, 0), output=[file.mark() for file in again]))

    assert (text(history), text(history, "err")) == ("o", "err")


def test_from_the_start_nothing_has_been_printed(tmp_path: Path) -> None:
    history, first = History(), File(tmp_path / "1.out")
    history.take(message((0, 1), output=[first.add("näher".encode()), None]))
    history.take(message((0, 0), output=[File(tmp_path / "2.out").mark(), None]))

    assert history.output == ()


def test_old_output_is_dropped_and_going_back_still_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(printed, "KEPT", 10)
    history, first = History(), File(tmp_path / "1.out")
    for index in range(10):
        history.take(message((0, index), output=[first.add(b"%d...\n" % index), None]))
    assert text(history) == "8...\n9...\n"
    second = File(tmp_path / "2.out", before=47)
    history.take(message((0, 9), output=[second.add(b"!"), None]))

    assert text(history) == "8...\n9.!"


def test_a_file_that_is_gone_is_no_error(tmp_path: Path) -> None:
    output = Printed()
    output.read(0, (0, 0), str(tmp_path / "none"), 10, 0)

    assert output.chunks == ()


@given(st.text(), st.integers(0, 200))
def test_a_prefix_is_cut_at_the_border_of_a_character(words: str, cut: int) -> None:
    data = words.encode(errors="surrogatepass")[:cut]
    length = whole(data)

    assert len(data) - 3 <= length <= len(data)
    assert words.startswith(data[:length].decode(errors="surrogatepass"))


@given(st.binary(max_size=20))
def test_any_bytes_can_be_cut(data: bytes) -> None:
    assert max(len(data) - 3, 0) <= whole(data) <= len(data)


@given(st.lists(st.tuples(st.booleans(), st.text(max_size=8), st.floats(0, 1)), max_size=25))
def test_output_is_what_the_processes_have_printed(
    tmp_path_factory: pytest.TempPathFactory, moves: list[tuple[bool, str, float]]
) -> None:
    """Print, or go back to some moment of the past and print something else there."""
    folder, history = tmp_path_factory.mktemp("output"), History()
    file, known = File(folder / "0.out"), b""
    for number, (back, words, where) in enumerate(moves, 1):
        if back:
            known = known.decode()[: int(where * len(known.decode()))].encode()
            file = File(folder / f"{number}.out", before=len(known))
        known += words.encode(errors="replace")
        history.take(message((0, number), output=[file.add(words.encode(errors="replace")), None]))

        assert text(history) == known.decode()


# curves
POINTS = {
    "losses": [[1, 1, "/a/train.py:7", 0.5], [3, 2, "/a/train.py:7", 0.25]],
    "rates": [[2, 1, 0, [0.1]], [4, 2, 0, [0.05]]],
}


def test_curve_points_after_the_cursor_are_hidden() -> None:
    history = History()
    history.take(message((4, 0), **POINTS))
    history.take(message((3, 2)))

    assert [point["value"] for point in history.losses] == [0.5, 0.25]
    assert [point["site"] for point in history.losses] == ["train.py:7"] * 2
    assert [point["lrs"] for point in history.rates] == [[0.1]]
    history.take(message((0, 0)))
    assert (history.losses, history.rates) == ((), ())
    history.take(message((4, 0)))
    assert len(history.losses) == len(history.rates) == 2


def test_a_replay_writes_the_same_points_again() -> None:
    history = History()
    history.take(message((4, 0), **POINTS))
    history.take(message((3, 0), losses=POINTS["losses"], rates=POINTS["rates"][:1]))

    assert len(history.losses) == 2
    history.take(message((4, 0)))
    assert len(history.rates) == 2


def test_a_point_that_a_replay_tells_otherwise_is_the_new_one() -> None:
    history = History()
    history.take(message((4, 0), **POINTS))
    assert [point["value"] for point in history.losses] == [0.5, 0.25]
    history.take(message((4, 0), losses=[[3, 2, "/a/train.py:7", 0.75]]))

    assert [point["value"] for point in history.losses] == [0.5, 0.75]


def test_after_a_change_the_points_that_lay_ahead_are_gone() -> None:
    history = History()
    history.take(message((4, 0), digests=[[1, 5], [2, 6]], **POINTS))
    history.cut((1, 3))
    history.take(message((4, 0), digests=[[2, 7]]))

    assert [point["landmark"] for point in history.losses] == [1]
    assert history.rates == ()


def test_the_first_landmark_that_differs_is_named() -> None:
    history = History()
    assert history.take(message((3, 0), digests=[[1, 11], [2, 22], [3, 33]])) is None

    assert history.take(message((3, 0), digests=[[1, 11], [2, 0], [3, 0]])) == 2


# changes
def changes() -> ChangeLog:
    log = ChangeLog()
    log.add("zero_grad", "off", "zero_grad off", (1, 0), (1, 1))
    log.add("lr", 0.1, "lr 0.1", (3, 2), (2, 3))
    log.add("zero_grad", "on", "", (5, 0), (3, 1))
    return log


def test_of_each_kind_the_last_change_is_in_force() -> None:
    log = changes()
    assert [change.chip for change in log.chips()] == ["lr 0.1"]
    log.cut(Target(0, time=(4, 9)).comes_after)

    assert [change.chip for change in log.chips()] == ["zero_grad off", "lr 0.1"]


def test_a_change_made_at_a_time_stays_when_we_go_back_to_just_that_time() -> None:
    log = changes()
    undone = log.cut(Target(0, time=(3, 2)).comes_after)

    assert [entry.kind for entry in undone] == ["zero_grad"]
    assert [entry.time for entry in log.entries] == [(1, 0), (3, 2)]
    assert [entry.time for entry in log.cut(Target(0, time=(3, 1)).comes_after)] == [(3, 2)]


@pytest.mark.parametrize(("place", "left"), [((2, 2), 1), ((2, 3), 2), ((2, 9), 2), ((3, 1), 3), ((1, 1), 1)])
def test_going_to_an_operation_undoes_what_was_changed_after_it(place: tuple[int, int], left: int) -> None:
    log = changes()
    log.cut(Target(place[0], number=place[1]).comes_after)

    assert len(log.entries) == left


def test_a_state_lacks_the_changes_made_after_it() -> None:
    assert [entry.value for entry in changes().after(1)] == [0.1, "on"]
    assert changes().after(3) == []


def test_changes_in_force_from_the_beginning_are_never_undone() -> None:
    log = ChangeLog((("optimizer", "Adam(lr=0.1)"), ("backward_gradient", True)))
    log.add("optimizer", "SGD(lr=1)", "SGD(lr=1)", (1, 0), (1, 1))
    log.cut(lambda entry: False)

    assert [change.chip for change in log.chips()] == ["Adam(lr=0.1)", "backward(gradient=loss)"]
    assert log.entries == []


def test_several_elements_may_be_set() -> None:
    log = ChangeLog()
    log.add("set", {}, "w[0] = 1", (1, 0), (1, 1))
    log.add("set", {}, "w[1] = 1", (1, 1), (1, 2))

    assert [change.chip for change in log.chips()] == ["w[0] = 1", "w[1] = 1"]


@pytest.mark.parametrize(
    ("kind", "text", "chip"),
    [
        ("zero_grad", "off", "zero_grad off"),
        ("zero_grad", "on", ""),
        ("loss", "half_mse", "loss half_mse"),
        ("reduction", "sum", "loss sum"),
        ("optimizer", "Adam(lr=0.1)", "Adam(lr=0.1)"),
        ("lr", "0.1", "lr 0.1"),
        ("scheduler", "off", "scheduler off"),
        ("backward_gradient", "loss", "backward(gradient=loss)"),
        ("set", "w[0,1]=0.5", "w[0,1] = 0.5"),
        ("set", "w.grad[0]=0", "w.grad[0] = 0.0"),
        ("set", "w[0]=1 - 2j", "w[0] = 1-2j"),
        ("set", "bias=2", "bias = 2.0"),
    ],
)
def test_a_change_of_the_command_line_in_a_few_words(kind: str, text: str, chip: str) -> None:
    assert chip_of("loss" if kind == "reduction" else kind, parse_change(kind, text)) == chip


# ghosts
def curves(count: int, since: int = 0) -> list[list[Any]]:
    """Losses of two places in the script, which take turns."""
    return [[n, n + 1, f"/a/gan.py:{n % 2}", float(n)] for n in range(since, count)]


def grown(count: int) -> History:
    history = History()
    starts = [[n + 1, n] for n in range(count)]
    rates = [[n, n + 1, 0, [0.1]] for n in range(count)]
    history.take(message((count, 0), losses=curves(count), rates=rates, starts=starts))
    return history


def test_the_future_that_is_left_becomes_a_ghost_that_begins_where_each_curve_was() -> None:
    history = grown(10)
    history.cut((6, 2), "lr 1")
    (ghost,) = history.ghosts
    assert (ghost.was, ghost.left_in) == ("lr 1", 7)
    assert [(point["landmark"], point["site"]) for point in ghost.losses] == [
        (5, "gan.py:1"), (6, "gan.py:0"), (7, "gan.py:1"), (8, "gan.py:0"), (9, "gan.py:1"),
    ]  # fmt: skip
    assert [point["landmark"] for point in ghost.rates] == [6, 7, 8, 9]
    assert [point["landmark"] for point in history.losses] == [0, 1, 2, 3, 4, 5, 6]


def test_what_was_not_known_leaves_no_ghost() -> None:
    history = grown(4)
    history.cut((4, 0))
    history.cut((3, 1))
    assert history.ghosts == ()


def test_only_the_last_ghosts_are_kept_the_newest_first() -> None:
    history = History()
    for number in range(5):
        more = grown(8)
        history._losses, history._rates, history.starts = more._losses, more._rates, more.starts
        history.cut((number, 0), f"lr {number}")
    assert [ghost.was for ghost in history.ghosts] == ["lr 4", "lr 3", "lr 2"]
