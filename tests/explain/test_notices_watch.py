"""One watch, fed by hand: what it must not say, what it forgets, and what it survives."""

from __future__ import annotations

import itertools
import tracemalloc
from collections.abc import Iterator, Sequence
from typing import Any

import numpy
import pytest
from hypothesis import given as hypothesis_given
from hypothesis import settings
from hypothesis import strategies as st

from backprop_tui.explain.notices.errors import crash_record
from backprop_tui.explain.notices.notice import Notice
from backprop_tui.explain.notices.values import all_zero, broadcast, equal, finite, nonfinite_words
from backprop_tui.explain.notices.watch import Watch, notices_of
from backprop_tui.explain.notices.words import listed
from explain.noticing import WRONG, runs

pytestmark = pytest.mark.xdist_group("notices")


def tensor(values: Any = 1.0, name: str | None = None, **more: Any) -> dict[str, Any]:
    shape = list(numpy.shape(values))
    found = {"name": name, "shape": shape, "dtype": "float32", "values": values, "requires_grad": True}
    return {**found, "leaf": False, **more}


def large(name: str | None = None, **more: Any) -> dict[str, Any]:
    """A tensor of whose numbers nothing is known."""
    return {**tensor(None, name, **more), "shape": [100, 100]}


class Script:
    """Makes the records of a script, one operation after the other."""

    def __init__(self, iteration: int = 0) -> None:
        self.records: list[Any] = []
        self.iteration = iteration
        self._times = itertools.count()

    def add(self, kind: str, name: str = "", level: str = "operation", **fields: Any) -> dict[str, Any]:
        record = {
            "time": [0, next(self._times)], "iteration": self.iteration, "number": len(self.records) + 1,
            "depth": 0, "level": level, "kind": kind, "name": name or kind, "file": "train.py", "line": 1,
            "module": None,
        }  # fmt: skip
        self.records.append({**record, **fields})
        return self.records[-1]

    def loss(self, value: float = 1.0) -> dict[str, Any]:
        made = self.add(
            "loss", "mse_loss", "phase", inputs=[], outputs=[tensor(value)], settings={"reduction": "mean"}
        )
        return tensor(value, "loss", source=made["time"])

    def backward(self, gradients: dict[str, Any], root: Any = None, **fields: Any) -> None:
        """``gradients``: name to (before, added, after)."""
        for name, (before, added, after) in gradients.items():
            self.add("accumulate", "AccumulateGrad", tensor=name, before=before, added=added, after=after)
        self.add("backward", "backward", "phase", inputs=[root or self.loss()], **fields)

    def step(self, gradients: dict[str, Any], optimizer: str = "SGD", lr: Any = 0.1, **fields: Any) -> None:
        for name, gradient in gradients.items():
            before, after = tensor(1.0, name, leaf=True), tensor(0.5, name, leaf=True)
            self.add(
                "update",
                optimizer,
                parameter=name,
                before=before,
                after=after,
                grad=gradient,
                lr=lr,
                optimizer=optimizer,
            )
        self.add("step", optimizer, "phase", optimizer=optimizer, skipped=[], settings={}, **fields)

    def told(self) -> list[Notice]:
        watch = Watch()
        return [notice for record in self.records for notice in watch.see(record)]

    def ids(self) -> list[str]:
        return [notice.id for notice in self.told()]


G = tensor(0.5, None)


# gradients
def stale(before: Any, clear: Sequence[dict[str, Any]] = ()) -> Script:
    """Two iterations; ``before``: what the second one finds in .grad."""
    script = Script(1)
    script.backward({"w": (None, G, G)})
    script.step({"w": G})
    script.iteration = 2
    for fields in clear:
        script.add(**fields)
    script.backward({"w": (before, G, tensor(1.0))})
    script.step({"w": tensor(1.0)})
    return script


def test_a_gradient_that_a_step_has_used_is_stale() -> None:
    (notice,) = stale(G).told()

    assert notice.id == "stale-gradient"
    assert notice.text == (
        "w still held the gradient that the step before had used (0.5), and this backward pass added to "
        "it (0.5)"
    )


def test_large_gradients_are_stale_though_their_numbers_are_not_known() -> None:
    assert stale(large()).ids() == ["stale-gradient"]


@pytest.mark.parametrize(
    ("before", "clear"),
    [
        (None, []),
        (tensor(0.0), []),
        (G, [{"kind": "clear", "name": "zero_", "tensor": "w"}]),
        (large(), [{"kind": "op", "name": "_foreach_zero_", "inputs": [], "outputs": []}]),
    ],
    ids=["None", "0", "cleared", "cleared together"],
)
def test_a_gradient_that_was_cleared_is_not_stale(before: Any, clear: list[dict[str, Any]]) -> None:
    assert stale(before, clear).ids() == []


def test_what_is_left_over_in_another_network_counts_only_if_it_is_used() -> None:
    """In a GAN the generator's pass adds to the discriminator's gradients, and they are cleared later."""
    for cleared in (True, False):
        script = Script(1)
        script.backward({"d": (None, G, G)})
        script.step({"d": G})
        script.backward({"d": (G, G, tensor(1.0)), "g": (None, G, G)}, line=7)
        script.step({"g": G})
        script.iteration = 2
        if cleared:
            script.add("clear", tensor="d", before=G, after=None)
        script.backward({"d": (None if cleared else tensor(1.0), G, G)}, line=9)
        script.step({"d": G})

        assert script.ids() == ([] if cleared else ["stale-gradient"])


def test_micro_batches_without_a_step_between_are_not_stale() -> None:
    script = Script(1)
    script.backward({"w": (None, G, G)}, line=3)
    script.backward({"w": (G, G, tensor(1.0))}, line=4)
    script.step({"w": tensor(1.0)})

    assert script.ids() == []


def test_a_second_pass_from_one_root_is_told_only_if_gradients_add_up() -> None:
    for before, expected in ((G, ["backward-twice"]), (None, [])):
        script = Script(1)
        root = script.loss()
        script.backward({"w": (None, G, G)}, root)
        if before is None:
            script.add("clear", tensor="w", before=G, after=None)
        script.backward({"w": (before, G, tensor(1.0))}, root, line=2)

        assert script.ids() == expected


def accumulated(**changes: Any) -> Script:
    script = Script(1)
    for before in (None, G):
        root = script.loss()
        if changes.get("reduction"):
            script.records[-1]["settings"] = {"reduction": changes["reduction"]}
        callers = [5, len(script.records)] if changes.get("other callers") else [5, 9]
        script.backward({"w": (before, G, G)}, root, callers=callers)
    if changes.get("divided"):
        script.add("op", "div_", inputs=[tensor(1.0)], outputs=[tensor(0.5)])
    script.step({"w": G})
    return script


def test_whole_means_that_add_up_are_told() -> None:
    assert accumulated().ids() == ["accumulation-sum"]


@pytest.mark.parametrize(
    "change", [{"reduction": "sum"}, {"other callers": True}, {"divided": True}], ids=str
)
def test_gradients_may_be_added_up_on_purpose(change: dict[str, Any]) -> None:
    assert accumulated(**change).ids() == []


# steps
def test_decay_is_told_of_once_and_only_where_it_is_divided() -> None:
    def decaying(optimizer: str, **settings: Any) -> list[str]:
        script = Script(1)
        for _ in range(3):
            script.backward({"w": (None, G, G)})
            script.step({"w": G}, optimizer)
            script.records[-1]["settings"] = settings
            script.iteration += 1
        return script.ids()

    assert decaying("Adam", weight_decay=[0.0, 0.1]) == ["adam-l2"]
    assert decaying("NAdam", weight_decay=[0.1], decoupled_weight_decay=[False]) == ["adam-l2"]
    assert decaying("Adam", weight_decay=[0.1], decoupled_weight_decay=[True]) == []
    assert decaying("Adam", weight_decay=[0]) == []
    assert decaying("AdamW", weight_decay=[0.1]) == []
    assert decaying("SGD", weight_decay=[0.1]) == []


def test_a_group_may_have_learning_rate_0() -> None:
    script = Script(1)
    script.backward({"v": (None, G, G), "w": (None, G, G)})
    for name, lr in (("v", 0.0), ("w", 0.1)):
        script.add("update", parameter=name, before=tensor(), after=tensor(), grad=G, lr=lr, optimizer="SGD")
    script.add("step", "SGD", "phase", optimizer="SGD", skipped=[], settings={})

    assert script.ids() == []


def test_two_optimizers_may_step_after_one_backward_pass() -> None:
    script = Script(1)
    script.backward({"v": (None, G, G), "w": (None, G, G)})
    script.step({"v": G}, "Adam")
    script.step({"w": G}, "Adam")

    assert script.ids() == []


def test_a_step_with_other_gradients_is_no_repetition() -> None:
    for gradient, expected in ((G, ["step-twice"]), (tensor(0.7), [])):
        script = Script(1)
        script.backward({"w": (None, G, G)})
        script.step({"w": G})
        script.step({"w": gradient})

        assert script.ids() == expected


def test_parameters_that_are_updated_by_hand_need_no_optimizer() -> None:
    unowned = [{"name": "scale", "shape": [1]}]
    for by_hand in (True, False):
        script = Script(1)
        script.backward({"w": (None, G, G), "scale": (None, G, G)}, unowned=unowned)
        if by_hand:
            script.add(
                "update",
                "sub_",
                parameter="scale",
                before=tensor(),
                after=tensor(),
                grad=G,
                optimizer="manual",
            )
        script.step({"w": G})

        assert script.ids() == ([] if by_hand else ["not-in-optimizer"])


def test_of_a_replaced_layer_only_the_new_parameters_are_told() -> None:
    script = Script(1)
    script.backward(
        {"w": (None, G, G)}, unowned=[{"name": "new", "shape": [2, 4]}, {"name": "more", "shape": [7]}]
    )
    script.step({"w": G})
    script.records[-1]["skipped"] = [{"name": None, "shape": [2, 4]}, {"name": "idle", "shape": [3]}]
    told = {notice.id: notice.text for notice in script.told()}

    assert set(told) == {"stale-parameters", "not-in-optimizer", "grad-none"}
    assert "new got" in told["stale-parameters"]
    assert "more got" in told["not-in-optimizer"]
    assert "idle: its gradient is None" in told["grad-none"]


# rates
def schedule(script: Script, name: str, before: float, after: float, **fields: Any) -> None:
    defaults: dict[str, Any] = {
        "scheduler": name,
        "last_epoch": 1,
        "lr_before": [before],
        "lr_after": [after],
    }
    script.add("schedule", name, "phase", **{**defaults, **fields})


def test_the_order_of_steps_is_known_only_from_the_start_of_a_run() -> None:
    for begins, expected in ((1, ["scheduler-first"]), (5, [])):
        script = Script(begins)
        schedule(script, "StepLR", 0.1, 0.01)
        script.backward({"w": (None, G, G)})
        script.step({"w": G})

        assert script.ids() == expected


def test_one_scheduler_stepped_twice_is_not_two() -> None:
    for lines, expected in (((3, 4), ["two-schedulers"]), ((3, 3), [])):
        script = Script(1)
        script.backward({"w": (None, G, G)})
        script.step({"w": G})
        schedule(script, "StepLR", 0.1, 0.01, line=lines[0])
        schedule(script, "StepLR", 0.01, 0.001, line=lines[1], last_epoch=2)

        assert script.ids() == expected


def test_schedulers_of_different_optimizers_are_not_told() -> None:
    script = Script(1)
    script.backward({"w": (None, G, G)})
    script.step({"w": G})
    schedule(script, "StepLR", 0.1, 0.01, line=3)
    schedule(script, "StepLR", 0.1, 0.01, line=4)

    assert script.ids() == []


def test_a_cosine_that_falls_or_stays_is_not_past_its_end() -> None:
    cases = [(4, 0.0, 0.25, ["schedule-past-end"]), (3, 0.25, 0.0, []), (4, 0.25, 0.0, []), (2, 0.1, 0.2, [])]
    for epoch, before, after, expected in cases:
        script = Script(4)
        script.step({"w": G})
        schedule(script, "CosineAnnealingLR", before, after, last_epoch=epoch, settings={"T_max": 3})

        assert script.ids() == expected


# values
def operation(name: str, inputs: list[Any], outputs: list[Any], **fields: Any) -> list[str]:
    script = Script(1)
    script.add("op", name, inputs=inputs, outputs=outputs, **fields)
    return script.ids()


def test_only_what_makes_a_value_not_finite_is_told() -> None:
    fine, nan, inf = tensor([1.0]), tensor(["nan"]), tensor(["-inf"])

    assert operation("log", [fine], [nan]) == operation("log", [fine], [inf]) == ["non-finite"]
    assert operation("softmax", [inf], [nan]) == ["non-finite"]
    assert operation("exp", [nan], [nan]) == operation("exp", [large()], [inf]) == []
    assert operation("linear", [tensor(["nan"], "x", requires_grad=False), fine], [nan]) == ["non-finite"]
    assert operation("masked_fill", [fine], [inf]) == []
    assert operation("log", [fine], [tensor(["-inf"], requires_grad=False)]) == []


def test_what_follows_from_the_first_one_is_not_told() -> None:
    script = Script(1)
    for _ in range(3):
        script.add("op", "log", inputs=[tensor(0.0)], outputs=[tensor("-inf")])
        script.iteration += 1

    assert script.ids() == ["non-finite"]


def test_gradients_of_a_scaled_loss_may_overflow() -> None:
    for factor, expected in ((1024.0, []), (3.0, ["non-finite"])):
        script = Script(1)
        loss = script.loss()
        scale = tensor(factor, requires_grad=False)
        script.add("op", "mul", inputs=[loss, scale], outputs=[tensor(factor)])
        script.add("node", "MulBackward0", grad_outputs=[G], grad_inputs=[tensor("inf"), None], origin=None)

        assert script.ids() == expected


def test_a_relu_is_dead_if_it_is_large_enough_to_tell() -> None:
    for size, grad, expected in ((8, True, ["dead-relu"]), (4, True, []), (8, False, [])):
        zeros = tensor([0.0] * size, requires_grad=grad)
        assert operation("relu", [tensor([-1.0] * size)], [zeros]) == expected


def test_an_error_of_0_where_both_are_masked_is_no_kink() -> None:
    target = {"requires_grad": False}
    assert operation("l1_loss", [tensor([0.0, 2.0]), tensor([0.0, 1.0], **target)], [tensor(0.5)]) == []
    assert operation("l1_loss", [tensor([1.0, 2.0]), tensor([1.0, 1.0], **target)], [tensor(0.5)]) == ["kink"]


@pytest.mark.parametrize(
    ("one", "other", "told"),
    [
        ([3, 1], [3], True), ([3], [3, 1], True), ([3, 1], [3, 1], False), ([3, 1], [1], False),
        ([3], [], False), ([2, 1], [1, 2], True), ([2, 3, 1], [2, 3], False),
        ([4, 3], [3], False), ([1], [1, 1], False),
    ],
)  # fmt: skip
def test_broadcasting_is_told_where_it_makes_more_differences(
    one: list[int], other: list[int], told: bool
) -> None:
    inputs = [tensor(numpy.ones(one).tolist()), tensor(numpy.ones(other).tolist(), requires_grad=False)]
    assert operation("mse_loss", inputs, [tensor(0.5)]) == (["broadcast-loss"] if told else [])


def test_a_sum_over_one_iteration_keeps_no_other_graph() -> None:
    for iterations, expected in ((1, []), (2, ["graph-kept"])):
        script, total = Script(1), None
        for _ in range(3):
            loss = script.loss()
            inputs = [loss] if total is None else [total, loss]
            made = script.add("op", "add_" if total else "add", inputs=inputs, outputs=[tensor(1.0)], line=5)
            total = tensor(1.0, "total", source=made["time"])
            script.iteration += iterations - 1

        assert sorted(set(script.ids())) == expected


# errors
def test_an_error_that_passes_through_everything_around_is_told_once() -> None:
    error = "RuntimeError: mat1 and mat2 must have the same dtype, but got Double and Float"
    script = Script(1)
    inputs = [tensor([[1.0]], "x", dtype="float64"), tensor([[1.0]], "w")]
    script.add("op", "linear", inputs=inputs, error=error, line=20, depth=2)
    script.add("module", "Linear", inputs=inputs[:1], error=error, line=20, depth=1)
    script.add("forward", "Net", "phase", inputs=inputs[:1], error=error, line=9)
    script.records.append(crash_record(f"Traceback\n  File\n{error}\n", (0, 9), 1, "train.py", 20))
    (notice,) = script.told()

    assert (notice.id, notice.line) == ("dtype", 20)
    assert notice.text == "linear is given two dtypes: x is float64 [1, 1], w is float32 [1, 1]"


def test_an_error_that_is_none_of_these_is_left_to_python() -> None:
    script = Script(1)
    script.add("op", "linear", error="RuntimeError: something else", inputs=[])

    assert script.ids() == []


def test_the_exception_is_found_at_the_end_of_a_traceback() -> None:
    chained = """Traceback (most recent call last):
  File "train.py", line 3, in <module>
    raise KeyError("a")  # ValueError: not this
KeyError: 'a'

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "train.py", line 5, in <module>
    f()
module.Problem: first line
  second line: with a colon
third line
"""
    record = crash_record(chained, (3, 4), 2, "train.py", 5)

    assert record["error"] == "module.Problem: first line\n  second line: with a colon\nthird line"
    assert (record["name"], record["time"], record["iteration"]) == ("module.Problem", [3, 4], 2)
    assert crash_record("", (0, 0), 0, None, None)["error"] == ""


# what it keeps, what it survives
def test_warnings_are_put_in_their_place() -> None:
    script = Script(1)
    script.backward({"w": (None, G, G)})
    script.step({"w": G})
    schedule(script, "MultiStepLR", 0.2, 0.02)
    text = "To get the last learning rate computed by the scheduler, please use `get_last_lr()`."
    script.add("warning", "UserWarning", text=text, line=8)
    script.iteration = 2
    script.backward({"w": (None, G, G)})
    warning = script.records.pop(next(i for i, r in enumerate(script.records) if r["kind"] == "warning"))
    (notice,) = notices_of([*script.records, warning])

    assert (notice.id, notice.line, notice.iteration) == ("get-lr", 8, 1)
    assert notice.text.endswith("the rate in use is 0.02")


def long_run() -> Iterator[dict[str, Any]]:
    script = Script(1)
    while True:
        x = tensor([[1.0, 2.0]] * 8, requires_grad=False)
        made = script.add(
            "op", "dropout", inputs=[x], outputs=[x], no_grad=True, settings={"training": True, "p": 0.5}
        )
        script.add("op", "data", inputs=[tensor([1.0], source=made["time"])], outputs=[x])
        script.add("op", "zero_", inputs=[tensor([1.0], source=script.records[-1]["time"])], outputs=[x])
        script.backward({"w": (None, G, G)}, unowned=[{"name": None, "shape": [2]}])
        script.step({"w": G})
        script.iteration += 1
        yield from script.records
        script.records.clear()


def test_a_long_run_takes_no_more_memory_than_a_short_one() -> None:
    watch, records = Watch(), long_run()

    def used(count: int) -> int:
        for record in itertools.islice(records, count):
            watch.see(record)
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        short = used(5_000)
        long = used(20_000)
    finally:
        tracemalloc.stop()

    assert long < short + 500_000


def test_one_iteration_may_be_long_too() -> None:
    script, watch = Script(1), Watch()
    for number in range(12_000):
        x = tensor([1.0], requires_grad=False)
        made = script.add(
            "op", "dropout" if number % 2 else "relu", inputs=[x], outputs=[x], no_grad=True, settings={}
        )
        watch.see(made)
        script.records.clear()

    past = watch._past
    assert len(past._now) + len(past._before) <= 10_000


@pytest.mark.parametrize("name", WRONG)
def test_fields_that_are_missing_are_survived(name: str) -> None:
    """An operation whose tensors could not be described has none; each field is left out once."""
    records = runs()[name].records
    essential = {"time", "iteration", "number", "depth", "level", "kind", "name"}
    for field in {key for record in records for key in record} - essential:
        notices_of([{key: item for key, item in record.items() if key != field} for record in records])


@settings(max_examples=60, deadline=None)
@hypothesis_given(st.data())
def test_any_part_of_a_run_is_survived(data: st.DataObject) -> None:
    """A checkpoint may begin anywhere, and records may be lost."""
    records = runs()[data.draw(st.sampled_from(WRONG))].records
    notices_of([record for record in records if data.draw(st.booleans())])


# small questions
@hypothesis_given(st.lists(st.integers(1, 3), max_size=3), st.lists(st.integers(1, 3), max_size=3))
def test_shapes_broadcast_as_numpy_says(one: list[int], other: list[int]) -> None:
    try:
        expected: list[int] | None = list(numpy.broadcast_shapes(tuple(one), tuple(other)))
    except ValueError:
        expected = None

    assert broadcast(one, other) == expected


def test_what_is_not_known_is_neither_true_nor_false() -> None:
    unknown, zeros = large(), tensor([[0.0, -0.0]])

    assert (all_zero(unknown), all_zero(None), all_zero(zeros), all_zero(tensor([0.0, 1.0]))) == (
        None,
        None,
        True,
        False,
    )
    assert all_zero({**unknown, "norm": 0.0}) is True
    assert (finite(unknown), finite(None), finite(tensor(["nan"])), finite(tensor(1.0))) == (
        None,
        True,
        False,
        True,
    )
    assert finite({**unknown, "nonfinite": 2}) is False
    assert finite(tensor([[1.0], ["inf"]])) is False
    assert equal(unknown, unknown) is None
    assert equal(zeros, tensor([[0.0, 1.0]])) is False
    assert equal(tensor([1.0]), tensor([[1.0]])) is False
    assert nonfinite_words(tensor([["nan", 1.0], ["-inf", 2.0]])) == (2, {"nan", "inf"})


def test_lists_are_read_aloud() -> None:
    assert [listed(list("abcde")[:n]) for n in range(1, 6)] == [
        "a", "a and b", "a, b and c", "a, b, c and 1 more", "a, b, c and 2 more",
    ]  # fmt: skip
