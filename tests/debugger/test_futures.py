"""What is typed for the futures of a race."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backprop_tui.debugger.futures import MOST_CHANGED, Future, parse_futures, settings_to_try, starting_line


def texts(text: str) -> list[str]:
    return [future.text for future in parse_futures(text)]


@pytest.mark.parametrize(
    ("text", "changes"),
    [
        ("optimizer=Adam(lr=0.1)", (("optimizer", "Adam(lr=0.1)"),)),
        ("  lr = 0.1 ", (("lr", 0.1),)),
        ("learning rate=0.1", (("lr", 0.1),)),
        ("zero-grad=off", (("zero_grad", "off"),)),
        ("seed=7", (("seed", 7),)),
        ("reduction=sum", (("loss", {"name": None, "reduction": "sum"}),)),
        ("hyperparameter=momentum=0.9", (("hyperparameter", {"name": "momentum", "value": 0.9}),)),
        (
            "set=model[0].weight[0,1]=0.5; lr=1",
            (("set", {"name": "model[0].weight", "attr": "value", "index": [0, 1], "to": 0.5}), ("lr", 1.0)),
        ),
    ],
)
def test_one_future(text: str, changes: tuple[object, ...]) -> None:
    (future,) = parse_futures(text)
    assert future.changes == changes


def test_grids() -> None:
    assert texts("lr 1e-4..1, 5 points, log") == ["lr=0.0001", "lr=0.001", "lr=0.01", "lr=0.1", "lr=1"]
    assert texts("learning rate 1e-4..1, 8 points, log")[::7] == ["lr=0.0001", "lr=1"]
    assert texts("lr 0..1, 3 points") == ["lr=0", "lr=0.5", "lr=1"]
    assert texts("lr=1..0.5, 2 points, linear") == ["lr=1", "lr=0.5"]
    assert texts("seed 1..3, 3 points") == ["seed=1", "seed=2", "seed=3"]
    assert texts("momentum 0..0.9, 2 points") == ["hyperparameter=momentum=0", "hyperparameter=momentum=0.9"]
    assert len(parse_futures("lr 1e-3..1")) == MOST_CHANGED


WRONG = {
    "": "A change is written like",
    ";": "A change is written like",
    "lr": "A change is written like",
    "lr=": "A change is written like",
    "speed=3": "There is no change 'speed': choose from zero_grad, loss, reduction, optimizer",
    "lr=fast": "lr must be a number",
    "lr=0.1; zero_grad=maybe": "zero_grad is on, off or zero",
    "seed=-1": "A seed is a whole number from 0 to 4294967295",
    "seed=4294967296": "A seed is a whole number",
    "seed=" + "9" * 5000: "A seed is a whole number",
    "optimizer=Adam(": "An optimizer is written like",
    "lr 0..1, 4 points, log": "A logarithmic grid lies above 0",
    "lr 1e-4..1, 1 point": "A grid has 2 to 8 points",
    "lr 1e-4..1, 9 points": "A grid has 2 to 8 points",
    "lr 1e-4..1, some points": "A grid has 2 to 8 points",
    "lr 1e..1": "A grid goes from a number to a number",
    "lr -1..1, 2 points": "lr must be a number",
    "lr a..b": "A grid is written like",
    "lr 1..2, 3 spots": "A grid is written like",
}


@pytest.mark.parametrize("text", WRONG, ids=lambda text: text[:30])
def test_wrong(text: str) -> None:
    with pytest.raises(ValueError) as error:
        parse_futures(text)
    sentence = str(error.value)
    assert sentence.startswith(WRONG[text])
    assert "\n" not in sentence and sentence.endswith(".")


def test_the_starting_line() -> None:
    one, two = parse_futures("lr=1"), parse_futures("lr=2")
    assert starting_line([*one, *two, *one]) == [Future(), *one, *two]
    with pytest.raises(ValueError, match="at least one change"):
        starting_line([])
    many = [future for n in range(MOST_CHANGED + 1) for future in parse_futures(f"seed={n}")]
    assert len(starting_line(many[:-1])) == MOST_CHANGED + 1
    with pytest.raises(ValueError, match=f"at most {MOST_CHANGED} changes, not {MOST_CHANGED + 1}"):
        starting_line(many)


def test_another_loss_compares_with_no_other() -> None:
    assert parse_futures("lr=1; loss=l1")[0].other_loss
    assert not parse_futures("lr=1")[0].other_loss


@given(st.text(alphabet="lr sed=.,;0123456789e-+()[]xpointslgz_", max_size=40))
def test_anything_typed_is_futures_or_one_sentence(text: str) -> None:
    try:
        found = parse_futures(text)
    except ValueError as error:
        assert "\n" not in str(error) and str(error).endswith(".")
    else:
        assert 1 <= len(found) <= MOST_CHANGED
        assert all(future.changes for future in found)


OPTIMIZERS = ("SGD(lr=0.1, momentum=0, nesterov=False)", "Adam(lr=0.1, betas=(0.9, 0.999), eps=1e-08)")


@pytest.mark.parametrize(
    ("present", "momentum", "betas"),
    [(["SGD"], True, False), (["Adam"], False, True), (["SGD", "Adam"], False, False), ([""], False, False)],
)
def test_only_hyperparameters_that_all_optimizers_have_are_proposed(
    present: list[str], momentum: bool, betas: bool
) -> None:
    """Adam refuses momentum=0.9: it is not to be proposed."""
    proposed = settings_to_try(present, OPTIMIZERS)

    assert any("momentum" in text for text in proposed) == momentum
    assert any("betas" in text for text in proposed) == betas
    assert "zero_grad=off" in proposed
    assert all(parse_futures(text) for text in proposed)
