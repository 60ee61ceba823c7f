"""What every test needs: nothing of this machine in the results."""

import os
import shutil
import tempfile

import pytest

# Before anything imports torch: tests fork, and a copy has only the thread that forked.
for _name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[_name] = "1"

# The progress in lessons is kept there.
os.environ["XDG_STATE_HOME"] = tempfile.mkdtemp(prefix="backprop-tui-state-")


def pytest_unconfigure() -> None:
    """Leave nothing behind."""
    shutil.rmtree(os.environ["XDG_STATE_HOME"], ignore_errors=True)


UNWANTED = ("NO_COLOR", "TEXTUAL", "TEXTUAL_THEME", "TEXTUAL_PRESS", "TEXTUAL_COLOR_SYSTEM", "PYTHONWARNINGS")


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Variables of the developer's shell that change what Textual draws or what Python prints."""
    for name in UNWANTED:
        monkeypatch.delenv(name, raising=False)


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """One more than there are cores: many tests wait for a terminal or for another process."""
    return len(os.sched_getaffinity(0)) + 1
