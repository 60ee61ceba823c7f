"""Other random numbers from here on: every generator that a training script usually draws from."""

from __future__ import annotations

import random
import sys

import torch

from backprop_tui.debuggee.changes.errors import ChangeError

LARGEST = 2**32 - 1
"""What NumPy takes; torch and Python take more."""


def seed_generators(seed: int) -> None:
    """Seed torch's generators (of all devices), Python's, and NumPy's if the script has loaded it.

    A generator that the script made itself (`torch.Generator`, `numpy.random.default_rng`) is its own.
    """
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed <= LARGEST:
        raise ChangeError(f"A seed is a whole number from 0 to {LARGEST}, not {seed!r}.")
    torch.manual_seed(seed)
    random.seed(seed)
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        numpy.random.seed(seed)
