"""Pictures of the screen that are kept beside the tests: SVG, to be looked at in a browser.

`UPDATE_SNAPSHOTS=1 pytest ...` writes them anew. What is compared is what a person sees: each run of
characters with its place and its colours. The ids in the file, which differ from run to run, do not
count; nor do the colours if another version of Textual drew the picture.
"""

from __future__ import annotations

import os
import re
from html import unescape
from pathlib import Path
from typing import Any

from textual import __version__

_TEXT = re.compile(r'<text class="([^"]*)" x="([^"]*)" y="([^"]*)"[^>]*>([^<]*)</text>')
_STYLE = re.compile(r"\.(\S+) \{ (fill:[^}]*) \}")
_VERSION = re.compile(r"<!-- textual (\S+) -->")


def seen(svg: str, styled: bool) -> list[tuple[Any, ...]]:
    """(y, x, text, style) of every run of characters; without ids."""
    styles = {name.rpartition("-")[2]: rule for name, rule in _STYLE.findall(svg)}
    found = []
    for name, x, y, text in _TEXT.findall(svg):
        style = styles.get(name.rpartition("-")[2], "") if styled else ""
        shown = unescape(text).replace("\u00a0", " ")
        if shown.strip():
            found.append((float(y), float(x), shown, style))
    return sorted(found)


def check(app: Any, file: Path) -> None:
    """Hold the screen against the kept picture. Raises AssertionError with the rows that differ."""
    svg = app.export_screenshot(title="backprop-tui")
    if os.environ.get("UPDATE_SNAPSHOTS"):
        file.parent.mkdir(exist_ok=True)
        file.write_text(f"<!-- textual {__version__} -->\n{svg}", encoding="utf-8")
        return
    kept = file.read_text(encoding="utf-8")
    version = _VERSION.search(kept)
    same_version = version is not None and version[1] == __version__
    before, now = seen(kept, same_version), seen(svg, same_version)
    assert now == before, _difference(before, now)


def _difference(before: list[tuple[Any, ...]], now: list[tuple[Any, ...]]) -> str:
    lost = [entry for entry in before if entry not in now]
    new = [entry for entry in now if entry not in before]
    return "\n".join(["not on the screen any more:", *map(str, lost[:20]), "new:", *map(str, new[:20])])
