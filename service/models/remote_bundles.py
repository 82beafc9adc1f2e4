"""The bundles of a registry at a URL, as the server sees them: whatever happens to the network, it has answers.

While the registry cannot be reached, its last answers count, and at a start those of the copies on this machine. The
server then asks it less and less often; the outage is logged once and counted.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Hashable
from pathlib import Path
from typing import TypeVar

import structlog

from lm.bundle.registry import Activation
from lm.bundle.remote_registry import RemoteRegistry
from lm.errors import RegistryError
from service.telemetry.metrics import Metrics

_FIRST_WAIT_S, _LONGEST_WAIT_S = 1.0, 60.0
_log = structlog.get_logger("service.models")
_T = TypeVar("_T")


class RemoteBundles:
    """A `BundleFolder` over a remote registry and its cache.

    Args:
        clock: monotonic, in seconds.
    """

    def __init__(
        self, registry: RemoteRegistry, metrics: Metrics | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._registry = registry
        self._cache = registry.cache
        self._metrics = metrics
        self._clock = clock
        self._said: dict[tuple[str, ...], object] = {}
        self._error: RegistryError | None = None
        self._wait_s = 0.0
        self._retry_at_s = 0.0
        self._lock = threading.Lock()
        self._closed = False

    def close(self) -> None:
        """Stops a copy that is under way."""
        self._closed = True
        self._registry.close()

    def models(self) -> list[str]:
        """Names of the models that have a version.

        Raises:
            RegistryError: the registry cannot be reached, and nothing of it has been copied.
        """
        names = self._said_by(("models",), self._registry.models, self._cache.models)
        if not names and self._error is not None:
            raise self._error
        return names

    def versions(self, model: str) -> list[str]:
        """Versions of a model, oldest first."""
        return self._said_by(
            ("versions", model), lambda: self._registry.versions(model), lambda: self._cache.versions(model)
        )

    def active_version(self, model: str) -> str | None:
        """The version that should answer."""
        activation = self._activation(model)
        return None if activation is None else activation.version

    def bundle_path(self, model: str, version: str) -> Path:
        """The folder of a whole copy, which is made if there is none.

        Raises:
            BundleError: the bundle is damaged.
            RegistryError: there is no copy, and the registry cannot be reached.
        """
        path = self._cache.bundle_path(model, version)
        if self._error is not None and version in self._cache.versions(model):
            return path
        try:
            path = self._ask(lambda: self._registry.bundle_path(model, version))
        except RegistryError:
            if version not in self._cache.versions(model):
                raise
        activation = self._activation(model)
        if activation is not None and activation.version == version:
            self._cache.remember(model, activation)
        return path

    def fingerprint(self, model: str, version: str) -> Hashable:
        """Differs from an earlier one if a file of the version has changed."""
        return self._said_by(
            ("fingerprint", model, version), lambda: self._registry.fingerprint(model, version), frozenset
        )

    def keep(self, model: str, versions: Collection[str]) -> None:
        """Removes copies of other versions than these, the active one and the one before it."""
        activation = self._activation(model)
        more = () if activation is None else (activation.version, *activation.before[:1])
        self._cache.keep(model, {*versions, *more})

    def _activation(self, model: str) -> Activation | None:
        return self._said_by(
            ("activation", model), lambda: self._registry.activation(model), lambda: self._cache.activation(model)
        )

    def _said_by(self, key: tuple[str, ...], ask: Callable[[], _T], copied: Callable[[], _T]) -> _T:
        """What the registry says. If it cannot be asked: what it said last, or else what the copies say."""
        try:
            said = self._ask(ask)
        except RegistryError:
            known: _T = self._said[key] if key in self._said else copied()  # type: ignore[assignment]
            return known
        self._said[key] = said
        return said

    def _ask(self, ask: Callable[[], _T]) -> _T:
        with self._lock:
            if self._error is not None and self._clock() < self._retry_at_s:
                raise self._error
        try:
            answer = ask()
        except RegistryError as error:
            self._failed(error)
            raise
        self._succeeded()
        return answer

    def _failed(self, error: RegistryError) -> None:
        if self._closed:  # `close` stopped it
            return
        with self._lock:
            if self._error is None:
                _log.error("registry_unreachable", error=str(error), effect="what answers goes on")
            self._error = error
            self._wait_s = min(max(self._wait_s * 2, _FIRST_WAIT_S), _LONGEST_WAIT_S)
            self._retry_at_s = self._clock() + self._wait_s
        if self._metrics is not None:
            self._metrics.registry_errors.inc()

    def _succeeded(self) -> None:
        with self._lock:
            if self._error is not None:
                _log.info("registry_reachable")
            self._error, self._wait_s = None, 0.0
