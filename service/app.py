"""Builds the server from its settings and runs it: the only place that knows all parts."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import structlog
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from prometheus_client import CollectorRegistry, start_http_server

from lm.errors import AutocompleteError, BundleError, UnavailableError
from service.cache.answers import Answers
from service.cache.caches import Caches
from service.cache.warm_set import WarmSets
from service.config import ServerSettings, split_address
from service.models.bundles import bundle_opener, chosen_models, open_bundles
from service.models.served_models import ModelState, ModelStatus, ServedModels
from service.models.warm import settle_memory
from service.ports import ModelOpener
from service.rpc.completer import Completer
from service.rpc.interceptors import CallInterceptor, add_handlers
from service.rpc.lanes import Lanes
from service.rpc.message_first import MessageFirst
from service.rpc.observe import Observer
from service.rpc.open_sessions import build_sessions
from service.rpc.pools import StreamSlots
from service.rpc.servicers import AUTOCOMPLETE_SERVICE, MODEL_SERVICE, AutocompleteServicer, ModelServicer
from service.rpc.watches import HealthWatches
from service.telemetry.metrics import Metrics
from service.telemetry.tracing import open_tracing
from service.workers.listening import port_taken, try_port

_SERVICE_THREADS = 2
_BLOCKING_STREAMS = 64  # open at the same time, of methods whose streams hold a thread
_GRPC_OPTIONS = (
    ("grpc.max_receive_message_length", 256 * 1024),
    ("grpc.keepalive_time_ms", 60_000),  # finds callers that vanished
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),  # else callers who ask, while nobody types, are cut off
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.server_handshake_timeout_ms", 10_000),  # a connection that says nothing
    ("grpc.max_concurrent_streams", 2_000),  # of a connection: answers that nobody reads are kept
    ("grpc.http2.bdp_probe", 0),  # else windows grow, and the core reads what floods in however slowly it is asked for
    ("grpc.max_connection_age_ms", 300_000),  # give or take a tenth: clients look again who is there, calls end first
    ("grpc.max_connection_age_grace_ms", 3_600_000),  # of what is open then: a watch of health has no end of its own
    ("grpc.http2.ping_timeout_ms", 20_000),  # the ping of a keepalive has a time limit of its own, 60 s by default
)
_log = structlog.get_logger("service.server")


class Server:
    """All parts of a running server.

    Args:
        settings: what it was told.
        opener: opens a bundle; `service.models.bundles.bundle_opener`'s if None.
        clock: monotonic, in seconds.
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
        on_serving: Callable[[], None] | None = None,
    ) -> None:
        self._settings = settings
        self._on_serving = on_serving
        self.metrics = Metrics(CollectorRegistry(), shared=on_serving is not None)
        self._stop_requested = threading.Event()
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
        )
        self._tracing = open_tracing(settings)
        self._observer = Observer(self.metrics, names, default, tracing=self._tracing)
        self._versions: dict[str, str] = {}
        self._health = health.HealthServicer()
        self._caches = Caches(settings, self.metrics)
        self._completer = Completer(Answers(self._caches.tiers, self.metrics), self.metrics, self._tracing)
        self._lanes = Lanes(settings, self.metrics, clock)
        # threads beyond the slots refuse the streams for which there is no slot
        self._streams = ThreadPoolExecutor(_BLOCKING_STREAMS + _SERVICE_THREADS, "stream")
        self._service = ThreadPoolExecutor(_SERVICE_THREADS, "service")
        self._watches = HealthWatches(MessageFirst(self._service))
        self._warm_sets = WarmSets(
            self._completer.prepare_query,
            self.metrics,
            limit=settings.cache_entries // 2 if self._caches.tiers else 0,
            busy=lambda: self._lanes.waiting > 0,
        )
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
        if self._on_serving is None:
            self._begin()
        self._count_models()
        self._caches.start()
        self.models.start()

    def _begin(self) -> None:
        """Takes calls.

        Raises:
            UnavailableError: a port is taken.
        """
        try:
            self._listen()
        except UnavailableError:
            self._grpc.stop(None)
            self._close()
            raise
        self._sessions.start()
        self._grpc.start()
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
        self._bundles.close()
        self.models.close()
        self._warm_sets.close()
        self._grpc.stop(None).wait()  # where it began to listen meanwhile
        self._close()
        _log.info("stopped")

    def _build_grpc(self, clock: Callable[[], float]) -> Any:
        settings, metrics = self._settings, self.metrics
        self._sessions = build_sessions(
            settings, self.models, self._completer, self._observer, metrics, self._service, clock
        )
        autocomplete = AutocompleteServicer(
            models=self.models,
            completer=self._completer,
            sessions=self._sessions,
            time_budget_s=settings.time_budget_ms / 1000,
            clock=clock,
        )
        interceptor = CallInterceptor(
            calls=self._lanes.calls,
            long_calls=self._lanes.long_calls,
            streams=self._streams,
            service=self._service,
            slots=StreamSlots(_BLOCKING_STREAMS),
            stalls=self._lanes.stalls,
            watches=self._watches,
            observer=self._observer,
            metrics=metrics,
            at_hand=autocomplete.at_hand() if self._tracing is None else {},  # a span is made where a pool answers
            clock=clock,
        )
        port_options = (("grpc.so_reuseport", int(self._on_serving is not None)),)  # alone, a taken port is an error
        server = grpc.server(self._lanes.calls.pool, interceptors=(interceptor,), options=_GRPC_OPTIONS + port_options)
        add_handlers(server, AUTOCOMPLETE_SERVICE, autocomplete.handlers())
        add_handlers(server, MODEL_SERVICE, ModelServicer(self.models).handlers())
        health_pb2_grpc.add_HealthServicer_to_server(self._health, server)
        names = (AUTOCOMPLETE_SERVICE, MODEL_SERVICE, health.SERVICE_NAME, reflection.SERVICE_NAME)
        reflection.enable_server_reflection(names, server)
        return server

    def _listen(self) -> None:
        settings = self._settings
        try:
            if self._on_serving is None:
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
            version = status.model.version
            former = self._versions.get(status.name)
            self.metrics.show_version(status.name, version, status.model.created_at_s, former=former)
            self._versions[status.name] = version
            self._bundles.keep(status.name, {version, former or version})
            if status.name == self.models.default:
                if former is None:  # later nobody is to wait for it
                    settle_memory()
                self._set_health(health_pb2.HealthCheckResponse.SERVING)
                self._join_port()
            if version != former:
                self._warm_sets.begin(status.model)
        statuses = self.models.statuses()
        if all(each.state is ModelState.FAILED for each in statuses):
            first = self.models.status(self.models.default).latest_error
            self._failure = first or BundleError("No model could be opened.")
            self.request_stop("no model could be opened")

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
        for name in (AUTOCOMPLETE_SERVICE, MODEL_SERVICE, ""):  # who watches the whole finds its parts so too
            self._health.set(name, status)

    def _close(self) -> None:
        if self._http is not None:
            http, thread = self._http
            http.shutdown()
            http.server_close()
            thread.join()
        self._caches.close()
        if self._tracing is not None:
            self._tracing.close()
        self._sessions.shut_down()
        for pool in (*self._lanes.pools, self._streams, self._service):
            pool.shutdown(wait=False)
