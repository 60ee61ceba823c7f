"""One notice, and how it is put together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from backprop_tui.explain.notices.table import TABLE
from backprop_tui.protocol import Record


@dataclass(frozen=True)
class Notice:
    """Something in this run that people often get wrong."""

    id: str
    """As in `table.TABLE`."""
    text: str
    """One sentence with this run's names and numbers."""
    why: str
    look: str
    """What to look at: which pane, number or line."""
    time: tuple[int, int]
    """Of the operation that it is about."""
    iteration: int
    line: int | None
    file: str | None
    subject: str = ""
    """The tensor that it is about, where one line can be about several."""


def notice(
    name: str, record: Record, text: str, subject: str = "", why: str | None = None, look: str | None = None
) -> Notice:
    """A notice about an operation; why and where to look are those of the table unless given."""
    entry = TABLE[name]
    landmark, operation = record["time"]
    return Notice(
        id=name,
        text=text,
        why=entry.why if why is None else why,
        look=entry.look if look is None else look,
        time=(landmark, operation),
        iteration=record["iteration"],
        line=record.get("line"),
        file=record.get("file"),
        subject=subject,
    )


Give = Callable[..., None]
"""Takes what `notice` takes, and hands the notice on unless it was given before."""
