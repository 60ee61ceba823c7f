"""What the debuggee finds in its environment."""

import sys

import pytest

from backprop_tui.debugger.launch import Program, environment
from backprop_tui.guide.catalog import find
from support.scripts import said


def test_a_question_does_not_start_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTORCH_NVML_BASED_CUDA_CHECK", raising=False)

    assert environment(Program("train.py"))["PYTORCH_NVML_BASED_CUDA_CHECK"] == "1"


def test_libraries_start_no_threads_that_would_keep_the_process_from_being_forked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("TOKENIZERS_PARALLELISM", "NUMEXPR_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)

    found = environment(Program("train.py"))
    assert (found["TOKENIZERS_PARALLELISM"], found["NUMEXPR_NUM_THREADS"]) == ("false", "1")


def test_what_the_user_has_set_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    ours = {
        "PYTORCH_NVML_BASED_CUDA_CHECK": "0",
        "TOKENIZERS_PARALLELISM": "true",
        "CUDA_VISIBLE_DEVICES": "1",
        "GLIBC_TUNABLES": "glibc.malloc.hugetlb=0",
    }
    for name, value in ours.items():
        monkeypatch.setenv(name, value)

    assert ours.items() <= environment(Program("train.py")).items()


def test_a_lesson_sees_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")

    assert environment(Program(str(find("update").script)))["CUDA_VISIBLE_DEVICES"] == ""


def test_torch_keeps_its_operators_when_the_exit_handlers_run() -> None:
    done = said(
        [
            sys.executable,
            "-c",
            "import atexit, weakref, torch\n"
            "from backprop_tui.debuggee import private\n"
            "class Of: pass\n"
            "of_user = Of()\n"
            "weakref.finalize(of_user, print, 'finalized')\n"
            "before = len(torch.library._impls)\n"
            "private.keep_libraries()\n"
            "atexit._run_exitfuncs()\n"
            "print(before > 0, len(torch.library._impls) == before)",
        ]
    )

    assert done.stdout.splitlines() == ["finalized", "True True"]
