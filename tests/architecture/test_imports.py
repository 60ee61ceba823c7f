"""What is loaded when: looked up in `sys.modules` of a process of its own.

The import contracts in pyproject.toml say who may name whom; these tests say what really gets loaded.
"""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

import backprop_tui

PACKAGE = Path(backprop_tui.__file__).parent
REPOSITORY = Path(__file__).parents[2]


def loaded(code: str, *arguments: str) -> set[str]:
    """Top-level packages in `sys.modules` after `code`."""
    report = (
        "import sys, json; print('LOADED', json.dumps(sorted({m.partition('.')[0] for m in sys.modules})))"
    )
    program = f"import atexit\natexit.register(lambda: exec({report!r}))\n{code}"
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True, timeout=60, check=False
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith("LOADED")]
    assert lines, done.stdout + done.stderr
    return set(json.loads(lines[0].removeprefix("LOADED ")))


def modules_of(*folders: str) -> list[str]:
    files = [file for folder in folders for file in sorted(PACKAGE.glob(folder))]
    names = [".".join(file.relative_to(PACKAGE).with_suffix("").parts) for file in files]
    return ["backprop_tui." + name.removesuffix(".__init__") for name in names if name != "__init__"]


def import_all(modules: list[str]) -> str:
    return "import importlib\n" + "\n".join(f"importlib.import_module({name!r})" for name in modules)


def test_the_package_itself_imports_nothing() -> None:
    assert not loaded("import backprop_tui") & {"torch", "textual", "rich", "plotext", "numpy", "argparse"}


def test_the_app_side_does_not_load_torch_or_numpy() -> None:
    modules = modules_of(
        "app.py", "trace.py", "race.py", "actions.py", "screens/**/*.py", "panes/**/*.py", "debugger/**/*.py"
    )
    names = loaded(import_all([*modules, "backprop_tui.guide.catalog"]))

    assert "backprop_tui" in names
    assert not names & {"torch", "numpy", "sympy", "sklearn"}


def test_explain_and_protocol_load_neither_torch_nor_textual() -> None:
    names = loaded(import_all(modules_of("explain/**/*.py", "protocol.py")))

    assert not names & {"torch", "textual", "rich", "plotext"}


def test_the_debuggee_loads_torch_and_no_screen() -> None:
    names = loaded(import_all(modules_of("debuggee/**/*.py")))

    assert "torch" in names
    assert not names & {"textual", "rich", "plotext"}


def test_protocol_needs_the_standard_library_alone() -> None:
    assert (
        not loaded("import backprop_tui.protocol")
        - sys.stdlib_module_names
        - {"backprop_tui", "__main__"}
        - SITE
    )


SITE = {name for name in loaded("pass") if name not in sys.stdlib_module_names}
"""What the interpreter's own start-up loads here (editable installs, for one)."""


@pytest.mark.parametrize("option", ["--help", "--version", "lessons"])
def test_a_question_to_the_command_line_loads_neither_torch_nor_textual(option: str) -> None:
    call = "import sys; from backprop_tui.cli import main; sys.exit(main())"

    assert not loaded(call, option) & {"torch", "textual", "numpy", "plotext"}


def imports(file: Path) -> set[str]:
    """Every module that a file names in an import, wherever it stands."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module)
    return names


@pytest.mark.parametrize("file", sorted((PACKAGE / "debuggee").rglob("*.py")), ids=lambda file: file.name)
def test_the_debuggee_names_torch_the_protocol_and_the_standard_library_only(file: Path) -> None:
    foreign = {
        name
        for name in imports(file)
        if name.partition(".")[0] not in {"torch", *sys.stdlib_module_names}
        and not name.startswith(("backprop_tui.protocol", "backprop_tui.debuggee"))
        and name != "backprop_tui"
    }

    assert not foreign


def test_nothing_outside_names_the_debuggee() -> None:
    outside = [file for file in PACKAGE.rglob("*.py") if "debuggee" not in file.relative_to(PACKAGE).parts]

    assert not [file for file in outside if any("backprop_tui.debuggee" in name for name in imports(file))]


def makes_trees(file: Path) -> bool:
    """Whether a file calls `ast.parse`, or compiles."""
    calls = (
        node.func
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
    )
    return any(ast.unparse(call) in ("ast.parse", "compile") for call in calls)


def test_syntax_trees_are_made_in_one_place() -> None:
    """Two threads of the app that make one at a time would disturb each other."""
    app = [file for file in PACKAGE.rglob("*.py") if "debuggee" not in file.relative_to(PACKAGE).parts]

    assert [file.name for file in app if makes_trees(file)] == ["syntax.py"]


def test_the_source_root_is_not_a_package() -> None:
    """With `tui/__init__.py`, `import tui.backprop_tui` would make a second copy of every class."""
    assert not (REPOSITORY / "tui" / "__init__.py").exists()


def test_the_console_script_is_the_documented_one() -> None:
    assert '\nbackprop-tui = "backprop_tui.cli:main"\n' in (REPOSITORY / "pyproject.toml").read_text()


def test_everything_beside_the_code_is_found_where_the_package_is_installed() -> None:
    """A stylesheet or a lesson forgotten in the wheel breaks only the installed program."""
    shipped = REPOSITORY / "tui" / "backprop_tui"
    suffixes = {".tcss", ".toml", ".md"}
    data = {file.relative_to(shipped) for file in shipped.rglob("*") if file.suffix in suffixes}

    assert {Path("lessons/update.toml")} <= data
    assert not [file for file in data if not (PACKAGE / file).is_file()]
