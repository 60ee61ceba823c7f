"""What a learner reads about an update: the lines, the remarks, and where the step comes from."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from backprop_tui.debuggee import evidence_steps
from backprop_tui.explain.explanation import Explanation, explain
from backprop_tui.explain.formula import Option, numbers_of, symbols_of
from backprop_tui.explain.optimizers import UPDATES, explain_update
from explain.observing import travelled
from explain.stepping import one_update, parameter

LESSON = [[0.14, 0.15]]
"""The second layer's weights in the lesson `update`, and their gradient."""
GRADIENT = [[-0.85, -0.48]]


def steps(name: str, gradients: list[object], **options: object) -> list[Explanation]:
    weight = parameter(LESSON)
    optimizer = getattr(torch.optim, name)([weight], **options)
    return [explain_update(one_update(optimizer, weight, gradient), (0, 0)) for gradient in gradients]


def texts(shown: Explanation) -> list[str]:
    return [f"{line.text} {line.verdict}".rstrip() for line in shown.lines]


def test_the_lesson() -> None:
    weight = parameter(LESSON)
    optimizer = torch.optim.SGD([weight], lr=0.05)
    (shown,) = explain(one_update(optimizer, weight, GRADIENT))

    assert shown.symbols == "w − lr·g"
    assert shown.numbers == "0.14 − 0.05·(−0.85)"
    assert (shown.result, shown.verdict, shown.index) == ("0.1825", "✓", (0, 0))
    assert texts(shown) == ["w = w − lr·g = 0.14 − 0.05·(−0.85) = 0.1825 ✓"]
    assert (shown.note, shown.difference) == (None, None)


def test_another_element_of_the_lesson() -> None:
    weight = parameter(LESSON)
    shown = explain_update(one_update(torch.optim.SGD([weight], lr=0.05), weight, GRADIENT), (0, 1))

    assert (shown.numbers, shown.result, shown.index) == ("0.15 − 0.05·(−0.48)", "0.17400001", (0, 1))


def test_adams_whole_arithmetic() -> None:
    (shown,) = steps("Adam", [GRADIENT], lr=0.05)

    assert texts(shown) == [
        "t = t + 1 = 0 + 1 = 1 ✓",
        "m = β₁·m + (1 − β₁)·g = 0.9·0 + 0.1·(−0.85) = −0.085 ✓",
        "v = β₂·v + (1 − β₂)·g² = 0.999·0 + 0.001·(−0.85)² = 0.0007225001 ✓",
        "m̂ = m/(1 − β₁ᵗ) = (−0.085)/(1 − 0.9¹) = −0.85",
        "v̂ = v/(1 − β₂ᵗ) = 0.0007225001/(1 − 0.999¹) = 0.7225",
        "w = w − lr·m̂/(√v̂ + ε) = 0.14 − 0.05·(−0.85)/(0.85 + 1e−8) = 0.19 ✓",
    ]
    assert shown.note == (
        "First step: bias correction makes m̂/√v̂ the sign of g, so w moves by about lr whatever the gradient."
    )


def test_adams_second_step_remembers() -> None:
    _, shown = steps("Adam", [GRADIENT, [[0.0, 0.0]]], lr=0.05)

    assert texts(shown)[1] == "m = β₁·m + (1 − β₁)·g = 0.9·(−0.085) + 0.1·0 = −0.0765 ✓"
    assert shown.note == "The gradient is 0: only memory of earlier gradients, and decay, move w."
    assert shown.split is not None
    assert (shown.split.gradient, shown.split.decay) == (0, 0)
    assert shown.split.momentum == pytest.approx(
        0.05 * 0.0765 / 0.19 / (0.00072177750 / 0.001999) ** 0.5, 1e-5
    )


def test_decay_inside_adam_and_beside_it() -> None:
    (coupled,) = steps("Adam", [GRADIENT], lr=0.05, weight_decay=0.1)
    (apart,) = steps("AdamW", [GRADIENT], lr=0.05, weight_decay=0.1)

    assert texts(coupled)[1] == "g = g + weight_decay·w = (−0.85) + 0.1·0.14 = −0.836"
    assert "joins the gradient inside step(): .grad does not show it" in str(coupled.note)
    assert texts(apart)[1] == "w = w·(1 − lr·weight_decay) = 0.14·(1 − 0.05·0.1) = 0.1393"
    assert "Decay is decoupled" in str(apart.note)
    assert apart.split is not None and coupled.split is not None
    assert apart.split.decay == pytest.approx(-0.05 * 0.1 * 0.14)
    assert coupled.split.decay == pytest.approx(-0.05 * 0.1 * 0.14 / 0.836)


def test_momentum_starts_as_the_gradient_and_then_adds_up() -> None:
    first, second = steps("SGD", [GRADIENT, GRADIENT], lr=0.1, momentum=0.9, dampening=0.5)

    assert texts(first) == ["b = g = −0.85 ✓", "w = w − lr·b = 0.14 − 0.1·(−0.85) = 0.22500001 ✓"]
    assert texts(second) == [
        "b = momentum·b + (1 − dampening)·g = 0.9·(−0.85) + 0.5·(−0.85) = −1.19 ✓",
        "w = w − lr·b = 0.22500001 − 0.1·(−1.19) = 0.344 ✓",
    ]
    assert "starts as the gradient itself, undamped" in str(first.note)
    assert second.split is not None
    assert second.split.gradient == pytest.approx(0.0425) and second.split.momentum == pytest.approx(0.0765)


def test_nesterov_and_uphill() -> None:
    (shown,) = steps("SGD", [GRADIENT], lr=0.1, momentum=0.9, nesterov=True, maximize=True)

    assert texts(shown) == [
        "g = −g = −(−0.85) = 0.85",
        "b = g = 0.85 ✓",
        "g = g + momentum·b = 0.85 + 0.9·0.85 = 1.615",
        "w = w − lr·g = 0.14 − 0.1·1.615 = −0.021500003 ✓",
    ]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Adamax", "w = w − lr·m̂/u = 0.14 − 0.002·(−0.85)/0.85 = 0.142 ✓"),
        ("Adagrad", "w = w − lr·g/(√s + ε) = 0.14 − 0.01·(−0.85)/(0.85 + 1e−10) = 0.15 ✓"),
        ("Adadelta", "w = w − lr·Δ = 0.14 − 1·(−0.003162256) = 0.14316225 ✓"),
        ("RMSprop", "w = w − lr·g/size = 0.14 − 0.01·(−0.85)/0.08500001 = 0.24 ✓"),
        ("RAdam", "w = w − lr·m̂ = 0.14 − 0.001·(−0.85) = 0.14085001 ✓"),
        ("Rprop", "w = w − step·sign(g) = 0.14 − 0.01·sign(−0.85) = 0.15 ✓"),
        ("ASGD", "w = w − η·g = 0.13999987 − 0.01·(−0.85) = 0.14849985 ✓"),
        ("Muon", "w = w − lr·ratio·o = 0.139986 − 0.001·1·(−0.59375) = 0.14057975 ✓"),
    ],
)
def test_the_line_of_the_weight(name: str, expected: str) -> None:
    (shown,) = steps(name, [GRADIENT])

    assert [line for line in texts(shown) if line.startswith("w =")][-1] == expected


def test_rprop_waits_where_the_sign_has_changed() -> None:
    _, shown = steps("Rprop", [GRADIENT, [[0.5, -0.5]]], lr=0.01)

    assert texts(shown)[1:6] == [
        "turn = g·prev = 0.5·(−0.85) = −0.425",
        "factor = η₊ if turn > 0, else η₋ if turn < 0, else 1 = 0.5",
        "step = min(max(step·factor, step_min), step_max) = min(max(0.01·0.5, 1e−6), 50) = 0.005 ✓",
        "g = 0 if turn < 0, else g = 0",
        "w = w − step·sign(g) = 0.15 − 0.005·sign(0) = 0.15 ✓",
    ]
    assert "the step shrinks and w waits" in str(shown.note)


def test_a_step_without_a_gradient_is_skipped() -> None:
    weight = parameter(LESSON)
    optimizer = torch.optim.Adam([weight], weight_decay=0.1)
    one_update(optimizer, weight, GRADIENT)
    evidence = one_update(optimizer, weight, None)
    shown = explain_update(evidence)

    assert (shown.symbols, shown.verdict) == ("w", "✓")
    assert explain_update(evidence, (0, 1)).index == (0, 1)
    assert str(shown.note).startswith("Skipped: .grad is None")
    assert shown.split is not None and shown.split.total == 0


def test_a_skipped_parameter_that_changes_all_the_same_is_wrong() -> None:
    weight = parameter(LESSON)
    optimizer = torch.optim.SparseAdam([weight])
    one_update(optimizer, weight, torch.tensor(GRADIENT).to_sparse_coo())
    evidence = one_update(optimizer, weight, None)

    assert explain_update(evidence).verdict == "✓"
    assert explain_update(replace(evidence, state_after={**evidence.state_after, "step": 7})).verdict == "✗"


def test_a_frozen_parameter_with_a_left_over_zero_gradient_still_moves() -> None:
    weight = parameter(LESSON)
    optimizer = torch.optim.SGD([weight], lr=0.1, momentum=0.9)
    one_update(optimizer, weight, GRADIENT)
    weight.requires_grad_(False)
    shown = explain_update(one_update(optimizer, weight, [[0.0, 0.0]]))

    assert str(shown.note).startswith(
        "requires_grad is False, but .grad is 0, not None: memory and decay still move w."
    )
    assert shown.split is not None
    assert (shown.split.gradient, shown.split.decay) == (0, 0)
    assert shown.split.momentum == pytest.approx(0.1 * 0.9 * 0.85)


def test_a_frozen_parameter_without_memory_stays() -> None:
    weight = parameter(LESSON).detach()
    shown = explain_update(one_update(torch.optim.SGD([weight], lr=0.1), weight, [[0.0, 0.0]]))

    assert (shown.result, shown.note) == ("0.14", None)


def test_a_row_that_a_sparse_gradient_does_not_touch_keeps_its_memory() -> None:
    weight = parameter([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    optimizer = torch.optim.SparseAdam([weight], lr=0.1)
    rows, values = torch.tensor([[1, 1]]), torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    evidence = one_update(
        optimizer, weight, torch.sparse_coo_tensor(rows, values, (3, 2), check_invariants=True)
    )
    touched, still = explain_update(evidence), explain_update(evidence, (0, 1))

    assert (touched.index, touched.verdict) == ((1, 0), "✓")
    assert "m = β₁·m + (1 − β₁)·g = 0.9·0 + 0.1·2 = 0.2 ✓" in texts(touched)
    assert (still.lines, still.symbols, still.result) == ((), "w", "2")
    assert str(still.note).startswith("This row had no gradient")


def test_float64_is_only_as_precise_as_what_it_is_updated_with() -> None:
    weight = parameter(LESSON, torch.float64)
    shown = explain_update(one_update(torch.optim.NAdam([weight]), weight, GRADIENT))

    assert shown.verdict == "✓"
    assert "Some of torch's numbers here are float32" in str(shown.note)


def test_an_epsilon_that_half_precision_cannot_hold() -> None:
    weight = parameter(LESSON, torch.float16)
    shown = explain_update(one_update(torch.optim.Adam([weight]), weight, [[0.0, 0.0]]))

    assert shown.verdict == "✗" and "nan" in str(shown.difference)
    assert "ε = 1e−8 is 0 in float16" in str(shown.note)


@pytest.mark.parametrize("name", ["Adam", "NAdam", "Adafactor", "RMSprop"])
def test_an_update_that_is_first_seen_when_its_step_is_already_counted(name: str) -> None:
    """torch makes the state and counts the step before it touches a parameter for the first time."""
    weight = parameter(LESSON)
    evidence = one_update(getattr(torch.optim, name)([weight]), weight, GRADIENT)
    known = {"step", "mu_product"} & evidence.state_after.keys()
    seen = replace(evidence, state_before={entry: evidence.state_after[entry] for entry in known})
    shown = explain_update(seen)

    assert shown.verdict == "✓"
    assert not [line for line in texts(shown) if line.startswith(("t =", "Πμ ="))]
    assert shown.numbers == explain_update(evidence).numbers


def test_a_part_of_a_step_in_which_the_parameter_is_not_yet_changed() -> None:
    weight = parameter(LESSON)
    weight.grad = torch.tensor(GRADIENT)
    optimizer = torch.optim.SGD([weight], lr=0.1)
    message = evidence_steps.of_update(optimizer, weight)
    shown = explain_update(travelled(evidence_steps.after_update(message, optimizer, weight)))

    assert (shown.verdict, shown.symbols, shown.result) == ("?", "w − lr·g", "0.14 → 0.14")
    assert "its own turn comes later in the step" in str(shown.note)


def test_names_of_tensors_are_passed_on() -> None:
    weight = parameter(LESSON)
    weight.grad = torch.tensor(GRADIENT)
    optimizer = torch.optim.SGD([weight], lr=0.1)
    message = evidence_steps.of_update(optimizer, weight, lambda tensor: {"name": "linear2.weight"})
    optimizer.step()

    assert explain_update(travelled(evidence_steps.after_update(message, optimizer, weight))).operands == (
        "linear2.weight",
    )


def test_a_wrong_number_is_pointed_at() -> None:
    weight = parameter([[1.0, 2.0], [3.0, 4.0]])
    optimizer = torch.optim.SGD([weight], lr=0.5, momentum=0.9)
    evidence = one_update(optimizer, weight, [[1.0, 1.0], [1.0, 1.0]])
    evidence.state_after["momentum_buffer"].values[1, 0] = 7.0
    evidence.saved["after"].values[1, 0] = 2.0
    shown = explain_update(evidence)

    assert (shown.verdict, shown.index) == ("✗", (1, 0))
    assert shown.difference == "w differs by 0.5 at [1, 0]; momentum_buffer differs by 6 at [1, 0]"
    assert texts(shown) == ["b = g = 1 ✗", "w = w − lr·b = 3 − 0.5·1 = 2.5 ✗"]


def test_every_line_can_be_read_in_one_line() -> None:
    for update in UPDATES.values():
        for line in update.lines:
            assert len(symbols_of(line.formula)) <= 70, line.formula


@pytest.mark.parametrize(
    ("formula", "symbols", "numbers"),
    [
        ("w - lr*(g + b)", "w − lr·(g + b)", "2 − 0.5·((−3) + 4)"),
        ("w/(lr*g)", "w/(lr·g)", "2/(0.5·(−3))"),
        ("w - (g - b)", "w − (g − b)", "2 − ((−3) − 4)"),
        ("-g", "−g", "−(−3)"),
        ("-(g + b)", "−(g + b)", "−((−3) + 4)"),
        ("g**2", "g²", "(−3)²"),
        ("(g*b)**2", "(g·b)²", "((−3)·4)²"),
        ("b**-0.5", "b^(−0.5)", "4^(−0.5)"),
        ("lr**t", "lrᵗ", "0.5¹²"),
        ("sqrt(b)/sqrt(b + eps)", "√b/√(b + ε)", "2/√(4 + 1e−8)"),
        ("eps**2", "ε²", "(1e−8)²"),
        ("abs(g) + max(g, b)", "|g| + max(g, b)", "|−3| + max(−3, 4)"),
        ("where(g > 0, b, w)", "b if g > 0, else w", "2"),
        ("(1 - lr)*b", "(1 − lr)·b", "0.5·4"),
        ("1 - lr", "1 − lr", "1 − 0.5"),
        ("lerp(b, g, 1 - lr)", "lr·b + (1 − lr)·g", "0.5·4 + 0.5·(−3)"),
        ("lerp(b, g, lr)", "(1 − lr)·b + lr·g", "0.5·4 + 0.5·(−3)"),
        ("b*w/b*w", "b·w/b·w", "4·2/4·2"),
        ("b/(w*b)/w", "b/(w·b)/w", "4/(2·4)/2"),
    ],
)
def test_formulas_are_printed_with_the_brackets_they_need(formula: str, symbols: str, numbers: str) -> None:
    values = {"w": 2.0, "g": -3.0, "b": 4.0, "t": 12.0, "lr": Option(0.5), "eps": Option(1e-8)}

    assert symbols_of(formula) == symbols
    assert numbers_of(formula, {"eps": "1e−8"}, values, "float32") == numbers
