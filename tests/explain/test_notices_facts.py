"""What records say for the sake of notices: modes, settings, parameters left out, warnings, clipping."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from backprop_tui.debugger.explaining import noticed
from backprop_tui.debugger.timeline import Trail
from explain.noticing import runs
from support.scripts import bare, difference, traced
from support.sessions import open_session

pytestmark = pytest.mark.xdist_group("notices")


def of_kind(name: str, *kinds: str) -> list[dict[str, Any]]:
    return [record for record in runs()[name].records if record["kind"] in kinds]


def test_modules_say_which_mode_they_are_in() -> None:
    forwards = [
        (r["training"], r.get("no_grad", False)) for r in of_kind("train-mode-in-evaluation_right", "forward")
    ]

    assert forwards == [(True, False), (False, True), (False, True)] * 2


def test_functions_say_what_they_were_asked_for() -> None:
    settings = [
        (r["name"], r["settings"]) for r in of_kind("train-mode-in-evaluation_2", "op") if "settings" in r
    ]
    losses = [r["settings"] for r in of_kind("accumulate_sums", "loss")]
    clips = [r["settings"] for r in of_kind("clip-order_right", "op") if r["name"] == "clip_grad_norm_"]

    assert settings[:2] == [("batch_norm", {"training": True}), ("dropout", {"training": True, "p": 0.2})]
    assert losses == [{"reduction": "sum"}] * 8
    assert clips == [{"max_norm": 1.0}] * 2


def test_functions_say_that_gradients_are_disabled_with_settings_and_without() -> None:
    modes = {(r["name"], r.get("no_grad", False)) for r in of_kind("train-mode-in-evaluation_2", "op")}

    assert {("linear", False), ("linear", True), ("dropout", True), ("argmax", True)} <= modes
    assert ("argmax", False) not in modes


def test_a_step_says_whom_it_passes_over_and_how_it_is_set() -> None:
    skipped = [record["skipped"] for record in of_kind("grad-none", "step")]
    (settings, *_) = [record["settings"] for record in of_kind("grad-none", "step")]

    assert (
        skipped
        == [
            [
                {"name": "net.other_head.weight", "shape": [1, 4]},
                {"name": "net.other_head.bias", "shape": [1]},
            ]
        ]
        * 2
    )
    assert settings == {"weight_decay": [0.01], "momentum": [0.9]}
    assert [record["skipped"] for record in of_kind("grad-none_right", "step")] == [[], []]


def test_a_step_that_computes_its_gradients_itself_skips_nobody() -> None:
    assert {tuple(record["skipped"]) for record in of_kind("closure", "step")} == {()}


def test_backward_says_who_gets_a_gradient_and_has_no_optimizer() -> None:
    (unowned, *_) = [record["unowned"] for record in of_kind("not-in-optimizer", "backward")]

    assert {item["name"] for item in unowned} == {
        "net.layers[0].weight", "net.layers[0].bias", "net.layers[1].weight", "net.layers[1].bias",
    }  # fmt: skip
    assert [record["unowned"] for record in of_kind("gan", "backward")][-1] == []
    assert not any("unowned" in record for record in of_kind("no_optimizer", "backward"))
    # the input of an attack is no parameter
    assert [record["unowned"] for record in of_kind("fgsm_training", "backward")] == [[]] * 6


def test_backward_says_who_called_it() -> None:
    lines = [record["callers"] for record in of_kind("gan_with_helper", "backward")]
    source = Path(runs_script("gan_with_helper")).read_text().splitlines()

    assert lines[:3] == lines[3:6] and len({tuple(line) for line in lines[:3]}) == 3
    assert {source[line[0] - 1].strip() for line in lines} == {"loss.backward()"}
    assert all("judge(" in source[line[1] - 1] for line in lines)


def runs_script(name: str) -> str:
    return next(record["file"] for record in runs()[name].records if record["file"])


def test_a_schedule_says_where_it_ends() -> None:
    assert {record["settings"]["T_max"] for record in of_kind("schedule-past-end", "schedule")} == {3}


def test_clipping_is_one_operation_around_what_torch_does_for_it() -> None:
    records = runs()["clip-order_right"].records
    index = next(i for i, record in enumerate(records) if record["name"] == "clip_grad_norm_")
    clip, inside = (
        records[index],
        [record for record in records[:index] if record["time"] > records[index]["time"]],
    )

    assert (clip["kind"], clip["depth"], len(clip["inputs"])) == ("op", 0, 2)
    assert {record["depth"] for record in inside} == {1}
    assert (
        clip["outputs"][0]["values"]
        == next(r for r in inside if r["name"] == "linalg_vector_norm")["outputs"][0]["values"]
    )


@pytest.mark.exhaustive
def test_clipping_leaves_the_same_bits_and_warnings_behind() -> None:
    expected, run = bare("clips_everything"), traced("clips_everything")

    assert difference(expected, run) == ""
    assert expected.status == 0 and "empty generator" in expected.output


def test_a_root_without_a_history_is_refused_by_autograd_itself() -> None:
    (backward,) = of_kind("graph-cut", "backward")

    assert backward["error"].startswith("RuntimeError: element 0 of tensors does not require grad")
    assert backward["depth"] == 0


# warnings
def test_a_warning_names_the_line_of_the_script_and_is_no_operation() -> None:
    (warning,) = of_kind("checkpoint-no-grad", "warning")
    others = {
        tuple(record["time"]) for record in runs()["checkpoint-no-grad"].records if record is not warning
    }

    assert (warning["name"], warning["level"]) == ("UserWarning", "operation")
    assert "checkpoint(" in Path(warning["file"]).read_text().splitlines()[warning["line"] - 1]
    assert warning["text"].startswith("None of the inputs have requires_grad=True")
    assert tuple(warning["time"]) in others  # that of the operation during which it was given, or of the next


def test_the_trail_keeps_warnings_apart() -> None:
    trail = Trail()
    warnings: list[Any] = [{"kind": "warning", "time": [n, 0], "iteration": n, "text": "w"} for n in range(5)]
    trail.warn(warnings)
    trail.warn(warnings[3:])

    assert [w["iteration"] for w in trail.recent_warnings(3)] == [2, 3, 4]
    assert not trail.records
    trail.cut((3, 0))
    assert [w["iteration"] for w in trail.recent_warnings(0)] == [0, 1, 2]
    trail.reset_to((1, 0))
    assert [w["iteration"] for w in trail.recent_warnings(0)] == [1, 2]
    trail.reset((2, 0))
    assert trail.recent_warnings(0) == ()


SCRIPT = """\
import torch

w = torch.tensor([1.0, 2.0], requires_grad=True)
y = w * 3
y.square().sum().backward()
print(y.grad)
y.sum()
torch.optim.SGD([], lr=0.1)
"""


async def test_the_app_gets_warnings_and_the_error_that_ended_the_script(tmp_path: Path) -> None:
    path = tmp_path / "warns.py"
    path.write_text(SCRIPT)
    async with open_session(str(path)) as session:
        for _ in range(30):
            if session.view.status == "crashed":
                break
            await session.step("into")
        stop, records = session.view.stop, session.view.records
        assert stop is not None
        warnings = session.run_of_script.trail.recent_warnings(stop.iteration)
        notices = noticed([*records, *warnings], stop)

    assert session.view.status == "crashed"
    assert not [record for record in records if record["kind"] == "warning"]
    assert [(notice.id, notice.line) for notice in notices] == [("non-leaf-grad", 6), ("optimizer-empty", 8)]
