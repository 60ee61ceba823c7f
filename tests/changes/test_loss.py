"""A swapped loss gives the bits of the loss written by hand, whichever way the script writes its own."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch.nn.functional import mse_loss
from torch.overrides import TorchFunctionMode

from backprop_tui.debuggee.changes.errors import ChangeError
from backprop_tui.debuggee.changes.loss import FUNCTIONS, NAMES, REGRESSION, LossSwap, accepts, half_mse_loss

Tensor = torch.Tensor


class Swapping(TorchFunctionMode):
    """As the debuggee's mode does it."""

    def __init__(self, swap: LossSwap) -> None:
        self.swap = swap
        self.seen = 0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in NAMES:
            self.seen += 1
            return self.swap.call(func, args, kwargs or {})
        return func(*args, **(kwargs or {}))


class MyLoss(torch.nn.L1Loss):
    """A class of the script's own."""


def legacy(reduction: str) -> dict[str, bool]:
    return {"size_average": reduction == "mean", "reduce": reduction != "none"}


WAYS: dict[str, Callable[[Tensor, Tensor, str], Tensor]] = {
    "function": lambda x, y, r: F.mse_loss(x, y, reduction=r),
    "positional": lambda x, y, r: F.l1_loss(x, y, None, None, r),
    "imported": lambda x, y, r: mse_loss(input=x, target=y, reduction=r),
    "module": lambda x, y, r: torch.nn.MSELoss(reduction=r)(x, y),
    "derived": lambda x, y, r: MyLoss(reduction=r)(x, y),
    "legacy": lambda x, y, r: F.mse_loss(x, y, **legacy(r)),
    "huber": lambda x, y, r: torch.nn.HuberLoss(reduction=r, delta=2.0)(x, y),
    "smooth": lambda x, y, r: F.smooth_l1_loss(x, y, reduction=r, beta=0.5),
}
BY_HAND: dict[str, Callable[[Tensor, Tensor, str], Tensor]] = {
    "l1": lambda x, y, r: F.l1_loss(x, y, reduction=r),
    "mse": lambda x, y, r: F.mse_loss(x, y, reduction=r),
    "half_mse": lambda x, y, r: F.mse_loss(x, y, reduction=r) / 2,
    "smooth_l1": lambda x, y, r: F.smooth_l1_loss(x, y, reduction=r),
    "huber": lambda x, y, r: F.huber_loss(x, y, reduction=r),
}
OWN = {"huber": ("huber", {"delta": 2.0}), "smooth": ("smooth_l1", {"beta": 0.5})}


def data(dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor]:
    torch.manual_seed(3)
    return (torch.randn(4, 3) * 3).to(dtype).requires_grad_(), torch.randn(4, 3).to(dtype)


def with_gradient(loss: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
    return loss.detach(), torch.autograd.grad(loss.sum(), x)[0]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
def test_every_way_of_writing(dtype: torch.dtype) -> None:
    cases = list(itertools.product(WAYS, ("mean", "sum", "none"), REGRESSION))
    for way, reduction, wanted in cases:
        x, y = data(dtype)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Swapping(LossSwap(wanted)) as mode:
                swapped = WAYS[way](x, y, reduction)
        own, extra = OWN.get(way, ("", {}))
        by_hand = getattr(F, f"{own}_loss")(x, y, reduction=reduction, **extra) if own == wanted else None
        expected = BY_HAND[wanted](x, y, reduction) if by_hand is None else by_hand
        assert mode.seen == 1
        for one, other in zip(with_gradient(swapped, x), with_gradient(expected, x), strict=True):
            assert torch.equal(one, other), (way, reduction, wanted)
            assert one.dtype == other.dtype
    assert len(cases) == 120


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_reduction_alone_keeps_the_loss(way: str, reduction: str) -> None:
    x, y = data()
    other = "sum" if reduction == "mean" else "mean"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with Swapping(LossSwap(None, reduction)):
            swapped = WAYS[way](x, y, other)
        assert torch.equal(swapped, WAYS[way](x, y, reduction))
        with Swapping(LossSwap(None, reduction)):
            assert torch.equal(WAYS[way](x, y, "none"), WAYS[way](x, y, "none"))


def test_the_old_way_of_writing_a_reduction_gives_no_new_warning() -> None:
    x, y = data()
    swapped = LossSwap("l1").call(F.mse_loss, (x, y), {"size_average": False})
    assert torch.equal(swapped, F.l1_loss(x, y, reduction="sum"))


def test_other_losses_are_left_alone() -> None:
    args, swap = (SCORES.log_softmax(1), UNIT), LossSwap("mse", "sum")
    assert swap.replacement(F.kl_div, args, {"log_target": False}) == (F.kl_div, args, {"log_target": False})
    assert accepts(F.kl_div, args, {}) == [] and swap.notice(F.kl_div, args, {}) is None


def test_inside_a_functional_gradient() -> None:
    x, y = data()
    with Swapping(LossSwap("huber")):
        gradient = torch.func.grad(lambda x: F.mse_loss(x, y))(x)
    assert torch.equal(gradient, torch.func.grad(lambda x: F.huber_loss(x, y))(x))


def test_weights_that_mean_the_same_are_taken_along() -> None:
    x, y = data()
    weight = torch.rand(4, 3)
    swapped = LossSwap("huber").call(F.mse_loss, (x, y), {"weight": weight})
    assert torch.equal(swapped, F.huber_loss(x, y, weight=weight))
    half = LossSwap("half_mse").call(F.mse_loss, (x, y), {"weight": weight, "reduction": "sum"})
    assert torch.equal(half, F.mse_loss(x, y, weight=weight, reduction="sum") / 2)
    classes = torch.tensor([0, 2, 1, 2])
    for name, function in (("nll", F.nll_loss), ("multi_margin", F.multi_margin_loss)):
        taken = LossSwap(name).call(F.cross_entropy, (x, classes), {"weight": weight[0]})
        assert torch.equal(taken, function(x, classes, weight=weight[0]))
    ignoring = LossSwap("cross_entropy").call(F.nll_loss, (x, classes), {"ignore_index": 2})
    assert torch.equal(ignoring, F.cross_entropy(x, classes, ignore_index=2))


UNIT = torch.tensor([[0.2, 0.5, 0.3], [0.1, 0.1, 0.8]])
SCORES = torch.tensor([[2.0, -1.0, 0.5], [0.3, 0.2, -3.0]])
INDICES = torch.tensor([0, 2])
REFUSED = [
    (F.mse_loss, (SCORES, UNIT), {"weight": UNIT}, "smooth_l1", "no weight"),
    (F.binary_cross_entropy, (UNIT, UNIT), {"weight": UNIT}, "mse", "no weight"),
    (F.cross_entropy, (SCORES, INDICES), {}, "mse", "class indices"),
    (F.cross_entropy, (SCORES, INDICES), {}, "bce", "class indices"),
    (F.cross_entropy, (SCORES, INDICES), {"ignore_index": 2}, "multi_margin", "ignore_index"),
    (F.cross_entropy, (torch.zeros(2, 3, 4), torch.zeros(2, 4).long()), {}, "multi_margin", "dimensions"),
    (F.cross_entropy, (SCORES, UNIT), {}, "nll", "class indices"),
    (F.cross_entropy, (SCORES, UNIT), {}, "bce", "outside 0 to 1"),
    (F.mse_loss, (SCORES, INDICES.float()[:, None]), {}, "bce_with_logits", "shape"),
    (F.mse_loss, (SCORES, SCORES), {}, "cross_entropy", "outside 0 to 1"),
    (F.mse_loss, (SCORES, UNIT.round()), {}, "cross_entropy", "sum to 1"),
    (F.mse_loss, (SCORES, SCORES.long()), {}, "bce_with_logits", "floating-point"),
    (F.mse_loss, (SCORES, SCORES.long()), {}, "huber", "float32"),
    (F.mse_loss, (SCORES, SCORES > 0), {}, "l1", "bool"),
    (F.mse_loss, (SCORES, SCORES), {}, "nll", "class indices"),
    (F.binary_cross_entropy_with_logits, (SCORES, UNIT), {"pos_weight": UNIT}, "bce", "pos_weight"),
]


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: f"{case[0].__name__} → {case[3]}")
def test_what_may_not_be_swapped_says_why(case: Any) -> None:
    function, args, kwargs, wanted, why = case
    with pytest.raises(ChangeError, match=why) as caught:
        LossSwap(wanted).call(function, args, kwargs)
    text = str(caught.value)
    assert text.endswith(".") and "\n" not in text
    assert wanted not in accepts(function, args, kwargs)


def test_unknown_names_list_the_valid_ones() -> None:
    with pytest.raises(ChangeError, match="l1, mse, half_mse, smooth_l1, huber, cross_entropy"):
        LossSwap("rmse")
    with pytest.raises(ChangeError, match="mean, sum"):
        LossSwap(None, "none")


ACCEPTED = [
    (F.mse_loss, (SCORES, SCORES), set(REGRESSION)),
    (F.l1_loss, (SCORES, SCORES.long()), {"l1", "mse", "half_mse", "smooth_l1"}),
    (F.mse_loss, (SCORES, SCORES > 0), {"mse", "half_mse", "smooth_l1"}),
    (F.mse_loss, (SCORES[:, :1], SCORES[:, 0]), set(REGRESSION)),
    (F.cross_entropy, (SCORES, INDICES), {"cross_entropy", "nll", "multi_margin"}),
    (F.nll_loss, (SCORES.log_softmax(1), INDICES), {"cross_entropy", "nll", "multi_margin"}),
    (F.cross_entropy, (SCORES[0], INDICES[0]), {"cross_entropy", "nll", "multi_margin"}),
    (F.cross_entropy, (torch.zeros(2, 3, 4), torch.zeros(2, 4).long()), {"cross_entropy", "nll"}),
    (F.cross_entropy, (SCORES, UNIT), {*REGRESSION, "cross_entropy", "bce_with_logits"}),
    (F.cross_entropy, (UNIT, UNIT), {*REGRESSION, "cross_entropy", "bce", "bce_with_logits"}),
    (F.binary_cross_entropy, (UNIT[:, :1], UNIT[:, :1]), {*REGRESSION, "bce", "bce_with_logits"}),
]


@pytest.mark.parametrize("case", ACCEPTED, ids=lambda case: f"{case[0].__name__} {tuple(case[1][1].shape)}")
def test_the_losses_that_a_call_allows(case: Any) -> None:
    function, args, expected = case
    assert set(accepts(function, args, {})) == expected


@pytest.mark.filterwarnings("ignore:Using a target size")
def test_everything_accepted_runs_and_the_rest_is_refused() -> None:
    """The rules against torch itself: over all pairs of losses and kinds of data."""
    checked = 0
    for function, args, _ in ACCEPTED:
        names = accepts(function, args, {})
        for name in FUNCTIONS:
            x = args[0].clone().requires_grad_()
            if name in names:
                assert LossSwap(name).call(function, (x, args[1]), {}).requires_grad
            else:
                with pytest.raises(ChangeError):
                    LossSwap(name).call(function, (x, args[1]), {})
            checked += 1
    assert checked == len(ACCEPTED) * len(FUNCTIONS)


def test_accepts_touches_no_gradient_and_no_graph() -> None:
    x = torch.nn.Parameter(SCORES.clone())
    assert accepts(F.mse_loss, (x * 1, SCORES), {})
    assert x.grad is None


NOTICES = [
    (F.cross_entropy, (SCORES, INDICES), {}, LossSwap("nll"), "log-probabilities"),
    (F.nll_loss, (SCORES, INDICES), {}, LossSwap("cross_entropy"), "once more"),
    (F.binary_cross_entropy, (UNIT, UNIT), {}, LossSwap("bce_with_logits"), "already"),
    (F.mse_loss, (SCORES, UNIT), {"weight": UNIT}, LossSwap("huber"), "sum of the weights"),
    (F.mse_loss, (SCORES, UNIT), {"reduction": "none"}, LossSwap(None, "sum"), "all elements"),
    (F.huber_loss, (SCORES, UNIT), {"delta": 2.0}, LossSwap("mse"), "no delta"),
    (F.cross_entropy, (SCORES, INDICES), {"label_smoothing": 0.1}, LossSwap("nll"), "label_smoothing"),
    (F.mse_loss, (SCORES, UNIT), {}, LossSwap("l1"), None),
    (F.mse_loss, (SCORES, UNIT), {}, LossSwap(None, "sum"), None),
]


@pytest.mark.parametrize("case", NOTICES, ids=lambda case: f"{case[0].__name__} → {case[3].name}")
def test_pairs_that_mean_something_else_are_told_on(case: Any) -> None:
    function, args, kwargs, swap, words = case
    notice = swap.notice(function, args, kwargs)
    assert notice is None if words is None else words in notice


def test_log_softmax_of_log_probabilities_is_nearly_nothing() -> None:
    """What the notice for nll → cross_entropy says."""
    log_probabilities = SCORES.log_softmax(1)
    once = F.nll_loss(log_probabilities, INDICES)
    assert torch.allclose(F.cross_entropy(log_probabilities, INDICES), once)


def test_half_mse_is_halved_exactly() -> None:
    x, y = data()
    assert torch.equal(half_mse_loss(x, y), ((x - y) ** 2).mean() / 2)
