"""What the last row says about the next operation."""

import pytest

from backprop_tui.panes.drawing.records import sentence


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
