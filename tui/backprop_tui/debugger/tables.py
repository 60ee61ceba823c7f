"""Tables of parameters, which come as what is different from one that came before."""

from __future__ import annotations

from collections.abc import Iterable

from backprop_tui.protocol import ParameterRow, TableNews

_MOST_KEPT = 256


class Tables:
    """The tables to which a process of the debuggee may refer."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[ParameterRow, ...]] = {}

    def has(self, table: str | None) -> bool:
        """Whether a table is still known."""
        return table in self._known

    def take(self, news: TableNews, referred: Iterable[str | None]) -> tuple[ParameterRow, ...]:
        """All rows of a table. Of the former ones those are kept that sleeping copies refer to."""
        since = news["since"]
        before = self._known[since] if since is not None else ()
        rows: list[ParameterRow] = []
        for item in news["rows"]:
            if isinstance(item, list):
                rows.extend(before[slice(*item)])
            else:
                rows.append(item)
        table = tuple(rows)
        if news["id"] is not None:
            self._keep(news["id"], table, referred)
        return table

    def _keep(self, name: str, rows: tuple[ParameterRow, ...], referred: Iterable[str | None]) -> None:
        if len(self._known) >= _MOST_KEPT:
            keep = set(referred)
            self._known = {known: table for known, table in self._known.items() if known in keep}
        self._known[name] = rows
