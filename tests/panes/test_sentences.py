"""What is said about an operation, before it ran and after."""

import pytest

from backprop_tui.panes.drawing.sentences import sentence


@pytest.mark.parametrize(
    ("record", "words"),
    [
        (
            {"kind": "update", "name": "zero_", "parameter": "w", "optimizer": "manual", "lr": None},
            "with zero_",
        ),
        (
            {"kind": "update", "name": "SGD", "parameter": "w", "optimizer": "SGD", "lr": 0.5},
            "SGD moves w by",
        ),
        ({"kind": "clear", "name": "zero_", "tensor": "w"}, "gradient of w to 0"),
        ({"kind": "clear", "name": "grad = None", "tensor": "w"}, "None means that there is none"),
    ],
    ids=["by hand", "optimizer", "to zero", "to None"],
)
def test_an_update_and_a_clear_are_told_as_what_they_are(record: dict[str, object], words: str) -> None:
    text = sentence(record)  # type: ignore[arg-type]

    assert words in text
    assert ("learning rate" in text) == (record.get("optimizer") == "SGD")
    assert "—" not in text


def test_a_pass_that_brings_no_gradient_is_not_told_to_set_one() -> None:
    record = {"kind": "accumulate", "name": "AccumulateGrad", "tensor": "w", "before": None}

    assert "this pass's gradient becomes it" in sentence(record)  # type: ignore[arg-type]
    assert "No gradient comes to w" in sentence({**record, "added": None})  # type: ignore[arg-type]


def op(
    name: str, *, reads: bool = True, gives: bool | None = None, leaf: bool = False, **more: object
) -> str:
    """The sentence about an operation that reads w; `gives` says whether its result requires a gradient."""
    record = {"kind": "op", "name": name, **more}
    record["inputs"] = [{"name": "w", "requires_grad": reads, "leaf": leaf}]
    if gives is not None:
        record["outputs"] = [{"requires_grad": gives, "leaf": leaf}]
    return sentence(record)  # type: ignore[arg-type]


NEW = "Computes a new tensor, and autograd notes how, for the way back."
CUT = "Computes a tensor that autograd does not follow"
ITSELF = "Changes w itself, in place: no new tensor."


def test_an_operation_is_followed_if_something_that_it_reads_is() -> None:
    assert op("matmul") == op("matmul", gives=True) == NEW
    assert op("matmul", reads=False) == op("matmul", reads=False, gives=False) == f"{CUT}."
    assert op("rand", gives=True, leaf=True).startswith("Makes a leaf")


@pytest.mark.parametrize("leaf", [True, False])
def test_what_an_operation_gives_back_as_it_was_is_not_told_as_new(leaf: bool) -> None:
    """`flatten` of a parameter that is a matrix, as in a spectral norm, is that parameter."""
    w = {"name": "w", "requires_grad": True, "leaf": leaf}

    text = sentence({"kind": "op", "name": "flatten", "inputs": [w], "outputs": [w]})  # type: ignore[typeddict-item]

    assert text == "Finds nothing to do, and gives back the tensor itself: no new tensor."


def test_what_is_written_into_out_is_not_told_as_given_back() -> None:
    a, c = {"name": "a", "requires_grad": False}, {"name": "c", "requires_grad": False}

    text = sentence({"kind": "op", "name": "add", "inputs": [a, c], "outputs": [c]})  # type: ignore[typeddict-item]

    assert text == f"{CUT}."


def test_under_no_grad_nothing_is_followed_before_the_operation_and_after_it() -> None:
    assert op("matmul", no_grad=True) == op("matmul", no_grad=True, gives=False)
    assert op("matmul", no_grad=True) == f"{CUT}: gradients are disabled here."


@pytest.mark.parametrize("name", ["detach", "argmax", "gt", "zeros_like", "long"])
def test_what_has_no_way_back_is_not_promised_one(name: str) -> None:
    assert op(name) == op(name, gives=False) == f"{CUT}."


@pytest.mark.parametrize("name", ["add_", "__setitem__", "lerp_"])
def test_what_is_changed_in_place_is_no_new_tensor(name: str) -> None:
    assert op(name) == op(name, gives=True) == f"{ITSELF} Autograd notes how, for the way back."
    assert op(name, reads=False) == f"{ITSELF} Autograd does not follow it."
    assert op(name, leaf=True) == op(name, leaf=True, gives=True) == f"{ITSELF} Autograd does not follow it."
    assert op(name, no_grad=True) == f"{ITSELF} Gradients are disabled here: autograd does not follow it."


def test_names_that_look_like_a_change_in_place_are_none() -> None:
    assert op("__getitem__") == NEW
    assert op("__float__").startswith("Takes the numbers out")
    assert "gradients smaller" in op("clip_grad_norm_")
    assert "above a limit" in op("clip_grad_value_")
