"""From what the debuggee took down of an operation to its explanations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from backprop_tui.protocol import RECOMPUTED, Record

if TYPE_CHECKING:
    from backprop_tui.debugger.view import Stop
    from backprop_tui.explain.explanation import Explanation
    from backprop_tui.explain.notices.notice import Notice

Index = tuple[int, ...]


def explained(message: Mapping[str, Any] | None, index: Index | None = None) -> tuple[Explanation, ...]:
    """The explanations of one operation's results; none if nothing was taken down of it.

    ``index``: the element whose numbers are filled in. numpy is imported here, when it is needed.
    """
    from backprop_tui.explain.evidence import Omitted, decode
    from backprop_tui.explain.explanation import explain, unexplained

    if message is None:
        return ()
    if message.get("raised") == RECOMPUTED:
        return (unexplained("there is no result to explain: torch stops recomputing the checkpoint here"),)
    if "raised" in message:
        return (unexplained(f"there is no result to explain: {message['name']} raised {message['raised']}"),)
    if "trouble" in message:
        return (unexplained(f"{message['name']} could not be taken down: {message['trouble']}"),)
    try:
        return tuple(explain(decode(message), index))
    except Omitted as reason:
        return (unexplained(f"{message['name']} was not checked: {reason}"),)
    except Exception as error:  # a fault in a rule must not end the session that it serves
        return (unexplained(f"the rule for {message['name']} failed: {type(error).__name__}: {error}"),)


def noticed(records: Sequence[Record], stop: Stop | None = None) -> tuple[Notice, ...]:
    """What seems to be wrong in the operations that are known, and why the script crashed if it did."""
    from backprop_tui.explain.notices.errors import crash_record
    from backprop_tui.explain.notices.watch import notices_of

    if stop is not None and stop.error:
        place = (stop.frames[0].file, stop.frames[0].line) if stop.frames else (None, None)
        records = [*records, crash_record(stop.error, stop.time, stop.iteration, *place)]
    try:
        return tuple(notices_of(records))
    except Exception:  # a fault in a notice must not end the session that it serves
        return ()
