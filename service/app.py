"""Builds the server from its settings and runs it: the only place that knows all parts."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections.abc import Callable
from typing import Any

import structlog
from grpc_health.v1 import health_pb2
from prometheus_client import CollectorRegistry

from lm.errors import AutocompleteError, BundleError, UnavailableError
from service.cache.answers import open_answers
from service.cache.warm_set import WarmSets
from service.config import ServerSettings
from service.listen import Handlers, grpc_server, serve_metrics
from service.live_state import LIVE_SERVICES, LiveState
from service.models.bundles import ModelOpener, bundle_opener, chosen_models, chosen_split, open_bundles, settle_memory
from service.models.served_models import ModelState, ModelStatus, ServedModels
from service.rpc.admission import Lanes
from service.rpc.calls import Calls
from service.rpc.completer import Completer
from service.rpc.health import HEALTH_SERVICE, Health
from service.rpc.keystrokes import KeystrokeAnswers
from service.rpc.requests import Defaults
from service.rpc.servicers import AUTOCOMPLETE_SERVICE, MODEL_SERVICE, AutocompleteServicer, ModelServicer
from service.rpc.streams import Streams
from service.telemetry.metrics import Metrics
from service.telemetry.tracing import open_tracing
from service.workers.event_loop import EventLoop

_log = structlog.get_logger("service.server")


class Server:
    """All parts of a running server.

    Args:
        settings: what it was told.
        opener: opens a bundle; `service.models.bundles.bundle_opener`'s if None.
        clock: monotonic, in seconds.
        wall_clock: in seconds since 1970.
        chance: draws a number in [0, 1).
        on_serving: for one of several processes that share the port, and told when it answers calls. It listens only
            once its default model is open, for until then the others have the calls.

    Raises:
        ConfigError: the registry is empty, or a model that was named is not in it.
        RegistryError: the registry cannot be reached, and there is no copy of its bundles.
    """

    def __init__(
        self,
        settings: ServerSettings,
        *,
        opener: ModelOpener | None = None,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
        chance: Callable[[], float] = random.random,
        on_serving: Callable[[], None] | None = None,
    ) -> None:
        self._settings = settings
        self._on_serving = on_serving
        self.metrics = Metrics(CollectorRegistry(), shared=on_serving is not None)
        self._stop_requested = threading.Event()
        self._stopped = False
        self._joining = threading.Lock()
        self._failure: AutocompleteError | None = None
        self._bundles = open_bundles(settings, self.metrics)
        names, default = chosen_models(self._bundles, settings)
        self.models = ServedModels(
            self._bundles,
            names,
            default,
            opener or bundle_opener(settings),
            self.metrics,
            self._model_changed,
            follow_s=settings.reload_s,
            new_models=not settings.models,
            split=chosen_split(self._bundles, settings, names),
            chance=chance,
        )
        self._tracing = open_tracing(settings)
        self._versions: dict[str, tuple[str, ...]] = {}
        self._calls = Calls(self.metrics, names, default, clock, self._tracing)
        self._health = Health()
        self._answers = open_answers(settings, self.metrics)
        self._live = LiveState(
            settings,
            self.models,
            self.metrics,
            versions=lambda model: self._versions.get(model, ()),
            clock=clock,
            wall_clock=wall_clock,
            on_ready=self._serve_if_ready,
            on_forgotten=self._answers.forget_users,
        )
        self._completer = Completer(self._answers, self.metrics, Defaults.of(settings), self._tracing)
        self._lanes = Lanes(settings, self.metrics, clock)
        self._warm_sets = WarmSets(
            lambda model, query: self._completer.prepare_query(self._live.models.over(model), query),
            self.metrics,
            limit=settings.cache_entries // 2 if self._answers.are_kept else 0,
            busy=lambda: self._lanes.waiting > 0,
        )
        time_budget_s = settings.time_budget_ms / 1000
        keystrokes = KeystrokeAnswers(
            models=self._live.models,
            completer=self._completer,
            metrics=self.metrics,
            time_budget_s=time_budget_s,
            clock=clock,
        )
        self._streams = Streams(settings, keystrokes, self.metrics, clock)
        self._autocomplete = AutocompleteServicer(
            models=self._live.models,
            completer=self._completer,
            streams=self._streams,
            time_budget_s=time_budget_s,
            clock=clock,
        )
        self._loop = EventLoop()
        self._grpc: Any = None
        self._looking: Any = None
        self._end_metrics: Callable[[], None] = lambda: None
        self.port = 0
        self.metrics_port = 0

    def start(self) -> None:
        """Listens, and opens the models in the background.

        Raises:
            UnavailableError: a port is taken.
        """
        self._set_health(health_pb2.HealthCheckResponse.NOT_SERVING)
        if self._on_serving is None:
            self._begin()
        self._count_models()
        self._answers.start()
        self._live.start()
        self.models.start()

    def _begin(self) -> None:
        """Takes calls.

        Raises:
            UnavailableError: a port is taken.
        """
        try:
            self._loop.run(self._listen())
            self.metrics_port, self._end_metrics = serve_metrics(self._settings.metrics_address, self.metrics.registry)
        except UnavailableError:
            self._loop.run(self._stop_calls(None))
            self._close()
            raise
        self._loop.run(self._grpc.start())
        _log.info("listening", port=self.port, metrics_port=self.metrics_port, models=self.models.names)

    def wait(self) -> None:
        """Blocks until a stop is requested.

        Raises:
            AutocompleteError: no model could be opened.
        """
        self._stop_requested.wait()
        if self._failure is not None:
            raise self._failure

    def request_stop(self, reason: str) -> None:
        """Ends `wait`."""
        _log.info("stopping", reason=reason)
        self._stop_requested.set()

    def soon(self, work: Callable[[], object]) -> None:
        """Has the event loop, which answers all calls, call a function."""
        self._loop.soon(work)

    def stop(self) -> None:
        """Not serving, then no new calls, then those under way get `drain_s` to finish."""
        if self._stopped:
            return
        self._stopped = True
        self._loop.run(self._stop_calls(self._settings.drain_s))
        self._bundles.close()
        self.models.close()
        self._live.stop_following()
        self._warm_sets.close()
        self._loop.run(self._stop_calls(None))  # if it began to listen meanwhile
        self._close()
        _log.info("stopped")

    async def _listen(self) -> None:
        shared = self._on_serving is not None  # a server of one process must find that its port is taken
        self._grpc, self.port = grpc_server(self._settings.address, self._handlers(), shared=shared)
        self._looking = asyncio.create_task(self._streams.look_after())

    async def _stop_calls(self, drain_s: float | None) -> None:
        self._health.close()
        self._streams.close()
        if self._grpc is not None:
            await self._grpc.stop(drain_s)

    def _handlers(self) -> Handlers:
        calls, lanes = self._calls, self._lanes
        check = calls.unary("Check", lanes.health, health_pb2.HealthCheckRequest, self._health.check)
        return {
            AUTOCOMPLETE_SERVICE: self._autocomplete.handlers(calls, lanes),
            MODEL_SERVICE: ModelServicer(self.models).handlers(calls, lanes),
            HEALTH_SERVICE: {"Check": check, "Watch": self._health.watch_handler()},
            **self._live.handlers(calls, lanes),
        }

    def _model_changed(self, status: ModelStatus) -> None:
        self._count_models()
        if status.model is not None:
            self._calls.know(status.name)
            versions = tuple(model.version for model in status.models)
            former = self._versions.get(status.name)
            self.metrics.show_versions(status.name, status.shares, status.model.created_at_s)
            self._versions[status.name] = versions
            self._bundles.keep(status.name, {*versions, *(former or ()), *status.shares})
            if status.name == self.models.default:
                if former is None:  # later nobody is to wait for it
                    settle_memory()
                self._serve_if_ready()
            if versions != former:
                self._warm_sets.begin(*status.models)
        statuses = self.models.statuses()
        if all(each.state is ModelState.FAILED for each in statuses):
            first = self.models.status(self.models.default).latest_error
            self._failure = first or BundleError("No model could be opened.")
            self.request_stop("no model could be opened")

    def _serve_if_ready(self) -> None:
        """Serves once the default model is open and it is known what is taken down, which may come from two threads."""
        with self._joining:
            if self._live.is_ready and self.models.status(self.models.default).model is not None:
                self._set_health(health_pb2.HealthCheckResponse.SERVING)
                self._join_port()

    def _join_port(self) -> None:
        """One of several takes its share of the calls, from its first answer on."""
        if self._on_serving is None or self.port or self._stop_requested.is_set():
            return
        try:
            self._begin()
        except UnavailableError as error:
            self._failure = error
            self.request_stop("the port cannot be shared")
        else:
            self._on_serving()

    def _count_models(self) -> None:
        statuses = self.models.statuses()
        for state in ModelState:
            self.metrics.models.labels(state.value).set(sum(each.state is state for each in statuses))

    def _set_health(self, status: Any) -> None:
        # who watches the whole finds its parts so too
        self._loop.soon(self._health.set, ("", AUTOCOMPLETE_SERVICE, MODEL_SERVICE, *LIVE_SERVICES), status)

    def _close(self) -> None:
        self._end_metrics()
        self._answers.close()
        if self._tracing is not None:
            self._tracing.close()
        self._streams.shut_down()
        self._lanes.close()
        self._live.close()
        self._loop.close()
