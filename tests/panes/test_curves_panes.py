"""The loss and learning-rate panes in a small app."""

from dataclasses import replace

import pytest
from textual.app import App

from backprop_tui.debugger.view import Ghost, Plan, Toggles, View
from backprop_tui.panes.loss import LossPane
from backprop_tui.panes.rate import RatePane


class Harness(App[None]):
    CSS = "LossPane, RatePane { border: round white; height: 1fr; }"

    def __init__(self, pane):
        super().__init__()
        self.pane = pane

    def compose(self):
        yield self.pane


def text_of(pane):
    return "\n".join(pane.text_lines())


def losses(*values, site="train.py:16"):
    return tuple({"landmark": n, "iteration": n + 1, "site": site, "value": v} for n, v in enumerate(values))


def rates(*values, optimizer=0):
    return tuple(
        {"landmark": n, "iteration": n + 1, "optimizer": optimizer, "lrs": list(v)}
        for n, v in enumerate(values)
    )


def view(**more):
    return View("stopped", "train.py", **more)


async def test_an_empty_pane_says_what_will_come():
    pane = LossPane()
    async with Harness(pane).run_test(size=(40, 10)):
        pane.show(view())
        assert "No loss yet" in text_of(pane)


async def test_the_title_has_the_last_value():
    pane = LossPane()
    async with Harness(pane).run_test(size=(60, 14)):
        pane.show(view(losses=losses(0.809, 0.5)))
        assert str(pane.border_title) == "loss 0.5 · iteration 2"
        pane.show(view(losses=losses(0.809, "nan")))
        assert str(pane.border_title) == "loss nan · iteration 2"
        assert "1 not finite" in text_of(pane)


async def test_a_title_that_does_not_fit_is_left_its_first_part_whole():
    pane = LossPane()
    async with Harness(pane).run_test(size=(26, 14)) as pilot:
        pane.show(view(losses=losses(0.809, 0.5)))
        assert str(pane.border_title) == "loss 0.5"
        await pilot.resize_terminal(60, 14)
        await pilot.pause()
        assert str(pane.border_title) == "loss 0.5 · iteration 2"


async def test_each_call_site_has_its_own_sign():
    pane = LossPane()
    both = (*losses(1.0, 2.0, site="gan.py:31"), *losses(3.0, 4.0, site="gan.py:44"))
    async with Harness(pane).run_test(size=(60, 14)):
        pane.show(view(losses=both))
        text = text_of(pane)
    assert "⠒⠒ gan.py:31 2" in text
    assert "x gan.py:44 4" in text


async def test_the_log_scale_says_what_it_leaves_out():
    pane = LossPane()
    async with Harness(pane).run_test(size=(60, 14)) as pilot:
        pane.show(view(losses=losses(100.0, 0.0, 1.0)))
        assert "logarithmic" not in text_of(pane)
        pane.focus()
        await pilot.press("y")
        text = text_of(pane)
        assert "logarithmic scale" in text and "1 not positive, not shown" in text
        await pilot.press("y")
        assert "logarithmic" not in text_of(pane)


async def test_a_plot_is_drawn_again_only_for_new_data_or_size():
    pane = LossPane()
    async with Harness(pane).run_test(size=(60, 14)) as pilot:
        points = losses(3.0, 2.0)
        pane.show(view(losses=points))
        drawn = pane._drawn
        pane.show(view(losses=points, message="another view"))
        assert pane._drawn is drawn
        await pilot.resize_terminal(50, 12)
        assert pane._drawn is not drawn


async def test_used_and_planned_rates_look_different():
    pane = RatePane()
    plan = Plan(((0.05,), (0.025,), (0.0125,)), "StepLR", "assumes one step per iteration", (0.1,), 4)
    async with Harness(pane).run_test(size=(70, 16)):
        pane.show(view(rates=rates((0.1,), (0.1,)), plan=plan, toggles=Toggles(scheduler="StepLR")))
        text = text_of(pane)
        assert str(pane.border_title) == "learning rate 0.1 · StepLR"
    assert "planned by StepLR" in text and "assumes one step per iteration" in text
    plot = "".join(text.splitlines()[:-2])
    assert "·" in plot and "⠉" in plot
    assert "0.0125" in plot


async def test_a_rate_that_is_set_anew_does_not_glide_there():
    pane = RatePane()
    async with Harness(pane).run_test(size=(70, 16)):
        pane.show(view(rates=rates((1.0,), (1.0,), (0.5,))))
        (curve,) = pane.to_plot(60)
    assert curve.segments == [[(1, 1.0), (2, 1.0), (3, 1.0), (3, 0.5)]]


def decades(steps):
    """A plan that sets a tenth of the rate every five iterations."""
    return Plan(tuple((10.0 ** -(n // 5),) for n in range(1, steps)), "StepLR", "", (1.0,), 2)


async def test_a_plan_is_shown_as_far_as_it_can_be_seen_to_change():
    pane = RatePane()
    async with Harness(pane).run_test(size=(70, 16)) as pilot:
        pane.show(view(plan=decades(100)))
        (linear,) = pane.curves(60)
        ahead = [x for segment in linear.segments for x, _ in segment]
        assert 10 <= max(ahead) <= 30
        pane.focus()
        await pilot.press("y")
        (logarithmic,) = pane.curves(60)
        assert max(x for segment in logarithmic.segments for x, _ in segment) >= 99


async def test_a_plan_that_comes_back_or_stays_is_shown_to_its_end():
    pane = RatePane()
    for coming in ((1.0,) * 99, (*(1e-9,) * 98, 1.0)):
        async with Harness(pane).run_test(size=(70, 16)):
            pane.show(view(plan=Plan(tuple((rate,) for rate in coming), "Cyclic", "", (1.0,), 2)))
            (curve,) = pane.curves(60)
            assert max(x for segment in curve.segments for x, _ in segment) >= 99


async def test_the_title_has_the_rate_in_force_not_the_one_used_last():
    pane = RatePane()
    row = {"name": "w", "role": "parameter", "value": {"shape": []}, "grad": None, "lr": 0.01}
    async with Harness(pane).run_test(size=(70, 16)):
        pane.show(view(rates=rates((0.1,)), parameters=(row,)))
        assert str(pane.border_title) == "learning rate 0.01"


async def test_the_title_leaves_out_the_digits_that_multiplying_adds():
    pane = RatePane()
    async with Harness(pane).run_test(size=(70, 16)):
        pane.show(view(rates=rates((0.7 * 0.7,))))
        assert str(pane.border_title) == "learning rate 0.49"


async def test_several_optimizers_and_groups_are_named():
    pane = RatePane()
    mixed = (*rates((0.1,), (0.2,)), *rates((0.01, 0.02), optimizer=1))
    async with Harness(pane).run_test(size=(70, 18)):
        pane.show(view(rates=mixed))
        text = text_of(pane)
    assert "optimizer 1 group 0 0.2" in text
    assert "optimizer 2 group 1 0.02" in text


@pytest.mark.parametrize("size", [(20, 4), (22, 6), (40, 8), (200, 60)], ids=str)
async def test_any_size(size):
    pane = RatePane()
    state = view(rates=rates((0.1,), (0.2,)), plan=Plan(((0.3,),) * 5, "LambdaLR", "a note"))
    async with Harness(pane).run_test(size=size) as pilot:
        pane.show(state)
        await pilot.pause()
        pane.show(replace(state, rates=()))
        await pilot.pause()
        assert len(pane.text_lines()) == size[1] - 2


async def test_a_future_that_was_left_stays_as_a_ghost():
    pane = LossPane()
    ghost = Ghost("zero_grad off", 2, losses=losses(4.0, 3.0, 2.0, 1.0))
    async with Harness(pane).run_test(size=(70, 16)):
        pane.show(view(losses=losses(4.0, 0.5)))
        alone = text_of(pane)
        pane.show(view(losses=losses(4.0, 0.5), ghosts=(ghost,)))
        text = text_of(pane)
        assert ":" not in alone
        plot = "\n".join(text.splitlines()[:-1])
        assert ":" in plot and "⠈" in plot, "a sign of its own, without colours"
        assert text.splitlines()[-1].strip() == "::: zero_grad off, left in iteration 2 · ^g dismisses"
        assert text.splitlines()[-2].endswith("4"), "the axis has room for what was left"
        pane.show(view(losses=losses(4.0, 0.5)))
        assert text_of(pane) == alone


async def test_each_ghost_has_a_sign_and_a_narrow_pane_short_words():
    pane = RatePane()
    ghosts = tuple(
        Ghost(was, 3, rates=rates((0.1,), (rate,), (rate,))) for was, rate in (("lr 1", 1.0), ("", 0.5))
    )
    async with Harness(pane).run_test(size=(30, 16)):
        pane.show(view(rates=rates((0.1,), (0.1,)), ghosts=ghosts))
        lines = [line.strip() for line in text_of(pane).splitlines()]
    assert lines[-2:] == ["::: lr 1, left in 3 · ^g", ";;; as it was, left in 3"]
    assert any(line.startswith("1") and ":" in line for line in lines)
    assert any(";" in line for line in lines[:-2])
