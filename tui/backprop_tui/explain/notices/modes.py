"""Modules in training mode where they should not be."""

from __future__ import annotations

from backprop_tui.explain.notices.detector import Detector, Handlers
from backprop_tui.explain.notices.notice import Give
from backprop_tui.explain.notices.past import Past
from backprop_tui.explain.notices.words import exact
from backprop_tui.protocol import Record, TensorInfo, Time

_DROPOUTS = ("dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout", "feature_alpha_dropout")
_VERDICTS = ("argmax", "max", "topk", "multinomial")
"""What a prediction is made with."""
_KEPT = 5_000


class Modes(Detector):
    """`train-mode-in-evaluation` and `frozen-batch-norm-moves`."""

    def __init__(self, past: Past, give: Give) -> None:
        super().__init__(past, give)
        self._trained: set[str] = set()
        """Weights that got a gradient, or that the script writes to: copies that follow another network."""
        self._frozen: dict[str, int] = {}
        """Weights of batch norm that require none, and the iteration that they were first seen in."""
        self._noisy: dict[Time, Record] = {}
        """Operations without gradients whose results dropout or batch norm in training mode went into."""

    def handlers(self) -> Handlers:
        return {
            **{f":{name}": self._dropout for name in _DROPOUTS},
            **{f":{name}": self._verdict for name in _VERDICTS},
            ":batch_norm": self._batch_norm,
            "op": self._operation,
            "module": self._spread,
            "forward": self._spread,
            "loss": self._verdict,
            "accumulate": self._accumulated,
            "iteration": self._begin,
        }

    def _begin(self, record: Record) -> None:
        self._noisy.clear()

    def _accumulated(self, record: Record) -> None:
        if name := record.get("tensor"):
            self._trained.add(name)

    def _operation(self, record: Record) -> None:
        if record["name"][-1] == "_" and (inputs := record.get("inputs")) and (name := inputs[0].get("name")):
            self._trained.add(name)
        if self._noisy:
            self._spread(record)

    def _dropout(self, record: Record) -> None:
        settings = record.get("settings", {})
        if record.get("no_grad") and settings.get("training") and settings.get("p"):
            self._enter(record, record)

    def _batch_norm(self, record: Record) -> None:
        if not record.get("settings", {}).get("training"):
            return
        if record.get("no_grad"):
            self._enter(record, record)
        inputs = record.get("inputs", [])
        if len(inputs) == 5:  # values, running mean and variance, weight, bias
            self._moves(record, inputs[1], inputs[3])

    def _moves(self, record: Record, mean: TensorInfo, weight: TensorInfo) -> None:
        """In a GAN a network is frozen for a while, and then trained: that is known an iteration later."""
        name = weight.get("name")
        if weight.get("requires_grad") or name is None or name in self._trained:
            return
        first = self._frozen.setdefault(name, record["iteration"])
        if first < record["iteration"] and record["iteration"] > 1:
            text = (
                f"{name} is frozen, but batch norm is in training mode and moves "
                f"{mean.get('name') or 'its running mean'} towards this batch"
            )
            self.give("frozen-batch-norm-moves", record, text, name)

    def _enter(self, record: Record, origin: Record) -> None:
        if len(self._noisy) < _KEPT:
            self._noisy[record["time"][0], record["time"][1]] = origin

    def _origin(self, infos: list[TensorInfo]) -> Record | None:
        """The noisy operation that went into one of these tensors."""
        for info in infos:
            source = info.get("source")
            found = None if source is None else self._noisy.get((source[0], source[1]))
            if found is not None:
                return found
        return None

    def _spread(self, record: Record) -> None:
        """What is computed from noisy values is noisy; a gradient through it means that it is training."""
        if not self._noisy:
            return
        outputs = record.get("outputs", [])
        if any(info.get("requires_grad") for info in outputs):
            return
        infos = record.get("inputs", []) if record["kind"] == "op" else outputs
        origin = self._origin(infos)
        if origin is not None:
            self._enter(record, origin)

    def _verdict(self, record: Record) -> None:
        """A loss or a prediction, outside of any module and of any recomputation."""
        if (
            not self._noisy
            or record["depth"]
            or any(info.get("requires_grad") for info in record.get("outputs", ()))
        ):
            return
        origin = self._origin(record.get("inputs", []))
        if origin is not None:
            probability = origin.get("settings", {}).get("p")
            what = "batch norm" if origin["name"] == "batch_norm" else f"dropout (p {exact(probability)})"
            where = f" of {origin['module']}" if origin.get("module") else ""
            text = (
                f"{what}{where} was in training mode while gradients are off, so this {record['name']} is "
                "not that of an evaluation"
            )
            self.give("train-mode-in-evaluation", record, text)
