"""Every use of torch's private or half-private API, in one place.

Written against torch 2.13.0. When a new torch breaks something, this is the file to mend; the
databases of `tests/equality` say whether it is mended.
"""

from __future__ import annotations

import inspect
import sys
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from functools import partial, wraps
from types import ModuleType
from typing import Any
from weakref import finalize, ref

import torch
import torch.autograd.graph
import torch.nn._reduction
import torch.nn.functional as F
import torch.overrides
from torch.optim import lr_scheduler
from torch.optim import optimizer as torch_optimizer
from torch.optim.optimizer import Optimizer

_pop_mode: Any = torch.overrides._pop_mode
_push_mode: Any = torch.overrides._push_mode

# the stack of torch-function modes
FunctionMode = torch.overrides.TorchFunctionMode
DisableTorchFunction = torch._C.DisableTorchFunction


def norms(tensors: list[torch.Tensor]) -> list[torch.Tensor]:
    """The 2-norm of each of several tensors, in one call."""
    return list(torch._foreach_norm(tensors)) if tensors else []


def _unstack() -> list[Any]:
    """Take every mode off the stack; the outermost (last pushed) comes first."""
    return [_pop_mode() for _ in range(torch._C._len_torch_function_stack())]


def _restack(modes: Iterable[Any]) -> None:
    for mode in modes:
        _push_mode(mode)


def push_below(mode: Any) -> None:
    """Push a mode under all others.

    A ``with torch.device(...)`` of the script is a mode too, and leaving it pops whatever is on
    top: ours must not be there.
    """
    if torch._C._len_torch_function_stack():
        above = _unstack()
        _push_mode(mode)
        _restack(reversed(above))
    else:
        _push_mode(mode)


def remove(mode: Any) -> None:
    """Take one mode out of the stack, wherever it is."""
    last = _pop_mode() if torch._C._len_torch_function_stack() else mode
    if last is not mode:
        modes = [last, *_unstack()]
        _restack(item for item in reversed(modes) if item is not mode)


def stacked(mode: Any) -> bool:
    """Whether the mode is on the stack at this moment."""
    depth = torch._C._len_torch_function_stack()
    return any(torch._C._get_function_stack_at(index) is mode for index in range(depth))


def keep_fast_path() -> None:
    """Let an active mode not change which kernel nn.TransformerEncoder and MultiheadAttention take.

    They ask `torch.overrides.has_torch_function` and give up their fast path if any mode is
    active, which changes the last bits of validation numbers.
    """
    original = torch.overrides.has_torch_function

    def has_torch_function(arguments: Any) -> bool:
        if not torch._C._len_torch_function_stack():
            return bool(original(arguments))
        modes = _unstack()
        try:
            return bool(original(arguments))
        finally:
            _restack(reversed(modes))

    torch.overrides.has_torch_function = has_torch_function  # type: ignore[assignment]


def keep_l1_weight() -> None:
    """Let a weighted `l1_loss` keep its weight under a mode.

    torch 2.13 leaves the weight out when it hands the call to a mode (torch/nn/functional.py,
    `l1_loss`); `mse_loss` and `huber_loss` do not.
    """
    original: Any = F.l1_loss
    if "weight" not in inspect.signature(original).parameters:
        return

    @wraps(original)
    def l1_loss(input: Any, target: Any, *args: Any, weight: Any = None, **kwargs: Any) -> Any:
        if not torch._C._len_torch_function_stack():
            return original(input, target, *args, weight=weight, **kwargs)
        # The original would hand over the name `l1_loss`, which is now this function.
        handle: Any = torch.overrides.handle_torch_function
        if weight is None:
            return handle(original, (input, target), input, target, *args, **kwargs)
        return handle(original, (input, target, weight), input, target, *args, weight=weight, **kwargs)

    F.l1_loss = l1_loss


@contextmanager
def expanded(function: Any, mode: Any) -> Iterator[None]:
    """Let a mode see what one call of a composite function does inside.

    Such a function begins by asking ``has_torch_function`` whether a mode wants the call as a whole;
    that question is answered with no, once.
    """
    scope = function.__globals__
    asked = [name for name in function.__code__.co_names if name.startswith("has_torch_function")]
    originals = {name: scope[name] for name in asked}

    def no(*arguments: Any) -> bool:
        scope.update(originals)
        return False

    scope.update(dict.fromkeys(asked, no))
    push_below(mode)
    try:
        yield
    finally:
        remove(mode)
        scope.update(originals)


def name_no_ranges_of_optimizers() -> None:
    """Let torch's optimizers not name ranges for a profiler that is not there.

    `record_function` calls two operators, which takes longer than a step of a small model, and each goes
    through every mode on the stack. Ranges of the script's own stay as they are.
    """
    original: Any = torch.autograd.profiler.record_function
    profiled = torch._C._autograd._profiler_enabled
    none: Any = nullcontext()

    class record_function(original):  # type: ignore[misc]
        def __new__(cls, name: str, args: str | None = None) -> Any:
            unheard = cls is record_function and name.startswith("Optimizer.") and not profiled()
            return none if unheard else super().__new__(cls)

    torch.autograd.profiler.record_function = record_function  # type: ignore[misc]


# torch.compile
COMPILER = "torch._dynamo"
"""The module of torch's compiler, which takes as long to load as torch itself."""


def put_compiler(module: ModuleType) -> None:
    """Let a module be torch's compiler for whoever asks for it."""
    sys.modules[COMPILER] = torch._dynamo = module


# modules
def own_parameters(module: torch.nn.Module) -> dict[str, torch.Tensor | None]:
    """A module's own parameters by name, without those of its children: `named_parameters` looks for these
    for several microseconds a module."""
    return module._parameters  # type: ignore[return-value]


def own_buffers(module: torch.nn.Module) -> dict[str, torch.Tensor | None]:
    """A module's own buffers by name."""
    return module._buffers


def own_modules(module: torch.nn.Module) -> dict[str, torch.nn.Module | None]:
    """The modules directly inside a module, by name."""
    return module._modules


_global_hooks = (
    torch.nn.modules.module._global_forward_pre_hooks,
    torch.nn.modules.module._global_forward_hooks,
)
LossModule = torch.nn.modules.loss._Loss
"""What the modules of losses are derived from."""


def has_forward_of_script(module: torch.nn.Module) -> bool:
    """Whether a hook, or a function in the place of its forward, hangs on a module or on all."""
    return bool(
        module._forward_pre_hooks
        or module._forward_hooks
        or _global_hooks[0]
        or _global_hooks[1]
        or "forward" in module.__dict__
    )


# autograd
def sequence_number() -> int:
    """The sequence number that the next autograd node of this thread will get."""
    return int(torch._C._autograd._get_sequence_nr())


def node_sequence(node: Any) -> int:
    """Sequence number of a node; AccumulateGrad nodes have 2**64 - 1."""
    return int(node._sequence_nr())


_autograd: Any = torch._C._autograd
_HOOKS_ARE_TOLD = hasattr(_autograd.SavedTensor, "unpack_hook")
"""Whether a saved tensor says that it has hooks: not in torch 2.6."""
_hooked: deque[range] = deque(maxlen=4096)
"""Where it does not say so: the sequence numbers of the nodes that were made while there were hooks."""
_hooked_since: list[int] = []
"""The sequence number at which each pair of hooks was put on that has not been taken off."""


def watch_saved_tensor_hooks() -> None:
    """Notice hooks on saved tensors, where these do not tell themselves."""
    push, pop = _autograd._push_saved_tensors_default_hooks, _autograd._pop_saved_tensors_default_hooks

    def pushed(*hooks: Any) -> None:
        push(*hooks)
        _hooked_since.append(sequence_number())

    def popped() -> None:
        pop()
        since = _hooked_since.pop()
        if not _hooked_since:
            _hooked.append(range(since, sequence_number()))

    if not _HOOKS_ARE_TOLD:
        _autograd._push_saved_tensors_default_hooks = pushed
        _autograd._pop_saved_tensors_default_hooks = popped


def _made_with_hooks(number: int) -> bool:
    made = any(number in numbers for numbers in _hooked)
    return made or bool(_hooked_since and number >= _hooked_since[0])


def packed_by_hooks(node: Any, name: str) -> bool:
    """Whether reading a saved tensor would call a hook of the script's, or may: activation checkpointing
    runs the forward pass again there, and refuses a second time. ``name``: ``_saved_result`` and the like."""
    raw = getattr(node, f"_raw{name}", None)
    if not _HOOKS_ARE_TOLD:
        return raw is not None and _made_with_hooks(node_sequence(node))
    parts = raw if isinstance(raw, (list, tuple)) else (raw,)
    return any(getattr(part, "unpack_hook", None) is not None for part in parts)


def multiplied_with(node: Any) -> Any:
    """What a MulBackward0 node multiplies the gradient of its first operand with, if it was kept."""
    return None if packed_by_hooks(node, "_saved_other") else node._saved_other


def goes_to(node: Any) -> list[tuple[Any, int, tuple[int, ...]]]:
    """Where each gradient of a node goes: (the next node or None, which of its inputs, the shape there)."""
    return [
        (child, number, () if child is None else tuple(child._input_metadata[number].shape))
        for child, number in node.next_functions
    ]


def results_like(node: Any) -> list[tuple[tuple[int, ...], torch.dtype, torch.device]]:
    """Shape, dtype and device of every gradient that can come to a node."""
    return [(tuple(like.shape), like.dtype, like.device) for like in node._input_metadata]


def root_node(root: Any) -> Any:
    """The node of a root of a backward pass, which is a tensor or a gradient edge; None for one without."""
    if not isinstance(root, torch.Tensor):
        return root.node
    if root.grad_fn is not None:
        return root.grad_fn
    return gradient_node(root) if root.requires_grad else None


def is_zero_everywhere(tensor: torch.Tensor) -> bool:
    """Whether a gradient is known to be 0 everywhere, and so has no memory."""
    return tensor._is_zerotensor()


OwnNode = torch.autograd.function.BackwardCFunction
"""What the nodes of custom functions are derived from."""
Accumulator: type = type(torch.autograd.graph.get_gradient_edge(torch.empty(0, requires_grad=True)).node)
"""AccumulateGrad: the node of a leaf."""


def running_node() -> Any:
    """The autograd node in whose hook this is called."""
    return torch._C._current_autograd_node()


def gradient_node(tensor: torch.Tensor) -> Any:
    """The autograd node that a tensor's gradient flows into: its grad_fn, or a leaf's accumulator."""
    return torch.autograd.graph.get_gradient_edge(tensor).node


_OURS = -1
"""Key of a hook of ours: torch counts from 0."""


class NodeHook(partial[Any]):
    """A hook of ours on a node: `register_light_hooks` knows it by its type."""


class _LightHandle:
    """Takes a hook of ours off its node."""

    __slots__ = ("_hooks",)

    def __init__(self, hooks: dict[int, Any]) -> None:
        self._hooks = hooks

    def remove(self) -> None:
        """Take it off."""
        self._hooks.pop(_OURS, None)


def register_light_hooks() -> None:
    """Let `Node.register_hook` and `register_prehook` take a hook of ours on a node without others sooner.

    Both call this function for the dictionary that they keep (torch/csrc/autograd/python_cpp_function.cpp);
    torch's own makes a handle with a weak reference and a number, which takes most of the time.
    """
    original: Any = torch.autograd.Function._register_hook

    def register(hooks: Any, hook: Any) -> Any:
        if hooks is None and type(hook) is NodeHook:
            own: OrderedDict[int, Any] = OrderedDict()
            own[_OURS] = hook
            return own, _LightHandle(own)
        return original(hooks, hook)

    torch.autograd.Function._register_hook = staticmethod(register)  # type: ignore[method-assign]


def wrap_engine(wrap: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
    """Replace the one Python entry to autograd's engine, in the two modules that bind it."""
    wrapped = wrap(torch.autograd.graph._engine_run_backward)
    torch.autograd.graph._engine_run_backward = wrapped
    torch.autograd._engine_run_backward = wrapped  # type: ignore[attr-defined]


# calls around an optimizer's step
def wrap_step(wrap: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
    """Put a wrapper around the `step` of every optimizer class that is made from now on.

    `Optimizer.profile_hook_step` is what torch itself wraps every `step` with, once per class.
    """
    original = Optimizer.profile_hook_step

    def profile_hook_step(function: Callable[..., Any]) -> Callable[..., Any]:
        return wrap(original(function))

    Optimizer.profile_hook_step = staticmethod(profile_hook_step)  # type: ignore[assignment, method-assign]


# operators
def keep_libraries() -> None:
    """Let torch not take its libraries of operators apart, one operator after another, as the process ends.

    It takes 25 ms (torch/library.py), and nothing of the script's can see it.
    """
    registry: dict[finalize[Any, Any], Any] = getattr(finalize, "_registry", {})
    for finalizer, entry in registry.items():
        if entry.func is torch.library._del_library:
            finalizer.atexit = False


# devices
def cuda_in_use() -> bool:
    """Whether this process has initialised CUDA, which does not survive a fork."""
    initialized: Any = torch.cuda.is_initialized
    return bool(initialized())


def inside_transform() -> bool:
    """Whether a functorch transform (vmap, grad) is on: tensors have no plain values then."""
    return torch._C._functorch.peek_interpreter_stack() is not None


def is_wrapped(tensor: torch.Tensor) -> bool:
    """Whether a functorch transform has put a tensor of its own around another one."""
    return bool(torch._C._functorch.is_functorch_wrapped_tensor(tensor))


# optimizers and schedulers
_HOOKS = (
    "_optimizer_step_pre_hooks",
    "_optimizer_step_post_hooks",
    "_optimizer_state_dict_pre_hooks",
    "_optimizer_state_dict_post_hooks",
    "_optimizer_load_state_dict_pre_hooks",
    "_optimizer_load_state_dict_post_hooks",
)
_CLASS_OWNED = frozenset(
    {"_params", "_numel_cache", "_step_supports_amp_scaling", "_need_device_dtype_check_for_fused"}
)
"""Attributes that some optimizer classes put on their instances and that mean nothing to others."""

_PACKAGE = f"{__name__.partition('.')[0]}."
_GLOBAL_STEP_HOOKS = (
    torch_optimizer._global_optimizer_pre_hooks,
    torch_optimizer._global_optimizer_post_hooks,
)

foreach_zero = torch._foreach_zero_
legacy_reduction = torch.nn._reduction.legacy_get_string


def lasting_attributes(optimizer: Optimizer, fresh: Optimizer) -> dict[str, Any]:
    """What an optimizer keeps when it becomes one of another class: its hooks, the mark that it has
    stepped, and whatever the script hung on it; not what its old class put there."""
    replaced = (fresh.__dict__.keys() - frozenset(_HOOKS)) | _CLASS_OWNED | {"step"}
    return {name: value for name, value in optimizer.__dict__.items() if name not in replaced}


def step_by_script(optimizer: Optimizer) -> bool:
    """Whether the script itself put a function in the place of this optimizer's ``step``."""
    step = optimizer.__dict__.get("step")
    made_in = getattr(step, "__globals__", {}).get("__name__")
    return step is not None and made_in not in (lr_scheduler.__name__, __name__)


def of_torch(kind: type) -> bool:
    """Whether a class of optimizers or schedulers is torch's own."""
    return kind.__module__.startswith("torch.optim.")


def plain_step(optimizer: Optimizer) -> bool:
    """Whether a ``step`` runs torch's code only: a class of torch.optim, and nothing that the script hung on
    it."""
    own: Any = optimizer
    hooks = (own._optimizer_step_pre_hooks, own._optimizer_step_post_hooks, *_GLOBAL_STEP_HOOKS)
    return (
        of_torch(type(optimizer))
        and not step_by_script(optimizer)
        and all(_is_ours(hook) for group in hooks for hook in group.values())
    )


def _is_ours(hook: Any) -> bool:
    return getattr(hook, "__module__", "").startswith(_PACKAGE)


def count_steps(optimizer: Optimizer) -> None:
    """Put the wrapper around ``step`` that a scheduler puts there when it is made.

    The one that is there holds on to the ``step`` of the class that the optimizer had then.
    """
    own, function = ref(optimizer), type(optimizer).step

    @wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        optimizer = own()
        optimizer._opt_called = True  # type: ignore[union-attr]
        return function.__get__(optimizer, type(optimizer))(*args, **kwargs)

    wrapper._wrapped_by_lr_sched = True  # type: ignore[attr-defined]
    optimizer.step = wrapper  # type: ignore[method-assign]


def inner_schedulers(scheduler: Any) -> list[Any]:
    """The schedulers that a SequentialLR or ChainedScheduler steps."""
    return list(getattr(scheduler, "_schedulers", ()))
