"""Every notice is given where its confusion is, and nowhere in a program that is right."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from backprop_tui.explain.notices.table import TABLE
from backprop_tui.explain.notices.watch import notices_of
from explain.noticing import (
    ABOUT_CONFUSIONS,
    ALSO,
    CORRECT,
    LONG,
    REAL,
    RIGHT,
    SEEDS,
    WRONG,
    confusion_of,
    given,
    ids,
    runs,
    seen,
)
from support.scripts import backprop_tui, said, script
from support.tracing import trace_all

pytestmark = pytest.mark.xdist_group("notices")

ROOT = Path(__file__).parents[2]

WHERE = {
    "stale-gradient": r"loss\.backward",
    "grad-none": r"optimizer\.step|grad\.zero_",
    "backward-twice": r"\.backward",
    "saved-tensor-changed": r"\.backward",
    "graph-kept": r"total \+=|history = history",
    "graph-cut": r"\.backward",
    "non-leaf-grad": r"print\(w\.grad",
    "update-made-a-new-tensor": r"w = w -|w -=|model\.weight =",
    "scheduler-first": r"scheduler\.step",
    "get-lr": r"get_lr",
    "broadcast-loss": r"criterion\(|prediction - y",
    "softmax-twice": r"criterion\(|binary_cross_entropy_with_logits\(",
    "saturated-bce": r"BCELoss",
    "dtype": r"model\(x\)",
    "frozen-moves": r"optimizer\.step",
    "not-in-optimizer": r"\.backward",
    "stale-parameters": r"\.backward",
    "train-mode-in-evaluation": r"cross_entropy\(|argmax\(",
    "batch-of-one": r"model\(x\)",
    "frozen-batch-norm-moves": r"backbone\(x\)",
    "accumulation-sum": r"loss\.backward",
    "reduction": r"loss\.backward",
    "kink": r"L1Loss",
    "constant-in-loss": r"- 100",
    "adam-l2": r"optimizer\.step",
    "adam-step-is-lr": r"optimizer\.step",
    "clip-order": r"clip_grad|scaler\.unscale_",
    "clip-non-finite": r"clip_grad_norm_",
    "non-finite": r"backward\(\)|\.log\(\)|mse_loss|model\(x\)",
    "dead-relu": r"model\(x\)",
    "vanishing": r"backward\(\)",
    "schedule-past-end": r"scheduler\.step",
    "schedule-misused": r"scheduler",
    "data-changed": r"\.backward",
    "step-twice": r"optimizer\.step",
    "step-without-gradients": r"optimizer\.step",
    "lr-zero": r"optimizer\.step",
    "duplicate-parameters": r"torch\.optim\.SGD",
    "checkpoint-no-grad": r"checkpoint\(",
    "two-schedulers": r"scheduler\.step",
    "optimizer-empty": r"torch\.optim\.SGD",
    "optimizer-of-non-leaf": r"torch\.optim\.SGD",
}
"""What stands in the line that a notice is about."""


# each confusion
def test_every_notice_has_a_script_that_is_wrong_and_one_that_is_right() -> None:
    assert {confusion_of(name) for name in WRONG} == set(TABLE) == set(WHERE)
    assert {f"{name}_right" for name in WRONG} == set(RIGHT)


@pytest.mark.parametrize("name", WRONG)
def test_a_script_with_a_confusion_is_told(name: str) -> None:
    found = ids(given(name))

    assert confusion_of(name) in found
    assert found - {confusion_of(name)} == ALSO.get(name, set())


@pytest.mark.parametrize("name", WRONG)
def test_the_notice_is_about_the_line_of_the_confusion(name: str) -> None:
    about = [notice for notice in given(name) if notice.id == confusion_of(name)]
    lines = Path(script(name)).read_text().splitlines()

    for notice in about:
        assert notice.file == script(name)
        assert notice.line is not None
        assert re.search(WHERE[notice.id], lines[notice.line - 1]), lines[notice.line - 1]


@pytest.mark.parametrize("name", RIGHT)
def test_its_corrected_twin_is_not_told(name: str) -> None:
    assert runs()[name].status == 0, runs()[name].error
    assert given(name) == ()


# nothing of what is right
@pytest.mark.parametrize("name", [*CORRECT, *REAL, *(seed for seed in SEEDS if seed not in ABOUT_CONFUSIONS)])
def test_a_correct_program_is_not_told(name: str) -> None:
    assert runs()[name].status == 0, runs()[name].error
    assert given(name) == ()


@pytest.mark.parametrize("name", ABOUT_CONFUSIONS)
def test_a_question_about_a_confusion_is_told_just_that(name: str) -> None:
    assert ids(given(name)) == ABOUT_CONFUSIONS[name]


@pytest.mark.exhaustive
def test_long_runs_of_correct_programs_are_not_told() -> None:
    found = trace_all([[script(name), *words] for name, words in LONG.items()])

    for name, traced in zip(LONG, found, strict=True):
        assert traced.status == 0, traced.error
        assert seen(traced.records) == [], name


# what the app has: two iterations, perhaps from the middle of a run
def window(records: Sequence[Any], iteration: int) -> list[Any]:
    return [record for record in records if iteration - 1 <= record["iteration"] <= iteration]


def summarised(value: Any) -> Any:
    """As the app gets large tensors of operations that it did not stop at: nothing of their numbers."""
    if isinstance(value, list):
        return [summarised(item) for item in value]
    if not isinstance(value, dict):
        return value
    if "shape" in value and "dtype" in value:
        summaries = {"norm": None, "min": None, "max": None, "nonfinite": None}
        kept = {key: item for key, item in value.items() if key not in summaries}
        return {**kept, "values": None if len(value["shape"]) >= 1 else value["values"]}
    return {key: summarised(item) for key, item in value.items()}


def cuts(records: Sequence[Any]) -> list[Any]:
    """A few times, evenly spread."""
    times = sorted(record["time"] for record in records)
    return times[:: max(1, len(times) // 12)]


def warnings_last(records: Sequence[Any]) -> list[Any]:
    warnings = [record for record in records if record["kind"] == "warning"]
    return [*(record for record in records if record["kind"] != "warning"), *warnings]


@pytest.mark.parametrize("name", [*WRONG, *RIGHT, *CORRECT, *REAL, *SEEDS])
def test_two_iterations_never_tell_what_the_whole_run_does_not(name: str) -> None:
    records = runs()[name].records
    whole = ids(given(name))
    for iteration in {record["iteration"] for record in records}:
        part = window(records, iteration)

        assert ids(notices_of(part)) <= whole, iteration
        assert ids(notices_of(warnings_last(part))) <= whole, iteration
        assert ids(notices_of([summarised(record) for record in part])) <= whole, iteration


@pytest.mark.parametrize("name", [*WRONG, *RIGHT, *CORRECT, *REAL, *SEEDS])
def test_what_begins_in_the_middle_tells_no_more_than_the_whole_run(name: str) -> None:
    """A script that was paused is observed from there on: of what was under way, only the rest is known."""
    records = runs()[name].records
    whole = ids(given(name))
    for time in cuts(records):
        assert ids(notices_of([record for record in records if record["time"] >= time])) <= whole, time


@pytest.mark.parametrize("name", WRONG)
def test_the_first_two_iterations_tell_nearly_everything(name: str) -> None:
    """Some confusions need more of the past, or have not happened by then."""
    records = runs()[name].records
    first = min(notice.iteration for notice in given(name) if notice.id == confusion_of(name))

    assert confusion_of(name) in ids(notices_of(warnings_last(window(records, first))))


# what a notice is
@pytest.mark.parametrize("name", WRONG)
def test_a_notice_is_one_sentence_about_an_operation_that_was_seen(name: str) -> None:
    times = {tuple(record["time"]) for record in runs()[name].records}
    for notice in given(name):
        entry = TABLE[notice.id]

        assert notice.time in times
        assert notice.text == notice.text.strip() and "\n" not in notice.text
        assert not notice.text.endswith(".")
        assert not re.search(r"\bNone[.( ]step|\{|\}|\bnan\b|  |tensor tensor", notice.text), notice.text
        assert 20 < len(notice.text) < 300
        assert (notice.why, notice.look) == (entry.why, entry.look)


def test_the_table_is_prose() -> None:
    for name, entry in TABLE.items():
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name)
        assert entry.why.endswith(".") and entry.look.endswith((".", ")"))
        assert not entry.what.endswith(".")
        assert len(re.findall(r"[.!?](?: |$)", entry.why)) <= 2, name
    assert {number for entry in TABLE.values() for number in entry.confusions} == set(range(1, 31))


@pytest.mark.parametrize("name", WRONG)
def test_the_same_notice_comes_once_in_an_iteration(name: str) -> None:
    keys = Counter((n.iteration, n.id, n.file, n.line, n.subject) for n in given(name))

    assert set(keys.values()) == {1}


def test_the_numbers_of_the_run_are_in_the_sentence() -> None:
    """Worked out by hand, or with torch alone."""
    expected = {
        "broadcast-loss": "the input is (6, 1) and y is (6,): they broadcast to 6×6, so 36 differences",
        "softmax-twice": "with 3 classes the loss cannot fall below 0.551",
        "backward-twice_2": "model.bias: −0.7546 → −1.509",
        "clip-order_3": "1024 times too long",
        "constant-in-loss": "− 100 =",
        "accumulation-sum": "4 backward passes, each of a whole mean (mse_loss), went into one step of SGD",
        "schedule-past-end": "(0 → 0.25)",
        "scheduler-first": "(0.1 → 0.05)",
        "scheduler-first_2": "the GradScaler has skipped it",
        "two-schedulers": "0.09 → 0.081 → 0.0405",
        "saved-tensor-changed_2": "second.weight as it was before SGD.step() (line 12)",
        "step-without-gradients": "zero_grad() (line 11) came after backward() (line 10)",
        "step-without-gradients_2": "backward() (line 13) came to none of its parameters",
        "step-without-gradients_3": "because they were cleared (line 13) after backward() (line 11)",
        "graph-cut": "something between the parameters and it cut the graph",
        "graph-cut_4": "(model[0].weight, model[0].bias, model[2].weight and 1 more: requires_grad=False)",
        "graph-cut_5": "loss is a new tensor, made by tensor (line 12)",
        "graph-cut_6": "a new tensor that no variable holds: no parameter of SGD gets any",
        "not-in-optimizer": "net.layers[0].weight",
        "kink": "1 error of 4 is exactly 0 (prediction and target 3)",
        "data-changed": "ExpBackward0 computes with y, which zero_ changed through .data (line 5)",
        "adam-step-is-lr": "and a weight still moves by 0.1",
        "non-finite": "torch.where gives the branch that it did not take the gradient 0",
    }
    for name, fragment in expected.items():
        assert any(fragment in notice.text for notice in given(name)), (name, [n.text for n in given(name)])


# trace
def trace(*arguments: str, status: int = 0) -> list[dict[str, Any]]:
    done = said(backprop_tui("trace", *arguments))
    assert done.returncode == status, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_trace_prints_a_notice_after_its_operation_and_thrice_at_most(tmp_path: Path) -> None:
    """Whatever else it prints."""
    loop = Path(script("stale-gradient")).read_text().replace("range(3)", "range(9)")
    (tmp_path / "loop.py").write_text(loop + "torch.ones(2, requires_grad=True).backward()\n")
    records = trace("--level", "phase", str(tmp_path / "loop.py"), status=1)
    places = [number for number, record in enumerate(records) if record["kind"] == "notice"]
    notices = [records[number] for number in places]

    assert {record["level"] for record in records if record["kind"] != "notice"} == {"phase"}
    assert [notice["id"] for notice in notices] == ["stale-gradient"] * 3 + ["reduction"]
    assert [notice["iteration"] for notice in notices[:3]] == [2, 3, 4]
    for number, notice in zip(places[:3], notices[:3], strict=True):
        about = records[number - 1]
        assert about["kind"] == "backward"
        assert (notice["time"], notice["line"], notice["depth"], notice["level"]) == (
            about["time"], about["line"], 0, "phase",
        )  # fmt: skip
        assert set(notice) == {
            "time", "iteration", "depth", "level", "kind", "name", "id", "file", "line", "text", "why",
            "look",
        }  # fmt: skip


# the README
def test_the_table_of_the_readme_is_that_of_the_program() -> None:
    rows = ["| notice | | it is given when |", "|---|---|---|"]
    for name, entry in TABLE.items():
        numbers = ", ".join(map(str, entry.confusions))
        rows.append(f"| `{name}` | {numbers} | {entry.what} |")

    assert "\n".join(rows) in (ROOT / "README.md").read_text(encoding="utf-8")
