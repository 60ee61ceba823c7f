"""Makes the changes that the debugger asks for, and tells what can be changed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch.optim import Optimizer

from backprop_tui.debuggee import checkpoint
from backprop_tui.debuggee.changes import ChangeError, Changes
from backprop_tui.debuggee.changes.fork import preview_in_fork, tried
from backprop_tui.debuggee.changes.history import history_of
from backprop_tui.debuggee.changes.loss import FUNCTIONS, accepts
from backprop_tui.debuggee.changes.optimizer import choices, convert, convert_on_construction
from backprop_tui.debuggee.changes.parsing import parse_optimizer
from backprop_tui.debuggee.changes.rates import set_hyperparameter, set_lr
from backprop_tui.debuggee.changes.registry import Registry
from backprop_tui.debuggee.changes.schedule import preview, stepping
from backprop_tui.debuggee.changes.seed import seed_generators
from backprop_tui.debuggee.changes.unmet import Unmet
from backprop_tui.debuggee.changes.value import brackets, change_all, set_value, shortest
from backprop_tui.debuggee.engine import Engine
from backprop_tui.debuggee.inspection import Inspection
from backprop_tui.debuggee.observer import Observer
from backprop_tui.debuggee.recorder import rates_of
from backprop_tui.protocol import counted

Message = dict[str, Any]
NO_LOSS_SEEN = (
    "No loss function that can be swapped was seen so far: a loss that the script works out by hand, or with"
    " another function, stays as it is."
)
Answer = tuple[str, str]
"""(chip, sentence): an empty chip means that all is as the script has it."""


class Alterations:
    """The changes of one process, with the state that they need."""

    def __init__(
        self, engine: Engine, observer: Observer, changes: Changes, registry: Registry, inspection: Inspection
    ) -> None:
        self.engine = engine
        self.observer = observer
        self.changes = changes
        self.registry = registry
        self.inspection = inspection
        self.describe_next: Callable[[], Any] = lambda: None
        """The record of the operation that is about to run, as it is after a change."""
        self.next_op: Callable[[], Any] = lambda: None
        """The operation that is about to run."""
        self.made = 0
        """How many changes this process's state has taken in, those of the command line not counted."""
        self._unmet = Unmet()
        self._pending: list[Message] = []
        self._makers: dict[str, Callable[[Any], Answer]] = {
            "zero_grad": self._zero_grad,
            "loss": self._loss,
            "optimizer": self._optimizer,
            "lr": self._lr,
            "hyperparameter": self._hyperparameter,
            "scheduler": self._scheduler,
            "backward_gradient": self._backward_gradient,
            "set": self._set,
            "seed": self._seed,
        }

    # commands at a stop
    def change(self, message: Message) -> Message:
        """Make one change. Raises ChangeError, and then nothing has changed."""
        if any(op.kind == "step" for op in self.engine.open):
            raise ChangeError("not inside optimizer.step: step out of it first (f)")
        chip, sentence = self.make(message["kind"], message["value"])
        self.made += 1
        if (op := self.next_op()) is not None:
            self.observer.revise(op)
        return {"chip": chip, "message": sentence, "next": self.describe_next()}

    def make(self, kind: str, value: Any) -> Answer:
        """Make a change of a kind."""
        maker = self._makers.get(kind)
        if maker is None:
            raise ChangeError(f"there is no change {kind!r}: choose from {', '.join(self._makers)}")
        return maker(value)

    def choices(self, message: Message) -> list[str]:
        """The losses that the script's data allow, or the optimizers it can have."""
        if message["kind"] == "optimizer":
            return choices(self._chosen_optimizer(), self.registry)
        if self.observer.last_loss is None:
            return list(FUNCTIONS)
        return accepts(*self.observer.last_loss)

    def plan(self, message: Message) -> Message | None:
        """The learning rates ahead, from a copy in which the schedulers were stepped."""
        if self.changes.scheduler_off:
            return None
        if checkpoint.obstacle() is None:
            plans = preview_in_fork(self.registry, message["steps"])
        else:
            plans = preview(self.registry, message["steps"], of_copies=True)
        return self._paced(plans[0]) if plans else None

    def _paced(self, plan: Message) -> Message:
        """A plan with the iterations that will use its rates: the first, and how many each."""
        optimizer = self.registry.optimizers()[plan["optimizer"]]
        pace, iteration = history_of(optimizer).pace, max(self.engine.clock.iteration, 1)
        notes = [plan["note"]] if plan["note"] else []
        if not pace.known:
            notes.append("as if it stepped each iteration: it has not stepped yet")
        return {
            **plan,
            "now": rates_of(optimizer),
            "first": pace.next_use(iteration),
            "every": pace.every,
            "note": "; ".join(notes),
        }

    def toggles(self) -> Message:
        """The present settings."""
        optimizers = self.registry.optimizers()
        schedulers = [item for optimizer in optimizers for item in stepping(optimizer, self.registry)]
        names = " + ".join(dict.fromkeys(type(item).__name__ for item in schedulers)) or None
        rates = rates_of(optimizers[0]) if optimizers else []
        loss = self.changes.loss
        return {
            "zero_grad": self.changes.zero_grad.mode,
            "loss": (loss.name if loss is not None else None) or self.observer.loss_name,
            "optimizer": " + ".join(type(item).__name__ for item in optimizers) or None,
            "lr": rates[0] if rates else None,
            "scheduler": "off" if names and self.changes.scheduler_off else names,
            "backward_gradient": self.changes.backward_gradient,
        }

    # changes from before, on a replay
    def expect(self, pending: list[Message]) -> None:
        """Changes to make again when their time comes; those of time (0, 0) at once."""
        self._pending = sorted(pending, key=lambda change: change.get("time") or [0, 0])
        while self._pending and not self._pending[0].get("time"):
            first = self._pending.pop(0)
            self.before_script(first["kind"], first["value"])
        self.engine.on_begin = self._again if self._pending else None

    def _again(self, op: Any) -> None:
        while self._pending and [op.landmark, op.index] >= self._pending[0]["time"]:
            change = self._pending.pop(0)
            self.engine.quiet += 1
            try:
                chip, _ = self.make(change["kind"], change["value"])
                self.observer.revise(op)
                if self.engine.watch is not None:
                    self.engine.watch.altered(op, chip)
            except Exception as error:  # a saved session may be of another script
                self.observer.note(f"the change {change['kind']} could not be made again: {error}")
            finally:
                self.made += 1
                self.engine.quiet -= 1
        if not self._pending:
            self.engine.on_begin = None

    def before_script(self, kind: str, value: Any) -> None:
        """A change asked for on the command line: in force from the first line."""
        if value not in ("on", False):  # as the script has it
            self._unmet.ask(kind)
        if kind == "optimizer":
            wanted, given = parse_optimizer(value, self.registry)
            self._on_made(kind, convert_on_construction(wanted, given, self.registry))
        elif kind == "lr":
            self._on_made(kind, lambda optimizer: set_lr(optimizer, value, self.registry))
        elif kind in ("set", "seed"):
            self._when_training_begins(kind, value)
        elif kind == "scheduler":  # of which the script has made none yet
            self.changes.set_scheduler(value == "on")
        else:
            self.make(kind, value)

    def unmet(self) -> list[str]:
        """What to say at the end of changes from the command line that met nothing to change."""
        met = self.changes.met() | ({"loss"} if self.observer.swapped else set())
        return self._unmet.sentences(met)

    def _on_made(self, kind: str, action: Callable[[Optimizer], Any]) -> None:
        before = self.registry.on_made

        def made(optimizer: Optimizer) -> None:
            if before is not None:
                before(optimizer)
            action(optimizer)
            self._unmet.meet(kind)

        self.registry.on_made = made

    def _when_training_begins(self, kind: str, value: Any) -> None:
        """Not before: then a tensor has its name, and the script has seeded what it wants to seed."""

        def begun() -> None:
            self._unmet.meet(kind)
            self.make(kind, value)

        self.engine.at_training.append(begun)

    # each kind
    def _zero_grad(self, mode: str) -> Answer:
        self.changes.set_zero_grad(mode, self.observer.leaves.values())
        return ("" if mode == "on" else f"zero_grad {mode}", "")

    def _loss(self, value: Message) -> Answer:
        name, reduction = value.get("name"), value.get("reduction")
        present = self.changes.loss
        if present is not None:
            name = name or present.name
            reduction = reduction or present.reduction
        if value.get("name") is None and value.get("reduction") is None:
            name = reduction = None
        self._check_loss(name)
        self.changes.set_loss(name, reduction)
        words = [word for word in (name, reduction) if word]
        return (f"loss {' '.join(words)}" if words else "", self._about_loss())

    def _about_loss(self) -> str:
        """What is to be known of the swap that is in force; empty if nothing is."""
        swap, last = self.changes.loss, self.observer.last_loss
        if swap is None:
            return ""
        return NO_LOSS_SEEN if last is None else swap.notice(*last) or ""

    def _check_loss(self, name: str | None) -> None:
        last = self.observer.last_loss
        if name is None or last is None:
            return
        allowed = accepts(*last)
        if name not in allowed:
            raise ChangeError(f"{name} does not fit the script's data: choose from {', '.join(allowed)}")

    def _optimizer(self, text: str) -> Answer:
        optimizer = self._chosen_optimizer()
        if optimizer is None:
            raise ChangeError("the script has no optimizer")
        wanted, given = parse_optimizer(text, self.registry)
        if checkpoint.obstacle() is None:
            tried(self.registry, optimizer, lambda: convert(optimizer, wanted, given, self.registry))
        sentence = convert(optimizer, wanted, given, self.registry)
        every = self.registry.optimizers()
        others = counted(type(item).__name__ for item in every[1:])
        if others:
            sentence += f" It is the first of {len(every)} optimizers: {', '.join(others)} as before."
        return " + ".join([text, *others]), sentence

    def _chosen_optimizer(self) -> Optimizer | None:
        optimizers = self.registry.optimizers()
        return optimizers[0] if optimizers else None

    def _lr(self, value: Any) -> Answer:
        return self._for_all(lambda optimizer: set_lr(optimizer, value, self.registry), f"lr {value}")

    def _hyperparameter(self, value: Message) -> Answer:
        name, to = value["name"], value["value"]
        chip = f"{name} {to}"
        return self._for_all(lambda optimizer: set_hyperparameter(optimizer, name, to, self.registry), chip)

    def _for_all(self, action: Callable[[Optimizer], str], chip: str) -> Answer:
        sentences = [action(optimizer) for optimizer in self.registry.optimizers()]
        if not sentences:
            raise ChangeError("the script has no optimizer")
        all_of_them = [f"The same in all {len(sentences)} optimizers."] if len(sentences) > 1 else []
        return chip, " ".join(dict.fromkeys([*sentences, *all_of_them]))

    def _scheduler(self, word: str) -> Answer:
        if word not in ("on", "off"):
            raise ChangeError(f"scheduler is on or off, not {word!r}")
        if word == "off" and not any(map(self.registry.schedulers, self.registry.optimizers())):
            raise ChangeError("the script has made no scheduler")
        self.changes.set_scheduler(word == "on")
        return ("scheduler off" if word == "off" else "", "")

    def _backward_gradient(self, on: bool) -> Answer:
        self.changes.backward_gradient = bool(on)
        return ("backward(gradient=loss)" if on else "", "")

    def _set(self, value: Message) -> Answer:
        try:
            tensor = self.inspection.find(value["name"], value.get("attr", "value"))
        except LookupError as error:
            raise ChangeError(str(error)) from None
        if tensor is None:
            raise ChangeError(f"{value['name']} has no {value.get('attr')} now")
        part = "" if value.get("attr", "value") == "value" else f".{value['attr']}"
        for what in ("fill", "scale", "load"):
            if what in value:
                done = change_all(tensor, what, value[what])
                return f"{value['name']}{part} {'= ' * (what == 'load')}{done}", ""
        result = set_value(tensor, value["index"], value["to"], f"{value['name']}{part}")
        return f"{value['name']}{part}{brackets(value['index'])} = {shortest(result, tensor.dtype)}", ""

    def _seed(self, value: int) -> Answer:
        seed_generators(value)
        return f"seed {value}", ""
