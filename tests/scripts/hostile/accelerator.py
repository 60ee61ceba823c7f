"""A device of a kind of its own, whose kernels are those of the CPU: autograd runs its nodes in a thread of
the device's, as it does for a GPU.

To be imported. Each of its tensors has a tensor of the CPU under the number of its storage. After
test/test_privateuseone_python_backend.py of PyTorch.
"""

from functools import wraps

import torch
from torch.utils._pytree import tree_map
from torch.utils.backend_registration import _DummyBackendModule, _setup_privateuseone_for_python_backend


class Backend(_DummyBackendModule):
    def get_amp_supported_dtype(self):
        return [torch.float16]


NAME = "accel"
_setup_privateuseone_for_python_backend(NAME, Backend())
aten = torch.library.Library("aten", "IMPL")
all_others = torch.library.Library("_", "IMPL")
held: dict[int, torch.Tensor] = {}


def key(tensor):
    return tensor.untyped_storage()._cdata


def to_cpu(value):
    if isinstance(value, torch.device):
        return torch.device("cpu")
    return held[key(value)] if isinstance(value, torch.Tensor) and value.device.type == NAME else value


def from_cpu(value):
    if not isinstance(value, torch.Tensor):
        return value
    tensor = torch._C._acc.create_empty_tensor(value.shape, value.dtype)
    held[key(tensor)] = value
    return tensor


def kernel(name, library=aten):
    """Kernels of a GPU are no Python: nobody sees what they call."""

    def register(function):
        @wraps(function)
        def run(*args, **kwargs):
            with torch._C.DisableTorchFunction():
                return function(*args, **kwargs)

        library.impl(name, run, "PrivateUse1") if name else library.fallback(run, "PrivateUse1")
        return function

    return register


@kernel("empty.memory_format")
def empty(size, *, dtype=None, **options):
    return from_cpu(torch.empty(size, dtype=dtype))


@kernel("empty_strided")
def empty_strided(size, stride, *, dtype=None, **options):
    return from_cpu(torch.empty_strided(size, stride, dtype=dtype))


@kernel("_copy_from")
def copy_from(source, target, non_blocking=False):
    to_cpu(target).copy_(to_cpu(source))
    return target


@kernel("resize_")
def resize_(tensor, size, *, memory_format=None):
    of_cpu = torch._C.DispatchKeySet(torch._C.DispatchKey.CPU)
    torch.ops.aten.resize_.default.redispatch(of_cpu, tensor, size)
    held[key(tensor)] = held[key(tensor)].resize_(size)
    return tensor


@kernel("", all_others)
def any_other(op, *args, **kwargs):
    written = [one.name for one in op._schema.arguments if one.alias_info and one.alias_info.is_write]
    out = {name: torch.empty(0, dtype=kwargs[name].dtype) for name in written if name in kwargs}
    result = op(*tree_map(to_cpu, args), **{**tree_map(to_cpu, kwargs), **out})
    for name, tensor in out.items():
        held[key(kwargs[name])] = tensor
    if written:
        return next((kwargs[name] for name in out), args[0] if args else None)
    return tree_map(from_cpu, result)
