"""What the README promises is what the program has."""

import re
from pathlib import Path

import pytest

from backprop_tui.actions import ACTIONS, GROUPS
from backprop_tui.debugger.breakpoints import FORMS
from backprop_tui.debugger.options import LOSSES
from backprop_tui.guide.catalog import lessons
from support.scripts import backprop_tui, records, said

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def section(title: str) -> str:
    """The text under a heading, up to the next one of the same level."""
    return README.split(f"\n## {title}\n")[1].split("\n## ")[0]


def key_table() -> str:
    """The table of keys as the README should have it, made from the registry of actions."""
    lines = ["| key | | what it does |", "|---|---|---|"]
    for group, heading in GROUPS.items():
        lines.append(f"| **{heading}** | | |")
        lines += [f"| `{a.key_text}` | {a.label} | {a.help} |" for a in ACTIONS if a.group == group]
    return "\n".join(lines)


def test_the_table_of_keys_is_that_of_the_program() -> None:
    assert key_table() in section("Keys")


def test_every_kind_of_breakpoint_is_documented_with_its_cost() -> None:
    text = section("Breakpoints, and back to the cause")

    assert not [form for form in FORMS if f"| `{form.written}` | {form.meaning} | {form.cost} |" not in text]


def test_every_option_of_trace_is_documented_and_no_other() -> None:
    text = said(backprop_tui("trace", "--help")).stdout
    offered = set(re.findall(r"(?<![\w-])(--[a-z][a-z-]+|-m)\b", text)) - {"--help"}
    documented = set(
        re.findall(r"`(--[a-z][a-z-]+|-m)\b", section("`trace`: the same engine without a screen"))
    )

    assert documented | {"--version"} == offered


def test_every_option_of_race_is_documented_and_no_other() -> None:
    def offered(command: str) -> set[str]:
        text = said(backprop_tui(command, "--help")).stdout
        options = text.partition("options:")[2]
        return set(re.findall(r"^ +(--[a-z-]+)", options, re.MULTILINE))

    documented = set(re.findall(r"^\| `(--[a-z-]+)", section("What if: racing futures"), re.MULTILINE))

    assert documented == offered("race") - offered("trace") | {"--iterations"}


def test_every_loss_is_listed() -> None:
    assert not [name for name in LOSSES if f"`{name}`" not in README]


def test_every_lesson_is_listed() -> None:
    assert not [lesson.name for lesson in lessons() if f"`{lesson.name}`" not in section("Lessons")]


def test_every_field_of_a_record_is_documented() -> None:
    fields = {field for name in ("update",) for record in records_of(name) for field in record}
    documented = set(re.findall(r"`(\w+)`", section("`trace`: the same engine without a screen")))

    assert fields - documented == set()


def records_of(lesson: str) -> tuple[dict[str, object], ...]:
    (script,) = [entry.script for entry in lessons() if entry.name == lesson]
    return records(str(script), trace=["--level", "kernel"])


def test_the_pictures_are_there() -> None:
    pictures = re.findall(r"!\[[^\]]*\]\(([^)]+)\)", README)

    assert pictures
    assert not [picture for picture in pictures if not (ROOT / picture).is_file()]


def test_the_commands_name_the_extras_that_exist() -> None:
    assert "pip install torch==2.13.0 . && backprop-tui" in README
    assert "pip install torch==2.13.0 '.[test]' && pytest" in README
    assert "\ntest = [\n" in (ROOT / "pyproject.toml").read_text()


@pytest.mark.parametrize(
    "folder", sorted(p.name for p in (ROOT / "tui/backprop_tui").iterdir() if p.is_dir())
)
def test_every_folder_is_on_the_map(folder: str) -> None:
    assert folder.startswith("__") or f"{folder}/" in section("Where things are")
