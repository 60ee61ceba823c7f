"""Every number of an optimizer's update, of a gradient that is accumulated, and of a scheduler's step.

``of_...`` is called before it happens and copies what is there; ``after_...`` adds what has become of it.
`explain.evidence.decode` reads the whole.
"""

from __future__ import annotations

import math
import sys
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from types import FrameType
from typing import Any

import torch
from torch.optim import LBFGS, Optimizer

from backprop_tui.debuggee.changes.errors import ChangeError
from backprop_tui.debuggee.evidence import Namer, nameless, pack

MANUAL = "manual"
_LBFGS_FILE = LBFGS.__init__.__code__.co_filename
_DEEPEST = 60
"""So many frames are looked at to find the optimizer's own."""


# one parameter in optimizer.step()
def of_update(optimizer: Optimizer | None, leaf: torch.Tensor, known: Namer = nameless) -> dict[str, Any]:
    """A parameter about to be updated; without an optimizer where the script does it by hand."""
    message: dict[str, Any] = {
        "kind": "update",
        "name": MANUAL if optimizer is None else _named(optimizer),
        "saved": {
            "before": pack(leaf, known),
            "grad": pack(leaf.grad),
            "touched": pack(_touched(leaf.grad)),
            "requires_grad": leaf.requires_grad,
        },
        "group": pack(_group_of(optimizer, leaf)),
        "state_before": pack(_state_of(optimizer, leaf)),
    }
    if isinstance(optimizer, LBFGS):
        message["saved"]["inner"] = pack(_begun(optimizer, leaf))
        message["state_before"]["newest"] = _newest_move(optimizer)
    return message


def after_update(
    message: dict[str, Any], optimizer: Optimizer | None, leaf: torch.Tensor, known: Namer = nameless
) -> dict[str, Any]:
    """What has become of the parameter and of the optimizer's state."""
    message["saved"]["after"] = pack(leaf, known)
    state = _state_of(optimizer, leaf)
    if isinstance(optimizer, LBFGS):
        began, own = message["saved"]["inner"]["method"], _methods(optimizer)
        if began or own:
            message["saved"]["inner"] |= pack(_inside_step(optimizer, leaf, began, own))
        else:
            state |= _moves_of(optimizer, leaf, message["state_before"])
    message["state_after"] = pack(state)
    return message


def _named(of: Any) -> str:
    """The class of torch that an object is; a class of the same name from elsewhere is another one."""
    name, module = type(of).__name__, type(of).__module__
    return name if f"{module}.".startswith("torch.optim.") else f"{module}.{name}"


def _touched(gradient: torch.Tensor | None) -> torch.Tensor | None:
    """Indices at which a sparse gradient has values, zeros among them."""
    if gradient is None or gradient.layout is not torch.sparse_coo:
        return None
    return gradient.detach().coalesce().indices()


def _group_of(optimizer: Optimizer | None, leaf: torch.Tensor) -> dict[str, Any]:
    """The hyperparameters of the group that holds a parameter."""
    groups = [] if optimizer is None else optimizer.param_groups
    for group in groups:
        if any(item is leaf for item in group["params"]):
            return {name: value for name, value in group.items() if name != "params"}
    return {}


def _state_of(optimizer: Optimizer | None, leaf: torch.Tensor) -> dict[str, Any]:
    """The optimizer's state of one parameter; L-BFGS has one for all."""
    if optimizer is None:
        return {}
    if isinstance(optimizer, LBFGS):
        state = _shared(optimizer)
        return {name: state[name] for name in ("n_iter", "func_evals") if name in state}
    return dict(optimizer.state.get(leaf, {}))


# L-BFGS
def _shared(optimizer: LBFGS) -> Mapping[str, Any]:
    """L-BFGS keeps what belongs to all parameters as the state of the first."""
    shared: Mapping[str, Any] = optimizer.state.get(optimizer.param_groups[0]["params"][0], {})
    return shared


def _newest_move(optimizer: LBFGS) -> int | None:
    """Which of the stored moves is the last one; the list keeps it alive, so its identity stays its own."""
    stored = _shared(optimizer).get("old_stps")
    return id(stored[-1]) if stored else None


def _moves_of(optimizer: LBFGS, leaf: torch.Tensor, before: Mapping[str, Any]) -> dict[str, Any]:
    """The last direction and length, this parameter's part of it, and the moves stored in this step."""
    leaves, state = optimizer.param_groups[0]["params"], _shared(optimizer)
    if state.get("n_iter") == before.get("n_iter") or state.get("d") is None:
        return {}
    identities = [id(move) for move in state["old_stps"]]
    newest = before["newest"]
    first = identities.index(newest) + 1 if newest in identities else 0
    return {
        "d": _part(state["d"], leaves, leaf),
        "t": state["t"],
        "gtd": float(state["prev_flat_grad"].dot(state["d"])),
        "moves": [_part(move, leaves, leaf) for move in state["old_stps"][first:]],
    }


def _part(flat: torch.Tensor, leaves: Sequence[torch.Tensor], leaf: torch.Tensor) -> torch.Tensor:
    """One parameter's part of a vector of all parameters' elements."""
    start = 0
    for other in leaves:
        size = other.numel() * (2 if other.is_complex() else 1)
        if other is leaf:
            break
        start += size
    part = flat[start : start + size]
    return torch.view_as_complex(part.view(*leaf.shape, 2)) if leaf.is_complex() else part.view(leaf.shape)


_METHODS = ("_set_param", "_add_grad", "_directional_evaluate", "step")
"""Methods of LBFGS whose local variables say how a parameter moves; the innermost first."""


def _methods(optimizer: LBFGS) -> dict[str, Mapping[str, Any]]:
    """Which of them are running at this moment, and their local variables."""
    found: dict[str, Mapping[str, Any]] = {}
    frame: FrameType | None = sys._getframe(1)
    for _ in range(_DEEPEST):
        if frame is None:
            break
        name = frame.f_code.co_name
        # Asking a frame for its locals keeps them alive: only frames that may be the right one are asked.
        if name in _METHODS and name not in found and frame.f_code.co_filename == _LBFGS_FILE:
            found[name] = frame.f_locals
        frame = frame.f_back
    return {name: own for name, own in found.items() if own.get("self") is optimizer}


def _begun(optimizer: LBFGS, leaf: torch.Tensor) -> dict[str, Any]:
    """Which method an update begins in (none before ``step``), and what it does to the parameter."""
    own = _methods(optimizer)
    method = next((name for name in _METHODS if name in own), None)
    found: dict[str, Any] = {"method": method}
    if method == "_set_param":
        found["restored"] = _matching(optimizer, leaf, own[method]["params_data"])
    if method == "_add_grad":
        found |= _moved(optimizer, leaf, own[method]["update"], own[method]["step_size"])
    return found


def _inside_step(
    optimizer: LBFGS, leaf: torch.Tensor, began: str | None, own: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """How a part of ``step`` has moved a parameter by now: `d` and `t` are local variables until it ends."""
    if began == "_add_grad" or "_set_param" in own:
        return {}  # what it did was known when it began
    if "_add_grad" in own:
        found = own["_add_grad"]
        added = _is_added(optimizer, leaf, found["p"])
        return _moved(optimizer, leaf, found["update"], found["step_size"]) if added else {}
    if "_directional_evaluate" in own:
        found = own["_directional_evaluate"]
        start = _matching(optimizer, leaf, found["x"])
        return {**_moved(optimizer, leaf, found["d"], found["t"]), "restored": start}
    found = own.get("step", _shared(optimizer))
    if began == "step" and optimizer.param_groups[0]["line_search_fn"] is not None:
        return {}
    return _moved(optimizer, leaf, found.get("d"), found.get("t"))


def _moved(optimizer: LBFGS, leaf: torch.Tensor, direction: Any, length: Any) -> dict[str, Any]:
    if not isinstance(direction, torch.Tensor):
        return {}
    return {"d": _part(direction, optimizer.param_groups[0]["params"], leaf), "t": length}


def _is_added(optimizer: LBFGS, leaf: torch.Tensor, now: torch.Tensor) -> bool:
    """Whether a parameter's turn has been, where L-BFGS adds to one after the other."""
    for other in optimizer.param_groups[0]["params"]:
        if other is now:
            return False
        if other is leaf:
            return True
    return False


def _matching(optimizer: LBFGS, leaf: torch.Tensor, values: Sequence[torch.Tensor]) -> torch.Tensor:
    """Of one tensor for each parameter, the one for this parameter."""
    leaves = optimizer.param_groups[0]["params"]
    return next(value for other, value in zip(leaves, values, strict=True) if other is leaf)


# a gradient that arrives at a leaf
def of_accumulate(
    leaf: torch.Tensor, added: torch.Tensor | None, uses: Sequence[torch.Tensor] = (), known: Namer = nameless
) -> dict[str, Any]:
    """A gradient about to be added to ``leaf.grad``. ``uses``: the parts of it, if it was used at several
    places and they are known."""
    return {
        "kind": "accumulate",
        "name": "AccumulateGrad",
        "saved": {
            "tensor": pack(leaf, known),
            "before": pack(leaf.grad),
            "added": pack(added, known),
            "uses": [pack(use) for use in uses],
        },
    }


def after_accumulate(message: dict[str, Any], leaf: torch.Tensor) -> dict[str, Any]:
    """What ``leaf.grad`` has become."""
    message["saved"]["after"] = pack(leaf.grad)
    return message


# scheduler.step()
_UNNEEDED = frozenset({"optimizer", "lr_lambdas", "_schedulers", "anneal_func", "_scale_fn_ref"})

Elsewhere = Callable[[Callable[[], Any]], Any]
"""Calls a function where what it does leaves no trace in the script, and answers its JSON-able result.
Raises ChangeError with the reason if that cannot be done."""
Say = Callable[[Callable[[Any], Any], Any], dict[str, Any]]
"""What a function of the script says of an argument: {"value": a number}, or {"unknown": why}."""


def of_schedule(
    scheduler: Any, elsewhere: Elsewhere, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """A scheduler about to step; ``args`` are what its ``step`` was called with.

    Functions that the script gave (to LambdaLR, MultiplicativeLR, CyclicLR) are asked about the epoch that
    comes, ``elsewhere``: they may print, count, draw random numbers.
    """
    given = {**dict(zip(_names_of_arguments(scheduler), args, strict=False)), **(kwargs or {})}
    given = {name: _plain(value) for name, value in given.items() if value is not None}
    return {
        "kind": "schedule",
        "name": _named(scheduler),
        "group": _asked(scheduler, given, elsewhere),
        "saved": {"args": pack(given), "lr_before": pack(_each(scheduler, "lr"))},
    }


def _asked(scheduler: Any, given: Mapping[str, Any], elsewhere: Elsewhere) -> Any:
    """The attributes, packed, with what the functions of the script say if there are any."""
    asked = 0

    def count(function: Callable[[Any], Any], argument: Any) -> dict[str, Any]:
        nonlocal asked
        asked += 1
        return {"unknown": ""}

    found = pack(_attributes(scheduler, given, count), depth=12)
    if not asked:
        return found
    try:
        return elsewhere(lambda: pack(_attributes(scheduler, given, _said), depth=12))
    except ChangeError as reason:
        unknown = {"unknown": str(reason)}
        return pack(_attributes(scheduler, given, lambda function, argument: unknown), depth=12)


def after_schedule(message: dict[str, Any], scheduler: Any) -> dict[str, Any]:
    """The rates that it has set, and its own counters."""
    saved = message["saved"]
    saved["lr_after"] = pack(_each(scheduler, "lr"))
    saved["groups_after"] = pack(_groups(scheduler))
    saved["after"] = pack(_own(scheduler))
    return message


def _names_of_arguments(scheduler: Any) -> tuple[str, ...]:
    return ("metrics", "epoch") if hasattr(scheduler, "num_bad_epochs") else ("epoch",)


def _attributes(scheduler: Any, given: Mapping[str, Any], say: Say) -> dict[str, Any]:
    """A scheduler's own plain attributes, those of the schedulers inside, and the optimizer's groups."""
    return {**_described(scheduler, given, say), "groups": _groups(scheduler)}


def _described(scheduler: Any, given: Mapping[str, Any], say: Say) -> dict[str, Any]:
    found = {**_own(scheduler), "kind": _named(scheduler)}
    own = vars(scheduler)
    epoch = given.get("epoch", own.get("last_epoch", -1) + 1)
    if "lr_lambdas" in own:
        say = _not_asked_at_first if _multiplies_from_1_on(scheduler) and epoch <= 0 else say
        found["factors"] = [say(function, epoch) for function in own["lr_lambdas"]]
    if "anneal_func" in own:  # SWALR of torch 2.6 has no `_anneal_strategy`
        found.setdefault("_anneal_strategy", own["anneal_func"].__name__.strip("_").partition("_")[0])
    if own.get("_scale_fn_custom") is not None:
        found["_scale_fn_custom"] = None
        found["scale"] = say(own["_scale_fn_custom"], _scaled_by(own, epoch))
    if "_schedulers" in own:
        found["schedulers"] = _inside(own, epoch, say)
    return found


def _own(scheduler: Any) -> dict[str, Any]:
    return {
        name: sorted(value.elements()) if isinstance(value, Counter) else value
        for name, value in vars(scheduler).items()
        if name not in _UNNEEDED and not callable(value)
    }


def _inside(own: Mapping[str, Any], epoch: Any, say: Say) -> list[dict[str, Any]]:
    """Each scheduler inside. Of a SequentialLR one steps, from epoch 0 at its milestone; the others are not
    asked, as torch does not ask them."""
    starts, inner = own.get("_milestones"), own["_schedulers"]
    if starts is None:
        return [_described(one, {}, say) for one in inner]
    turn = bisect_right(starts, epoch)
    given = {"epoch": 0} if turn and starts[turn - 1] == epoch else {}
    return [
        _described(one, given, say) if number == turn else _described(one, {}, _not_asked)
        for number, one in enumerate(inner)
    ]


def _multiplies_from_1_on(scheduler: Any) -> bool:
    """Whether it is a MultiplicativeLR of a torch that does not ask its function at epoch 0, given or not."""
    return _named(scheduler) == "MultiplicativeLR" and not hasattr(scheduler, "_is_initial")


def _not_asked_at_first(function: Callable[[Any], Any], argument: Any) -> dict[str, Any]:
    return {"unknown": "this torch does not ask it at epoch 0"}


def _not_asked(function: Callable[[Any], Any], argument: Any) -> dict[str, Any]:
    return {"unknown": "it is not its scheduler's turn"}


def _scaled_by(own: Mapping[str, Any], epoch: Any) -> Any:
    """What CyclicLR gives to the script's own function: the number of the cycle, or of the iteration."""
    return epoch if own["scale_mode"] != "cycle" else math.floor(1 + epoch / own["total_size"])


def _said(function: Callable[[Any], Any], argument: Any) -> dict[str, Any]:
    """What a function of the script says: to be called where that does no harm."""
    try:
        return {"value": float(function(argument))}
    except Exception as error:  # the script's own step will raise it, at its time
        return {"unknown": f"it raised {type(error).__name__}"}


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, torch.Tensor) and value.numel() == 1 else value


def _groups(scheduler: Any) -> list[dict[str, Any]]:
    """What schedulers read and write in each of the optimizer's groups."""
    return [
        {name: value for name, value in group.items() if name != "params"}
        for group in scheduler.optimizer.param_groups
    ]


def _each(scheduler: Any, name: str) -> list[Any]:
    return [group.get(name) for group in scheduler.optimizer.param_groups]
