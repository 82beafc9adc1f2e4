"""Follows the store of the live state: a thread that applies each change to the overlay that answers read."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable

import structlog

from lm.errors import AutocompleteError, RequestError
from service.live.changes import Change, Position
from service.live.curation import CuratedEntry
from service.live.kinds import Item, read
from service.live.overlay import Overlay, View
from service.live.stores.store import LiveStore
from service.live.users.forgetting import tell_of_forgetting
from service.telemetry.logs import trace_of
from service.telemetry.metrics import Metrics

_FIRST_LOOK_S = 2.0
_LOOK_S = 0.2
_RETRY_S = 0.25
_STALE_S = 2.0
_log = structlog.get_logger("service.live")
Clock = Callable[[], float]


class Follower:
    """Keeps an overlay as the store has it. Without a store nothing is ever taken down.

    While the store is away the overlay stays as it is. Whoever was away longer than the log tells takes a snapshot.

    Args:
        store: None if there is none.
        clock: monotonic, in seconds.
        wall_clock: seconds since 1970; says when entries end.
        must_reach: whether nothing may be answered before the store was reached once. If not, one failed attempt
            is enough to begin without what it holds.
        on_ready: told once answers may go out.
        on_forgotten: told when a user was forgotten, or may have been.
    """

    def __init__(
        self,
        store: LiveStore | None,
        metrics: Metrics,
        *,
        clock: Clock,
        wall_clock: Clock,
        must_reach: bool = True,
        on_ready: Callable[[], None] = lambda: None,
        on_forgotten: Callable[[], None] = lambda: None,
    ) -> None:
        self._store = store
        self._changes = metrics.live_changes
        self._clock = clock
        self._wall_clock = wall_clock
        self._must_reach = must_reach
        self._on_ready = on_ready
        self._on_forgotten = on_forgotten
        self.overlay = Overlay()
        self._position: Position | None = None
        self._current_s = clock()
        self._failed = False
        self._ready = store is None
        self._looked = threading.Event()
        self._stopping = threading.Event()
        self._changing = threading.Lock()
        self._waiting: list[tuple[CuratedEntry, bool]] = []
        self._snapshots = 0
        self._wake = threading.Event()
        self._threads = [
            threading.Thread(target=target, name=name, daemon=True)
            for target, name in ((self._run, "live-follower"), (self._change_entries, "live-entries"))
        ]
        if store is not None:
            metrics.watch(metrics.live_age, lambda: self.age_s)
            metrics.watch(metrics.live_entries, lambda: self.overlay.size)

    def start(self) -> None:
        """Begins to follow; waits a moment for the first look, so that the first calls find the server ready."""
        if self._store is not None:
            for thread in self._threads:
                thread.start()
            self._looked.wait(_FIRST_LOOK_S)

    def close(self) -> None:
        """Ends it."""
        self._stopping.set()
        self._wake.set()
        for thread in self._threads:
            if thread.is_alive():
                thread.join()

    @property
    def is_ready(self) -> bool:
        """Whether what is taken down is known, so that answers may go out."""
        return self._ready

    @property
    def age_s(self) -> float:
        """How long ago the overlay was known to be as the store has it, in seconds."""
        return 0.0 if self._store is None else max(self._clock() - self._current_s, 0.0)

    @property
    def is_stale(self) -> bool:
        """Whether changes may be missing for longer than a moment."""
        return self._store is not None and (self._position is None or self.age_s > _STALE_S)

    def view(self, model: str) -> View:
        """What the live state is where a model answers, now."""
        return self.overlay.view(model)

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._look()
                self._succeeded()
            except Exception as error:  # whatever it is, the next look goes on
                self._lost(error)
                self._stopping.wait(_RETRY_S)
            finally:
                self._looked.set()
            self._publish(lambda overlay: overlay)

    def _publish(self, change: Callable[[Overlay], Overlay]) -> None:
        with self._changing:
            self.overlay = change(self.overlay).at(self._wall_clock())

    def _look(self) -> None:
        assert self._store is not None
        changes = None if self._position is None else self._store.follow(self._position, _LOOK_S)
        if changes is None:
            position, state = self._store.snapshot()
            with self._changing:
                self._snapshots, self._waiting = self._snapshots + 1, []
            overlay = Overlay().with_changes(_items(state))
            self._publish(lambda _: overlay)
            self._position = position
            self._on_forgotten()
            _log.info("live_snapshot", number=position.number, entries=overlay.size)
        elif changes:
            assert self._position is not None
            entries, others = list[tuple[CuratedEntry, bool]](), list[tuple[Item, bool]]()
            for item, there in _items(changes):
                if isinstance(item, CuratedEntry):
                    entries.append((item, there))
                else:
                    others.append((item, there))
            self._publish(lambda overlay: overlay.with_changes(others))
            with self._changing:
                self._waiting += entries
            self._wake.set()
            self._position = self._position._replace(number=changes[-1].number)
            self._changes.inc(len(changes))
            if tell_of_forgetting(changes):
                self._on_forgotten()

    def _change_entries(self) -> None:
        """Applies what waits, all at once: where very many entries change, take-downs do not wait for them."""
        while not self._stopping.is_set():
            self._wake.wait()
            self._wake.clear()
            with self._changing:
                snapshots, items, self._waiting = self._snapshots, self._waiting, []
                entries = self.overlay.entries
            try:
                entries = entries.with_changes(items)
            except Exception as error:  # such as a full disk; whatever it is, the next try goes on
                _log.error("live_entries_failed", error=str(error), effect="entries stay as they are")
                with self._changing:
                    self._waiting = items + self._waiting if snapshots == self._snapshots else self._waiting
                self._stopping.wait(_RETRY_S)
                self._wake.set()
                continue
            with self._changing:
                if snapshots == self._snapshots:
                    self.overlay = self.overlay.with_entries(entries)

    def _succeeded(self) -> None:
        self._current_s = self._clock()
        if self._failed:
            self._failed = False
            _log.info("live_store_back")
        self._become_ready()

    def _lost(self, error: Exception) -> None:
        if not self._failed:
            self._failed = True
            known = {"error": str(error)} if isinstance(error, AutocompleteError) else {"trace": trace_of(error)}
            waits = self._must_reach and not self._ready
            effect = "nothing is answered until it is back" if waits else "answers go on with what is known"
            _log.error("live_store_lost", effect=effect, **known)
        if not self._must_reach:
            self._become_ready()

    def _become_ready(self) -> None:
        if not self._ready:
            self._ready = True
            self._on_ready()


def _items(changes: Iterable[Change]) -> Iterable[tuple[Item, bool]]:
    """What changes make or remove; what this release cannot obey, as of a later one, is left out."""
    for change in changes:
        try:
            item = read(change)
        except (ValueError, RequestError) as error:
            _log.error("live_change_unknown", error=str(error), effect="this release does not obey it")
        else:
            if item is not None:
                yield item, change.value is not None
