"""`trace` prints the numbers that its author could not explain, and runs a script as Python would."""

from __future__ import annotations

import functools
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from support.scripts import backprop_tui, environment, of_kind, python, said

pytestmark = pytest.mark.xdist_group("debugger_trace")

LOOP = """\
import sys
import torch

torch.manual_seed(0)
model = torch.nn.Linear(2, 3)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.5)
x, y = torch.randn(4, 2), torch.randn(4, 3)
for i in range(int(sys.argv[1])):
    optimizer.zero_grad()
    loss = torch.nn.functional.mse_loss(model(x), y)
    loss.backward()
    optimizer.step()
    scheduler.step()
sys.exit(int(sys.argv[2]))
"""

SELF = """\
import json, os, sys
main = sys.modules["__main__"]
print(json.dumps({
    "argv": sys.argv, "path": sys.path[0], "name": __name__, "file": __file__, "folder": os.getcwd(),
    "main": main.__dict__ is globals(), "package": __package__, "spec": __spec__ and __spec__.name,
    "doc": __doc__, "loader": __loader__ is None,
}))
"""


def trace(*arguments: str, status: int = 0, **options: Any) -> tuple[list[dict[str, Any]], str]:
    """(records, what the script printed)"""
    done = said(backprop_tui("trace", *arguments), **options)
    assert done.returncode == status, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()], done.stderr


@functools.cache
def lesson(*options: str) -> tuple[list[dict[str, Any]], str]:
    return trace(*options, "update")


@pytest.fixture
def loop(tmp_path: Path) -> str:
    path = tmp_path / "loop.py"
    path.write_text(LOOP)
    return str(path)


def rounded(values: Any, digits: int = 4) -> Any:
    """As torch prints them."""
    if isinstance(values, list):
        return [rounded(item, digits) for item in values]
    return round(values, digits)


def after(records: list[dict[str, Any]], kind: str, owner: str) -> dict[str, Any]:
    """What each tensor was after the operations of a kind, by name."""
    return {record[owner]: rounded(record["after"]["values"]) for record in of_kind(records, kind)}


# the lesson
def test_the_numbers_of_the_lesson() -> None:
    records, _ = lesson()
    (forward,) = of_kind(records, "forward")
    (loss,) = of_kind(records, "loss")
    (backward,) = of_kind(records, "backward")

    assert rounded(forward["outputs"][0]["values"]) == [0.191]
    assert rounded(loss["value"]) == rounded(backward["value"]) == 0.809
    assert after(records, "accumulate", "tensor") == {
        "model.linear1.weight": [[-0.28, -0.42], [-0.3, -0.45]],
        "model.linear2.weight": [[-0.85, -0.48]],
    }
    assert after(records, "update", "parameter") == {
        "model.linear1.weight": [[0.124, 0.231], [0.135, 0.1025]],
        "model.linear2.weight": [[0.1825, 0.174]],
    }


@pytest.mark.parametrize("option", [("--loss", "half_mse"), ("--backward-gradient", "loss")], ids="=".join)
def test_what_its_author_expected(option: tuple[str, str]) -> None:
    records, _ = lesson(*option)

    assert after(records, "update", "parameter")["model.linear2.weight"] == [[0.1744, 0.1694]]


def test_the_scripts_own_output_goes_to_the_standard_error() -> None:
    _, printed = lesson()

    assert printed.startswith("weights before backpropagation =  [Parameter containing:")
    assert "result =  tensor([0.1910], grad_fn=<SqueezeBackward4>)" in printed
    assert "loss =  tensor(0.8090, grad_fn=<MeanBackward0>)" in printed


def test_every_record_says_what_the_interface_promises() -> None:
    records, _ = lesson()

    assert records[0]["version"] == 1
    assert not any("version" in record for record in records[1:])
    for record in records:
        assert {"time", "iteration", "depth", "level", "kind", "name", "line", "file", "module"} <= set(
            record
        )
        for info in (*record.get("inputs", ()), *record.get("outputs", ())):
            assert {"name", "shape", "dtype", "values", "requires_grad", "leaf"} <= set(info)


def test_records_come_in_the_order_of_completion_and_nest() -> None:
    records, _ = lesson()
    times = [tuple(record["time"]) for record in records]
    assert len(set(times)) == len(times)
    open_depths: list[int] = []
    for record in reversed(records):  # backwards a parent comes before what it contains
        del open_depths[record["depth"] :]
        assert len(open_depths) == record["depth"]
        open_depths.append(record["depth"])
    numbers = [record["number"] for record in records if record["iteration"] == 1]
    assert sorted(numbers) == list(range(1, len(numbers) + 1))


def test_every_value_is_written_as_short_as_its_dtype_allows() -> None:
    records, _ = lesson()
    (forward,) = of_kind(records, "forward")

    assert json.dumps(forward["outputs"][0]["values"]) == "[0.19100001]"  # float32, not 0.1910000145435333


def test_every_gradient_flows_from_the_loss_to_the_leaves() -> None:
    """What a node sends out is what a later one takes in, and the first one gets ∂L/∂L = 1."""
    records, _ = lesson()
    nodes = of_kind(records, "node", "accumulate")
    assert nodes[0]["grad_outputs"][0]["values"] == 1.0
    sent = [grad["values"] for node in nodes for grad in node.get("grad_inputs", ()) if grad is not None]
    for node in nodes[1:]:
        assert node["grad_outputs"][0]["values"] in sent, node["name"]


def test_a_tensor_that_is_a_plain_attribute_of_a_module_has_its_name(tmp_path: Path) -> None:
    """`named_parameters` knows it as little as `state_dict` does, but a gradient arrives there."""
    path = tmp_path / "attribute.py"
    path.write_text(
        "import torch\n"
        "class Net(torch.nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.scale = torch.tensor([4.0], requires_grad=True)\n"
        "        self.register_buffer('offset', torch.tensor([0.25]))\n"
        "    def forward(self, x):\n"
        "        return self.scale * x + self.offset\n"
        "net = Net()\n"
        "net(torch.tensor([3.0])).sum().backward()\n"
    )
    records, _ = trace(str(path))

    assert after(records, "accumulate", "tensor") == {"net.scale": [3.0]}


# options
def test_without_zero_grad_every_gradient_adds_to_the_one_before(loop: str) -> None:
    records, _ = trace("--zero-grad", "off", "--iterations", "3", loop, "1000", "0")
    known: dict[str, Any] = {}
    for record in of_kind(records, "accumulate"):
        before = record["before"] and record["before"]["values"]
        assert before == known.get(record["tensor"])
        known[record["tensor"]] = record["after"]["values"]
    assert len(of_kind(records, "accumulate")) == 6
    assert [record["iteration"] for record in of_kind(records, "step")] == [1, 2, 3]
    assert [record["lr_after"] for record in of_kind(records, "schedule")][:2] == [[0.05], [0.025]]


def test_the_options_that_change_the_script(loop: str) -> None:
    records, _ = trace(
        "--optimizer", "Adam(betas=(0.5, 0.9))", "--lr", "0.25", "--loss", "l1", "--reduction", "sum",
        "--scheduler", "off", "--set", "model.weight[1,0]=7", "--set=model.weight[1,0]=8",
        "--zero-grad", "zero", "--values", "5", "--level", "kernel", loop, "2", "3", status=3,
    )  # fmt: skip
    updates = of_kind(records, "update")
    weights = [record for record in updates if record["parameter"] == "model.weight"]
    biases = [record for record in updates if record["parameter"] == "model.bias"]

    assert {record["optimizer"] for record in updates} == {"Adam"}
    assert {record["lr"] for record in updates} == {0.25}
    assert set(weights[0]["state"]) == {"step", "exp_avg", "exp_avg_sq"}
    assert of_kind(records, "schedule") == []
    assert {record["name"] for record in of_kind(records, "loss")} == {"l1_loss"}
    # six elements are more than --values, three are not
    assert weights[0]["before"]["values"] is None
    assert weights[0]["before"]["max"] == 8
    assert len(biases[0]["before"]["values"]) == 3
    assert of_kind(records, "kernel")
    # to zeros, from the second iteration on
    assert [record["before"] and record["before"]["values"] for record in of_kind(records, "accumulate")
            if record["tensor"] == "model.bias"] == [None, [0.0, 0.0, 0.0]]  # fmt: skip


@pytest.mark.exhaustive
@pytest.mark.parametrize("value", [None, "glibc.malloc.check=0"])
@pytest.mark.usefixtures("cold")
def test_a_script_and_what_it_starts_find_no_variable_of_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str | None
) -> None:
    if value is not None:
        monkeypatch.setenv("GLIBC_TUNABLES", value)
    path = tmp_path / "environment.py"
    path.write_text(
        "import os, subprocess, torch\n"
        "print(os.environ.get('GLIBC_TUNABLES'), flush=True)\n"
        "subprocess.run('echo $GLIBC_TUNABLES', shell=True)\n"
    )
    _, printed = trace(str(path))

    assert printed.splitlines() == [str(value), value or ""]


def test_a_pass_from_a_leaf_accumulates(tmp_path: Path) -> None:
    path = tmp_path / "leaf.py"
    path.write_text(
        "import torch\nw = torch.tensor(2.0, requires_grad=True)\nfor _ in range(2): w.backward()\n"
    )
    records, _ = trace(str(path))

    found = [(record["before"], record["after"]) for record in of_kind(records, "accumulate")]
    assert [(before and before["values"], after["values"]) for before, after in found] == [
        (None, 1.0),
        (1.0, 2.0),
    ]


def test_levels(loop: str) -> None:
    phases, operations, kernels = (
        trace("--level", level, loop, "2", "0")[0] for level in ("phase", "operation", "kernel")
    )
    for records in (phases, operations, kernels):
        records[0].pop("version")

    assert {record["level"] for record in phases} == {"phase"}
    assert {record["level"] for record in operations} == {"phase", "operation"}
    assert {record["level"] for record in kernels} == {"phase", "operation", "kernel"}
    names = [[record["name"] for record in records if record["level"] == "phase"] for records in
             (phases, operations, kernels)]  # fmt: skip
    assert names[0] == names[1] == names[2]
    assert [record for record in kernels if record["level"] != "kernel"][10:] == operations[10:]


# as Python runs it
def described(text: str) -> dict[str, Any]:
    return next(json.loads(line) for line in text.splitlines() if line.startswith("{"))


def bare(*arguments: str, **options: Any) -> dict[str, Any]:
    done = said(python(*arguments), **options)
    assert done.returncode == 0, done.stderr
    return described(done.stdout)


@pytest.mark.usefixtures("cold")
def test_a_script_finds_what_python_would_give_it(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "self.py").write_text(SELF)
    words = (os.path.join("inner", "self.py"), "--level", "7", "-m", "x y")
    expected = bare(*words, cwd=tmp_path)
    _, printed = trace(*words, cwd=tmp_path)
    found = described(printed)

    assert found["argv"] == list(words)
    assert found == expected


@pytest.mark.usefixtures("cold")
def test_a_module_finds_what_python_would_give_it(tmp_path: Path) -> None:
    package = tmp_path / "package"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "self.py").write_text(SELF)
    expected = bare("-m", "package.self", "--iterations", "7", cwd=tmp_path)
    _, printed = trace("-m", "package.self", "--iterations", "7", cwd=tmp_path)
    found = described(printed)

    assert (found["name"], found["package"], found["spec"]) == ("__main__", "package", "package.self")
    assert found == expected


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    ("ending", "status"), [("sys.exit()", 0), ("sys.exit(7)", 7), ("sys.exit('no')", 1), ("1 / 0", 1),
                           ("os._exit(9)", 9), ("os.kill(os.getpid(), 15)", 143), ("sys.exit(256 + 5)", 5)],
)  # fmt: skip
def test_exit_statuses(tmp_path: Path, ending: str, status: int) -> None:
    path = tmp_path / "ends.py"
    path.write_text(f"import os, sys\nimport torch\ntorch.ones(1, requires_grad=True).sum()\n{ending}\n")
    records, _ = trace(str(path), status=status)

    assert records[-1]["name"] == "sum"


@pytest.mark.exhaustive
def test_a_closed_pipe_ends_the_script_at_once(loop: str) -> None:
    process = subprocess.Popen(
        backprop_tui("trace", loop, "10000000", "0"), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, env=environment(),
    )  # fmt: skip
    assert process.stdout is not None and process.stderr is not None
    with process, process.stdout, process.stderr:
        assert json.loads(process.stdout.readline())["version"] == 1
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(timeout=20) == 141


# explanations
def explained(*options: str) -> dict[tuple[str, str], dict[str, Any]]:
    """(name, numbers) to explanation of the lesson."""
    records, _ = lesson("--explain", "--check", *options)
    found = [record for record in records if record["kind"] == "explanation"]
    return {(record["name"], record["numbers"]): record for record in found}


def test_the_lesson_is_explained_with_its_numbers() -> None:
    found = explained()
    outer = found["MmBackward0", "([[−1]]ᵀ · [[0.85 0.48]])ᵀ"]
    assert (outer["rule"], outer["result"], outer["check"]) == ("(gᵀ · out)ᵀ", "[[−0.85] [−0.48]]", True)
    step = found["SGD", "0.14 − 0.05·(−0.85)"]
    assert (step["rule"], step["result"], step["check"]) == ("w − lr·g", "0.1825", True)


def test_with_half_the_square_the_gradient_is_what_its_author_expected() -> None:
    found = explained("--loss", "half_mse")
    assert found["MmBackward0", "([[−0.809]]ᵀ · [[0.85 0.48]])ᵀ"]["result"] == "[[−0.68765] [−0.38832]]"


@pytest.mark.parametrize("options", [(), ("--loss", "half_mse")], ids=str)
def test_every_operation_of_the_lesson_is_explained_and_true(options: tuple[str, ...]) -> None:
    for record in explained(*options).values():
        assert record["check"] is not False, record
        assert record["check"] or not record["result"], f"no rule: {record}"


def test_an_operation_that_raised_has_no_result_to_explain(tmp_path: Path) -> None:
    script = tmp_path / "raises.py"
    script.write_text(
        "import torch\nw, three = torch.ones(2, requires_grad=True), torch.ones(1, 3)\n"
        "for function in (lambda: w @ three[0], lambda: torch.nn.functional.linear(w, three)):\n"
        "    try:\n        function()\n    except RuntimeError:\n        pass\n"
    )
    records, _ = trace("--explain", "--check", str(script))
    raised = [records[place + 1] for place, record in enumerate(records) if record.get("error")]
    assert [(record["rule"], record["numbers"], record["check"]) for record in raised] == [
        ("there is no result to explain: matmul raised RuntimeError", "", None),
        ("there is no result to explain: linear raised RuntimeError", "", None),
    ]


def test_why_nothing_can_be_checked_inside_a_transform_is_said_in_its_own_words(tmp_path: Path) -> None:
    script = tmp_path / "mapped.py"
    script.write_text("import torch\nprint(torch.func.vmap(lambda row: row * 2)(torch.ones(2, 3)))\n")
    records, _ = trace("--explain", "--check", str(script))
    (rule,) = {
        record["rule"] for record in records if record["kind"] == "explanation" and "mul" in record["rule"]
    }
    assert rule.endswith(
        "inside a transform of torch.func (vmap, grad) the numbers of a tensor cannot be read"
    )


def test_the_end_of_a_recomputation_is_told_as_what_it_is(tmp_path: Path) -> None:
    script = tmp_path / "checkpointed.py"
    script.write_text(
        "import torch\nfrom torch.utils.checkpoint import checkpoint\n"
        "layers = torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.SiLU(), torch.nn.Linear(3, 3))\n"
        "x = torch.ones(2, 3, requires_grad=True)\n"
        "checkpoint(layers, x, use_reentrant=False).sum().backward()\n"
    )
    records, _ = trace("--explain", "--check", str(script))
    ended = [records[place + 1] for place, record in enumerate(records) if record.get("error")]
    assert ended[0]["rule"] == "there is no result to explain: torch stops recomputing the checkpoint here"


def test_a_scheduler_says_why_get_lr_is_not_the_rate(tmp_path: Path) -> None:
    script = tmp_path / "steps.py"
    script.write_text(LOOP.replace("ExponentialLR(optimizer, 0.5)", "MultiStepLR(optimizer, [2, 4], 0.1)"))
    records, _ = trace("--explain", str(script), "3", "0")
    notes = [record["note"] for record in records if record["kind"] == "explanation" and record["note"]]
    (second,) = [note for note in notes if "epoch 2 is a milestone" in note]
    assert "get_lr() is not the rate" in second


ATTENTION = """\
import torch
torch.manual_seed(0)
attention = torch.nn.MultiheadAttention(8, 2, dropout=0.1, batch_first=True)
x = torch.randn(2, 3, 8)
out, weights = attention(x, x, x)
torch.nn.functional.normalize(out, dim=-1).sum().backward()
print(weights.sum().item(), attention.in_proj_weight.grad.norm().item())
"""


def test_what_a_composite_function_does_is_seen_as_kernels(tmp_path: Path) -> None:
    script = tmp_path / "attention.py"
    script.write_text(ATTENTION)
    records, printed = trace("--level", "kernel", str(script))
    assert printed == said(python(str(script))).stdout

    inside = [record["name"] for record in records if record["level"] == "kernel"]
    assert {"linear", "bmm", "softmax", "dropout"} <= set(inside)
    assert {"norm", "clamp_min", "div"} <= set(inside)
    whole = [record["name"] for record in records if record["level"] == "operation"]
    assert "multi_head_attention_forward" in whole and "bmm" not in whole
    # Stepping at another level must not change when anything happens.
    plain, _ = trace(str(script))
    assert [r["time"] for r in plain] == [r["time"] for r in records if r["level"] != "kernel"]


LEAVES = """\
import torch

for start in (2.0, 3.0):
    w = torch.tensor(start, requires_grad=True)
    loss = w * w
    loss.backward()
"""


def test_a_leaf_made_within_an_iteration_has_its_name_in_the_same_one(tmp_path: Path) -> None:
    script = tmp_path / "leaves.py"
    script.write_text(LEAVES)
    records, _ = trace(str(script))

    assert [record["tensor"] for record in of_kind(records, "accumulate")] == ["w", "w"]
    made = [record for record in records if record.get("name") == "mul"]
    assert [record["inputs"][0]["name"] for record in made] == ["w", "w"]


VALLEY = """\
import torch

w = torch.tensor([-5.0, -2.0], requires_grad=True)
optimizer = torch.optim.SGD([w], lr=0.4)
for _ in range(2):
    loss = w[0] ** 2 + 2 * w[1] ** 2
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()
with torch.no_grad():
    w[0] = 1.0
"""


def test_reading_an_element_of_a_parameter_is_no_update_of_it(tmp_path: Path) -> None:
    script = tmp_path / "valley.py"
    script.write_text(VALLEY)
    records, _ = trace(str(script))

    updates = [record["name"] for record in of_kind(records, "update")]
    assert updates == ["SGD", "SGD", "__setitem__"]
    read = [(record["iteration"], record["kind"]) for record in records if record["name"] == "__getitem__"]
    assert read == [(1, "op")] * 2 + [(2, "op")] * 2


def test_a_change_that_met_nothing_is_told_on_stderr(tmp_path: Path) -> None:
    path = tmp_path / "sum.py"
    path.write_text("import torch\nw = torch.ones(2, requires_grad=True)\n(w * w).sum().backward()\n")

    records, said = trace("--lr", "3", "--optimizer", "Adam(lr=0.1)", "--scheduler", "off", str(path))

    assert records and "Traceback" not in said
    for sentence in (
        "made no optimizer, so there was none to swap",
        "no learning rate to set",
        "no scheduler",
    ):
        assert sentence in said
