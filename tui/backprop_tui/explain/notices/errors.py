"""Errors of torch that say what people often get wrong."""

from __future__ import annotations

import re
from collections.abc import Callable

from backprop_tui.explain.notices.detector import Detector, Handlers
from backprop_tui.explain.notices.notice import Give
from backprop_tui.explain.notices.past import Past
from backprop_tui.explain.notices.words import called, listed
from backprop_tui.protocol import OPERATION, Record, Time

_ERRORS: dict[str, tuple[str, str]] = {
    "NoneType' object has no attribute 'zero_'": (
        "grad-none",
        "there is no gradient to set to 0: .grad is None until the first backward() and after zero_grad()",
    ),
    "backward through the graph a second time": (
        "backward-twice",
        "{what} needs values of a graph that an earlier backward pass has freed",
    ),
    "modified by an inplace operation": ("saved-tensor-changed", "{change}"),
    "does not require grad and does not have a grad_fn": (
        "graph-cut",
        "{what} finds no history behind {input}: {cut}",
    ),
    "a leaf Variable that requires grad": (
        "update-made-a-new-tensor",
        "{what} would change the leaf {input} in place, where autograd would have to record it",
    ),
    "as parameter '": (
        "update-made-a-new-tensor",
        "a plain tensor cannot take the place of a parameter: {error}",
    ),
    "all elements of input should be between 0 and 1": (
        "saturated-bce",
        "{what} wants numbers from 0 to 1, and {input} has not been through a sigmoid",
    ),
    "must have the same dtype": ("dtype", "{what} is given two dtypes: {dtypes}"),
    "expected target dtype": ("dtype", "{what} wants class numbers of dtype int64: {dtypes}"),
    "multi-target not supported": ("dtype", "{what} wants one class number per sample: {dtypes}"),
    "IndexError: Target ": ("dtype", "{what} meets a class that does not exist: {error}"),
    "can't be cast to the desired output type": ("dtype", "{what} cannot mix these dtypes: {dtypes}"),
    "expected scalar type": ("dtype", "{what} is given two dtypes: {dtypes}"),
    "Expected floating point type for target": (
        "dtype",
        "{what} wants probabilities or class numbers: {dtypes}",
    ),
    "Expected more than 1 value per channel": (
        "batch-of-one",
        "batch norm in training mode is given {shape}: one value per channel has no variance",
    ),
    "grad can be implicitly created only for scalar outputs": (
        "reduction",
        "backward() was called on a tensor of more than one element",
    ),
    "unscale_() has already been called": (
        "clip-order",
        "unscale_() was called twice on one optimizer before its step",
    ),
    "The specified number of total steps is": ("schedule-past-end", "{what} is over: {error}"),
    "missing 1 required positional argument: 'metrics'": (
        "schedule-misused",
        "ReduceLROnPlateau.step() was called without the metric that it watches",
    ),
    "must support momentum or beta1": (
        "schedule-misused",
        "this scheduler moves a momentum that the optimizer lacks",
    ),
    "param 'initial_lr' is not specified": (
        "schedule-misused",
        "a scheduler is told to go on (last_epoch) with an optimizer that never had one",
    ),
    "optimizer got an empty parameter list": ("optimizer-empty", "this optimizer was given no parameter"),
    "can't optimize a non-leaf Tensor": (
        "optimizer-of-non-leaf",
        "this optimizer was given the result of an operation",
    ),
    "appear in more than one parameter group": (
        "duplicate-parameters",
        "a parameter is in two groups of this optimizer",
    ),
}
"""Fragment of the message that torch keeps from version to version: (notice, sentence)."""

_SHAPE = re.compile(r"\[torch\.\w+ \[([\d, ]*)\]\]")


class Errors(Detector):
    """Notices about exceptions: of operations, and the one that ends the script."""

    def __init__(self, past: Past, give: Give) -> None:
        super().__init__(past, give)
        self._told: str | None = None
        """The last error: it passes through everything around the operation that raised it."""

    def handlers(self) -> Handlers:
        return {"error": self._failed}

    def _failed(self, record: Record) -> None:
        error = record["error"]
        if error == self._told:
            return
        for fragment, (name, sentence) in _ERRORS.items():
            if fragment in error:
                self._told = error
                self.give(name, record, self._filled(sentence, record))
                return

    def _filled(self, sentence: str, record: Record) -> str:
        words: dict[str, Callable[[Record], str]] = {
            "{what}": _what,
            "{input}": _input,
            "{dtypes}": _dtypes,
            "{shape}": _shape,
            "{error}": _message,
            "{change}": self._change,
            "{cut}": self._cut,
        }
        for word, fill in words.items():
            if word in sentence:
                sentence = sentence.replace(word, fill(record))
        return sentence

    def _change(self, record: Record) -> str:
        """Which operation changed the tensor that the message describes by its shape."""
        found = _SHAPE.search(record["error"])
        shape = sorted(int(item) for item in found[1].split(",") if item.strip()) if found else None
        for write in reversed(self.past.writes):
            info = (
                write.get("before")
                if write["kind"] == "update"
                else next(iter(write.get("outputs", ())), None)
            )
            if info is not None and sorted(info.get("shape", [])) == shape:
                return (
                    f"backward() needs {_named(write)} as it was before {_writer(write)} (line "
                    f"{write.get('line')}) changed it in place"
                )
        return "backward() needs a tensor as it was before an operation changed it in place"

    def _cut(self, record: Record) -> str:
        """Why nothing can be behind a loss, as far as this iteration has shown it."""
        frozen = list(self.past.frozen or ())
        if not frozen:
            return "something between the parameters and it cut the graph"
        return (
            f"none of the parameters that were read requires a gradient ({listed(frozen)}: "
            "requires_grad=False)"
        )


def _named(write: Record) -> str:
    if write["kind"] == "update":
        return _changed(write)
    return called(write["outputs"][0], "tensor")


def _writer(write: Record) -> str:
    return (
        f"{write.get('optimizer')}.step()"
        if write.get("optimizer") not in (None, "manual")
        else write["name"]
    )


def _what(record: Record) -> str:
    return f"{record['name']}()" if record["kind"] == "backward" else record["name"]


def _input(record: Record) -> str:
    inputs = record.get("inputs", [])
    return (
        called(inputs[0], "root" if record["kind"] == "backward" else "input") if inputs else _changed(record)
    )


def _changed(record: Record) -> str:
    return record.get("parameter") or record.get("tensor") or "a tensor"


def _dtypes(record: Record) -> str:
    found = [
        f"{called(info, 'input')} is {info.get('dtype')} {info.get('shape')}"
        for info in record.get("inputs", ())[:3]
    ]
    return ", ".join(found) or _message(record)


def _shape(record: Record) -> str:
    inputs = record.get("inputs", [])
    return f"shape {inputs[0].get('shape')}" if inputs else "one sample"


def _message(record: Record) -> str:
    """What the exception says, without its type."""
    return record["error"].partition(": ")[2].strip().rstrip(".")


def crash_record(traceback: str, time: Time, iteration: int, file: str | None, line: int | None) -> Record:
    """The exception that ended the script, in the form of a record: no operation may have raised it."""
    lines = traceback.rstrip().splitlines()
    starts = [number for number, text in enumerate(lines) if re.match(r"[A-Za-z_][\w.]*(: |$)", text)]
    error = "\n".join(lines[starts[-1] :]) if starts else ""
    return {
        "time": list(time),
        "iteration": iteration,
        "number": 0,
        "depth": 0,
        "level": OPERATION,
        "kind": "crash",
        "name": error.partition(":")[0],
        "file": file,
        "line": line,
        "module": None,
        "error": error,
    }
