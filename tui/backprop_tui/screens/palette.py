"""Every action in the command palette, with its key."""

from __future__ import annotations

from functools import partial

from textual.command import DiscoveryHit, Hit, Hits, Provider

from backprop_tui.actions import ACTIONS, Action


def entry(action: Action) -> str:
    """``Step over  (n)``"""
    return f"{action.label}  ({action.key_text})"


OFFERED = tuple(action for action in ACTIONS if action.call not in ("palette", "close"))


class ActionProvider(Provider):
    """Offers the table of actions."""

    async def discover(self) -> Hits:
        """All of them, before anything is typed."""
        for action in OFFERED:
            yield DiscoveryHit(entry(action), partial(self._do, action), help=action.help)

    async def search(self, query: str) -> Hits:
        """Those whose name or explanation matches."""
        matcher = self.matcher(query)
        for action in OFFERED:
            score = max(matcher.match(entry(action)), 0.8 * matcher.match(action.help))
            if score > 0:
                shown = matcher.highlight(entry(action))
                yield Hit(score, shown, partial(self._do, action), help=action.help)

    async def _do(self, action: Action) -> None:
        await self.screen.run_action(action.call)
