"""Forgetting a user, as the log of changes tells of it: that it was done, when and by whom, but not of whom.

Who follows the log drops what it remembers of all users, which costs little and is rare.
"""

from __future__ import annotations

from collections.abc import Iterable

from service.live.changes import Change

KIND = "forget"


def tell_of_forgetting(changes: Iterable[Change]) -> bool:
    """Whether a user was forgotten."""
    return any(change.kind == KIND for change in changes)
