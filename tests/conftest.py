"""What every test needs: nothing of this machine in the results."""

import gc
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from backprop_tui.debugger import launch
from support import warm
from support.driving import Driver

# Before anything imports torch: tests fork, and a copy has only the thread that forked.
for _name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[_name] = "1"

# A shell starts what it puts in the background with this signal ignored, which is inherited.
signal.signal(signal.SIGINT, signal.default_int_handler)

# The progress in lessons is kept there.
os.environ["XDG_STATE_HOME"] = tempfile.mkdtemp(prefix="backprop-tui-state-")


_warm = 0
if "PYTEST_XDIST_WORKER" not in os.environ:
    _warm = warm.prepare(tempfile.mkdtemp(prefix="backprop-tui-warm-"))


def pytest_unconfigure() -> None:
    """Leave nothing behind."""
    shutil.rmtree(os.environ["XDG_STATE_HOME"], ignore_errors=True)
    if _warm:
        shutil.rmtree(os.environ[warm.WARM], ignore_errors=True)
        os.close(_warm)


def pytest_collection_finish() -> None:
    """What thousands of tests are made of stays to the end: no need to look through it for garbage."""
    gc.collect()
    gc.freeze()


UNWANTED = ("NO_COLOR", "TEXTUAL", "TEXTUAL_THEME", "TEXTUAL_PRESS", "TEXTUAL_COLOR_SYSTEM", "PYTHONWARNINGS")


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Variables of the developer's shell that change what Textual draws or what Python prints."""
    for name in UNWANTED:
        monkeypatch.delenv(name, raising=False)


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """One more than there are cores: many tests wait for a terminal or for another process."""
    return len(os.sched_getaffinity(0)) + 1


@pytest.fixture(scope="session", autouse=True)
def _warm_starts() -> Iterator[None]:
    """What sessions start is forked from an interpreter that has imported torch; see `support.warm`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(launch, "subprocess", warm)
        yield


@pytest.fixture(autouse=True)
def _measured_as_it_is(request: pytest.FixtureRequest) -> None:
    """A benchmark measures real starts."""
    if request.node.get_closest_marker("benchmark"):
        request.getfixturevalue("cold")


@pytest.fixture
def cold(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every start in the test is a real one."""
    monkeypatch.delenv(warm.WARM)


@pytest.fixture(scope="session")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driver]:
    """One debuggee for many tests: importing torch is what makes a start slow."""
    script: Path = tmp_path_factory.mktemp("idle") / "idle.py"
    script.write_text("import torch\n")
    driver = Driver(str(script))
    yield driver
    driver.close()
