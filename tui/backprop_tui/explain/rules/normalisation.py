"""Rules of normalisation."""

from __future__ import annotations

from backprop_tui.explain.rule import Rule

OPS: dict[str, Rule] = {}

NODES: dict[str, Rule] = {}
