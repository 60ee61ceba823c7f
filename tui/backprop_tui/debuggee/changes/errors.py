"""The one exception that a change raises when it is refused."""

from __future__ import annotations


class ChangeError(Exception):
    """A change that cannot be made. Its text is one sentence for the user; nothing has changed."""
