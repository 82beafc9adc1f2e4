"""The models that the server answers with, opened from the registry in the background."""

from __future__ import annotations

import enum
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import structlog

from lm.errors import AutocompleteError, BundleError, ConfigError, ModelLoadingError, ModelNotFoundError
from service.logs import trace_of
from service.ports import BundleFolder, ModelOpener, ServingModel

_log = structlog.get_logger("service.models")


class ModelState(enum.Enum):
    """Whether a model can answer."""

    LOADING = "loading"
    ACTIVE = "active"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelStatus:
    """What is known of a model.

    Attributes:
        model: what answers; None unless active.
        latest_version: the newest version in the registry.
        latest_error: why the newest version does not answer, where it does not.
    """

    name: str
    state: ModelState
    model: ServingModel | None = None
    latest_version: str = ""
    latest_error: AutocompleteError | None = None


def choose_models(folder: BundleFolder, wanted: Sequence[str], default: str | None) -> tuple[tuple[str, ...], str]:
    """The names of the models to serve and of the default one.

    Args:
        folder: what there is.
        wanted: what was asked for; empty for all.
        default: the default that was asked for; the only one if None.

    Raises:
        ConfigError: the registry is empty, a name is not in it, or the default is not clear.
    """
    there = folder.models()
    if not there:
        raise ConfigError(
            "The registry holds no model.",
            remedy="Train one with `autocomplete train CONFIG`, or name another folder by --registry.",
        )
    for name in wanted:
        if name not in there:
            raise ConfigError(f"--models: no model {name!r}.", remedy=f"There are: {', '.join(there)}.")
    names = tuple(wanted) or tuple(there)
    if default is None and len(names) > 1:
        raise ConfigError(
            f"--default-model: needed, as there are several models: {', '.join(names)}.",
            remedy=f"Such as --default-model {names[0]}.",
        )
    chosen = default or names[0]
    if chosen not in names:
        raise ConfigError(f"--default-model: no model {chosen!r}.", remedy=f"There are: {', '.join(names)}.")
    return names, chosen


class BundleRegistry:
    """Opens each model once and hands it out; one that fails leaves the others serving.

    Args:
        names: the models to open.
        default: what answers if a request names none; opened first.
        on_change: told each new status, from the thread that opens.
    """

    def __init__(
        self,
        folder: BundleFolder,
        names: Sequence[str],
        default: str,
        opener: ModelOpener,
        on_change: Callable[[ModelStatus], None],
    ) -> None:
        self._folder = folder
        self._opener = opener
        self._on_change = on_change
        self.default = default
        self._statuses = {name: ModelStatus(name=name, state=ModelState.LOADING) for name in names}
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._open_all, name="open-models", daemon=True)

    def start(self) -> None:
        """Begins to open the models, the default one first."""
        self._thread.start()

    def close(self) -> None:
        """Opens no more models and waits for the one that is being opened."""
        self._stopping.set()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join()

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the models, whatever their state."""
        return tuple(self._statuses)

    def get(self, name: str) -> ServingModel:
        """The model of this name; of the default one if empty.

        Raises:
            ModelNotFoundError: there is none.
            ModelLoadingError: it is still being read.
            BundleError: no version of it could be opened.
        """
        status = self.status(name or self.default)
        if status.model is not None:
            return status.model
        if status.state is ModelState.LOADING:
            raise ModelLoadingError(f"models/{status.name} is still being loaded.", remedy="Try again.")
        raise BundleError(
            f"models/{status.name} could not be loaded.", remedy="`GetModel` and the server's log say why."
        )

    def status(self, name: str) -> ModelStatus:
        """What is known of a model.

        Raises:
            ModelNotFoundError: there is none.
        """
        try:
            return self._statuses[name]
        except KeyError:
            known = ", ".join(f"models/{other}" for other in self._statuses)
            raise ModelNotFoundError(f"There is no models/{name}.", remedy=f"There are: {known}.") from None

    def statuses(self) -> list[ModelStatus]:
        """What is known of all models."""
        return list(self._statuses.values())

    def _open_all(self) -> None:
        for name in sorted(self._statuses, key=lambda name: name != self.default):
            if self._stopping.is_set():
                return
            status = self._open(name)
            self._statuses[name] = status
            self._on_change(status)

    def _open(self, name: str) -> ModelStatus:
        """Opens the active version or, where that fails, the newest older one that can be opened."""
        versions = self._folder.versions(name)
        latest = versions[-1] if versions else ""
        failed = ModelStatus(name=name, state=ModelState.FAILED, latest_version=latest)
        active = self._folder.active_version(name)
        if active is None:
            error = BundleError(
                f"No version of {name!r} is active.", remedy="`autocomplete train --activate` makes one."
            )
            _log.error("model_failed", model=name, error=str(error))
            return replace(failed, latest_error=error)
        first_error: AutocompleteError | None = None
        for version in [active, *(version for version in reversed(versions) if version < active)]:
            opened = self._try(name, version)
            if not isinstance(opened, AutocompleteError):
                error_of_latest = first_error if latest == active else _held_back(latest, version)
                return ModelStatus(
                    name=name,
                    state=ModelState.ACTIVE,
                    model=opened,
                    latest_version=latest,
                    latest_error=None if version == latest else error_of_latest,
                )
            first_error = first_error or opened
        return replace(failed, latest_error=first_error)

    def _try(self, name: str, version: str) -> ServingModel | AutocompleteError:
        try:
            model = self._opener(self._folder.bundle_path(name, version))
        except AutocompleteError as error:
            _log.error("model_failed", model=name, version=version, error=str(error))
            return error
        except Exception as error:  # a bundle that breaks its reader must not take the other models down
            _log.error("model_failed", model=name, version=version, trace=trace_of(error))
            return BundleError(
                f"{name} {version} cannot be opened ({type(error).__name__}).",
                remedy="Train it again, or copy it again; the server's log holds details.",
            )
        _log.info("model_opened", model=name, version=version)
        return model


def _held_back(latest: str, active: str) -> BundleError:
    return BundleError(f"{latest} was published but not activated; {active} answers.")
