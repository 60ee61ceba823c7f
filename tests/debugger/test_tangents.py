"""Tangents are columns of the Jacobian, of which autograd gives the rows; what cannot be followed says so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.checkpoint import checkpoint

from backprop_tui.debuggee import private
from backprop_tui.debuggee import tangents as subject
from backprop_tui.debuggee.tangents import Unfollowed, between, tangents

Build = Callable[[torch.Tensor], torch.Tensor]


def tangent_of(result: torch.Tensor, leaf: torch.Tensor, index: tuple[int, ...]) -> torch.Tensor:
    """∂result/∂leaf[index], all of it."""
    nodes = between([result], leaf)
    found = tangents(nodes, index)[result.grad_fn][result.output_nr]
    assert found is not None
    return found


def expected(build: Build, leaf: torch.Tensor, index: tuple[int, ...]) -> torch.Tensor:
    """The same by as many backward passes as the result has elements."""
    rows: torch.Tensor = torch.autograd.functional.jacobian(build, leaf)  # type: ignore[no-untyped-call]
    return rows[(..., *index)]


def attention(causal: bool, masked: bool) -> Build:
    mask = torch.randn(5, 5) if masked else None

    def build(w: torch.Tensor) -> torch.Tensor:
        q, k, v = (w * factor for factor in (1.0, 0.5, -2.0))
        return F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=causal, scale=0.7)

    return build


def used_twice(w: torch.Tensor) -> torch.Tensor:
    return w.tanh() @ w.T + w.sum() * w[:, :1]


def in_place(w: torch.Tensor) -> torch.Tensor:
    y = w * 2
    y[0] = w[1] * w[0]
    return y.sigmoid().unbind(0)[0]


torch.manual_seed(0)
IMAGES = torch.randn(2, 3, 6, 6)
BUILDS: dict[str, tuple[Build, tuple[int, ...], tuple[int, ...]]] = {
    "linear": (lambda w: F.relu(F.linear(IMAGES.flatten(1), w)), (7, 108), (3, 5)),
    "convolution": (lambda w: F.max_pool2d(F.gelu(F.conv2d(IMAGES, w)), 2), (4, 3, 3, 3), (1, 2, 0, 1)),
    "norms": (lambda w: F.layer_norm(F.batch_norm(w, None, None, training=True), (6,)), (5, 6), (2, 3)),
    "losses": (lambda w: F.cross_entropy(w, torch.tensor([0, 2, 1])), (3, 4), (1, 2)),
    "embedding": (lambda w: F.embedding(torch.tensor([[1, 0, 1]]), w).cos(), (3, 4), (1, 2)),
    "used twice": (used_twice, (3, 3), (1, 2)),
    "in place": (in_place, (3, 3), (1, 2)),
    "broadcast": (lambda w: (w * torch.arange(8.0).reshape(4, 2)).exp(), (1, 2), (0, 1)),
}


@pytest.mark.parametrize(("build", "shape", "index"), BUILDS.values(), ids=BUILDS)
def test_they_are_columns_of_the_jacobian(
    build: Build, shape: tuple[int, ...], index: tuple[int, ...]
) -> None:
    leaf = torch.randn(shape, requires_grad=True)
    torch.testing.assert_close(tangent_of(build(leaf), leaf, index), expected(build, leaf, index))


@pytest.mark.parametrize(("causal", "masked"), [(False, False), (True, False), (False, True)])
def test_fused_attention_is_followed_by_the_same_written_out(causal: bool, masked: bool) -> None:
    leaf, index = torch.randn(2, 3, 5, 4, requires_grad=True), (1, 2, 3, 1)
    build = attention(causal, masked)
    result = build(leaf)
    assert "Flash" in type(result.grad_fn).__name__
    with sdpa_kernel(SDPBackend.MATH):
        wanted = expected(build, leaf, index)
    torch.testing.assert_close(tangent_of(result, leaf, index), wanted)


def test_a_recurrent_layer_is_followed() -> None:
    lstm, x = nn.LSTM(3, 4), torch.randn(5, 2, 3)
    result = lstm(x)[0]
    found = tangent_of(result, lstm.weight_ih_l0, (1, 2))
    moved = []
    for by in (1e-2, -1e-2):
        with torch.no_grad():
            lstm.weight_ih_l0[1, 2] += by
            moved.append(lstm(x)[0])
            lstm.weight_ih_l0[1, 2] -= by
    torch.testing.assert_close(found, (moved[0] - moved[1]) / 2e-2, rtol=1e-2, atol=1e-4)


def test_only_what_lies_between_is_followed_each_after_those_it_sends_to() -> None:
    w, other = torch.ones(2, requires_grad=True), torch.ones(2, requires_grad=True)
    loss = (w * 2 + other.exp()).sum()
    assert [type(node).__name__ for node in between([loss], w)] == [
        "AccumulateGrad", "MulBackward0", "AddBackward0", "SumBackward0",
    ]  # fmt: skip
    assert between([loss], torch.ones(2, requires_grad=True)) == []


class Once(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        return x * 2

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> torch.Tensor:
        return gradient.detach() * 2


def test_what_cannot_be_followed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    w = torch.ones(3, requires_grad=True)
    with pytest.raises(Unfollowed, match="OnceBackward cannot be followed: its backward function cannot be"):
        tangent_of(Once.apply(w).sum(), w, (0,))
    turned = torch.polar(w, w).abs().sum()
    with pytest.raises(
        Unfollowed, match="PolarBackward0 cannot be followed: it computes with complex numbers"
    ):
        tangent_of(turned, w, (0,))
    private.watch_saved_tensor_hooks()
    again = checkpoint(lambda t: t.exp() * 2, w, use_reentrant=False)
    with pytest.raises(Unfollowed, match="activation checkpointing"):
        tangent_of(again.sum(), w, (0,))
    again.sum().backward()
    monkeypatch.setattr(subject, "LARGEST", 2)
    with pytest.raises(Unfollowed, match="MulBackward0 has 3 gradient elements: more than 2 are not summed"):
        tangent_of((w * 2).sum(), w, (0,))
    monkeypatch.setattr(subject, "MOST_NODES", 2)
    with pytest.raises(Unfollowed, match="3 operations lie between: more than 2 are not followed"):
        tangent_of((w * 2).sum(), w, (0,))
