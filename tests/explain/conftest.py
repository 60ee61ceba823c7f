"""The same random numbers in every run: what is checked to a precision must not depend on luck."""

from __future__ import annotations

import importlib
import random

import numpy as np
import pytest
import torch


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)
    np.random.seed(0)
    random.seed(0)


@pytest.fixture(scope="session")
def torch_database() -> None:
    """PyTorch's own databases of what it is tested with."""
    importlib.import_module("torch.testing._internal.common_methods_invocations")
    importlib.import_module("torch.testing._internal.common_modules")
    importlib.import_module("torch.testing._internal.common_optimizers")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The databases take seconds to import: one worker of pytest does."""
    for item in items:
        if "torch_database" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.xdist_group("torch_database"))
