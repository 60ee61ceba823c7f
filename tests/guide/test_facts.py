"""What names stand for at a stop."""

from __future__ import annotations

from typing import Any

import pytest

from backprop_tui.debugger.view import OutputChunk, Toggles, View
from backprop_tui.guide.expression import Numbers, Quantity, WrongExpression, evaluate, part
from backprop_tui.guide.facts import facts_at, of_record, printed_numbers


def tensor(values: Any, dtype: str = "float32", **more: Any) -> Any:
    return {"name": None, "shape": [2], "dtype": dtype, "values": values, **more}


ROWS: Any = [
    {"name": "w", "value": tensor([1.0, 2.0]), "grad": None, "state": {}},
    {
        "name": "model[0].bias",
        "value": tensor([3.0]),
        "grad": tensor([0.5]),
        "state": {"step": 4.0, "exp_avg": tensor([0.25])},
    },
    {"name": "scalar", "value": tensor(7.0), "grad": tensor(-1.0)},
    {"name": None, "value": tensor([9.0]), "grad": None},
    {"name": "large", "value": {**tensor(None), "norm": 5.0, "min": -1.0, "max": "inf"}, "grad": None},
    {"name": "count", "value": tensor(3, dtype="int64")},
]
UPDATE: Any = {
    "kind": "update",
    "parameter": "w",
    "lr": 0.05,
    "before": tensor([1.0, 2.0]),
    "after": tensor([0.5, "nan"]),
    "grad": tensor([10.0, 20.0]),
    "state": {"exp_avg": {"before": tensor([0.0]), "after": tensor([1.5])}},
    "name": "SGD",
}


def view(**more: Any) -> View:
    return View("stopped", "script.py", parameters=tuple(ROWS), iteration=2, **more)


def known(op: Any = None, **more: Any) -> dict[str, Any]:
    return facts_at(view(), op, **more)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("w[1]", 2),
        ("model[0].bias[0]", 3),
        ("model[0].bias.grad[0]", 0.5),
        ("model[0].bias.state.step", 4),
        ("model[0].bias.state.exp_avg[0]", 0.25),
        ("scalar", 7),
        ("scalar.grad", -1),
        ("large.norm", 5),
        ("large.min", -1),
        ("count", 3),
        ("iteration", 2),
    ],
)
def test_tensors_as_the_script_calls_them(text: str, number: float) -> None:
    assert evaluate(text, known()).value == number


def test_a_missing_gradient_is_none() -> None:
    assert part("w.grad", known()) is None


def test_a_tensor_without_a_name_is_not_known() -> None:
    assert None not in known()
    assert len([name for name in known() if name.startswith("w")]) == 2


def test_the_elements_of_a_large_tensor_are_not_known() -> None:
    with pytest.raises(WrongExpression):
        evaluate("large[0]", known())


def test_a_number_keeps_the_dtype_of_its_tensor() -> None:
    assert evaluate("w[0]", known()).dtype == "float32"
    assert evaluate("scalar", known()).dtype == "float32"


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("op.before[1]", 2),
        ("op.after[0]", 0.5),
        ("isnan(op.after[1])", 1),
        ("op.grad[1]", 20),
        ("op.lr", 0.05),
        ("op.state.exp_avg.after[0]", 1.5),
    ],
)
def test_the_operation(text: str, number: float) -> None:
    assert evaluate(text, known(UPDATE)).value == number


def test_without_an_operation_it_has_no_fields() -> None:
    with pytest.raises(WrongExpression, match=r"nothing is called op\.lr here"):
        evaluate("op.lr", known())


def test_a_loss_has_the_dtype_of_the_tensor_that_holds_it() -> None:
    record: Any = {
        "kind": "loss",
        "value": 0.1,
        "outputs": [tensor(0.1)],
        "inputs": [tensor([1.0], "float64")],
    }

    assert of_record(record)["value"] == Quantity(0.1, "float32")
    assert of_record({**record, "outputs": []})["value"].dtype == "float64"
    assert of_record({"kind": "loss", "value": 0.1})["value"].dtype == "float64"  # type: ignore[typeddict-item]


def test_lists_of_tensors_may_have_gaps() -> None:
    record: Any = {"kind": "node", "grad_inputs": [tensor([1.0]), None]}
    found = facts_at(view(), record)

    assert evaluate("op.grad_inputs[0][0]", found).value == 1
    assert part("op.grad_inputs[1]", found) is None


def test_what_has_happened_so_far() -> None:
    losses: Any = ({"value": 3.0}, {"value": "nan"})
    rates: Any = ({"lrs": [0.1, 0.2]}, {"lrs": []}, {"lrs": [0.3]})
    output = (
        OutputChunk((0, 0), "out", "loss 1.5 and"),
        OutputChunk((0, 1), "err", "99"),
        OutputChunk((0, 2), "out", " 2\n"),
    )
    found = facts_at(view(losses=losses, rates=rates, output=output, toggles=Toggles(lr=0.5)), None)

    assert evaluate("losses[0]", found).value == 3
    assert evaluate("isnan(losses[-1])", found).value == 1
    assert found["lrs"] == Numbers([0.1, 0.3])
    assert found["printed"] == Numbers([1.5, 2.0])
    assert evaluate("lr", found).value == 0.5


def test_without_an_optimizer_there_is_no_rate() -> None:
    assert part("lr", known()) is None


def test_what_earlier_beats_kept_and_what_the_source_prints() -> None:
    found = known(kept={"g": Quantity(4.0)}, published={"w5": "0.174", "e": "1.38E+01"})

    assert evaluate("g * published.w5", found).value == pytest.approx(0.696)
    assert evaluate("published.e", found).value == 13.8


def test_a_name_that_was_kept_wins_over_a_tensor() -> None:
    assert evaluate("scalar", known(kept={"scalar": Quantity(1.0)})).value == 1


def test_the_rows_of_the_view_are_newer_than_those_that_were_asked_for() -> None:
    old: Any = [{"name": "scalar", "value": tensor(100.0)}, {"name": "buffer", "value": tensor([1.0])}]

    assert evaluate("scalar", known(tensors=old)).value == 7
    assert evaluate("buffer[0]", known(tensors=old)).value == 1


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("loss 0.5, w -1", [0.5, -1]),
        ("1e-3 2.5E+2 .5 5.", [0.001, 250, 0.5, 5]),
        ("tensor([[0.1100, 0.2100]])", [0.11, 0.21]),
        ("epoch1 x2y v3.1", []),
        ("1/2", [1, 2]),
        ("nan inf -inf banana", [float("nan"), float("inf"), float("-inf")]),
        ("no number", []),
    ],
)
def test_numbers_that_were_printed(text: str, numbers: list[float]) -> None:
    assert repr(printed_numbers(text)) == repr([float(number) for number in numbers])
