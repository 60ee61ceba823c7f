"""The sum at one operation: what is told of it, when it agrees, what is left out."""

from __future__ import annotations

from typing import Any

from backprop_tui.explain.layered import Layered, Part, layered


def told(name: str = "AddmmBackward0", **more: Any) -> dict[str, Any]:
    return {
        "name": name, "at": [2, 7], "shape": [4, 600], "parts": [[[1, 5], -0.5, 2.0], [[0, 3], 0.25, 1.0]],
        "more": 10, "rest": 0.125, "size": 1.5, "besides": 0.25, "besides_size": 0.25, "ways": 1,
        "above": [{"name": "ReluBackward0", "at": [2, 6]}],
        "below": [{"name": "AccumulateGrad", "at": [2, 9]}],
        **more,
    }  # fmt: skip


def of(*layers: dict[str, Any], gradient: Any = -0.375) -> Layered:
    return layered("w", (0, 1), [{"gradient": gradient, "dtype": "float32", "layers": list(layers)}])


def test_parts_what_is_more_and_what_goes_past_add_up_to_the_gradient() -> None:
    found = of(told())
    (layer,) = found.passes[0].layers
    assert layer.parts[0] == Part((1, 5), -0.5, 2.0) and layer.parts[0].product == -1.0
    assert layer.total == -1.0 + 0.25 + 0.125 + 0.25
    assert layer.width == 12
    assert [above.place for above in layer.above] == [(2, 6)]
    assert layer.below == (), "it is computed from w itself"
    assert found.agrees


def test_a_sum_that_is_not_autograds_does_not_agree() -> None:
    assert not of(told(), gradient=-0.376).agrees
    assert of(told(), gradient=-0.375001).agrees, "to float32's precision"
    assert not of(told(), gradient="nan").agrees
    assert of(told(rest="nan"), gradient="nan").agrees
    assert not of(told(rest="inf"), gradient="-inf").agrees
    assert not of(told(), told(rest=0.2)).agrees, "one wrong operation is enough"


def test_operations_that_tell_nothing_are_left_out() -> None:
    scalar = told("NllLossBackward0", shape=[])
    unreached = told(parts=[], more=0)
    found = of(scalar, told("TBackward0"), told("SqueezeBackward1"), unreached, told("SelectBackward0"))
    assert [layer.name for layer in found.passes[0].layers] == ["SelectBackward0"]
