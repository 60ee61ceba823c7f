"""What an operation does, in a sentence for someone who meets it for the first time."""

from __future__ import annotations

from backprop_tui.explain.numbers import known
from backprop_tui.panes.drawing.records import number, recomputed, target
from backprop_tui.protocol import Record, TensorInfo

TAKEN_OUT = frozenset(
    {"item", "tolist", "numpy", "__float__", "__int__", "__bool__", "__index__", "__complex__", "__array__"}
)
"""They give what is no tensor."""

CUT_OFF = frozenset({"detach", "data", "one_hot", "bernoulli", "multinomial", "floor_divide", "floordiv"})
CUT_OFF |= {"eq", "ne", "lt", "le", "gt", "ge", "isclose", "isnan", "isinf", "isfinite", "signbit"}
CUT_OFF |= {"argmax", "argmin", "argsort", "nonzero", "argwhere", "searchsorted", "bucketize", "histc"}
CUT_OFF |= {"any", "all", "logical_and", "logical_or", "logical_xor", "logical_not", "count_nonzero"}
CUT_OFF |= {"long", "int", "short", "char", "byte", "bool"}
CUT_OFF |= {f"{name}_like" for name in ("zeros", "ones", "empty", "full", "rand", "randn", "randint")}
CUT_OFF |= {f"new_{name}" for name in ("zeros", "ones", "empty", "full", "tensor")}
"""Their results have no history, whatever their inputs have."""

WAY_BACK = "autograd notes how, for the way back"
SWITCHED_OFF = "gradients are disabled here"


def sentence(record: Record, zero_grad: str = "on") -> str:
    """What this kind of operation does, for someone who meets it for the first time."""
    kind, name = record["kind"], record.get("name", "")
    if recomputed(record):
        return "Is broken off: backward needs nothing more of this checkpoint, and torch stops recomputing."
    if kind == "zero_grad":
        return _zero_grad(zero_grad)
    if kind in ("accumulate", "clear", "update"):
        return _about_one(record)
    if kind == "module":
        return f"Calls the layer {record.get('module') or name}; what it computes runs inside."
    about = {
        "forward": f"Calls the model {name} on its input; its layers run inside, one after the other.",
        "loss": "Puts into one number how far the result is from the target.",
        "op": _about_op(record),
        "backward": "Starts at the loss with ∂L/∂L = 1 and goes back through what the forward pass did.",
        "node": "Gets the gradient for its result and passes on the gradient for its inputs: the chain rule.",
        "step": f"{name} changes every parameter that has a gradient.",
        "schedule": f"{name} sets the learning rate for the coming steps.",
        "kernel": "One tensor operation of the rule inside the update.",
    }
    return about.get(kind, "")


def _about_op(record: Record) -> str:
    name = record.get("name", "")
    if name in TAKEN_OUT:
        return "Takes the numbers out of the tensor: what Python does with them, autograd does not see."
    if name in ("to", "type"):
        return "Converts the tensor, if it is of another type or on another device than the one asked for."
    if name.startswith("clip_grad_norm"):
        return "Makes the gradients smaller, all by one factor, if the norm of all of them is above a limit."
    if name.startswith("clip_grad_value"):
        return "Cuts off what the gradients have above a limit and below its negative."
    if _in_place(name):
        return f"Changes {_changed(record)} itself, in place: no new tensor. {_noted(record)}"
    return _about_new(record)


def _in_place(name: str) -> bool:
    """``add_`` and ``__setitem__``, but not ``__getitem__``."""
    return name.endswith("_") and (not name.endswith("__") or name == "__setitem__")


def _changed(record: Record) -> str:
    if record.get("name", "").startswith("_foreach"):
        return "each tensor of a list"
    inputs = known(record.get("inputs"))
    return (inputs[0].get("name") if inputs else None) or "the tensor"


def _noted(record: Record) -> str:
    if record.get("no_grad"):
        return f"{SWITCHED_OFF.capitalize()}: autograd does not follow it."
    return f"{WAY_BACK.capitalize()}." if _followed(record) else "Autograd does not follow it."


def _about_new(record: Record) -> str:
    if _given_back(record):
        return "Finds nothing to do, and gives back the tensor itself: no new tensor."
    if any(_leaf(info) for info in known(record.get("outputs"))):
        return "Makes a leaf: backward computes a gradient for it and stores it in its .grad."
    if not _followed(record):
        why = f": {SWITCHED_OFF}" if record.get("no_grad") else ""
        return f"Computes a tensor that autograd does not follow{why}."
    return f"Computes a new tensor, and {WAY_BACK}."


def _given_back(record: Record) -> bool:
    """Whether the result is what it read first: `flatten` of a matrix, `contiguous` of a tensor that is.

    One that it read later may have been given as ``out``, to be written into.
    """
    read, made = known(record.get("inputs"))[:1], known(record.get("outputs"))
    name = read[0].get("name") if read and len(made) == 1 else None
    return name is not None and made[0].get("name") == name


def _leaf(info: TensorInfo) -> bool:
    """Whether backward stores a gradient in it: it has no history of its own."""
    return bool(info.get("requires_grad") and info.get("leaf"))


def _followed(record: Record) -> bool:
    """Whether the result has a history; of an operation to come, judged by what it will read."""
    inputs, outputs = known(record.get("inputs")), known(record.get("outputs"))
    if outputs:
        return any(info.get("requires_grad") and not _leaf(info) for info in outputs)
    name = record.get("name", "")
    if record.get("no_grad") or name in CUT_OFF or (_in_place(name) and inputs and _leaf(inputs[0])):
        return False
    return any(info.get("requires_grad") for info in inputs)


def _zero_grad(how: str) -> str:
    if how == "off":
        return "zero_grad is switched off: the gradients stay, and the next backward adds to them."
    to = "to 0" if how == "zero" else "to None"
    return f"Sets .grad of each parameter {to}, so that the next backward does not add to old gradients."


def _about_one(record: Record) -> str:
    name, kind = target(record), record["kind"]
    if kind == "clear" and record.get("name") in ("zero_", "fill_"):
        return f"Sets the gradient of {name} to 0, so that the next backward does not add to the old one."
    if kind == "clear":
        return f"Forgets the gradient of {name}: None means that there is none, which is not the same as 0."
    if kind == "update" and record.get("optimizer") == "manual":
        return f"The script changes {name} itself, in place, with {record.get('name')}."
    if kind == "update":
        rule = record.get("optimizer") or "The script"
        return f"{rule} moves {name} by its gradient and learning rate {number(record.get('lr'))}."
    if "added" in record and record["added"] is None:
        return f"No gradient comes to {name} in this pass: its .grad stays as it was."
    if record.get("before") is None:
        return f"{name}.grad was None, so this pass's gradient becomes it."
    return f"Adds this pass's gradient to what was already in {name}.grad."
