"""The table of parameters at a stop, and what of it is different from what was sent last."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch

from backprop_tui.debuggee import private
from backprop_tui.debuggee.describe import SUMMARISED, scalar_of
from backprop_tui.debuggee.descriptions import Descriptions
from backprop_tui.debuggee.inspection import Inspection
from backprop_tui.debuggee.names import tensor_variables
from backprop_tui.debuggee.recorder import Recorder
from backprop_tui.protocol import ParameterRow, TableNews, TensorInfo

_Owner = tuple[Any, Any]
"""An optimizer, and the learning rate that it has for a parameter."""


class Table:
    """Rows as the debugger shows them. A large model has many, of which a step changes few."""

    def __init__(self, inspection: Inspection, recorder: Recorder, token: Callable[[], int]) -> None:
        """``token``: that of the message which woke this process, to tell its tables from another's."""
        self._inspection = inspection
        self._recorder = recorder
        self._token = token
        self._descriptions = Descriptions()
        self._sent: list[ParameterRow] = []
        self._count = 0
        self.id: str | None = None
        """Which table was sent last: by this process, or by the one that it is a copy of."""

    def news(self) -> TableNews:
        """Parameters, other leaves that require a gradient, and buffers, with gradients and state."""
        since, before, rows = self.id, self._sent, self._rows()
        self._count += 1
        self._sent, self.id = rows, f"{self._token()}.{self._count}"
        return {"id": self.id, "since": since, "rows": list(_changes(before, rows))}

    def whole(self) -> TableNews:
        """All rows, in answer to a question: nobody may be there to remember them."""
        return {"id": None, "since": None, "rows": list(self._rows())}

    def know(self, table: str | None) -> None:
        """Which table the debugger has: if that is not the one sent last, the next is sent whole."""
        if table != self.id:
            self._sent, self.id = [], None

    def _rows(self) -> list[ParameterRow]:
        owners = self._owners()
        rows = [self._row(name, tensor, owners) for name, tensor in self._inspection.lasting()]
        self._descriptions.forget_unused()
        return rows

    def _owners(self) -> dict[int, _Owner]:
        """By id of a parameter; the last of several optimizers."""
        owners: dict[int, _Owner] = {}
        for optimizer in self._inspection.optimizers():
            for group in optimizer.param_groups:
                rate = scalar_of(group.get("lr"))
                if rate is not None:
                    owners.update(dict.fromkeys(map(id, group["params"]), (optimizer, rate)))
        return owners

    def tensors(self, message: dict[str, Any]) -> list[ParameterRow]:
        """Every tensor that the script's variables lead to and that is no parameter."""
        lasting = {id(tensor) for _, tensor in self._inspection.lasting()}
        return [
            self._row(name, tensor, {}) | {"role": "tensor"}
            for name, tensor in tensor_variables()
            if id(tensor) not in lasting
        ]

    def _row(self, name: str | None, tensor: torch.Tensor, owners: dict[int, _Owner]) -> ParameterRow:
        grad = tensor.grad if tensor.is_leaf else None
        optimizer, rate = owners.get(id(tensor), (None, None))
        # `functional_call` puts other tensors in the place of a module's parameters for a while.
        own = tensor.is_leaf and tensor.requires_grad and not private.is_wrapped(tensor)
        trained = own or isinstance(tensor, torch.nn.Parameter)
        return {
            "name": name,
            "role": "parameter" if trained else "buffer",
            "value": self._info(tensor, name),
            "grad": None if grad is None else self._info(grad),
            "optimizer": None if optimizer is None else type(optimizer).__name__,
            "lr": rate,
            "state": self._recorder.state(optimizer, tensor, self._outline),
        }

    def _info(self, tensor: torch.Tensor, name: str | None = None) -> TensorInfo:
        return self._descriptions.info(tensor, name, self._recorder.limit, SUMMARISED)

    def _outline(self, tensor: torch.Tensor) -> TensorInfo:
        """Without the summary of a large one."""
        return self._descriptions.info(tensor, None, self._recorder.limit, 0)


def _changes(before: list[ParameterRow], rows: list[ParameterRow]) -> Iterator[ParameterRow | list[int]]:
    """Rows that are different from those in their places; of the others the places, as [first, end]."""
    run: list[int] = []
    for place, row in enumerate(rows):
        if place < len(before) and before[place] == row:
            run = [run[0] if run else place, place + 1]
            continue
        if run:
            yield run
            run = []
        yield row
    if run:
        yield run
