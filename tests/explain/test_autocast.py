"""Under autocast torch computes some operations in 16 bits: they are checked to that, the others as ever."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from backprop_tui.explain.explanation import explain
from explain.both_ways import both_ways, watched
from explain.checking import not_right, results, tampered

DTYPES = [torch.bfloat16, torch.float16]


def _gru() -> torch.Tensor:
    return nn.GRU(4, 5, batch_first=True)(torch.randn(3, 6, 4))[0].float().pow(2).sum()


def _attention() -> torch.Tensor:
    x = torch.randn(3, 7, 8)
    return nn.MultiheadAttention(8, 2, batch_first=True)(x, x, x)[0].float().pow(2).sum()


def _convolutional() -> torch.Tensor:
    body = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten())
    logits = nn.Sequential(body, nn.Linear(36, 8), nn.LayerNorm(8), nn.GELU(), nn.Linear(8, 3))
    return F.cross_entropy(logits(torch.randn(6, 1, 8, 8)), torch.randint(0, 3, (6,)))


def _mixed() -> torch.Tensor:
    """float32 beside 16 bits: the result is float32."""
    h, s = nn.Linear(8, 8)(torch.randn(12, 8)), torch.randn(8, requires_grad=True)
    return ((h * s + 1) / (s.abs() + 1)).pow(2).mean() + torch.where(h > 0, h, s).sum() + F.mse_loss(h, s * h)


MODELS: dict[str, Callable[[], torch.Tensor]] = {
    "convolution, norms, cross entropy": _convolutional,
    "encoder": lambda: nn.TransformerEncoderLayer(8, 2, 16)(torch.randn(2, 7, 8)).float().pow(2).sum(),
    "attention": _attention,
    "rnn": lambda: nn.RNN(4, 5)(torch.randn(3, 6, 4))[0].float().pow(2).sum(),
    "gru": _gru,
    "gru cell": lambda: nn.GRUCell(4, 5)(torch.randn(3, 4)).sum(),
    "bilinear": lambda: nn.Bilinear(4, 5, 6)(torch.randn(3, 4), torch.randn(3, 5)).sum(),
    "groups": lambda: nn.GroupNorm(2, 4)(nn.Conv2d(1, 4, 3)(torch.randn(6, 1, 8, 8))).float().pow(2).sum(),
    "mixed": _mixed,
}


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("name", MODELS)
def test_every_operation_is_right(name: str, dtype: torch.dtype) -> None:
    torch.manual_seed(5)

    def under_autocast() -> torch.Tensor:
        with torch.autocast("cpu", dtype=dtype):
            return MODELS[name]()

    evidence = [one for one in both_ways(under_autocast) if results(one)]
    assert any(one.autocast == str(dtype)[6:] for one in evidence)
    assert not not_right(evidence)


@pytest.mark.parametrize("autocast", [False, True])
def test_what_is_computed_in_float32_is_checked_to_float32(autocast: bool) -> None:
    """A float32 result of operands of 16 bits has float32's digits, with autocast or without."""
    half, full = torch.randn(9).bfloat16(), torch.randn(9)
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
        found, _ = watched(lambda: (half * full, half.sum(dtype=torch.float32), F.mse_loss(full, full + 1)))
    assert len(found) >= 3
    for one in found:
        (right,) = explain(one)
        (wrong,) = explain(tampered(one, lambda values: values * (1 + 1e-4)))
        assert (right.verdict, wrong.verdict) == ("✓", "✗"), one.name


def test_without_autocast_a_gru_is_checked_to_float32() -> None:
    torch.manual_seed(5)
    for one in both_ways(_gru):
        assert one.autocast is None
        if one.name == "gru":
            wrong = explain(tampered(one, lambda values: values + 1e-3))
            assert [part.verdict for part in wrong] == ["✗", "✗"]
