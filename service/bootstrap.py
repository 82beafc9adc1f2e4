"""Builds the server from its settings and runs it: the only place that knows all parts."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import FrameType
from typing import Any

import grpc
import structlog
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from prometheus_client import CollectorRegistry, start_http_server

from lm.errors import AutocompleteError, BundleError, ConfigError, UnavailableError
from lm.registry import Registry
from service.adapters.bundle_registry import BundleRegistry, ModelState, ModelStatus, choose_models
from service.adapters.memory_cache import MemoryCache
from service.adapters.redis_cache import RedisCache
from service.adapters.version_opener import VersionOpener
from service.answers import Answers, Tier
from service.config import ServerSettings, split_address
from service.listening import port_taken, try_port
from service.logs import configure_logs
from service.metrics import Metrics
from service.ports import AnswerCache, ModelOpener, ServingModel
from service.rpc.completer import Completer
from service.rpc.interceptors import CallInterceptor, add_handlers
from service.rpc.observe import Observer
from service.rpc.pools import StreamSlots, WorkerPool
from service.rpc.servicers import AUTOCOMPLETE_SERVICE, MODEL_SERVICE, AutocompleteServicer, ModelServicer
from service.rpc.session import OpenSessions
from service.rpc.watches import HealthWatches

_SERVICE_THREADS = 2
_GRPC_OPTIONS = (
    ("grpc.so_reuseport", 0),  # so that a taken port is an error
    ("grpc.max_receive_message_length", 256 * 1024),
    ("grpc.keepalive_time_ms", 60_000),  # finds callers that vanished, whose streams hold threads
    ("grpc.keepalive_timeout_ms", 20_000),
)
_log = structlog.get_logger("service.server")


def serve(settings: ServerSettings) -> None:
    """Serves until SIGTERM or SIGINT, then stops gracefully; a second signal ends the process at once.

    Raises:
        ConfigError: the registry is empty, or a model that was named is not in it.
        UnavailableError: a port is taken.
        BundleError: no model could be opened.
    """
    configure_logs(settings.log_level, settings.log_format)
    server = Server(settings)

    def on_signal(number: int, _frame: FrameType | None) -> None:
        for each in (signal.SIGTERM, signal.SIGINT):
            signal.signal(each, signal.SIG_DFL)
        server.request_stop(signal.Signals(number).name)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, on_signal)
    server.start()
    try:
        server.wait()
    finally:
        server.stop()


class Server:
    """All parts of a running server.

    Args:
        settings: what it was told.
        opener: opens a bundle; `service.adapters.warm.open_warm` if None.
        clock: monotonic, in seconds.

    Raises:
        ConfigError: the registry is empty, or a model that was named is not in it.
    """

    def __init__(
        self,
        settings: ServerSettings,
        *,
        opener: ModelOpener | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self.metrics = Metrics(CollectorRegistry())
        self._stop_requested = threading.Event()
        self._failure: AutocompleteError | None = None
        folder = Registry(settings.registry)
        try:
            names, default = choose_models(folder, settings.models, settings.default_model)
        except ConfigError as error:
            raise ConfigError(f"{settings.registry}: {error.problem}", remedy=error.remedy) from None
        self.models = BundleRegistry(
            folder,
            names,
            default,
            VersionOpener(folder, opener or _opener(), self.metrics),
            self._model_changed,
            follow_s=settings.reload_s,
            new_models=not settings.models,
        )
        self._observer = Observer(self.metrics, names, default)
        self._versions: dict[str, str] = {}
        self._sessions = OpenSessions()
        self._health = health.HealthServicer()
        self._redis: RedisCache | None = None
        self._calls = WorkerPool(settings.max_concurrent, "call")
        # threads beyond the slots refuse the streams for which there is no slot
        self._streams = ThreadPoolExecutor(settings.max_streams + _SERVICE_THREADS, "stream")
        self._service = ThreadPoolExecutor(_SERVICE_THREADS, "service")
        self._watches = HealthWatches(self._service)
        self._grpc = self._build_grpc(clock)
        self._http: Any = None
        self.port = 0
        self.metrics_port = 0

    def start(self) -> None:
        """Listens, and opens the models in the background.

        Raises:
            UnavailableError: a port is taken.
        """
        self._set_health(health_pb2.HealthCheckResponse.NOT_SERVING)
        try:
            self._listen()
        except UnavailableError:
            self._grpc.stop(None)
            self._close()
            raise
        self._count_models()
        if self._redis is None:
            _log.info("no_redis", effect="answers are kept in this process alone")
        elif not self._redis.ping():
            _log.warning("redis_unreachable", effect="answers are not shared until it answers")
        self._grpc.start()
        self.models.start()
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

    def stop(self) -> None:
        """Not serving, then no new calls, then those under way get `drain_s` to finish."""
        self._health.enter_graceful_shutdown()
        stopped = self._grpc.stop(self._settings.drain_s)
        self._sessions.close()
        self._watches.close()
        stopped.wait()
        self.models.close()
        self._close()
        _log.info("stopped")

    def _build_grpc(self, clock: Callable[[], float]) -> Any:
        settings, metrics = self._settings, self.metrics
        interceptor = CallInterceptor(
            calls=self._calls,
            streams=self._streams,
            service=self._service,
            slots=StreamSlots(settings.max_streams),
            watches=self._watches,
            max_waiting=settings.max_waiting,
            observer=self._observer,
            metrics=metrics,
        )
        autocomplete = AutocompleteServicer(
            models=self.models,
            completer=Completer(Answers(self._tiers(), metrics), metrics),
            sessions=self._sessions,
            metrics=metrics,
            time_budget_s=settings.time_budget_ms / 1000,
            clock=clock,
        )
        server = grpc.server(self._calls, interceptors=(interceptor,), options=_GRPC_OPTIONS)
        add_handlers(server, AUTOCOMPLETE_SERVICE, autocomplete.handlers())
        add_handlers(server, MODEL_SERVICE, ModelServicer(self.models).handlers())
        health_pb2_grpc.add_HealthServicer_to_server(self._health, server)
        names = (AUTOCOMPLETE_SERVICE, MODEL_SERVICE, health.SERVICE_NAME, reflection.SERVICE_NAME)
        reflection.enable_server_reflection(names, server)
        metrics.waiting.set_function(lambda: self._calls.waiting)
        return server

    def _tiers(self) -> list[Tier]:
        settings, metrics = self._settings, self.metrics
        tiers: list[tuple[str, AnswerCache]] = []
        if settings.cache != "none":
            cache = MemoryCache(max_entries=settings.cache_entries, max_bytes=settings.cache_mb * 1024 * 1024)
            metrics.cache_entries.set_function(lambda: cache.entry_count)
            metrics.cache_bytes.set_function(lambda: cache.byte_count)
            tiers.append(("process", cache))
        if settings.cache == "all" and settings.redis is not None:
            self._redis = RedisCache(
                settings.redis,
                timeout_s=settings.redis_timeout_ms / 1000,
                ttl_s=settings.redis_ttl_s,
                max_connections=settings.max_concurrent + settings.max_streams + 1,
                metrics=metrics,
            )
            tiers.append(("redis", self._redis))
        return [Tier(name=name, cache=cache) for name, cache in tiers]

    def _listen(self) -> None:
        settings = self._settings
        try:
            try_port(settings.address)
            self.port = self._grpc.add_insecure_port(settings.address)
        except (OSError, RuntimeError) as error:
            raise port_taken("--address", settings.address, error) from None
        if settings.metrics_address == "off":
            return
        host, port = split_address(settings.metrics_address)
        try:
            self._http = start_http_server(port, addr=host, registry=self.metrics.registry)
        except OSError as error:
            raise port_taken("--metrics-address", settings.metrics_address, error) from None
        self.metrics_port = self._http[0].server_port

    def _model_changed(self, status: ModelStatus) -> None:
        self._count_models()
        if status.model is not None:
            self._observer.know(status.name)
            self._show_version(status.name, status.model)
            if status.name == self.models.default:
                self._set_health(health_pb2.HealthCheckResponse.SERVING)
        statuses = self.models.statuses()
        if all(each.state is ModelState.FAILED for each in statuses):
            first = self.models.status(self.models.default).latest_error
            self._failure = first or BundleError("No model could be opened.")
            self.request_stop("no model could be opened")

    def _show_version(self, name: str, model: ServingModel) -> None:
        former = self._versions.get(name, model.version)
        self._versions[name] = model.version
        self.metrics.model_info.labels(name, model.version).set(1)
        self.metrics.model_created.labels(name).set(model.created_at_s)
        if former != model.version:
            self.metrics.model_info.remove(name, former)

    def _count_models(self) -> None:
        statuses = self.models.statuses()
        for state in ModelState:
            self.metrics.models.labels(state.value).set(sum(each.state is state for each in statuses))

    def _set_health(self, status: Any) -> None:
        for name in ("", AUTOCOMPLETE_SERVICE, MODEL_SERVICE):
            self._health.set(name, status)

    def _close(self) -> None:
        if self._http is not None:
            http, thread = self._http
            http.shutdown()
            http.server_close()
            thread.join()
        if self._redis is not None:
            self._redis.close()
        for pool in (self._calls, self._streams, self._service):
            pool.shutdown(wait=False)


def _opener() -> ModelOpener:
    from service.adapters.warm import open_warm

    return open_warm
