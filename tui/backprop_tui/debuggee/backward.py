"""Sees every backward pass, node by node.

All of them (`Tensor.backward`, `autograd.backward`, `autograd.grad`, a checkpoint's recomputation,
`torch.func.grad`) enter autograd's engine through one Python function. Every node that can be
reached from the roots gets a hook before it (its incoming gradients) and one after it (its outgoing);
where nobody looks at them, they are only counted.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, wraps
from typing import Any

import torch

from backprop_tui.debuggee import counting, graph, private
from backprop_tui.debuggee.changes.wrapping import transparent
from backprop_tui.debuggee.engine import Engine
from backprop_tui.debuggee.frames import calling_frame
from backprop_tui.debuggee.observer import Observer
from backprop_tui.debuggee.op import Op, OwnFunction
from backprop_tui.protocol import OPERATION, PHASE


class Backward:
    """The patches around autograd's engine."""

    def __init__(self, engine: Engine, observer: Observer) -> None:
        self.engine = engine
        self.observer = observer
        self._surprised = False
        """Code of the script's has run operations between the nodes of a pass."""

    def install(self) -> None:
        """Patch the engine's entry and what calls it."""
        private.register_light_hooks()
        private.wrap_engine(self._wrap_engine)
        torch.Tensor.backward = self._outside_modes(torch.Tensor.backward)  # type: ignore[method-assign]
        torch.autograd.backward = self._outside_modes(torch.autograd.backward)
        torch.autograd.grad = self._outside_modes(torch.autograd.grad)
        apply = torch.autograd.Function.apply.__func__  # type: ignore[attr-defined]
        torch.autograd.Function.apply = classmethod(self._wrap_apply(apply))  # type: ignore[assignment, method-assign]

    def _outside_modes(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """Call with our mode off the stack, so that the call is not one torch function as a whole.

        After it the stack is what observation wants by then: a landmark may have switched it.
        """
        observer, engine = self.observer, self.engine

        @transparent
        @wraps(original)
        def call(*args: Any, **kwargs: Any) -> Any:
            if not observer.stacked:
                if engine.passes or engine.caller is not None or not engine.ours():
                    return original(*args, **kwargs)
                engine.caller = calling_frame()
                try:
                    return original(*args, **kwargs)
                finally:
                    engine.caller = None
            if not engine.ours() or engine.in_function:
                return original(*args, **kwargs)
            private.remove(observer)
            observer.stacked = False
            try:
                return original(*args, **kwargs)
            finally:
                observer.sync()

        return call

    def _wrap_engine(self, original: Callable[..., Any]) -> Callable[..., Any]:
        engine = self.engine

        @transparent
        @wraps(original)
        def run_backward(t_outputs: Any, *args: Any, **kwargs: Any) -> Any:
            if not engine.ours() or private.inside_transform():
                return original(t_outputs, *args, **kwargs)
            unobserved = not engine.observing
            run = self._plainly if unobserved else self._observed
            engine.passes += 1
            try:
                if unobserved and engine.passes == 1 and engine.conditions.armed:
                    engine.conditions.backward_begins(t_outputs)
                result = run(original, t_outputs, args, kwargs)
            finally:
                engine.passes -= 1
            if engine.passes == 0:
                engine.backward_done(t_outputs)
                if unobserved and engine.observing:
                    self._remember_leaves(t_outputs)
            return result

        return run_backward

    def _remember_leaves(self, roots: Any) -> None:
        """What is done to them after this pass is an update, and may already be observed."""
        self.engine.quiet += 1
        leaves = graph.leaves(roots)
        self.engine.quiet -= 1
        self.observer.reach(leaves)

    @transparent
    def _observed(self, original: Any, t_outputs: Any, args: Any, kwargs: Any) -> Any:
        engine = self.engine
        name = "backward" if kwargs.get("accumulate_grad") else "grad"
        op = engine.begin(PHASE if engine.passes == 1 else OPERATION, "backward", name, list(t_outputs))
        args = self._changed(t_outputs, args, kwargs)  # which a stop before it may have decided
        if engine.passes == 1 and engine.conditions.armed:
            engine.conditions.backward_begins(t_outputs)
        overlooked = not self._surprised and engine.overlooks("backward")
        counted = self._count(t_outputs, args) if overlooked else None
        run = self._hooked if counted is None else partial(self._counted, *counted)
        try:
            result = run(op, original, t_outputs, args, kwargs)
        except BaseException as error:
            engine.fail(op, error)
            raise
        engine.end(op, result)
        return result

    @transparent
    def _hooked(self, op: Op, original: Any, t_outputs: Any, args: Any, kwargs: Any) -> Any:
        """Run a pass and see each of its nodes."""
        engine, clock = self.engine, self.engine.clock
        begun = clock.landmark, clock.operation
        looked_at = engine.recording or engine.watch is not None
        hooks = Hooks(engine, looked_at, bool(args[1:2] != (False,)))
        hooks.install(t_outputs)
        op.leaves = hooks.leaves
        if engine.passes == 1:
            self.observer.reach(hooks.leaves)
            self._announce(t_outputs, args[0])
        try:
            result = self._with_mode(original, t_outputs, args, kwargs)
        finally:
            hooks.remove()
        hooks.finish()
        self._surprised |= (clock.landmark, clock.operation - hooks.begun) != begun
        return result

    def _count(self, t_outputs: Any, args: Any) -> tuple[int, list[torch.Tensor]] | None:
        self.engine.quiet += 1
        try:
            return counting.backward_nodes(t_outputs, args[3:4] != ((),), self.engine.conditions.seek_node)
        finally:
            self.engine.quiet -= 1

    @transparent
    def _counted(
        self, nodes: int, leaves: Any, op: Op, original: Any, t_outputs: Any, args: Any, kwargs: Any
    ) -> Any:
        """Run a pass of so many nodes at which nobody looks. Hooks of the script's may yet run operations
        between them: their place is not known, and from the next pass on all nodes are looked at."""
        engine, clock = self.engine, self.engine.clock
        if engine.passes == 1:
            self.observer.reach(leaves)
        before, begun, operations = clock.begin_whole(), (clock.landmark, clock.operation), None
        try:
            result = self._with_mode(original, t_outputs, args, kwargs)
            operations = nodes
        finally:
            self._surprised |= (clock.landmark, clock.operation) != begun
            clock.end_whole(before, operations)
        return result

    def _announce(self, t_outputs: Any, given: Any) -> None:
        engine = self.engine
        if engine.on_backward is not None:
            engine.quiet += 1
            try:
                engine.on_backward(t_outputs, given)
            finally:
                engine.quiet -= 1

    @transparent
    def _plainly(self, original: Any, t_outputs: Any, args: Any, kwargs: Any) -> Any:
        return original(t_outputs, *self._changed(t_outputs, args, kwargs), **kwargs)

    def _changed(self, t_outputs: Any, args: Any, kwargs: Any) -> Any:
        """The arguments of an outermost pass, as the changes in force want them."""
        if self.engine.passes > 1:
            return args
        return self.observer.changes.gradient_arguments(t_outputs, args, kwargs)

    @transparent
    def _with_mode(self, original: Any, t_outputs: Any, args: Any, kwargs: Any) -> Any:
        """Operations inside a node (custom functions, recomputation) are to be seen too."""
        observer = self.observer
        push = not private.stacked(observer)
        if push:
            private.push_below(observer)
        try:
            return original(t_outputs, *args, **kwargs)
        finally:
            if push:
                private.remove(observer)

    def _wrap_apply(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """A custom function's `apply` is no torch function: announce it ourselves."""
        engine = self.engine

        @transparent
        @wraps(original)
        def apply(cls: Any, *args: Any, **kwargs: Any) -> Any:
            if not engine.observing or not engine.ours() or not self.observer.stacked:
                return original(cls, *args, **kwargs)
            op = engine.begin(OPERATION, "op", cls.__name__, OwnFunction((args, kwargs)))
            try:
                result = original(cls, *args, **kwargs)
            except BaseException as error:
                engine.fail(op, error)
                raise
            if engine.recording:
                engine.recorder.made_nodes(op, private.sequence_number())
            engine.end(op, result)
            return result

        return apply


class Hooks:
    """The hooks of one backward pass.

    They hold numbers and strings only, never a node or a tensor that outlives the pass: a cycle through
    C++ would leak the whole graph. ``both``: also hook what comes after a node; without that a node's
    operation ends when the next begins, which is enough to count them.
    """

    def __init__(self, engine: Engine, both: bool, retained: bool) -> None:
        self.engine = engine
        self._depth = engine.passes
        """Passes within one another, up to this one. A leaf, or a node that is used again, may have hooks of
        several: only those of the pass that runs it answer."""
        self._retained = retained
        """The graph outlives the pass, and its hooks must not."""
        self._both = both
        self.leaves: list[torch.Tensor] = []
        self._accumulators: list[Any] = []
        """That of a leaf which is a root itself would be gone, and its hooks, if nobody held it."""
        self._handles: list[Any] = []
        self._removed = False
        self.begun = 0
        """So many nodes have."""
        self._open: list[Op] = []

    def install(self, roots: Any) -> None:
        """Hook every node that the roots' gradients can reach."""
        engine = self.engine
        engine.quiet += 1
        try:
            for node in graph.reachable(roots):
                self._hook(node)
        finally:
            engine.quiet -= 1

    def _hook(self, node: Any) -> None:
        lasts = self._retained
        if graph.is_accumulator(node):
            lasts = True
            self.leaves.append(node.variable)
            self._accumulators.append(node)
            before = private.NodeHook(self._accumulate_begins, len(self.leaves) - 1)
        else:
            before = private.NodeHook(self._node_begins, type(node).__name__, private.node_sequence(node))
        handle = node.register_prehook(before)
        if lasts:
            self._handles.append(handle)
        if self._both:
            handle = node.register_hook(private.NodeHook(self._ends))
            if lasts:
                self._handles.append(handle)

    def _node_begins(self, name: str, sequence: int, grad_outputs: Any) -> None:
        if self.engine.passes != self._depth:
            return
        if not self._both:
            self._ends(None, None)
        if self._removed:
            return
        if not self.engine.quiet:
            self._begin("node", name, (sequence, None, grad_outputs))

    def _accumulate_begins(self, index: int, grad_outputs: Any) -> None:
        if self.engine.passes != self._depth:
            return
        if not self._both:
            self._ends(None, None)
        if not self.engine.quiet:
            self._begin("accumulate", "AccumulateGrad", (0, self.leaves[index], grad_outputs))

    def _begin(self, kind: str, name: str, inputs: Any) -> None:
        engine = self.engine
        self.begun += 1
        op = engine.begin(OPERATION, kind, name, inputs)
        if not engine.recording and engine.watch is None:
            # autograd copies a gradient that somebody else holds before it keeps it or adds to it
            op.inputs = (*inputs[:2], ())
        self._open.append(op)

    def _ends(self, grad_inputs: Any, grad_outputs: Any) -> None:
        if self._open and self.engine.passes == self._depth:
            op = self._open.pop()
            self.engine.end(op, grad_inputs)
            op.inputs = None

    def finish(self) -> None:
        """The pass is over, and with it its last node."""
        while self._open:
            self._ends(None, None)

    def remove(self) -> None:
        """Take the hooks off: nodes of leaves outlive the pass."""
        for handle in self._handles:
            handle.remove()
        self._handles.clear()
        self._removed = True
        self._accumulators.clear()
        self.leaves = []
