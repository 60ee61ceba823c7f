"""A registry whose patches are taken off again."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from backprop_tui.debuggee.changes.registry import Registry, install


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    """Several of these tests fork, and a copy has only the thread that forked."""
    torch.set_num_threads(1)


@pytest.fixture
def registry() -> Iterator[Registry]:
    made = Registry()
    patches = install(made)
    yield made
    patches.remove()
