"""What several detectors remember: which operation made which tensor, and what was written in place."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from backprop_tui.explain.numbers import known
from backprop_tui.protocol import Record, TensorInfo, Time

_KEPT = 5_000
"""Operations; more than that are forgotten, oldest half first."""
_WRITES = 64
_STEPS = 20
"""How far an origin is looked for."""
_OUTER = frozenset({"module", "forward", "loss"})
_SAME = frozenset({"to", "type", "float", "cpu", "contiguous", "dropout", "cuda"})
"""Functions that may hand back the tensor that they were given."""
VIEWS = frozenset(
    {"view", "reshape", "squeeze", "unsqueeze", "flatten", "view_as", "permute", "transpose", "T"}
)


class Past:
    """The operations of this iteration and the one before, as far as they made tensors."""

    def __init__(self) -> None:
        self.aligned = False
        """What is seen begins with the first operation of an iteration."""
        self.whole = False
        """The run was seen from its first operation on."""
        self.iteration = -1
        self.writes: deque[Record] = deque(maxlen=_WRITES)
        """Operations that changed a tensor in place, the newest last."""
        self.writes_since_backward = 0
        """How often the script has changed something that is no parameter, perhaps a gradient, since the last
        backward pass."""
        self.history: Record | None = None
        """The last operation of this iteration with a result that autograd can go back from."""
        self.frozen: dict[str, None] | None = None
        """The parameters of modules that this iteration has read, as long as nothing that it has read
        requires a gradient; else None."""
        self.cut: Record | None = None
        """The last backward pass that was told to find nothing behind its loss."""
        self._now: dict[Time, Record] = {}
        self._before: dict[Time, Record] = {}

    def begin(self, record: Record) -> None:
        """The first record that is seen."""
        self.aligned = record["iteration"] == 0 or record["number"] <= record["depth"] + 1
        self.whole = self.aligned and record["iteration"] <= 1

    def begin_iteration(self, iteration: int) -> None:
        """Forget what was made in the iteration before the last."""
        self.iteration = iteration
        self._before, self._now = self._now, {}
        self.history, self.frozen = None, {}

    def made(self, record: Record) -> None:
        """An operation with results."""
        if any(info["requires_grad"] and not info["leaf"] for info in known(record.get("outputs"))):
            self.history = record
        self._read(record)
        if len(self._now) >= _KEPT:
            self._before, self._now = self._now, {}
        self._now[_time(record["time"])] = record

    def _read(self, record: Record) -> None:
        if self.frozen is None:
            return
        inputs, module = known(record.get("inputs")), record.get("module")
        if any(info["requires_grad"] for info in inputs):
            self.frozen = None
        elif module is not None:
            names = (info.get("name") or "" for info in inputs)
            self.frozen.update(dict.fromkeys(name for name in names if name.startswith(f"{module}.")))

    def wrote(self, record: Record) -> None:
        """An operation that changed a tensor in place."""
        self.writes.append(record)
        if record["kind"] != "update" and not record["depth"]:
            self.writes_since_backward += 1

    def operation(self, time: list[int] | None) -> Record | None:
        """The operation of a time, if it made a tensor and is remembered."""
        if time is None:
            return None
        key = _time(time)
        found = self._now.get(key)
        return self._before.get(key) if found is None else found

    def maker(self, info: TensorInfo | None) -> Record | None:
        """The operation that a tensor came out of: the innermost one that the script can name."""
        record = self.operation(info.get("source")) if info is not None else None
        for _ in range(_STEPS):
            inner = None if record is None else self._inner(record)
            if inner is None:
                break
            record = inner
        return record

    def maker_through(self, info: TensorInfo | None, names: frozenset[str] = VIEWS) -> Record | None:
        """As `maker`, looking through operations that only look at a tensor differently."""
        record = self.maker(info)
        for _ in range(_STEPS):
            if record is None or record["name"] not in names or not record.get("inputs"):
                break
            record = self.maker(record["inputs"][0])
        return record

    def _inner(self, record: Record) -> Record | None:
        """The operation inside this one that made its only output."""
        outputs = record.get("outputs", [])
        if len(outputs) != 1 or not (record["kind"] in _OUTER or record["name"] in _SAME):
            return None
        source = outputs[0].get("source")
        return None if source is None or source == record["time"] else self.operation(source)

    def readers(self, source: list[int]) -> Iterator[Record]:
        """The remembered operations that read what an operation made."""
        for record in (*self._before.values(), *self._now.values()):
            if any(info.get("source") == source for info in record.get("inputs", ())):
                yield record


def _time(time: list[int]) -> Time:
    return time[0], time[1]
