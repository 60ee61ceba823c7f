"""Rules of views, indexing, joining and rearranging against torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from backprop_tui.debuggee import evidence as capture
from backprop_tui.explain.evidence import Evidence
from backprop_tui.explain.explanation import explain
from backprop_tui.explain.rules import indexing, joining, rearranging, scattering, views
from explain.both_ways import both_ways, family
from explain.checking import all_right, database, unnoticed
from explain.observing import backward, call, travelled
from explain.reading import misread

OURS = family(views, rearranging, indexing, scattering, joining)

One = Callable[[torch.Tensor], Any]


def written(function: Callable[..., Any], target: torch.Tensor, *args: Any) -> Evidence:
    """The evidence of a call that writes into its first argument and returns nothing."""
    message = capture.of_call("__setitem__", (target, *args), {})
    function(target, *args)
    message["outputs"] = capture.of_outputs(target)
    return travelled(message)


# -- texts ----------------------------------------------------------------------------------------

TABLE = [[1.0, 2.0], [3.0, -4.0]]


@pytest.mark.parametrize(
    ("function", "name", "symbols", "element", "result"),
    [
        (lambda x: x.T, "T", "inputᵀ", "−4 (element [1, 1])", "[[1 3] [2 −4]]"),
        (lambda x: x.t(), "TBackward", "gᵀ", "4", "[[1 3] [2 4]]"),
        (lambda x: x.view(4), "view", "input as 4", "−4 (element [1, 1])", "[1 2 3 −4]"),
        (lambda x: x.reshape(1, -1), "reshape", "input as 1×4", "−4 (element [1, 1])", "[[1 2 3 −4]]"),
        (lambda x: x.flatten(), "ViewBackward", "g as 2×2", "4", "[[1 2] [3 4]]"),
        (lambda x: x[1], "__getitem__", "input[1]", "−4 (element [1, 1])", "[3 −4]"),
        (lambda x: x[:, 1:], "__getitem__", "input[:, 1:]", "−4 (element [1, 1])", "[[2] [−4]]"),
        (lambda x: x[..., None, ::2], "__getitem__", "input[..., None, ::2]", "3 (element [1, 0])",
         "[[[1]] [[3]]]"),
        (lambda x: x[x > 0], "__getitem__", "input[mask]", "3 (element [1, 0])", "[1 2 3]"),
        (lambda x: x[torch.tensor([1, 1])], "__getitem__", "input[indices]", "−4 (element [1, 1])",
         "[[3 −4] [3 −4]]"),
        (lambda x: x[0], "SelectBackward", "g at 0 of dimension 0, else 0", "2", "[[1 2] [0 0]]"),
        (lambda x: x[torch.tensor([1, 1])], "IndexBackward", "g where it was taken, else 0", "2 + 4",
         "[[0 0] [4 6]]"),
        (lambda x: x.expand(2, 2, 2), "expand", "input repeated to 2×2×2", "−4 (element [1, 1])",
         "[[[1 2] [3 −4]] [[1 2] [3 −4]]]"),
        (lambda x: torch.cat([x, x], 1), "cat", "cat of tensor 0, tensor 1 along dimension 1",
         "−4 (element [1, 1] of tensor 0)", "−4"),
        (lambda x: x.split(1), "split", "part 0 of input along dimension 0", "2 (element [0, 1])", "[[1 2]]"),
        (lambda x: F.pad(x, (1, 0), value=9), "pad", "input with a border of 9", "9 (filled in)",
         "[[9 1 2] [9 3 −4]]"),
        (lambda x: x.gather(1, torch.tensor([[1], [0]])), "gather", "input at index of dimension 1",
         "3 (element [1, 0])", "[[2] [3]]"),
        (lambda x: x.tril(), "tril", "input on and below the diagonal", "−4 (element [1, 1])",
         "[[1 0] [3 −4]]"),
    ],
)  # fmt: skip
def test_how_it_reads(function: One, name: str, symbols: str, element: str, result: str) -> None:
    x = torch.tensor(TABLE, requires_grad=name.endswith("Backward"))
    if name.endswith("Backward"):
        made = function(x)
        gradient = torch.arange(1.0, made.numel() + 1).reshape(made.shape)
        shown = explain(next(one for one in backward(made, gradient) if one.name.startswith(name)))[0]
    else:
        shown = all_right(lambda: function(x), name)[name][0]
    assert (shown.verdict, shown.symbols, shown.element, shown.result) == ("✓", symbols, element, result)


def test_the_gradient_of_parts_is_put_together() -> None:
    x = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
    nodes = backward(x.split(2)[1] * 5, torch.ones(1))
    (shown,) = explain(nodes[-1])
    assert shown.symbols == "the parts of g put together"
    assert (shown.verdict, shown.result) == ("✓", "[0 0 5]")


def test_what_was_not_taken_gets_nothing() -> None:
    x = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
    (shown,) = explain(backward(x[1:], torch.ones(2))[0], (0,))
    assert shown.element == "0 (this element was not taken)"


# -- everything there is ------------------------------------------------------------------------------

VIEWS: dict[str, One] = {
    "view": lambda x: [
        x.view(-1), x.view(4, 6), x.view((2, 12)), x.view(torch.Size([24])), x.view_as(torch.ones(6, 4)),
    ],
    "reshape": lambda x: [
        x.reshape(4, 6), x.mT.reshape(-1), torch.reshape(x, (2, -1)), x.reshape_as(torch.ones(8, 3)),
    ],
    "flatten": lambda x: [
        x.flatten(), x.flatten(1), x.flatten(0, 1), torch.ravel(x), x.flatten(start_dim=-2),
    ],
    "unflatten": lambda x: [
        x.unflatten(2, (2, 2)), x.unflatten(-1, (4, -1)), torch.nn.Unflatten(2, (2, 2))(x),
    ],
    "transpose": lambda x: [
        x.transpose(0, 1), x.transpose(-1, -2), x.mT, x[0].T, x[0].t(), torch.swapaxes(x, 0, 2),
    ],
    "permute": lambda x: [
        x.permute(2, 0, 1), torch.permute(x, (1, 2, 0)), x.permute([0, 2, 1]), x.movedim(0, -1),
    ],
    "expand": lambda x: [
        x[:, :1].expand(2, 3, 4), x.expand(5, -1, -1, -1), x[:1].expand_as(x), x[0].broadcast_to(2, 3, 4),
    ],
    "repeat": lambda x: [
        x.repeat(2, 1, 1), x.repeat(1, 2, 1, 2), x.tile(2, 1), x.repeat_interleave(2, dim=1),
    ],
    "interleave": lambda x: [
        x.repeat_interleave(3), torch.repeat_interleave(x, torch.tensor([1, 0, 2]), dim=1),
    ],
    "squeeze": lambda x: [
        x.unsqueeze(0), x.unsqueeze(-1), x[:, :1].squeeze(), x[:, :1].squeeze(1), x.squeeze(0),
    ],
    "squeeze several": lambda x: [
        x[:1, :1].squeeze((0, 1)), torch.atleast_3d(x[0, 0]), torch.squeeze(x[:1], dim=0),
    ],
    "select": lambda x: [
        x.select(1, -1), x.narrow(2, 1, 2), x.narrow(0, -1, 1), x[0], x[-1], x[0, 1], x[1, -1, 2],
    ],
    "slices": lambda x: [
        x[:], x[1:], x[:, ::2], x[..., -2:], x[:, None, 1], x[..., None], x[-5:99], x[0:0], x[:, -3:-1],
    ],
    "tensors as bounds": lambda x: [
        x[torch.tensor(0) :], x[torch.tensor(1)], x[:, torch.tensor(1) : torch.tensor(3)],
    ],
    "index tensors": lambda x: [
        x[torch.tensor([1, 0, 1])], x[:, torch.tensor([[0, 2]])], x[[1, 0]], x[0, [1, 1]],
    ],
    "several": lambda x: [
        x[torch.tensor([0, 1]), torch.tensor([1, 2])], x[torch.tensor([0]), :, torch.tensor([1])],
    ],
    "mixed": lambda x: [
        x[0, :, torch.tensor([0, 3, 3])], x[:, 1, torch.tensor([2])], x[None, torch.tensor([1])],
    ],
    "masks": lambda x: [
        x[x > 0], x[torch.tensor([True, False])], x[:, torch.tensor([True, False, True])], x[True],
    ],
    "diagonal": lambda x: [
        x.diagonal(), x.diagonal(1, 0, 2), x[0].diag(), torch.diag(x[0, 0], 1), x[0, 0].diag_embed(),
    ],
    "windows": lambda x: [x.unfold(2, 2, 1), x.unfold(1, 3, 2), x.unfold(-1, 2, 2)],
    "triangle": lambda x: [x.tril(), x.triu(1), torch.tril(x, diagonal=-1), x.tril(9)],
    "turned": lambda x: [
        x.flip(0), x.flip(0, 2), torch.flip(x, [1, -1]), x[0].fliplr(), x[0].flipud(), x[0].rot90(),
    ],
    "rolled": lambda x: [x.roll(1), x.roll(-2, 1), torch.roll(x, (1, 2), (0, 2)), x.roll(shifts=5, dims=-1)],
    "padded": lambda x: [
        F.pad(x, (1, 2)), F.pad(x, (1, 1, 0, 2), value=3.5), F.pad(x, (-1, 1)), F.pad(x, (0, 0, -1, -1)),
    ],
    "bordered": lambda x: [
        F.pad(x, (2, 1), mode="reflect"), F.pad(x, (1, 3), mode="replicate"),
        F.pad(x, (-1, 2), "replicate"),
    ],
    "pixels": lambda x: [F.pixel_shuffle(x.view(4, 3, 2), 2), F.pixel_unshuffle(x.view(1, 4, 6), 2)],
    "taken": lambda x: [
        x.index_select(1, torch.tensor([2, 2, 0])), x.take(torch.tensor([[5, 5], [-1, 0]])),
        torch.take(x, torch.tensor(3)),
    ],
    "gathered": lambda x: [
        x.gather(2, torch.tensor([[[0, 0, 3], [1, 1, 1]]])), torch.take_along_dim(x, x.argsort(1), dim=1),
    ],
    "selected": lambda x: [x.masked_select(x > 0), torch.masked_select(x, x[0] > 0)],
    "split": lambda x: [
        *x.split(1), *x.split(2, 1), *x.split([1, 3], -1), *torch.split(x, 3, dim=2), *x.tensor_split(3, 2),
    ],
    "chunks": lambda x: [
        *x.chunk(2), *torch.chunk(x, 3, 2), *x.unbind(), *x.unbind(-1), *x.hsplit([1]), *x.vsplit(2),
    ],
    "one of several": lambda x: [x.split(2, 1)[1], x.unbind(1)[0], x.chunk(2, dim=2)[1], [*x][1]],
    "joined": lambda x: [
        torch.cat([x, x]), torch.cat((x, 2 * x[:, :1]), dim=1), torch.cat([x, torch.ones(0)], -1),
        torch.concat([x]),
    ],
    "stacked": lambda x: [
        torch.stack([x, x + 1]), torch.stack((x, x), -1), torch.hstack([x, x]), torch.vstack([x, x]),
    ],
    "columns": lambda x: [
        torch.dstack([x, x]), torch.column_stack([x[0], x[0]]),
        torch.block_diag(x[0].detach(), x[1].detach()),
    ],
    "some without gradient": lambda x: torch.cat([torch.zeros(1, 3, 4), x, torch.ones(2, 3, 4), x], 0),
    "grids": lambda x: [
        *torch.meshgrid(x[0, 0], x[0, 1], indexing="ij"), *torch.meshgrid(x[0, 0], x[0, 1], indexing="xy"),
    ],
    "broadcast": lambda x: torch.broadcast_tensors(x, x[0]),
    "put": lambda x: [
        x.index_put((torch.tensor([0]),), torch.ones(3, 4).to(x)),
        x.index_put((x > 0,), x.sum(), accumulate=True),
    ],
    "added": lambda x: [
        x.index_add(0, torch.tensor([1, 1]), x, alpha=2), x.index_copy(1, torch.tensor([2]), x[:, :1]),
    ],
    "filled": lambda x: [
        x.index_fill(1, torch.tensor([0, 2]), 7.0), x.index_fill(0, torch.tensor([1]), x.sum()),
    ],
    "scattered": lambda x: [
        x.scatter(2, x.argsort(2)[..., :1], 5.0), x.scatter(1, x.argsort(1), x),
        x.scatter_add(2, x.argsort(2), x),
    ],
    "reduced": lambda x: [
        x.scatter_reduce(0, torch.zeros_like(x, dtype=torch.long), x, how)
        for how in ("sum", "mean", "amax", "amin")
    ],
    "by a mask": lambda x: x.masked_scatter(x > 0, 2 * x),
}  # fmt: skip


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", VIEWS)
def test_of_a_block(name: str, dtype: torch.dtype) -> None:
    torch.manual_seed(4)
    x = torch.randn(2, 3, 4, dtype=dtype, requires_grad=True)
    all_right(lambda: VIEWS[name](x))


def test_of_a_number() -> None:
    x = torch.tensor(3.0, requires_grad=True)
    all_right(lambda: [x.view(1), x[None], x.expand(2), x.reshape(()), x.flatten(), x.repeat(3), x[...]])
    all_right(
        lambda: [torch.stack([x, x]), x.unsqueeze(0), x.gather(0, torch.tensor(0)), x.take(torch.tensor([0]))]
    )


def test_whole_numbers_truth_and_complex_numbers() -> None:
    for x in (
        torch.arange(6).view(2, 3),
        torch.tensor([[True, False]]),
        torch.randn(2, 2, dtype=torch.complex64),
    ):
        all_right(lambda x=x: [x.T, x[0], x[:, 1:], torch.cat([x, x]), x.flatten(), *x.unbind(0), x.mH])


@pytest.mark.parametrize(
    ("index", "value"),
    [
        (0, 5.0),
        ((slice(None), 1), torch.tensor([7.0, 8.0])),
        ((slice(None), slice(1, 3)), torch.tensor(2.0)),
        (torch.tensor([1, 0]), torch.ones(3)),
        (torch.tensor([[True, False, True], [False, True, False]]), 0.0),
        ((..., -1), torch.tensor([[1.0, 2.0]])),
        ((torch.tensor([0, 1]), torch.tensor([2, 2])), torch.tensor([3.0, 4.0])),
    ],
)
def test_writing_by_brackets(index: Any, value: Any) -> None:
    evidence = written(torch.Tensor.__setitem__, torch.randn(2, 3), index, value)
    (shown,) = explain(evidence)
    assert shown.verdict == "✓"
    assert shown.symbols.startswith("input[") and shown.symbols.endswith(("] = value", "] = 5", "] = 0"))


def test_gradients_of_what_was_written_over() -> None:
    def overwrite(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        a = x.clone()
        a[0] = y
        a[1, 1:] = 5.0
        a[:, 0] = y[:2] * 2
        return a

    x, y = torch.randn(2, 3, requires_grad=True), torch.randn(3, requires_grad=True)
    nodes = backward(overwrite(x, y), torch.rand(2, 3) + 1)
    assert "CopySlices" in {one.name for one in nodes}
    assert {shown.verdict for one in nodes for shown in explain(one)} == {"✓"}


def test_of_what_was_changed_in_place_autograd_does_not_tell_how() -> None:
    """CopySlices does not keep the function: there is no rule, rather than a wrong one."""
    a = torch.randn(2, 3, requires_grad=True).clone()
    a[0].mul_(2)
    node = backward(a, torch.ones(2, 3))[0]
    assert node.name == "CopySlices"
    assert [one.verdict for one in explain(node)] == ["?"]


def test_a_view_of_what_was_changed_later() -> None:
    """Autograd makes the view again, by its place in memory."""
    for turn in (False, True):
        a = torch.randn(2, 3, requires_grad=True).clone()
        a = a.t().clone() if turn else a
        view = a[1]
        a.mul_(2)
        nodes = backward(view, torch.rand_like(view))
        assert nodes[0].name.startswith("AsStridedBackward")
        assert {shown.verdict for one in nodes for shown in explain(one)} == {"✓"}


def test_numpys_names_of_arguments_are_understood() -> None:
    x = torch.randn(2, 3)
    all_right(
        lambda: [torch.flip(x, dims=(0,)), torch.cat(tensors=[x, x], dim=0), torch.squeeze(input=x, dim=0)]
    )
    all_right(lambda: [torch.cat([x, x], axis=1), torch.unbind(x, axis=1), torch.unsqueeze(x, axis=0)])


def test_a_million_elements_are_told_quickly() -> None:
    x = torch.randn(1000, 1000, requires_grad=True)
    evidence, result = call("__getitem__", torch.Tensor.__getitem__, x, (slice(None), slice(1, None)))
    assert explain(evidence)[0].verdict == "✓"
    assert explain(backward(result, torch.ones_like(result))[0])[0].verdict == "✓"


@pytest.mark.parametrize("name", VIEWS)
def test_the_arithmetic_of_an_element_comes_to_it(name: str) -> None:
    torch.manual_seed(6)
    x = torch.randn(2, 3, 4, requires_grad=True)
    assert misread(both_ways(lambda: VIEWS[name](x)), OURS)[0] == []


def test_a_wrong_sign_factor_or_thousandth_is_noticed() -> None:
    x = torch.randn(2, 3, 4, requires_grad=True)
    for name in ("view", "slices", "index tensors", "gathered", "joined", "scattered", "added", "padded"):
        assert unnoticed(both_ways(lambda name=name: VIEWS[name](x)), OURS) == [], name


NAMES = """
    atleast_1d atleast_2d block_diag broadcast_tensors broadcast_to cat nn.functional.channel_shuffle
    chunk column_stack constant_pad_nd diag diagflat diagonal diag_embed dsplit dstack expand expand_as
    flatten flip fliplr flipud gather __getitem__ hsplit hstack index_add index_copy index_fill
    index_put index_select masked_scatter masked_select meshgrid movedim mT narrow nn.functional.pad
    nn.functional.pixel_shuffle nn.functional.pixel_unshuffle permute ravel repeat repeat_interleave
    reshape reshape_as roll rot90 scatter scatter_add select split split_with_sizes squeeze stack T take
    take_along_dim tensor_split tile t transpose tril triu unbind unflatten unfold unsqueeze view
    view_as vsplit vstack
""".split()  # noqa: SIM905


@pytest.mark.usefixtures("torch_database")
@pytest.mark.parametrize("name", NAMES[::6])
def test_samples_of_pytorch(name: str) -> None:
    assert database(name, OURS, 3) == []


UNTOLD = "CopySlices"
"""Circular padding writes into parts of a new tensor; see above."""


@pytest.mark.usefixtures("torch_database")
@pytest.mark.exhaustive
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", NAMES)
def test_all_samples_of_pytorch(name: str, dtype: torch.dtype) -> None:
    assert [told for told in database(name, OURS, 1_000_000, dtype) if not told.startswith(UNTOLD)] == []
