"""Opens versions of models; one that cannot be opened is told once, and not tried again until its files change."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

import structlog

from lm.errors import AutocompleteError, BundleError, RegistryError
from service.ports import BundleFolder, ModelOpener, ServingModel
from service.telemetry.logs import trace_of
from service.telemetry.metrics import Metrics

_log = structlog.get_logger("service.models")


@dataclass(frozen=True, slots=True)
class _Failure:
    fingerprint: Hashable
    error: AutocompleteError


class VersionOpener:
    """Opens bundles of a folder, logs and counts what comes of it.

    Args:
        opener: opens a bundle and makes it ready to answer.
    """

    def __init__(self, folder: BundleFolder, opener: ModelOpener, metrics: Metrics) -> None:
        self._folder = folder
        self._opener = opener
        self._metrics = metrics
        self._failures: dict[tuple[str, str], _Failure] = {}

    def open(self, name: str, version: str) -> ServingModel | AutocompleteError:
        """The open version, or why it cannot be opened.

        Raises:
            OSError: its files cannot be listed.
        """
        fingerprint = self._folder.fingerprint(name, version)
        known = self._failures.pop((name, version), None)
        if known is None or known.fingerprint != fingerprint:
            opened = self._try(name, version)
            if isinstance(opened, RegistryError):  # no fault of the version's, which is tried again at the next look
                return opened
            outcome = "failed" if isinstance(opened, AutocompleteError) else "opened"
            self._metrics.model_openings.labels(name, outcome).inc()
            if not isinstance(opened, AutocompleteError):
                _log.info("model_opened", model=name, version=version)
                return opened
            known = _Failure(fingerprint, opened)
        self._failures[name, version] = known
        return known.error

    def _try(self, name: str, version: str) -> ServingModel | AutocompleteError:
        try:
            model = self._opener(self._folder.bundle_path(name, version))
            if model.version != version:  # versions tell answers apart, in the caches and for who follows the registry
                raise BundleError(
                    f"{name} {version} says in its manifest that it is {model.version}.",
                    remedy="A version's folder has the name under which training published it.",
                )
        except RegistryError as error:  # told by who asked
            return error
        except AutocompleteError as error:
            _log.error("model_failed", model=name, version=version, error=str(error))
            return error
        except Exception as error:  # a bundle that breaks its reader must not take the other models down
            _log.error("model_failed", model=name, version=version, trace=trace_of(error))
            return BundleError(
                f"{name} {version} cannot be opened ({type(error).__name__}).",
                remedy="Train it again, or copy it again; the server's log holds details.",
            )
        return model
