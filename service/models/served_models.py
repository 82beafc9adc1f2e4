"""The models that the server answers with: opened from the registry in the background, which is then followed."""

from __future__ import annotations

import enum
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import structlog

from lm.errors import (
    AutocompleteError,
    BundleError,
    ConfigError,
    ModelLoadingError,
    ModelNotFoundError,
    RegistryError,
)
from service.models.version_opener import VersionOpener
from service.ports import BundleFolder, ServingModel
from service.workers.priority import lower_priority

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


class ServedModels:
    """Opens each model, hands it out and follows the registry: another active version takes its place once it is open.

    Whoever was given a model keeps it, open, as long as it needs. A version that cannot be opened leaves what answers
    and the other models as they are; so does a model that is no longer in the registry.

    Args:
        names: the models to open.
        default: what answers if a request names none; opened first.
        on_change: told each new status, from the thread that opens.
        follow_s: seconds from one look at the registry to the next; 0: it is looked at once.
        new_models: whether models that appear in the registry are opened too.
    """

    def __init__(
        self,
        folder: BundleFolder,
        names: Sequence[str],
        default: str,
        opener: VersionOpener,
        on_change: Callable[[ModelStatus], None],
        *,
        follow_s: float = 0.0,
        new_models: bool = False,
    ) -> None:
        self._folder = folder
        self._opener = opener
        self._on_change = on_change
        self._follow_s = follow_s
        self._new_models = new_models
        self.default = default
        # replaced, never changed, so that callers read it without a lock
        self._statuses: Mapping[str, ModelStatus] = {
            name: ModelStatus(name=name, state=ModelState.LOADING) for name in names
        }
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="open-models", daemon=True)

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
        statuses = self._statuses
        try:
            return statuses[name]
        except KeyError:
            known = ", ".join(f"models/{other}" for other in statuses)
            raise ModelNotFoundError(f"There is no models/{name}.", remedy=f"There are: {known}.") from None

    def statuses(self) -> list[ModelStatus]:
        """What is known of all models."""
        return list(self._statuses.values())

    def _run(self) -> None:
        self._update(sorted(self._statuses, key=lambda name: name != self.default))
        lower_priority()  # what is opened from now on takes the place of what answers
        while self._follow_s and not self._stopping.wait(self._follow_s):
            self._update([*self._statuses, *self._appeared()])

    def _appeared(self) -> list[str]:
        """Models that may be served from now on."""
        if not self._new_models:
            return []
        try:
            there = self._folder.models()
            return [name for name in there if name not in self._statuses and self._folder.active_version(name)]
        except (OSError, RegistryError):  # the next look may see more
            return []

    def _update(self, names: Sequence[str]) -> None:
        for name in names:
            if self._stopping.is_set():
                return
            before = self._statuses.get(name) or ModelStatus(name=name, state=ModelState.LOADING)
            try:
                status = self._look(before)
            except OSError as error:
                status = _unseen(before, _UnseenError(f"{name} cannot be read: {error.strerror}."))
            if _comparable(status) == _comparable(before):
                continue
            if isinstance(status.latest_error, _UnseenError):
                _log.error("no_active_version", model=name, error=str(status.latest_error))
            self._statuses = {**self._statuses, name: status}
            self._on_change(status)

    def _look(self, before: ModelStatus) -> ModelStatus:
        """What the registry says of a model now; opens the version that it says shall answer.

        Raises:
            OSError: the registry cannot be read.
        """
        name = before.name
        versions = self._folder.versions(name)
        active = self._folder.active_version(name)
        latest = versions[-1] if versions else ""
        if active is None or active not in versions:
            return _unseen(replace(before, latest_version=latest), _no_active_version(name, active))
        model, error = self._choose(name, active, versions, before.model)
        if model is None:
            return ModelStatus(name=name, state=ModelState.FAILED, latest_version=latest, latest_error=error)
        if latest == model.version:
            error = None
        elif latest != active:
            error = _held_back(latest, model.version)
        return ModelStatus(name=name, state=ModelState.ACTIVE, model=model, latest_version=latest, latest_error=error)

    def _choose(
        self, name: str, active: str, versions: Sequence[str], answers: ServingModel | None
    ) -> tuple[ServingModel | None, AutocompleteError | None]:
        """The active version; where it cannot be opened what answers, or the newest older one that can be."""
        if answers is not None and answers.version == active:
            return answers, None
        opened = self._opener.open(name, active)
        if not isinstance(opened, AutocompleteError):
            return opened, None
        if answers is not None:
            return answers, opened
        for version in reversed([version for version in versions if version < active]):
            older = self._opener.open(name, version)
            if not isinstance(older, AutocompleteError):
                return older, opened
        return None, opened


class _UnseenError(BundleError):
    """The registry names no version that could answer."""


def _unseen(before: ModelStatus, error: _UnseenError) -> ModelStatus:
    """What answers goes on, though the registry no longer says that it should."""
    state = ModelState.FAILED if before.model is None else ModelState.ACTIVE
    return replace(before, state=state, latest_error=error)


def _comparable(status: ModelStatus) -> tuple[object, ...]:
    return status.state, status.model, status.latest_version, str(status.latest_error)


def _no_active_version(name: str, active: str | None) -> _UnseenError:
    if active is None:
        return _UnseenError(f"No version of {name!r} is active.", remedy="`autocomplete train --activate` makes one.")
    return _UnseenError(
        f"The active version of {name!r}, {active!r}, is not there.",
        remedy="`autocomplete activate` makes another one active.",
    )


def _held_back(latest: str, active: str) -> BundleError:
    return BundleError(f"{latest} was published but not activated; {active} answers.")
