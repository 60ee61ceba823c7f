"""An operation is of the innermost line of the script's that led to it, also where torch calls the script."""

from pathlib import Path

import pytest

from support.scripts import records

SCRIPT = """\
import torch
from torch import nn

def activation(x):
    return x.erf()  # erf

def hook(module, args, result):
    return result.sinh()  # sinh

def before(module, args):
    return (args[0].tanh(),)  # tanh

def everywhere(module, args, result):
    return result.sin()  # sin

def forward(x):
    return x.cos()  # cos

class Inner(nn.Module):
    def forward(self, x):
        return x.exp()  # exp

class Own(nn.Linear):
    def forward(self, x):
        return super().forward(x).log1p()  # log1p linear

x = torch.rand(2, 4, requires_grad=True)
torch.manual_seed(0)
hooked, patched = nn.ReLU(), nn.Identity()
hooked.register_forward_hook(hook)
hooked.register_forward_pre_hook(before)
patched.forward = forward
net = nn.Sequential(nn.Linear(4, 4), nn.Sequential(Inner(), hooked), patched, Own(4, 4))
nn.TransformerEncoderLayer(4, 2, 8, activation=activation)(x[None])
handle = nn.modules.module.register_module_forward_hook(everywhere)
nn.Identity()(x)
handle.remove()
net(x)  # relu Linear Sequential
"""


@pytest.mark.xdist_group("debugger_trace")
def test_every_operation_has_its_line(tmp_path: Path) -> None:
    path = tmp_path / "lines.py"
    path.write_text(SCRIPT)
    lines = {record["name"]: record["line"] for record in records(str(path))}  # the last of each name
    for number, text in enumerate(SCRIPT.splitlines(), 1):
        for name in text.partition("  # ")[2].split():
            assert lines[name] == number, name
