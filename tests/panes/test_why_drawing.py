"""Why a number is what it is, as text."""

from backprop_tui.explain.explanation import Explanation
from backprop_tui.explain.steps import Line, Split
from backprop_tui.panes.drawing.text import plain
from backprop_tui.panes.drawing.why import why


def lines(*items, width=60):
    return [plain(line).rstrip() for line in why(items, width)]


def test_what_fits_stands_on_one_line():
    item = Explanation("gᵀ · h", "(−1) · [0.85 0.48]", "[−0.85 −0.48]", "✓")

    assert lines(item) == ["gᵀ · h = (−1) · [0.85 0.48] = [−0.85 −0.48] ✓"]
    assert lines(item, width=30) == ["gᵀ · h = (−1) · [0.85 0.48]", "  = [−0.85 −0.48] ✓"]


def test_a_result_that_is_too_long_keeps_its_verdict():
    item = Explanation("x", "", "[" + "0.12345 " * 20 + "]", "✗", difference="differs by 0.1 at [3]")
    shown = lines(item, width=40)

    assert shown[1].endswith("… ✗")
    assert shown[2] == "✗ torch's result is another one: it"


def test_a_sum_that_is_cut_off_says_so():
    terms = " + ".join(f"(0.{n}5 − 0.5)²" for n in range(30))
    shown = lines(Explanation("Σ (input − y)²", terms, "2.5", "✓"), width=50)

    assert shown[-2].endswith("…")
    assert shown[-1].strip() == "= 2.5 ✓"
    assert max(map(len, shown)) <= 50


def test_a_sum_that_just_fits_is_not_called_cut_off():
    terms = " + ".join(f"(0.{n}5 − 0.5)²" for n in range(8))

    assert not any("…" in line for line in lines(Explanation("Σ", terms, "2.5", "✓"), width=50))


def test_notes_are_said_once():
    item = Explanation("|x|", "|0|", "0", "✓", note="the slope of |x| at 0 is taken as 0")

    assert lines(item, item)[-1] == "note: the slope of |x| at 0 is taken as 0"
    assert sum("note" in line for line in lines(item, item)) == 1


def test_what_a_line_says_is_not_said_again_in_the_note():
    reason = "epoch 4 is no multiple of 10"
    line = Line("lr", "", "0.05", "✓", f"StepLR: {reason}")
    item = Explanation("lr", "", "0.05", "✓", note=f"{reason} · The step used 0.05.", lines=(line,))

    shown = lines(item)

    assert sum(reason in line for line in shown) == 1
    assert shown[-1] == "note: The step used 0.05."


def test_a_note_that_a_line_of_the_arithmetic_has_is_not_said_again():
    step = Line("lr", "", "1", "✓", "StepLR: epoch 3 is no multiple of 5")
    item = Explanation(
        "lr", "", "1", "✓", note="epoch 3 is no multiple of 5 · The next will use 1.", lines=(step,)
    )

    assert lines(item)[1:] == ["  StepLR: epoch 3 is no multiple of 5", "note: The next will use 1."]


def test_an_update_is_an_arithmetic_of_several_lines_and_its_step_is_split():
    steps = (Line("m = β₁·m + (1 − β₁)·g", "0.9·0 + 0.1·(−0.85)", "−0.085", "✓"), Line("v = 0.5", "", "0.5"))
    item = Explanation("w − lr·m", "0.14 − 0.05·1", "0.09", "✓", lines=steps, split=Split(-0.04, -0.01, 0.0))
    shown = lines(item, width=72)

    assert shown[1] == "m = β₁·m + (1 − β₁)·g = 0.9·0 + 0.1·(−0.85) = −0.085 ✓"
    assert shown[2] == "v = 0.5"
    assert shown[3] == "of the step: gradient −0.04 · momentum −0.01"


def test_what_has_no_rule_is_said():
    assert lines(Explanation("no rule for foo yet", "", "[1 2]", "?")) == ["no rule for foo yet = [1 2] ?"]
