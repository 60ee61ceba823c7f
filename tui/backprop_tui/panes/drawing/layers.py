"""Reads a chain of linear layers out of the observed operations: inputs, weights, activations, loss.

Anything that is not such a chain (a convolution, a branch, a sum of two paths) gives None, and the
network is drawn as a flow of operations instead.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from backprop_tui.debugger.view import View
from backprop_tui.explain.numbers import count, flat, real_values
from backprop_tui.panes.drawing.observed import Observed, observe_iteration, same_tensor, time_of
from backprop_tui.protocol import ParameterRow, Record, TensorInfo, Time

LINEAR = frozenset({"linear", "addmm", "matmul", "mm", "mv", "__matmul__", "__rmatmul__", "dot"})
ADD = frozenset({"add", "__add__", "__radd__", "add_", "__iadd__"})
TRANSPOSE = frozenset({"t", "T", "mT", "transpose", "permute", "swapaxes"})
RESHAPE = frozenset(
    {"view", "reshape", "flatten", "squeeze", "unsqueeze", "ravel", "contiguous", "to", "float", "double"}
)
LOSS_WORDS = ("loss", "cross_entropy", "kl_div")
SCALARS = frozenset({"item", "backward", "argmax", "tolist", "numpy", "__format__", "__repr__"})

Matrix = list[list[float]]
"""One row per output neuron, one column per input neuron."""


@dataclass
class Quantity:
    """One number per neuron and example: the input, or what a layer or its activation gave."""

    title: str
    info: TensorInfo
    times: set[Time] = field(default_factory=set)
    """The operations that made it or gave it another shape; empty for an input of the network."""
    grad: TensorInfo | None = None
    """∂L/∂this, once the backward pass has reached it."""
    known: bool = True
    """False if it was not computed yet in this iteration."""

    @property
    def size(self) -> int:
        """Number of neurons."""
        shape = self.info.get("shape", [])
        return shape[-1] if shape else 1

    @property
    def examples(self) -> int:
        """Number of examples in the batch, 1 if there is no batch dimension."""
        return max(1, count(self.info.get("shape", [])) // max(1, self.size))

    def value(self, neuron: int, example: int) -> Any:
        """One number, or None if it is not known."""
        return _element(self.info, self.size, neuron, example) if self.known else None

    def slope(self, neuron: int, example: int) -> Any:
        """One element of the gradient, or None if it is not known."""
        return _element(self.grad, self.size, neuron, example)


def _element(info: TensorInfo | None, size: int, neuron: int, example: int) -> Any:
    known = real_values(info)
    if known is None:
        return None
    values = flat(known)
    index = example * size + neuron
    return values[index] if index < len(values) else None


@dataclass
class Layer:
    """A linear layer and the activation after it."""

    title: str
    weight: str | None
    bias: str | None
    matrix: Matrix | None
    """None if the weights have too many elements to be known here."""
    sizes: tuple[int, int]
    """(neurons in, neurons out)"""
    dtype: str
    pre: Quantity
    transposed: bool = False
    """The script holds the weights as (in, out), not (out, in)."""
    post: Quantity | None = None
    biases: list[float] | None = None
    matrix_grad: Matrix | None = None

    @property
    def out(self) -> Quantity:
        return self.post or self.pre


@dataclass
class Loss:
    """The loss at the end of the chain."""

    title: str
    times: set[Time]
    value: Any = None
    dtype: str = "float32"
    target: TensorInfo | None = None


@dataclass
class Chain:
    """input → layers → loss"""

    start: Quantity
    layers: list[Layer]
    loss: Loss | None = None

    @property
    def quantities(self) -> list[Quantity]:
        """One per column of neurons."""
        return [self.start, *(layer.out for layer in self.layers)]

    @property
    def sizes(self) -> list[int]:
        """Neurons per column."""
        return [self.layers[0].sizes[0], *(layer.sizes[1] for layer in self.layers)]


def read_chain(view: View, seen: Observed) -> Chain | None:
    """The chain of the last forward pass, extended by the layers that have not run yet."""
    rows = {row["name"]: row for row in view.parameters if row.get("name")}
    reader = _Reader(seen, rows)
    chain = reader.read()
    if reader.broken:
        return None
    template = _template(view, seen, rows)
    if chain is None:
        chain = template
        if chain is not None:
            _take_input(chain, seen)
    elif template is not None:
        _extend(chain, template)
    if chain is not None:
        _take_parameters(chain, rows)
        chain.loss = chain.loss or Loss(view.toggles.loss or "loss", set())
    return chain


def _template(view: View, seen: Observed, rows: dict[str | None, ParameterRow]) -> Chain | None:
    """The chain of the iteration before, or else the one that the shapes of the weights suggest."""
    reader = _Reader(observe_iteration(view, seen.iteration - 1), rows)
    chain = reader.read()
    if chain is None:
        return None if reader.broken else _guess(view.parameters)
    for quantity in [*(q for layer in chain.layers for q in (layer.pre, layer.post) if q), chain.start]:
        quantity.known, quantity.grad = False, None
        quantity.times = set()
    if chain.loss:
        chain.loss.value = None
        chain.loss.times = set()
    return chain


def _take_input(chain: Chain, seen: Observed) -> None:
    """The forward pass has begun, or is next: its input is known before any layer has run."""
    for record in seen.forward:
        data = _given(record, chain.layers[0].weight)
        if data is not None and (data.get("shape") or [1])[-1] == chain.sizes[0]:
            chain.start = Quantity(data.get("name") or "input", data)
            return


def _given(record: Record, weight: str | None) -> TensorInfo | None:
    """What a module is called with, or what an operation combines with the weights of the first layer.

    What any other operation reads (to fill the weights, to print the loss) is no input of the network.
    """
    inputs = record.get("inputs") or []
    if record["kind"] in ("forward", "module"):
        return inputs[0] if inputs else None
    names = [info.get("name") for info in inputs]
    if record["kind"] != "op" or record["name"] not in LINEAR or weight is None or weight not in names:
        return None
    return _data_input(record, inputs, names.index(weight))


def _extend(chain: Chain, template: Chain) -> None:
    """Append to an unfinished pass what the same network did last time."""
    done = len(chain.layers)
    if [layer.weight for layer in chain.layers] != [layer.weight for layer in template.layers[:done]]:
        return
    if chain.layers[-1].post is None:
        chain.layers[-1].post = template.layers[done - 1].post
    chain.layers += template.layers[done:]
    chain.loss = chain.loss or template.loss


def _guess(parameters: tuple[ParameterRow, ...]) -> Chain | None:
    """Weights of nn.Linear whose shapes join end to end."""
    layers: list[Layer] = []
    for row in parameters:
        name, shape = row.get("name") or "", row["value"].get("shape", [])
        if row.get("role") != "parameter" or (len(shape) == 1 and name.endswith("bias")):
            continue
        if len(shape) != 2 or not name.endswith("weight") or (layers and layers[-1].sizes[1] != shape[1]):
            return None
        module = name.rpartition(".")[0]
        pre = Quantity(short_module(module), {"shape": [shape[0]]}, known=False)
        layers.append(Layer(pre.title, name, f"{module}.bias", None, (shape[1], shape[0]), "float32", pre))
    if not layers:
        return None
    return Chain(Quantity("input", {"shape": [layers[0].sizes[0]]}, known=False), layers)


def short_module(name: str | None) -> str:
    """The end of a module's name: ``layers.0`` of ``model.layers.0``, ``linear1`` of ``net.linear1``."""
    parts = (name or "").split(".")
    return ".".join(parts[-2:]) if parts[-1].isdigit() and len(parts) > 1 else parts[-1]


def _take_parameters(chain: Chain, rows: dict[str | None, ParameterRow]) -> None:
    for layer in chain.layers:
        row = rows.get(layer.weight) if layer.weight else None
        if row is not None:
            layer.dtype = row["value"].get("dtype", "float32")
            layer.matrix = _matrix(row["value"], layer.transposed) or layer.matrix
            layer.matrix_grad = _matrix(row.get("grad"), layer.transposed)
        bias = rows.get(layer.bias) if layer.bias else None
        if bias is not None and real_values(bias["value"]) is not None:
            layer.biases = flat(bias["value"]["values"])


def _matrix(info: TensorInfo | None, transposed: bool) -> Matrix | None:
    values = real_values(info)
    if info is None or values is None:
        return None
    rows = values if len(info.get("shape", [])) == 2 else [flat(values)]
    if transposed and len(info.get("shape", [])) == 1:
        return rows
    return [list(column) for column in zip(*rows, strict=True)] if transposed else rows


def is_of(seen: Observed, info: TensorInfo, quantity: Quantity) -> bool:
    """Whether a tensor is this quantity: made by its operation or, if its maker is unknown, equal to it."""
    maker = seen.maker(info)
    return maker in quantity.times if maker else same_tensor(info, quantity.info)


class _Reader:
    """Follows the values from operation to operation."""

    def __init__(self, seen: Observed, rows: dict[str | None, ParameterRow]) -> None:
        self.seen = seen
        self.rows = rows
        self.chain: Chain | None = None
        self.broken = False
        self.current: Quantity | None = None
        self.tail: Quantity | None = None
        self.turned: dict[Time, TensorInfo] = {}
        """Parameters seen through a transposition."""
        self.left: set[Time] = set()
        """Results that depend on parameters by a way that is not followed: other branches, other layers."""

    def read(self) -> Chain | None:
        for record in self.seen.forward:
            if record["kind"] == "op" and record.get("outputs") and record["name"] not in SCALARS:
                self._operation(record)
            if self.broken:
                return None
        if self.seen.next and self.seen.next["kind"] == "op" and self.chain and not self.chain.loss:
            self._expect_loss(self.seen.next)
        return self.chain

    def _operation(self, record: Record) -> None:
        inputs = record.get("inputs") or []
        if record["name"] in TRANSPOSE and len(inputs) >= 1 and self._is_parameter(inputs[0]):
            self.turned[time_of(record)] = inputs[0]
            return
        weight = self._weight(record, inputs)
        if weight is not None:
            self._linear(record, inputs, weight)
        elif self.tail is not None and any(self._is(info, self.tail) for info in inputs):
            self._follow_tail(record)
        elif self.current is not None and any(self._is(info, self.current) for info in inputs):
            self._follow(record, inputs)
        elif any(self._is_parameter(info) or self.seen.maker(info) in self.left for info in inputs):
            self.left.add(time_of(record))

    def _is_parameter(self, info: TensorInfo) -> bool:
        if info.get("name") in self.rows:
            return self.rows[info.get("name")].get("role", "parameter") == "parameter"
        return bool(info.get("leaf") and info.get("requires_grad"))

    def _weight(self, record: Record, inputs: list[TensorInfo]) -> tuple[int, TensorInfo, bool] | None:
        """(position, parameter, whether it is held as (in, out)) of the weights of a linear operation."""
        if record["name"] not in LINEAR:
            return None
        for position, info in enumerate(inputs):
            turned = self.turned.get(self.seen.maker(info) or (-1, -1))
            parameter = turned or (info if self._is_parameter(info) else None)
            if parameter is None or len(parameter.get("shape", [])) > 2:
                continue
            if position == 0 and record["name"] in ("linear", "addmm"):
                continue
            if position == 2 and record["name"] == "linear":
                continue
            first = record["name"] != "linear" and position == 0
            inverted = record["name"] != "linear" and not first
            return position, parameter, inverted != (turned is not None)
        return None

    def _linear(self, record: Record, inputs: list[TensorInfo], found: tuple[int, TensorInfo, bool]) -> None:
        at, weight, turned = found
        data = _data_input(record, inputs, at)
        if data is None:
            self.broken = True
            return
        if self.current is None or not self._is(data, self.current):
            self._begin(data)
        assert self.chain is not None
        shape = weight.get("shape", [])
        across = shape if len(shape) == 2 else [1, *shape]
        sizes = (across[0], across[1]) if turned and len(shape) == 2 else (across[1], across[0])
        title = short_module(record.get("module")) or weight.get("name") or record["name"]
        pre = self._made(title, record)
        bias = _bias(record, inputs, at)
        self.chain.layers.append(
            Layer(
                title,
                weight.get("name"),
                bias.get("name") if bias else None,
                _matrix(weight, turned),
                sizes,
                weight.get("dtype", "float32"),
                pre,
                turned,
                biases=flat(bias["values"]) if bias and real_values(bias) is not None else None,
            )
        )
        self.current, self.tail, self.chain.loss = pre, None, None

    def _begin(self, data: TensorInfo) -> None:
        """A new pass through the network: the earlier one is not followed further."""
        if self.chain is not None:
            for layer in self.chain.layers:
                self.left |= layer.out.times
        if self.seen.maker(data) in self.left:
            self.broken = True
        self.chain = Chain(Quantity(data.get("name") or "input", data), [])

    def _made(self, title: str, record: Record) -> Quantity:
        return Quantity(title, record["outputs"][0], {time_of(record)}, self.seen.gradient(record))

    def _is(self, info: TensorInfo, quantity: Quantity) -> bool:
        if self._is_parameter(info):
            return False
        return is_of(self.seen, info, quantity)

    def _follow(self, record: Record, inputs: list[TensorInfo]) -> None:
        assert self.current is not None and self.chain is not None
        if record["name"] in ADD and self._adds_bias(record, inputs):
            return
        output = record["outputs"][0]
        if _is_loss(record):
            self._loss(record, inputs)
        elif len(inputs) > 1 or (count(output["shape"]) == 1 != count(self.current.info["shape"])):
            self._begin_tail(record, inputs)
        elif record["name"] in RESHAPE:
            self.current.times.add(time_of(record))
        elif output["shape"] == self.current.info["shape"]:
            self._activation(record)
        else:
            self.broken = True

    def _adds_bias(self, record: Record, inputs: list[TensorInfo]) -> bool:
        assert self.chain is not None and self.current is not None
        layer = self.chain.layers[-1]
        others = [info for info in inputs if self._is_parameter(info)]
        same_shape = record["outputs"][0]["shape"] == self.current.info["shape"]
        if not others or layer.post or layer.bias or not same_shape:
            return False
        layer.bias = others[0].get("name")
        layer.biases = flat(others[0]["values"]) if real_values(others[0]) is not None else None
        times = layer.pre.times
        layer.pre = self._made(layer.title, record)
        layer.pre.times |= times
        self.current = layer.pre
        return True

    def _activation(self, record: Record) -> None:
        assert self.chain is not None
        layer = self.chain.layers[-1]
        title = record["name"] if layer.post is None else f"{layer.post.title} · {record['name']}"
        layer.post = self._made(title.rstrip("_"), record)
        self.current = layer.post

    def _loss(self, record: Record, inputs: list[TensorInfo]) -> None:
        assert self.chain is not None and self.current is not None
        current = self.current
        target = next((info for info in inputs if not self._is(info, current)), None)
        target = target or (inputs[1] if len(inputs) > 1 else None)
        output = record["outputs"][0]
        self.chain.loss = Loss(record["name"], {time_of(record)}, _scalar(output), output["dtype"], target)
        self.tail = Quantity("loss", output, {time_of(record)})

    def _begin_tail(self, record: Record, inputs: list[TensorInfo]) -> None:
        """A loss worked out by hand: its first operation compares the output with the target."""
        if any(self._is_parameter(info) or self.seen.maker(info) in self.left for info in inputs):
            self.broken = True
            return
        self._loss(record, inputs)

    def _follow_tail(self, record: Record) -> None:
        assert self.chain is not None and self.chain.loss is not None and self.tail is not None
        output = record["outputs"][0]
        loss = self.chain.loss
        loss.title = f"{loss.title} · {record['name']}"
        loss.times.add(time_of(record))
        loss.value = _scalar(output)
        self.tail = Quantity("loss", output, {time_of(record)})

    def _expect_loss(self, record: Record) -> None:
        """The next operation is the loss: its target is known before its value."""
        inputs = record.get("inputs") or []
        assert self.chain is not None
        if self.current is None or not any(self._is(info, self.current) for info in inputs):
            return
        others = [info for info in inputs if not self._is(info, self.current or Quantity("", {}))]
        if _is_loss(record) and others:
            self.chain.loss = Loss(record["name"], {time_of(record)}, None, others[0]["dtype"], others[0])


def _data_input(record: Record, inputs: list[TensorInfo], weight: int) -> TensorInfo | None:
    first = 1 if record["name"] == "addmm" else 0
    others = [info for position, info in enumerate(inputs) if position != weight and position >= first]
    return others[0] if others else None


def _bias(record: Record, inputs: list[TensorInfo], weight: int) -> TensorInfo | None:
    if record["name"] == "addmm":
        return inputs[0]
    return inputs[2] if record["name"] == "linear" and len(inputs) > 2 and weight != 2 else None


def _is_loss(record: Record) -> bool:
    return any(word in record["name"] for word in LOSS_WORDS)


def _scalar(info: TensorInfo) -> Any:
    values = real_values(info)
    return flat(values)[0] if values is not None and count(info.get("shape", [])) == 1 else None
