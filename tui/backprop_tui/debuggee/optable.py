"""Names of torch functions as the user wrote them, and which of them are no operations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch.nn.functional as F

_KEPT_PROPERTIES = frozenset({"T", "mT", "H", "mH", "data", "real", "imag"})

_QUESTIONS = frozenset(
    [
        "dim",
        "size",
        "stride",
        "numel",
        "nelement",
        "element_size",
        "storage_offset",
        "ndimension",
        "__len__",
        "__hash__",
        "__repr__",
        "__format__",
        "__str__",
        "__dir__",
        "__reduce_ex__",
        "__reduce__",
        "__setstate__",
        "__deepcopy__",
        "__iter__",
        "__contains__",
        "data_ptr",
        "device",
        "get_device",
        "storage",
        "untyped_storage",
        "type_as_tuple",
        "sizes",
        "register_hook",
        "retain_grad",
        "register_post_accumulate_grad_hook",
        "requires_grad_",
        "has_names",
        "names",
        "share_memory_",
        "pin_memory",
        "_set_grad_enabled",
        "set_grad_enabled",
        "backward",
        "grad",
        "autograd_backward",
        "is_complex",
        "is_floating_point",
        "is_signed",
        "is_tensor",
        "is_storage",
        "is_contiguous",
        "is_pinned",
        "is_shared",
        "is_nonzero",
        "is_inference",
        "is_same_size",
        "is_set_to",
        "is_neg",
        "is_conj",
        "is_coalesced",
        "is_distributed",
        "result_type",
        "can_cast",
        "promote_types",
        "get_default_dtype",
        "dim_order",
        "apply_",
        "map_",
        "as_subclass",
        "__cuda_array_interface__",
        "__dlpack__",
        "__dlpack_device__",
        "has_torch_function",
        "numpy_force",
        "_is_view",
        "_set_grad_enabled",
        "set_grad_enabled",
        "_make_subclass",
        "_make_wrapper_subclass",
        "set_",
        "_to_dense",
        "resolve_conj",
        "resolve_neg",
        "_has_compatible_shallow_copy_type",
        "_parse_to",
    ]
)
"""Calls that compute nothing and move nothing: they are passed through unseen."""

COMPOSITES: frozenset[Callable[..., Any]] = frozenset(
    getattr(F, name)
    for name in [
        "multi_head_attention_forward",
        "gumbel_softmax",
        "normalize",
        "local_response_norm",
        "softsign",
        "tanhshrink",
        "lp_pool1d",
        "lp_pool2d",
        "gaussian_nll_loss",
        "multilabel_soft_margin_loss",
        "triplet_margin_with_distance_loss",
    ]
    if hasattr(F, name)
)
"""Functions made of several others in Python, which are shown inside them as kernels."""

LOSSES: frozenset[Callable[..., Any]] = frozenset(
    getattr(F, name)
    for name in [
        "l1_loss",
        "mse_loss",
        "smooth_l1_loss",
        "huber_loss",
        "cross_entropy",
        "nll_loss",
        "gaussian_nll_loss",
        "poisson_nll_loss",
        "kl_div",
        "binary_cross_entropy",
        "binary_cross_entropy_with_logits",
        "hinge_embedding_loss",
        "multi_margin_loss",
        "multilabel_margin_loss",
        "multilabel_soft_margin_loss",
        "soft_margin_loss",
        "margin_ranking_loss",
        "cosine_embedding_loss",
        "triplet_margin_loss",
        "triplet_margin_with_distance_loss",
        "ctc_loss",
    ]
    if hasattr(F, name)
)


class _Names(dict[Any, "str | None"]):
    """A dictionary, because it is asked once for every call of a torch function."""

    def __missing__(self, func: Any) -> str | None:
        name = self[func] = _find_name(func)
        return name


NAMES = _Names()
"""What the user called: ``linear``, ``matmul`` (for ``@``), ``add``, ``relu_``; None for a question."""


def _find_name(func: Any) -> str | None:
    name = getattr(func, "__name__", type(func).__name__)
    if name in ("__get__", "__set__", "__delete__"):
        return _property_name(name, getattr(func, "__self__", None))
    if name in _QUESTIONS or name.startswith(("_record_function", "record_function")):
        return None
    if name.startswith("__") and name.endswith("__"):
        return _operator_name(name[2:-2])
    if name.startswith("is_"):
        return None
    return name


def _property_name(access: str, descriptor: Any) -> str | None:
    name = getattr(descriptor, "__name__", "")
    if access == "__get__":
        return name if name in _KEPT_PROPERTIES else None
    return {"grad": "grad", "data": "data.__set__"}.get(name)


_OPERATORS = {"truediv": "div", "rtruediv": "rdiv", "and": "bitwise_and", "or": "bitwise_or"}
_IN_PLACE = frozenset(
    [
        "add",
        "sub",
        "mul",
        "truediv",
        "div",
        "pow",
        "floordiv",
        "mod",
        "and",
        "or",
        "xor",
        "lshift",
        "rshift",
        "matmul",
    ]
)


def _operator_name(name: str) -> str:
    """``add`` for ``__add__``, ``sub_`` for ``__isub__``, ``__setitem__`` as it is."""
    if name in ("setitem", "getitem", "bool", "float", "int", "index", "complex", "array"):
        return f"__{name}__"
    if name[0] == "i" and name[1:] in _IN_PLACE:
        return _OPERATORS.get(name[1:], name[1:]) + "_"
    return _OPERATORS.get(name, name)


def changes_in_place(name: str) -> bool:
    """Whether a function's name says that it writes to its first argument: ``add_``, ``__setitem__``."""
    return name.endswith("_") and (not name.endswith("__") or name in ("__setitem__", "data.__set__"))
