"""A script leaves the same bits behind whether Python runs it or `trace` does."""

import functools
from collections.abc import Callable
from dataclasses import replace

import pytest

from support.scripts import Run, bare, difference, of_kind, records, script, several, traced

SEEDS = {
    "seed_001_manual": [],
    "seed_001_optim": ["60"],
    "seed_002_accumulate": [],
    "seed_002_where": [],
    "seed_002_milestones": [],
    "seed_002_steplr": [],
    "seed_004": ["50"],
}

REAL = {
    "cnn_digits": ["--epochs", "1", "--samples", "192"],
    "char_transformer": ["--iterations", "6"],
    "lstm": ["--epochs", "2", "--length", "100"],
    "gan": ["--iterations", "10"],
    "lbfgs": ["--steps", "2"],
    "accumulate": ["--epochs", "2", "--samples", "192"],
    "no_optimizer": ["--iterations", "20"],
    "custom_function": ["--iterations", "6"],
    "mlp_784": ["--iterations", "10"],
    "toy": ["60", "Adam"],
    "dropout_digest": ["15"],
    "idioms": [],
}


TOGETHER = {**SEEDS, **REAL}
"""Run in one process, so that torch is imported twice in all and not twice for each."""


@functools.cache
def together(run: Callable[..., Run]) -> dict[str, Run]:
    """Every script, each with its own state and output."""
    return several(run, {name: [script(name), *arguments] for name, arguments in TOGETHER.items()})


run_bare = functools.cache(bare)


def compare(name: str, *arguments: str, trace: tuple[str, ...] = ()) -> Run:
    expected, run = run_bare(name, *arguments), traced(name, *arguments, trace=trace)
    assert difference(expected, run) == ""
    assert expected.status == 0, expected.output
    assert len(expected.state) > 3
    return run


@pytest.mark.xdist_group("together")
@pytest.mark.parametrize("name", TOGETHER)
def test_scripts_of_the_questions_and_real_programs(name: str) -> None:
    expected, run = together(bare)[name], together(traced)[name]

    assert difference(expected, run) == ""
    assert len(expected.state) > 3


@pytest.mark.exhaustive
@pytest.mark.parametrize(("name", "arguments"), TOGETHER.items(), ids=TOGETHER)
def test_each_in_a_process_of_its_own(name: str, arguments: list[str]) -> None:
    compare(name, *arguments)


@pytest.mark.exhaustive
@pytest.mark.parametrize("level", ["kernel"])
def test_at_every_level(level: str) -> None:
    compare("custom_function", "--iterations", "2", trace=("--level", level))


@pytest.mark.exhaustive
@pytest.mark.parametrize("level", ["phase", "operation", "kernel"])
@pytest.mark.parametrize("name", [*SEEDS, *REAL])
def test_whole_runs_at_every_level(name: str, level: str) -> None:
    compare(name, trace=("--level", level))


@pytest.mark.xdist_group("together")
def test_the_comparison_notices_a_difference() -> None:
    """Another program, another line of output, and one bit of one weight must be told apart."""
    runs = together(bare)
    run = runs["toy"]
    changed = replace(run, state={**run.state, "model.1.weight": "0" * 16})

    assert "output" in difference(run, replace(run, output=run.output + "."))
    assert difference(run, changed).startswith("model.1.weight: ")
    assert difference(runs["seed_001_optim"], runs["seed_004"]) != ""


def test_an_iteration_count_ends_the_run_with_status_0() -> None:
    seen = records("toy", "1000", trace=["--iterations", "3"])

    assert max(record["iteration"] for record in seen) == 3
    assert len(of_kind(seen, "step")) == 3


@pytest.mark.exhaustive
def test_two_traces_of_one_script_are_equal() -> None:
    """But for what comes before training: `torch.empty` shows memory as it was found."""
    one, other = (records("gan", "--iterations", "2") for _ in range(2))

    assert [r for r in one if r["iteration"]] == [r for r in other if r["iteration"]]
    assert len(one) == len(other) > 100


def test_a_step_within_a_step_has_the_updates_of_the_optimizer_that_makes_them() -> None:
    seen = records("idioms")
    (end, *_) = (
        place for place, row in enumerate(seen) if (row["kind"], row["name"]) == ("step", "FlatMinima")
    )
    step = seen[end]
    inside = [row for row in seen[:end] if row["time"] > step["time"] and row["depth"] == step["depth"] + 1]

    made = [(row["kind"], row["name"]) for row in inside if row["name"] != "FlatMinima"]
    assert made == [("update", "SGD"), ("update", "SGD"), ("zero_grad", "zero_grad")]
