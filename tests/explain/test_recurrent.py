"""Rules of recurrent networks against torch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_sequence

from backprop_tui.explain.explanation import explain
from backprop_tui.explain.rules import recurrent, recurrent_backward
from explain.both_ways import both_ways, correct, family, module_samples, script, watched, wrong
from explain.checking import unnoticed
from explain.reading import misread

OURS = family(recurrent, recurrent_backward)
FLOATS = [torch.float32, torch.float64]
REAL = Path(__file__).parent.parent / "scripts" / "real"
NODE = "MkldnnRnnLayerBackward"


def constant(module: nn.Module, value: float) -> Any:
    for parameter in module.parameters():
        nn.init.constant_(parameter, value)
    return module


@pytest.mark.parametrize(
    ("cell", "name", "symbols", "element"),
    [
        (nn.LSTMCell(1, 1), "lstm_cell", "o·tanh(c), c = f·c + i·g, gates of input and h",
         "0.7310586·tanh(0.55676997)"),
        (nn.GRUCell(1, 1), "gru_cell", "(1 − z)·n + z·h, gates of input and h",
         "(1 − 0.7310586)·0.73188025 + 0.7310586·0"),
        (nn.RNNCell(1, 1), "rnn_tanh_cell", "tanh(W·input + b + U·h + b′)", "tanh(1)"),
        (nn.RNNCell(1, 1, nonlinearity="relu"), "rnn_relu_cell", "max(0, W·input + b + U·h + b′)",
         "max(0, 1)"),
    ],
)  # fmt: skip
def test_one_step(cell: nn.Module, name: str, symbols: str, element: str) -> None:
    constant(cell, 0.25)
    found = correct(lambda: cell(torch.tensor([[2.0]])), name)[name]
    assert (found[0].symbols, found[0].element) == (symbols, element)
    if name == "lstm_cell":
        assert found[1].element == "0.7310586·0 + 0.7310586·0.7615942"
        assert found[0].note == (
            "i, f, o = σ and g = tanh of W·x + b + U·h + b′, a quarter of the rows each (i, f, g, o)"
        )


def test_the_steps_of_a_layer() -> None:
    layer = constant(nn.LSTM(1, 1), 0.25)
    x = torch.tensor([[[2.0]], [[0.0]]], requires_grad=True)
    evidence = both_ways(lambda: layer(x)[0])
    forward = next(one for one in evidence if one.name == "lstm")
    output, h, c = explain(forward, (1, 0, 0))
    assert [one.verdict for one in (output, h, c)] == ["✓"] * 3
    assert output.symbols == "o·tanh(c), c = f·c + i·g, gates of input and h"
    assert output.note is not None and output.note.startswith("2 steps; i, f, o = σ")
    last = explain(forward, (0, 0, 0))
    assert (last[1].symbols, last[2].symbols) == ("h after the last step", "c after the last step")
    assert last[1].element == output.element
    assert (last[2].element or "").split("·")[1] == "0.55676997 + 0.643916"
    assert misread(evidence, OURS)[0] == []


def test_the_gradient_goes_back_through_the_steps() -> None:
    layer = constant(nn.LSTM(1, 1), 0.25)
    x = torch.tensor([[[2.0]], [[0.0]]], requires_grad=True)
    found = correct(lambda: layer(x)[0], NODE)[NODE]
    assert [one.symbols for one in found] == [
        "Δ · weight0, Δ: gradient of what goes into the gates",
        "Σ over time of Δᵀ · input",
        "Σ over time of Δᵀ · h before",
        "Σ over time of Δ",
        "Σ over time of Δ",
    ]
    assert found[0].note is not None and found[0].note.startswith("backwards through the steps: δc = ")


MADE: list[dict[str, Any]] = [
    {},
    {"num_layers": 2, "bidirectional": True, "dropout": 0.4},
    {"batch_first": True, "bias": False},
]


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("made", MADE)
@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN])
def test_layers_with_all_options(
    kind: Callable[..., nn.Module], made: dict[str, Any], dtype: torch.dtype
) -> None:
    torch.manual_seed(0)
    layer = kind(3, 4, **made, dtype=dtype)
    x = torch.randn(5, 2, 3, dtype=dtype, requires_grad=True)
    packed = pack_sequence([torch.randn(n, 3, dtype=dtype, requires_grad=True) for n in (4, 4, 2, 1)])
    for given in (x, x[:, 0], packed):
        evidence = both_ways(lambda given=given: _states(layer(given)))
        assert any(OURS(one) for one in evidence)
        assert wrong(evidence, OURS) == []
        assert misread(evidence, OURS)[0] == []
        assert unnoticed(evidence, OURS) == []


def _states(results: Any) -> list[torch.Tensor]:
    """All tensors that a layer returns, also of packed sequences."""
    output, state = results
    parts = [output] if isinstance(output, torch.Tensor) else [output.data]
    return parts + list(state if isinstance(state, tuple) else [state])


def test_given_states_get_gradients() -> None:
    torch.manual_seed(1)
    layer = nn.LSTM(3, 4)
    x = torch.randn(5, 2, 3, requires_grad=True)
    h, c = (torch.randn(1, 2, 4, requires_grad=True) for _ in range(2))
    evidence = both_ways(lambda: _states(layer(x, (h, c))))
    node = next(one for one in evidence if one.name.startswith(NODE))
    shown = explain(node)
    assert [one.verdict for one in shown] == ["✓"] * 7
    assert shown[5].symbols == "Δ of the first step · weight1"
    assert misread(evidence, OURS)[0] == []
    assert unnoticed(evidence, OURS) == []


def test_only_the_last_state_is_used() -> None:
    torch.manual_seed(4)
    layer = nn.LSTM(3, 4, batch_first=True)
    x = torch.randn(2, 5, 3, requires_grad=True)
    for which in (0, 1):
        evidence = both_ways(lambda which=which: layer(x)[1][which])
        node = next(one for one in evidence if one.name.startswith(NODE))
        assert node.grad_outputs[0] is None
        assert [one.verdict for one in explain(node)] == ["✓"] * 5
        assert unnoticed(evidence, OURS) == []


def test_a_projection_after_each_step() -> None:
    torch.manual_seed(2)
    layer = nn.LSTM(3, 4, num_layers=2, proj_size=2, bidirectional=True, dtype=torch.float64)
    evidence = both_ways(lambda: _states(layer(torch.randn(5, 2, 3, dtype=torch.float64))))
    assert wrong(evidence, OURS) == []
    (one,) = (one for one in evidence if one.name == "lstm")
    assert (explain(one)[0].element or "").startswith("projection of h: ")


def test_dropout_that_nobody_has_seen_cannot_be_checked() -> None:
    layer = nn.LSTM(3, 4, num_layers=2, dropout=0.5)
    with torch.no_grad():
        evidence, _ = watched(lambda: layer(torch.randn(5, 2, 3)))
    (one,) = (one for one in evidence if one.name == "lstm")
    assert [found.verdict for found in explain(one)] == ["?"]


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN])
def test_many_steps(kind: Callable[..., nn.Module]) -> None:
    torch.manual_seed(3)
    layer = kind(2, 50)
    x = (torch.randn(120, 3, 2) * 3).requires_grad_()
    evidence = both_ways(lambda: layer(x)[0])
    assert wrong(evidence, OURS) == []
    assert unnoticed(evidence, OURS) == []


def test_a_network_that_continues_waves() -> None:
    evidence = script(REAL / "lstm.py", "--epochs", "1", "--length", "100")
    lstm = [one for one in evidence if one.name == "lstm"]
    assert len(lstm) == 2 and all(len(one.drawn) == 1 for one in lstm)
    assert sum(one.name.startswith(NODE) for one in evidence) == 4
    assert wrong(evidence, OURS) == []


PROJECTS = "ignore:LSTM with projections is not supported with oneDNN"


@pytest.mark.usefixtures("torch_database")
@pytest.mark.filterwarnings(PROJECTS)
@pytest.mark.parametrize("name", ["RNNCell", "LSTMCell", "GRUCell", "RNN", "GRU", "LSTM"])
def test_samples_of_the_database(name: str) -> None:
    for use in module_samples(name, torch.float32, 4):
        assert wrong(both_ways(use), OURS) == []


@pytest.mark.usefixtures("torch_database")
@pytest.mark.exhaustive
@pytest.mark.filterwarnings(PROJECTS)
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", ["RNNCell", "LSTMCell", "GRUCell", "RNN", "GRU", "LSTM"])
def test_all_of_the_database(name: str, dtype: torch.dtype) -> None:
    for use in module_samples(name, dtype, 10_000):
        assert wrong(both_ways(use), OURS) == []
