"""A registry whose patches are taken off again."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from backprop_tui.debuggee.changes.registry import Registry, install


@pytest.fixture
def registry() -> Iterator[Registry]:
    made = Registry()
    patches = install(made)
    yield made
    patches.remove()
