"""One debuggee for all lessons: importing torch is what makes a start slow."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.driving import Driver


@pytest.fixture(scope="session")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driver]:
    script: Path = tmp_path_factory.mktemp("idle") / "idle.py"
    script.write_text("import torch\n")
    driver = Driver(str(script))
    yield driver
    driver.close()
