"""A session on paper: which script, what was changed when, where the cursor stood.

Plain JSON. It can run nothing by itself: resuming runs the script that it names, which is said first.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import os
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from backprop_tui.debugger.launch import Program
from backprop_tui.debugger.log import Entry
from backprop_tui.protocol import Time

FORMAT = "backprop-tui session"
VERSION = 1
LARGEST = 4_000_000
"""Bytes of a session file, or of what a share string unpacks to."""
PREFIX = "bt1."
"""What a share string begins with."""
SUFFIX = ".session.json"
_MOST_DIGESTS = 5_000
_SHARED_DIGESTS = 8


class WrongSession(ValueError):
    """A file or string that is no session; the message is one sentence."""


@dataclass(frozen=True)
class Cursor:
    """Where the script stood."""

    time: Time
    iteration: int
    number: int
    over: bool = False
    """The script had ended."""


@dataclass(frozen=True)
class Saved:
    """All that it takes to come to the same place again."""

    target: str
    """Path of the script, absolute, or the name of a module."""
    arguments: tuple[str, ...]
    is_module: bool
    folder: str
    """The working directory."""
    python: str | None
    threads: int
    sha256: str
    """Of the script; empty for a module."""
    torch: str
    """Its version."""
    first: tuple[tuple[str, Any], ...]
    """(kind, value) of changes from the command line."""
    entries: tuple[Entry, ...]
    """Changes made on the way."""
    breakpoints: tuple[str, ...]
    cursor: Cursor
    digests: tuple[tuple[int, int], ...] = ()
    """(landmark, digest of all losses and learning rates up to it), the last of them the cursor's."""

    def program(self) -> Program:
        """What to run."""
        return Program(
            self.target, self.arguments, self.is_module, self.python, self.threads, self.folder, self.first
        )

    def command(self) -> str:
        """The script with its arguments, as a person would type them."""
        name = f"-m {self.target}" if self.is_module else self.target
        return " ".join((name, *self.arguments))


def hash_of(path: str) -> str:
    """SHA-256 of a file; empty if it cannot be read."""
    try:
        return hashlib.sha256(Path(path).read_bytes()).hexdigest()
    except OSError:
        return ""


def doubts(saved: Saved, torch: str) -> list[str]:
    """What is not as it was when the session was saved, in sentences."""
    found = []
    if not saved.is_module and hash_of(saved.target) != saved.sha256:
        found.append(f"{os.path.basename(saved.target)} has changed since the session was saved")
    if torch != saved.torch:
        found.append(f"the session was saved with torch {saved.torch}, and this is torch {torch}")
    return found


def fewer(digests: tuple[tuple[int, int], ...], most: int) -> tuple[tuple[int, int], ...]:
    """At most so many of them: the last ones, or ever sparser ones back from the last."""
    if len(digests) <= most:
        return digests
    back = {len(digests) - 2**power for power in range(most) if 2**power <= len(digests)}
    return tuple(digests[place] for place in sorted(back))


# as text
def to_text(saved: Saved) -> str:
    """As JSON."""
    kept = replace(saved, digests=saved.digests[-_MOST_DIGESTS:])
    return json.dumps({"format": FORMAT, "version": VERSION, **asdict(kept)}, indent=1)


def to_share(saved: Saved) -> str:
    """As a string to paste."""
    kept = replace(saved, digests=fewer(saved.digests, _SHARED_DIGESTS))
    text = json.dumps({"format": FORMAT, "version": VERSION, **asdict(kept)}, separators=(",", ":"))
    return PREFIX + base64.urlsafe_b64encode(zlib.compress(text.encode(), 9)).decode().rstrip("=")


def load(word: str) -> Saved:
    """The session of a file, or of a share string. Raises WrongSession."""
    if word.startswith(PREFIX) and not os.path.exists(word):
        return from_text(_unpacked(word), "the share string")
    path = Path(word)
    try:
        if path.stat().st_size > LARGEST:
            raise WrongSession(f"{word} is too large for a session: {path.stat().st_size:,} bytes")
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise WrongSession(f"{word} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise WrongSession(f"{word} is no session: it is not text") from None
    return from_text(text, word)


def _unpacked(word: str) -> str:
    packed = word.removeprefix(PREFIX)
    try:
        data = base64.urlsafe_b64decode(packed + "=" * (-len(packed) % 4))
        unpacker = zlib.decompressobj()
        text = unpacker.decompress(data, LARGEST)
        if not unpacker.eof:
            raise WrongSession("the share string is cut off")
        return text.decode()
    except (binascii.Error, zlib.error, ValueError) as error:
        if isinstance(error, WrongSession):
            raise
        raise WrongSession("the share string is damaged: paste all of it") from None


def from_text(text: str, name: str) -> Saved:
    """Read a session; ``name`` is what the messages call it. Raises WrongSession."""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        raise WrongSession(f"{name} is no session: it is not JSON, or cut off") from None
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise WrongSession(f"{name} is no session of backprop-tui")
    if data.get("version") != VERSION:
        raise WrongSession(
            f"{name} is a session of version {data.get('version')}: only {VERSION} can be read"
        )
    return _Reader(name, data).saved()


class _Reader:
    """Takes nothing on trust."""

    def __init__(self, name: str, data: Mapping[str, Any]) -> None:
        self.name = name
        self.data = data

    def wrong(self, field: str, what: str) -> WrongSession:
        return WrongSession(f"{self.name}: “{field}” must be {what}")

    def text(self, field: str) -> str:
        value = self.data.get(field)
        if not isinstance(value, str) or "\0" in value:
            raise self.wrong(field, "a text")
        return value

    def texts(self, field: str) -> tuple[str, ...]:
        value = self.data.get(field)
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise self.wrong(field, "a list of texts")
        return tuple(value)

    def pairs(self, field: str, first: type) -> tuple[tuple[Any, Any], ...]:
        value = self.data.get(field)
        fits = isinstance(value, list) and all(
            isinstance(pair, list) and len(pair) == 2 and type(pair[0]) is first for pair in value
        )
        if not fits:
            raise self.wrong(field, "a list of pairs")
        return tuple((pair[0], pair[1]) for pair in value or ())

    def saved(self) -> Saved:
        python, threads, module = (self.data.get(key) for key in ("python", "threads", "is_module"))
        if python is not None and not isinstance(python, str):
            raise self.wrong("python", "a path or null")
        if not _is_count(threads, 1):
            raise self.wrong("threads", "a number, 1 or more")
        if not isinstance(module, bool):
            raise self.wrong("is_module", "true or false")
        digests = self.pairs("digests", int)
        if not all(_is_count(digest, 0) and _is_count(landmark, 1) for landmark, digest in digests):
            raise self.wrong("digests", "pairs of numbers")
        target = self.text("target")
        if not target:
            raise self.wrong("target", "the path of a script")
        return Saved(
            target,
            self.texts("arguments"),
            module,
            self.text("folder"),
            python,
            int(threads or 1),
            self.text("sha256"),
            self.text("torch"),
            self.pairs("first", str),
            self._entries(),
            self.texts("breakpoints"),
            self._cursor(),
            digests,
        )

    def _cursor(self) -> Cursor:
        value = self.data.get("cursor")
        fits = isinstance(value, dict) and _is_time(value.get("time")) and isinstance(value.get("over"), bool)
        if not isinstance(value, dict) or not fits:
            raise self.wrong("cursor", "a time with an iteration and a number")
        if not _is_count(value.get("iteration"), 0) or not _is_count(value.get("number"), 1):
            raise self.wrong("cursor", "a time with an iteration and a number")
        return Cursor(
            (value["time"][0], value["time"][1]), value["iteration"], value["number"], value["over"]
        )

    def _entries(self) -> tuple[Entry, ...]:
        value = self.data.get("entries")
        if not isinstance(value, list):
            raise self.wrong("entries", "a list of changes")
        return tuple(self._entry(item) for item in value)

    def _entry(self, value: Any) -> Entry:
        fits = (
            isinstance(value, dict)
            and isinstance(value.get("kind"), str)
            and isinstance(value.get("chip"), str)
            and "value" in value
            and _is_time(value.get("time"))
            and _is_count(value.get("iteration"), 0)
            and _is_count(value.get("number"), 0)
        )
        if not fits:
            raise self.wrong(
                "entries", "a list of changes, each with kind, value, chip, time, iteration, number"
            )
        time = (value["time"][0], value["time"][1])
        return Entry(value["kind"], value["value"], value["chip"], time, value["iteration"], value["number"])


def _is_count(value: Any, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _is_time(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(_is_count(part, 0) for part in value)
