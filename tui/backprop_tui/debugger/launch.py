"""Starts the debuggee's first process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PACKAGE = Path(__file__).resolve().parent.parent
_LESSONS = PACKAGE / "lessons"

_BOOT = """
import sys
sys.path.pop(0)
import importlib.util
folder = sys.argv.pop(1)
spec = importlib.util.spec_from_file_location(
    "backprop_tui", folder + "/__init__.py", submodule_search_locations=[folder])
module = importlib.util.module_from_spec(spec)
sys.modules["backprop_tui"] = module
spec.loader.exec_module(module)
try:
    import torch
except ModuleNotFoundError as error:
    if error.name != "torch":
        raise
    sys.exit(3)
sys.path.insert(0, "")
from backprop_tui.debuggee.boot import main
main()
"""
"""Run with ``-c``: started as a file inside the package, our modules would shadow the user's.
``sys.path[0]`` is the current folder until the runner puts the script's there; it must not be
searched while torch is imported."""

TUNABLES = "GLIBC_TUNABLES"
"""The variable from which glibc takes its settings as a program starts."""
_GPUS = "CUDA_VISIBLE_DEVICES"
_ASK_NVML = "PYTORCH_NVML_BASED_CUDA_CHECK"
_UNLESS_SET = {_ASK_NVML: "1", "TOKENIZERS_PARALLELISM": "false", "NUMEXPR_NUM_THREADS": "1"}
"""Libraries that would start threads of their own, after which a process cannot be forked."""
_ONE_THREAD = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "GOTO_NUM_THREADS")


@dataclass(frozen=True)
class Program:
    """What to debug, and how to run it."""

    target: str
    """Path of the script, or name of the module."""
    arguments: tuple[str, ...] = ()
    is_module: bool = False
    python: str | None = None
    """The interpreter; None for the one that runs the debugger."""
    threads: int = 1
    folder: str | None = None
    """The script's working directory; None for the present one."""
    changes: tuple[tuple[str, Any], ...] = ()
    """(kind, value) of changes in force from the beginning."""

    def module_file(self) -> str:
        """The file of a module in the working directory, where Python looks first; empty for any other."""
        if not self.is_module:
            return ""
        place = Path(self.folder or "", *self.target.split(".")).absolute()
        found = (path for path in (place / "__main__.py", place.with_suffix(".py")) if path.is_file())
        return str(next(found, ""))

    def first_changes(self) -> list[dict[str, Any]]:
        """The changes that are in force from the beginning, as a run wants them."""
        return [{"kind": kind, "value": value} for kind, value in self.changes]

    def script(self) -> dict[str, Any]:
        """As the message that starts a run wants it."""
        return {
            "target": self.target,
            "arguments": list(self.arguments),
            "module": self.is_module,
            "folder": self.folder,
        }


def environment(program: Program) -> dict[str, str]:
    """The debuggee's environment: one thread, memory in huge pages, and no start of CUDA by a mere question.

    A fork copies an entry for each page, so with large ones a checkpoint takes half the time. The kernel is
    asked for them where it leaves that to programs; the C library must be glibc 2.35 or later to ask.

    ``torch.cuda.is_available()`` starts CUDA, which no copy of the process can use then, unless it is told to
    ask the driver's management library (torch/cuda/__init__.py). The lessons' scripts use no GPU: where they
    see none, autograd starts no thread for one, and they can be forked.
    """
    user = os.environ.get(TUNABLES, "")
    tunables = user if "hugetlb" in user else ":".join(filter(None, (user, "glibc.malloc.hugetlb=1")))
    ours = {**dict.fromkeys(_ONE_THREAD, "1"), TUNABLES: tunables}
    if Path(program.target).resolve().is_relative_to(_LESSONS):
        ours[_GPUS] = ""
    return {**_UNLESS_SET, **os.environ, **ours}


def launch(program: Program, address: str, folder: Path, capture: bool) -> subprocess.Popen[bytes]:
    """Start the interpreter that becomes the root checkpoint.

    With ``capture`` nothing of it reaches the terminal; otherwise its output goes to our stderr
    and its input is ours.
    """
    setting = json.dumps(
        {
            "address": address,
            "folder": str(folder),
            "capture": capture,
            "environment": {TUNABLES: os.environ.get(TUNABLES)},
        }
    )
    command = [program.python or sys.executable, "-c", _BOOT, str(PACKAGE), setting]
    log = open(folder / "start.log", "wb") if capture else None  # noqa: SIM115
    try:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL if capture else None,
            stdout=log if log is not None else sys.stderr.fileno(),
            stderr=log,
            env=environment(program),
        )
    finally:
        if log is not None:
            log.close()
