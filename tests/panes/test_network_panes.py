"""The network and parameters panes in a small app: keys, scrolling, windows that arrive later."""

import asyncio
from dataclasses import replace

import pytest
from textual.app import App

from backprop_tui.debugger.view import Choice, Stop, View, Window
from backprop_tui.panes.network import NetworkPane
from backprop_tui.panes.parameters import ParametersPane
from support.update_views import NAMES, Script, before, big, row, tensor, update_views, view_of


class Harness(App[None]):
    CSS = "NetworkPane, ParametersPane { border: round white; height: 1fr; }"

    def __init__(self, pane):
        super().__init__()
        self.pane = pane

    def compose(self):
        yield self.pane


def text_of(pane):
    return "\n".join(pane.text_lines())


def table(*rows):
    return View("stopped", "t.py", Stop((1, 1), 1, 1, "step"), parameters=rows)


class Fetcher:
    """Answers as the session would, once it is allowed to."""

    def __init__(self):
        self.asked = []
        self.answer = asyncio.Event()
        self.fails = False

    async def __call__(self, name, attr, rows, cols):
        self.asked.append((name, attr, rows, cols))
        await self.answer.wait()
        if self.fails:
            raise RuntimeError("the script is running")
        values = [[float(r * 1000 + c) for c in range(*cols)] for r in range(*rows)]
        return Window(rows, cols, values, "float32", (4000, 500))


async def test_the_border_says_which_values_these_are():
    """Filling the weights before training is no forward pass; what else ran then is said to have."""
    fill, clear = Script(iteration=0), Script()
    fill.add("op", "uniform_", 0, inputs=[tensor([[0.3]])], outputs=[tensor([[0.5]])])
    clear.add("zero_grad", "SGD", 0, "phase")
    drawn = view_of(clear, clear.begun[0], [], [], fill.begun)
    weight = (row("model.weight", tensor([[0.5]], "model.weight", leaf=True)),)
    pane = NetworkPane()
    async with Harness(pane).run_test(size=(84, 16)):
        pane.show(replace(drawn, parameters=weight))
        assert str(pane.border_subtitle) == "no forward pass yet"
        ended, losses = replace(drawn.stop, reason="finished"), update_views()[-1].losses
        pane.show(replace(drawn, stop=ended, parameters=weight, records=(), losses=losses))
        assert str(pane.border_subtitle) == "the forward pass was not observed"
        crashed = replace(drawn.stop, reason="crashed", time=(0, 4))
        pane.show(replace(drawn, stop=crashed, parameters=weight, records=()))
        assert str(pane.border_subtitle) == "the forward pass was not observed"
        pane.show(replace(drawn, parameters=()))
        assert str(pane.border_subtitle) == "what ran before training"
        pane.show(before("Linear", 2))
        assert str(pane.border_subtitle) == ""


async def test_the_network_follows_the_steps():
    pane = NetworkPane()
    async with Harness(pane).run_test(size=(84, 16)):
        assert text_of(pane).strip() == ""
        pane.show(View("starting", "t.py"))
        assert "No operation of a forward pass was observed yet" in text_of(pane)
        pane.show(before("Linear", 2))
        assert ">0.85" in text_of(pane)
        pane.show(before("SqueezeBackward4", 2))
        assert ">∂ −0.14" in text_of(pane)


async def test_a_script_that_has_finished_is_not_told_to_be_stepped():
    pane = NetworkPane()
    async with Harness(pane).run_test(size=(84, 16)):
        pane.show(View("finished", "t.py"))
        assert "step back to see some" in text_of(pane)
        assert "Step with space" not in text_of(pane)


async def test_a_narrow_network_is_a_list_and_m_asks_for_it():
    pane = NetworkPane()
    async with Harness(pane).run_test(size=(84, 16)) as pilot:
        pane.show(before("backward"))
        assert "╭" in text_of(pane)
        pane.focus()
        await pilot.press("m")
        assert "╭" not in text_of(pane) and "linear1" in text_of(pane)
        await pilot.press("m")
        await pilot.resize_terminal(38, 16)
        await pilot.pause()
        assert "╭" not in text_of(pane) and "linear1" in text_of(pane)


async def test_a_long_list_keeps_the_next_operation_in_view():
    pane = NetworkPane()
    views = update_views()
    async with Harness(pane).run_test(size=(60, 5)) as pilot:
        pane.action_list()
        for view in views:
            pane.show(view)
            await pilot.pause()
            coming = view.stop.next
            if coming and coming["kind"] == "node":
                assert "◀" in text_of(pane)


async def test_enter_shows_weights_as_shades():
    pane = NetworkPane()
    async with Harness(pane).run_test(size=(84, 20)) as pilot:
        pane.show(before("backward"))
        pane.action_list()
        pane.focus()
        await pilot.press("up", "up", "up", "up", "down", "enter")
        assert "model.linear1.weight" in text_of(pane) and "+█" in text_of(pane)
        await pilot.press("enter")
        assert "+█" not in text_of(pane)


async def test_the_cursor_of_the_table_chooses_a_number():
    pane = ParametersPane()
    async with Harness(pane).run_test(size=(100, 12)) as pilot:
        assert pane.chosen() is None
        pane.show(before("backward"))
        pane.focus()
        assert pane.chosen() == Choice(NAMES[0], "value", (0, 0))
        await pilot.press("down", "down", "end")
        assert pane.chosen() == Choice(NAMES[1], "value", (0, 1))
        await pilot.click(pane, offset=(5, 3))
        assert pane.chosen() == Choice(NAMES[0], "value", (0, 1))
        await pilot.press("enter", "a", "down")
        assert pane.chosen() == Choice(NAMES[0], "grad", (1, 1))


async def test_the_table_scrolls_to_what_changed():
    pane = ParametersPane()
    rows = [row(f"p{n}", big([64, 64], 1.0)) for n in range(300)]
    update = {"time": [1, 0], "kind": "update", "level": "operation", "iteration": 1, "parameter": "p250"}
    update |= {"before": big([64, 64], 1.0), "after": big([64, 64], 2.0)}
    async with Harness(pane).run_test(size=(60, 12)) as pilot:
        pane.show(replace(table(*rows), stop=Stop((1, 1), 1, 1, "step", last=update)))
        await pilot.pause()
        assert "p250" in text_of(pane) and "‖1‖ → ‖2‖" in text_of(pane)
        assert "name" in pane.text_lines()[0], "the header stays"


async def test_a_large_tensor_comes_window_by_window():
    fetch = Fetcher()
    pane = ParametersPane(fetch)
    async with Harness(pane).run_test(size=(80, 14)) as pilot:
        pane.show(table(row("w", big([4000, 500], 3.0))))
        pane.focus()
        await pilot.press("enter")
        assert "···" in text_of(pane)
        fetch.answer.set()
        await pilot.pause()
        assert "1002" in text_of(pane)
        await pilot.press("end")
        await pilot.pause()
        assert "3999002" in text_of(pane)
        asked = sum((rows[1] - rows[0]) * (cols[1] - cols[0]) for _, _, rows, cols in fetch.asked)
        assert asked < 10_000
        await pilot.press("a")
        await pilot.pause()
        assert "None" in text_of(pane), "there is no gradient to read"
        await pilot.press("escape")
        assert "‖3‖" in text_of(pane)


async def test_a_window_that_cannot_be_read_says_why():
    fetch = Fetcher()
    fetch.fails = True
    fetch.answer.set()
    pane = ParametersPane(fetch)
    async with Harness(pane).run_test(size=(80, 14)) as pilot:
        pane.show(table(row("w", big([4000, 500], 3.0))))
        pane.action_open()
        await pilot.pause()
        assert "the script is running" in text_of(pane)


async def test_a_small_tensor_opens_without_asking():
    pane = ParametersPane()
    async with Harness(pane).run_test(size=(80, 14)) as pilot:
        pane.show(table(row("w", tensor([[1.5, 2.5], [3.5, 4.5]]))))
        pane.focus()
        await pilot.press("enter", "down", "right")
        assert "4.5" in text_of(pane)


@pytest.mark.parametrize("size", [(20, 4), (22, 8), (38, 12), (80, 24), (200, 60)], ids=str)
@pytest.mark.parametrize("make", [NetworkPane, ParametersPane])
async def test_any_size_at_any_stop(make, size):
    pane = make()
    async with Harness(pane).run_test(size=size):
        for view in update_views():
            pane.show(view)
            assert len(pane.text_lines()) == size[1] - 2
            assert all(len(line) <= size[0] for line in pane.text_lines())


async def test_arrows_and_clicks_choose_a_weight_in_the_picture():
    pane = NetworkPane()
    async with Harness(pane).run_test(size=(84, 16)) as pilot:
        pane.show(before("SqueezeBackward4", 2))
        assert pane.chosen() is None
        pane.focus()
        await pilot.press("down", "right")
        assert pane.chosen() == Choice(NAMES[1], "value", (0, 0))
        assert "▸0.14◂" in text_of(pane)
        assert f"{NAMES[1]}[0, 0] is chosen" in str(pane.border_subtitle)
        await pilot.press("a")
        assert pane.chosen() == Choice(NAMES[1], "grad", (0, 0))
        assert "∂−0.85◂" in text_of(pane)
        lines = pane.text_lines()
        y = next(number for number, line in enumerate(lines) if "0.12" in line)
        await pilot.click(pane, offset=(lines[y].index("0.12") + 2, y + 1))
        assert pane.chosen() == Choice(NAMES[0], "value", (1, 0))
        pane.show(before("Linear", 2))
        assert "▸0.12◂" in text_of(pane), "another stop, the same weight"
        await pilot.press("m")
        assert pane.chosen() is None, "the list has no weights to choose"
