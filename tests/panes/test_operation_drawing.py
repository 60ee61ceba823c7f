"""This operation, as text."""

from dataclasses import replace

import pytest

from backprop_tui.debugger.view import Stop, View
from backprop_tui.explain.explanation import Explanation
from backprop_tui.explain.numbers import Hidden
from backprop_tui.panes.drawing import operation
from backprop_tui.panes.drawing.records import result
from backprop_tui.panes.drawing.sentences import sentence
from backprop_tui.panes.drawing.text import plain
from support.fake_session import FakeSession
from support.update_run import tensor


def lines(position, width=50, height=14):
    view = FakeSession(lambda view: None).at(position)
    return [plain(line).rstrip() for line in operation.draw(view, width, height)]


def of(record, **options):
    told = ("done", {"level": "operation", **record}, ())
    view = View("stopped", "a.py")
    return [plain(line).rstrip() for line in operation.section(told, view, options.get("width", 60))]


def test_a_node_shows_what_arrives_and_what_it_passes_on():
    shown = lines(13)

    assert shown[0] == "done AbsBackward0  ← backward"
    assert "g = ∂L/∂out  1                         float32 [1]" in shown
    assert "∂L/∂in       −1                        float32 [1]" in shown


def test_the_heading_of_a_pass_does_not_say_its_direction_twice():
    assert of({"kind": "backward", "name": "backward", "level": "phase"})[0] == "done backward"
    assert of({"kind": "forward", "name": "MyNet", "level": "phase"})[0] == "done forward MyNet"
    assert of({"kind": "loss", "name": "L1Loss", "level": "phase"})[0] == "done loss L1Loss  → forward"


def test_an_accumulate_is_a_sum():
    before, added, after = tensor([1.0, 2.0]), tensor([0.5, 0.5]), tensor([1.5, 2.5])
    sums = {"before": before, "added": added, "after": after}
    shown = of({"kind": "accumulate", "name": "w", "tensor": "w", **sums})

    assert shown[1] == "Adds this pass's gradient to what was already in w.grad."
    assert [line.split("  ")[0] for line in shown[2:]] == ["before", "+ this pass", "= after"]
    assert "[1.5 2.5]" in shown[4]


def test_an_update_shows_both_values_and_what_made_the_difference():
    shown = lines(26, width=60, height=20)

    assert shown[0] == "done update linear1.weight  · optimizer step"
    assert any(line.startswith("before  [[0.11 0.21] [0.12 0.08]]") for line in shown)
    assert any(line.startswith("after   [[0.124 0.231] [0.135 0.1025]]") for line in shown)
    assert any(line.startswith("lr      0.05") for line in shown)
    assert any(line.startswith("SGD moves linear2.weight") for line in shown)


def test_optimizer_state_is_shown_when_there_is_any():
    state = {"step": {"before": 1.0, "after": 2.0}, "exp_avg": {"before": None, "after": tensor([0.1])}}
    record = {"kind": "update", "name": "w", "parameter": "w", "lr": 0.1, "optimizer": "Adam"}
    shown = of({**record, "state": state, "after": tensor([0.5])})

    assert any(line.split() == ["step", "1", "→", "2"] for line in shown)
    assert any(line.split() == ["exp_avg", "None", "→", "[0.1]"] for line in shown)


def test_of_an_update_to_come_only_the_state_that_it_will_read_is_known():
    buffer = {"before": tensor([0.5, -3.0]), "after": None}
    state = {"momentum_buffer": buffer, "n_iter": {"before": 20, "after": None}}
    record = {"kind": "update", "name": "w", "parameter": "w", "lr": 0.1, "optimizer": "SGD", "state": state}
    told = ("next", {"level": "operation", **record, "before": tensor(1.0), "grad": tensor(2.0)}, ())

    shown = [plain(line).split() for line in operation.section(told, View("stopped", "a.py"), 60)]

    assert ["momentum_buffer", "[0.5", "−3]"] in shown
    assert ["n_iter", "20"] in shown


def test_a_state_that_an_update_took_away_is_none_after_it():
    state = {"momentum_buffer": {"before": 1.0, "after": None}}
    record = {"kind": "update", "name": "w", "parameter": "w", "lr": 0.1, "optimizer": "SGD"}

    shown = of({**record, "state": state, "after": tensor(0.5)})

    assert any(line.split() == ["momentum_buffer", "1", "→", "None"] for line in shown)


def test_a_schedule_shows_the_rate_before_and_after():
    record = {"kind": "schedule", "level": "phase", "name": "StepLR"}
    shown = of({**record, "lr_before": [0.1], "lr_after": [0.05]})

    assert any(line.split() == ["lr", "before", "0.1"] for line in shown)
    assert any(line.split() == ["lr", "after", "0.05"] for line in shown)


@pytest.mark.parametrize(
    ("how", "word"), [("on", "to None"), ("zero", "to 0"), ("off", "switched off")], ids=["on", "zero", "off"]
)
def test_zero_grad_says_what_it_does_as_it_is_switched(how, word):
    view = FakeSession(lambda view: None).at(7)
    view = replace(view, toggles=replace(view.toggles, zero_grad=how))

    text = " ".join(plain(line).strip() for line in operation.draw(view, 50, 14))

    assert word in text


def test_a_matrix_that_does_not_fit_on_a_line_is_written_as_one():
    info = tensor([[1.5, 2.25], [-3.0, 4.125]])
    shown = of({"kind": "op", "name": "relu", "outputs": [info]}, width=26)

    rows = [line.split("[")[1].split() for line in shown if "[" in line]
    assert rows == [["1.5", "2.25]"], ["−3", "4.125]"]]


def test_a_large_tensor_is_summed_up():
    info = {"shape": [64, 10], "dtype": "float32", "values": None, "norm": 3.5, "min": -1.0, "max": 2.0}
    shown = of({"kind": "op", "name": "relu", "outputs": [info]})

    assert any("float32 64×10 · norm 3.5 · min −1 · max 2" in line for line in shown)


def test_a_small_tensor_whose_numbers_do_not_fit_is_summed_up_too():
    column = tensor([[0.25], [0.0], [-2.0], *([1.0],) * 9])
    broken = tensor([["inf"], ["nan"], [-2.0], *([1.0],) * 9])

    shown = of({"kind": "op", "name": "log", "inputs": [column], "outputs": [broken]}, width=50)

    assert any("12×1 · norm 3.614 · min −2 · max 1" in line for line in shown)
    assert any("12×1 · 2 not finite · norm nan" in line for line in shown)


def test_the_sum_of_hidden_numbers_gives_none_of_them_away():
    column = tensor([[Hidden(3.5)], *([1.0],) * 11])

    shown = of({"kind": "op", "name": "log", "inputs": [column]}, width=50)

    assert not any("3.5" in line or "max" in line or "norm" in line for line in shown)


def test_that_there_was_no_gradient_is_said_once():
    record = {"kind": "accumulate", "name": "w", "tensor": "w", "before": None, "added": tensor([0.5])}
    explanation = Explanation("this pass", "", "0.5", "✓", note=".grad was None: it becomes what it brings.")
    view = View("stopped", "a.py", explanations=(explanation,))

    def said(detail, **more):
        told = operation.section(("done", {**record, **more}, ()), view, 60, detail)
        return sum("was None" in plain(line) for line in told)

    assert said(operation.FULL) == said(operation.TERSE) == 1
    assert said(operation.FULL, before=tensor([1.0])) == 1


def test_the_end_of_a_recomputation_is_no_failure():
    """torch ends it by an exception of its own, which it catches."""
    record = {"kind": "op", "level": "operation", "name": "linear", "error": "_StopRecomputationError: "}

    assert of(record)[0] == "done linear"
    assert "✗" not in " ".join(of(record)) + result(record, 40)
    assert "stops recomputing" in " ".join(of(record))
    assert "✗" in result({**record, "error": "RuntimeError: shapes"}, 40)


def test_a_gradient_that_is_not_needed_is_not_a_zero():
    grads = {"grad_outputs": [tensor(1.0)], "grad_inputs": [tensor(2.0), None]}
    record = {"kind": "node", "name": "MulBackward0", **grads}

    assert any(line.endswith("none needed") for line in of(record))


@pytest.mark.parametrize("position", range(28))
@pytest.mark.parametrize("size", [(30, 8), (36, 10), (60, 13)], ids=str)
def test_every_moment_fits_its_pane(position, size):
    width, height = size
    shown = lines(position, width, height)

    assert len(shown) <= height
    assert all(len(line) <= width for line in shown)


@pytest.mark.parametrize("position", range(28))
@pytest.mark.parametrize("size", [(30, 5), (36, 8), (60, 13), (60, 30)], ids=str)
def test_the_pane_knows_whether_it_tells_what_the_next_operation_does(position, size):
    view = FakeSession(lambda view: None).at(position)
    drawn, told = operation.draw_and_tell(view, *size)
    coming = view.stop.next

    shown = " ".join(" ".join(plain(line) for line in drawn).split())
    assert told == (coming is None or sentence(coming) in shown)


def test_a_node_names_the_operation_that_it_undoes():
    forward = {"kind": "op", "name": "relu", "time": [0, 4], "line": 12}
    node = {"kind": "node", "name": "ReluBackward0", "origin": [0, 4]}

    def heading(width, *records):
        view = View("stopped", "a.py", records=records)
        return plain(operation.section(("next", node, ()), view, width)[0]).rstrip()

    assert heading(58, forward) == "next ReluBackward0  ← backward through relu, line 12"
    assert heading(36, forward) == "next ReluBackward0  ← relu, line 12"
    assert heading(58) == "next ReluBackward0  ← backward"


def test_a_crash_is_told_in_full():
    error = "Traceback\nValueError: " + "long " * 20
    view = View("crashed", "a.py", Stop((0, 0), 1, 1, "crashed", error=error))

    text = " ".join(plain(line) for line in operation.draw(view, 30, 10))

    assert text.count("long") == 20


def test_an_operation_that_raised_has_failed_and_its_exception_is_told_in_full():
    error = "RuntimeError: inconsistent tensor size, expected tensor [2] and src [3] to have the same number"
    record = {
        "time": [1, 0],
        "depth": 0,
        "level": "operation",
        "kind": "op",
        "name": "matmul",
        "error": error,
    }
    stop = Stop(time=(1, 1), iteration=1, number=2, reason="step", last=record)
    text = [line.rstrip() for line in of_stop(stop, 14, (record,))]

    assert text[0] == "failed matmul"
    assert " ".join(text[1:3]) == f"✗ {error}"
    assert not any("Computes" in line for line in text)


def test_a_script_that_asks_for_input_is_told_that_there_is_none():
    def told(error):
        view = View("crashed", "a.py", Stop((0, 0), 0, 1, "crashed", error=error))
        return " ".join(plain(line).rstrip() for line in operation.draw(view, 38, 12))

    shown = told("Traceback\nEOFError: EOF when reading a line")
    assert "In the app a script has no input" in shown and shown.endswith("it reads from the terminal.")
    assert "input" not in told("Traceback\nEOFError: Ran out").replace("Ran out", "")


def of_stop(stop, height, records=(), status="stopped", width=58):
    view = View(status, "a.py", stop, tuple(records))
    return [plain(line).rstrip() for line in operation.draw(view, width, height)]


def test_of_a_batch_put_together_the_result_is_seen():
    infos = [tensor(float(number)) for number in range(64)]
    shown = of({"kind": "op", "name": "stack", "inputs": infos, "outputs": [tensor([1.0] * 4)]})

    assert [line.split()[:2] for line in shown[-5:-1]] == [["in", "1"], ["in", "2"], ["in", "3"], ["in", "…"]]
    assert shown[-2].endswith("61 more")
    assert shown[-1].startswith("out   [1 1 1 1]")


def test_sentences_are_not_cut_while_there_is_room_without_the_free_line():
    node = {"kind": "node", "level": "operation", "name": "MulBackward0", "depth": 1}
    done = {**node, "grad_outputs": [tensor(1.0)], "grad_inputs": [tensor(2.0)]}
    coming = {**node, "grad_outputs": [tensor(2.0)]}
    stop = Stop((0, 1), 1, 2, "step", next=coming, last=done)

    for height in (8, 7):
        text = of_stop(stop, height, [done])
        assert "…" not in " ".join(text)
        assert ("" in text) == (height == 8)
        assert sum("the chain rule." in line for line in text) == 1, "what both do is said once"


def test_after_a_run_at_full_speed_no_old_operation_is_shown_as_done():
    old = {"kind": "op", "level": "operation", "name": "stack", "depth": 0}
    stop = Stop((46, 1), 23, 1, "finished", last=old)

    assert not any("stack" in line for line in of_stop(stop, 12, status="finished"))
    assert any("stack" in line for line in of_stop(stop, 12, [old], status="finished"))


def test_the_length_of_a_vector_does_not_read_like_its_value():
    large = {"shape": [64], "dtype": "float32", "values": None, "norm": 3.5}

    shown = of({"kind": "op", "name": "a", "outputs": [large]})

    assert any("float32 [64] · norm 3.5" in line for line in shown)
