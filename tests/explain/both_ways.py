"""Everything that a function computes, forwards and backwards, as evidence under the debugger's names."""

from __future__ import annotations

import runpy
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from backprop_tui.debuggee import evidence as capture
from backprop_tui.debuggee import private
from backprop_tui.debuggee.optable import NAMES
from backprop_tui.explain.evidence import Evidence
from backprop_tui.explain.explanation import Explanation, explain
from explain.observing import travelled

DIGITS = "0123456789"


class _Watch(TorchFunctionMode):
    """As the observer does: a function appears once, without what torch calls inside it."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[dict[str, Any]] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = NAMES[func]
        if name is None:
            return func(*args, **(kwargs or {}))
        message = capture.of_call(name, args, kwargs)
        since = private.sequence_number()
        result = func(*args, **(kwargs or {}))
        message["outputs"] = capture.of_outputs(result)
        message["drawn"] = capture.drawn(name, result, since)
        self.messages.append(message)
        return result


def watched(function: Callable[[], Any]) -> tuple[list[Evidence], Any]:
    """The evidence of every operation that a function calls, and what it returns."""
    with _Watch() as watch:
        result = function()
    return [travelled(message) for message in watch.messages], result


def differentiated(
    result: Any, gradient: Callable[[torch.Tensor], torch.Tensor] = torch.randn_like
) -> list[Evidence]:
    """The evidence of every node of a backward pass from all outputs, with random incoming gradients."""
    roots = [item for item in _tensors(result) if item.grad_fn is not None]
    if not roots:
        return []
    gradients = [gradient(root.detach()) for root in roots]
    return _passed_back(lambda: torch.autograd.backward(roots, gradients), roots)


def _passed_back(backward: Callable[[], Any], roots: list[torch.Tensor]) -> list[Evidence]:
    """The evidence of every node of a backward pass from these."""
    found: dict[int, dict[str, Any]] = {}
    handles = []
    for node in _nodes(root.grad_fn for root in roots):
        if type(node).__name__ != "AccumulateGrad":
            handles.append(node.register_prehook(partial(_begins, found, node)))
            handles.append(node.register_hook(partial(_ends, found, node)))
    backward()
    for handle in handles:
        handle.remove()
    return [travelled(message) for message in found.values()]


def _begins(found: dict[int, dict[str, Any]], node: Any, grad_outputs: Any) -> None:
    found[id(node)] = capture.of_node(node, grad_outputs)


def _ends(found: dict[int, dict[str, Any]], node: Any, grad_inputs: Any, grad_outputs: Any) -> None:
    found[id(node)]["grad_inputs"] = [capture.pack(item) for item in grad_inputs]


def _nodes(roots: Iterable[Any]) -> list[Any]:
    stack, found = list(roots), {}
    while stack:
        node = stack.pop()
        if node is not None and id(node) not in found:
            found[id(node)] = node
            stack.extend(child for child, _ in node.next_functions)
    return list(found.values())


def _tensors(value: Any) -> Iterator[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _tensors(item)


def both_ways(function: Callable[[], Any]) -> list[Evidence]:
    """The evidence of every operation and of every node of the backward pass."""
    ops, result = watched(function)
    return ops + differentiated(result)


def family(*modules: Any) -> Callable[[Evidence], bool]:
    """Whether an operation has its rule in one of these modules."""
    ops = {name for module in modules for name in {**module.OPS, **getattr(module, "NAMESAKES", {})}}
    nodes = {name for module in modules for name in module.NODES}
    return lambda one: one.name in ops if one.kind == "op" else one.name.rstrip(DIGITS) in nodes


def wrong(evidence: Iterable[Evidence], ours: Callable[[Evidence], bool]) -> list[tuple[str, Explanation]]:
    """What is not ✓ among the operations that are ours."""
    return [
        (one.name, shown) for one in evidence if ours(one) for shown in explain(one) if shown.verdict != "✓"
    ]


def correct(function: Callable[[], Any], *names: str) -> dict[str, list[Explanation]]:
    """Call, differentiate, and assert that the named operations and nodes are there and ✓.

    Returns the explanations of the results of each.
    """
    evidence = both_ways(function)
    found: dict[str, list[Explanation]] = {}
    for one in evidence:
        name = one.name.rstrip(DIGITS) if one.kind == "node" else one.name
        if name in names:
            found.setdefault(name, []).extend(explain(one))
    assert set(found) == set(names), [one.name for one in evidence]
    assert [shown for several in found.values() for shown in several if shown.verdict != "✓"] == []
    return found


def samples(
    name: str, dtype: torch.dtype, most: int, variant: str | None = None
) -> Iterator[Callable[[], Any]]:
    """The first calls of an operation in torch's own database of operations."""
    from torch.testing._internal.common_methods_invocations import op_db

    for op in op_db:
        if op.name == name and variant in (None, op.variant_test_name):
            inputs = op.sample_inputs("cpu", dtype, requires_grad=op.supports_autograd)
            for _, sample in zip(range(most), inputs, strict=False):
                yield partial(_sampled, op.op, sample)


def _sampled(op: Callable[..., Any], sample: Any) -> Any:
    """The outputs that are meant to be differentiated."""
    return sample.output_process_fn_grad(op(sample.input, *sample.args, **sample.kwargs))


def module_samples(name: str, dtype: torch.dtype, most: int) -> Iterator[Callable[[], Any]]:
    """The first uses of a module in torch's own database of modules, training and evaluating."""
    from torch.testing._internal.common_modules import module_db

    for info in module_db:
        if info.module_cls.__name__ == name:
            for training in (True, False):
                inputs = info.module_inputs_func(
                    info, device="cpu", dtype=dtype, requires_grad=True, training=training
                )
                for _, sample in zip(range(most), inputs, strict=False):
                    made = sample.constructor_input
                    module = info.module_cls(*made.args, **made.kwargs).to(dtype).train(training)
                    yield partial(module, *sample.forward_input.args, **sample.forward_input.kwargs)


def script(path: Path, *arguments: str) -> list[Evidence]:
    """The evidence of everything that a script computes, forwards and in its backward passes."""
    found: list[Evidence] = []

    def backward(tensor: torch.Tensor, *args: Any, **kwargs: Any) -> None:
        found.extend(_passed_back(lambda: torch.autograd.backward(tensor, *args, **kwargs), [tensor]))

    plain, argv = torch.Tensor.backward, sys.argv
    has_torch_function = torch.overrides.has_torch_function
    private.keep_fast_path()
    torch.Tensor.backward, sys.argv = backward, [str(path), *arguments]
    try:
        with _Watch() as watch:
            runpy.run_path(str(path), run_name="__main__")
    finally:
        torch.Tensor.backward, sys.argv = plain, argv
        torch.overrides.has_torch_function = has_torch_function
    return [travelled(message) for message in watch.messages] + found
