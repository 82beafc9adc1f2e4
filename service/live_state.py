"""Puts together what changes while the server serves: the store, what follows it, and the methods that change it."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path

import structlog

from lm.errors import ConfigError
from service.config import ServerSettings
from service.listen import Handlers
from service.live.events.online_metrics import OnlineMetrics
from service.live.events.trending import Trending
from service.live.events.trends import Trends
from service.live.follower import Follower
from service.live.models import LiveModels
from service.live.stores.store import OFF, LiveStore, open_store, store_location
from service.live.users.histories import DAY_S, HistoryLimits
from service.live.users.keys import UserKeys
from service.live.users.own import UserHistories
from service.models.served_models import ServedModels
from service.rpc.admission import Clock, Lanes
from service.rpc.calls import Calls
from service.rpc.curation import CURATION_SERVICE, CurationServicer
from service.rpc.deny_list import DENY_LIST_SERVICE, DenyListServicer
from service.rpc.event_writer import EventWriter
from service.rpc.live_writes import LiveWrites
from service.rpc.unanswered import UnansweredQueriesServicer
from service.rpc.user_data import UserDataServicer
from service.rpc.user_events import USER_EVENT_SERVICE, UserEventServicer
from service.telemetry.metrics import Metrics

LIVE_SERVICES = (DENY_LIST_SERVICE, CURATION_SERVICE, USER_EVENT_SERVICE)
_log = structlog.get_logger("service.server")


class LiveState:
    """The parts of a server around its live state.

    Args:
        versions: those of a model that answer; none if it is not served.
        clock: monotonic, in seconds.
        wall_clock: in seconds since 1970.
        on_ready: told, from a thread, once it is known what is taken down.
        on_forgotten: told, from a thread, when a user was forgotten, or may have been.

    Attributes:
        models: the served models, as they answer now.

    Raises:
        ConfigError: the store that is named cannot be used.
    """

    def __init__(
        self,
        settings: ServerSettings,
        models: ServedModels,
        metrics: Metrics,
        *,
        versions: Callable[[str], Collection[str]],
        clock: Clock,
        wall_clock: Clock,
        on_ready: Callable[[], None],
        on_forgotten: Callable[[], None],
    ) -> None:
        self._store = store = _open_live_store(settings)
        events = None if store is None else store.events
        self._on_forgotten = on_forgotten
        self._follower = Follower(
            store,
            metrics,
            clock=clock,
            wall_clock=wall_clock,
            must_reach=settings.live is not None or settings.redis is None,
            on_ready=on_ready,
            on_forgotten=self._drop_users,
        )
        users = UserKeys(settings.user_secret, store)
        self._histories = UserHistories(
            None if store is None else store.histories,
            users,
            _limits(settings),
            clock=clock,
            wall_clock=wall_clock,
        )
        self._trending = Trending(
            events,
            lambda: [model for status in models.statuses() for model in status.models],
            metrics,
            Trends(half_life_s=settings.live_half_life_s, least_users=settings.live_min_users),
            days=settings.live_events_days,
            clock=clock,
            wall_clock=wall_clock,
        )
        self.models = LiveModels(models, self._follower, self._histories, wall_clock, self._trending)
        self._event_writer: EventWriter | None = None
        if events is not None:
            self._event_writer = EventWriter(events, metrics, wall_clock, OnlineMetrics(metrics, versions).count)
        writes = LiveWrites(store, metrics, wall_clock)
        self._deny_list = DenyListServicer(writes, self._follower)
        self._curation = CurationServicer(writes, self._follower, models.default)
        self._user_data = UserDataServicer(writes, users)
        self._user_events = UserEventServicer(
            writer=self._event_writer,
            writes=writes,
            users=users,
            models=models,
            trending=self._trending,
            follower=self._follower,
            metrics=metrics,
        )
        self._unanswered = UnansweredQueriesServicer(
            events, models, min_users=settings.live_min_users, wall_clock=wall_clock
        )

    @property
    def is_ready(self) -> bool:
        """Whether what is taken down is known, so that answers may go out."""
        return self._follower.is_ready

    def start(self) -> None:
        """Begins to follow the store."""
        self._follower.start()
        self._trending.start()

    def stop_following(self) -> None:
        """Ends that; calls may still write."""
        self._follower.close()
        self._trending.close()

    def close(self) -> None:
        """Closes the store, when no call writes any more."""
        if self._event_writer is not None:
            self._event_writer.close()
        if self._store is not None:
            self._store.close()

    def handlers(self, calls: Calls, lanes: Lanes) -> Handlers:
        """gRPC's handlers by service and method."""
        return {
            DENY_LIST_SERVICE: self._deny_list.handlers(calls, lanes),
            CURATION_SERVICE: self._curation.handlers(calls, lanes),
            USER_EVENT_SERVICE: self._user_events.handlers(calls, lanes)
            | self._unanswered.handlers(calls, lanes)
            | self._user_data.handlers(calls, lanes),
        }

    def _drop_users(self) -> None:
        """Drops what this process remembers of users."""
        self._histories.drop()
        self._on_forgotten()


def _limits(settings: ServerSettings) -> HistoryLimits:
    """How much is kept of a user's own queries."""
    return HistoryLimits(settings.history_queries, settings.history_days * DAY_S)


def _open_live_store(settings: ServerSettings) -> LiveStore | None:
    """The store of the live state; None if there is none.

    Raises:
        ConfigError: the one that is named, or one that is there, cannot be used.
    """
    location = store_location(settings)
    if location == OFF:
        if settings.live is None:
            problem = "the registry is a URL, and neither --live nor --redis says where take-downs are kept"
            _log.warning("no_live_state", error=problem, effect="take-downs are refused")
        return None
    try:
        return open_store(location, replicas=settings.live_replicas, limits=_limits(settings))
    except ConfigError as error:
        if settings.live is not None or settings.redis is not None or Path(location).exists():
            raise
        _log.warning("no_live_state", error=str(error), effect="take-downs are refused")
        return None
