"""The table of actions: one key, one meaning."""

from collections import Counter

import pytest

from backprop_tui.actions import ACTIONS, ALWAYS_SHOWN, GROUPS, fitting
from backprop_tui.screens.help import key_lines
from backprop_tui.screens.palette import OFFERED, entry


def test_no_key_has_two_meanings():
    counts = Counter(key for action in ACTIONS for key in action.keys)

    assert [key for key, count in counts.items() if count > 1] == []


def test_upper_case_goes_backwards():
    calls = {key: action.call for action in ACTIONS for key in action.keys}
    upper = [key for key in calls if len(key) == 1 and key.isupper()]

    assert sorted(upper) == ["B", "C", "F", "N", "S", "T", "W"]
    # All of them; and back to who wrote a value: nothing ahead has written it.
    assert (calls["B"], calls["W"]) == ("stops", "who")
    for key in set(upper) - {"B", "W"}:
        assert calls[key].endswith("True)")
        assert calls[key].partition("(")[0] == calls[key.lower()].partition("(")[0]


@pytest.mark.parametrize("width", [20, 60, 80, 120])
def test_the_footer_fits_and_always_has_help_and_quit(width):
    entries = fitting(width)

    assert sum(len(text) for _, text in entries) <= width
    assert {action.call for action, _ in entries} >= set(ALWAYS_SHOWN)


def test_at_80_columns_the_footer_has_the_keys_of_the_first_minute():
    text = "".join(text for _, text in fitting(80))

    assert " space step  ⌫ back  n over  c run " in text
    assert text.endswith(" ? help  q quit ")


def test_every_action_is_in_the_help_and_has_a_group():
    helped = {key for key, _ in key_lines()}

    assert {action.key_text for action in ACTIONS} <= helped
    assert {action.group for action in ACTIONS} == set(GROUPS)


def test_the_palette_names_the_keys():
    entries = [entry(action) for action in OFFERED]

    assert "Step over  (n)" in entries
    assert "Help  (?/F1)" in entries
