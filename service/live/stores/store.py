"""Where the live state is kept: what every store does, and which one the settings name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from lm.bundle.registry import is_url
from lm.errors import ConfigError
from service.config import ServerSettings
from service.live.changes import Change, Position, Snapshot
from service.live.events.event import EventLog
from service.live.users.histories import HistoryLimits, HistoryLog

OFF = "off"
DEFAULT_FILE = "live.sqlite"
"""Beside the folder of the registry."""


class LiveStore(Protocol):
    """A log of changes and the state that they add up to. Threads and processes may share it.

    All methods raise `StoreUnavailableError` if the store cannot be reached or takes nothing. A change that was
    returned is kept durably. One that failed may yet be there if the answer was lost, but never in part.
    """

    def put(self, change: Change, *, expected: int) -> Change | None:
        """Takes a change if nobody else has changed the key meanwhile; else None.

        Args:
            expected: number of the key's last change as the caller knows it; 0 if it is not there.
        """

    def append(self, changes: Sequence[Change]) -> list[Change]:
        """Takes some changes, all or none, whatever the keys are now."""

    def get(self, kind: str, key: str) -> Change | None:
        """The change that made a key what it is; None if it is not there."""

    def page(self, kind: str, *, before: int | None = None, count: int) -> list[Change]:
        """What there is of a kind, changed last first.

        Args:
            before: only what was changed before the change with this number.
            count: as many at most.
        """

    def snapshot(self) -> Snapshot:
        """The state now."""

    def follow(self, position: Position, timeout_s: float) -> list[Change] | None:
        """The next changes after a position; none if there are none in time.

        Returns:
            None if the position is not one of this log, as after a store lost something: then a snapshot helps.
        """

    def log(self, *, after: int, count: int) -> list[Change]:
        """Changes after a number, oldest first, as many at most."""

    def secret(self) -> str:
        """The secret of this store, with which users' ids are hashed: drawn when it is first asked, and kept."""

    @property
    def events(self) -> EventLog:
        """What users did."""

    @property
    def histories(self) -> HistoryLog:
        """What users have searched for, which `events` adds to."""

    def close(self) -> None:
        """Ends all connections."""


def store_location(settings: ServerSettings) -> str:
    """The file or the URL of Redis that the settings name; `OFF` if there is none."""
    if settings.live is not None:
        return settings.live
    if settings.redis is not None:
        return settings.redis
    return OFF if is_url(settings.registry) else str(Path(settings.registry).parent / DEFAULT_FILE)


def open_store(
    location: str,
    *,
    replicas: int = 0,
    create: bool = True,
    limits: HistoryLimits = HistoryLimits(),  # noqa: B008 -- immutable
) -> LiveStore:
    """Opens a store; a Redis is not asked yet.

    Args:
        location: path of a file, or a URL of Redis.
        replicas: of Redis that must have a change before it counts as taken.
        create: whether to make a file that is not there.
        limits: of what is kept of a user.

    Raises:
        ConfigError: it cannot be used.
    """
    if "://" in location:
        from service.live.stores.redis_store import RedisStore  # takes as long as half of the other imports

        return RedisStore(location, replicas=replicas, limits=limits)
    if replicas:
        raise ConfigError("--live-replicas: a file has no replicas.", remedy="Set it to 0, or name a Redis by --live.")
    from service.live.stores.sqlite_store import SqliteStore

    if not create and not Path(location).is_file():
        raise ConfigError(f"{location}: there is no live state.", remedy="Name its file, or the URL of its Redis.")
    return SqliteStore(Path(location), limits=limits)
