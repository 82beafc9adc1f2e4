"""The models that the server answers with: opened in the background from the registry, which is then followed."""

from __future__ import annotations

import enum
import random
import threading
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import structlog

from lm.errors import AutocompleteError, BundleError, ModelLoadingError, ModelNotFoundError, RegistryError
from service.models.split import SplitVersion, choose, first_of, shares_now
from service.shares import Share
from service.telemetry.logs import trace_of
from service.telemetry.metrics import Metrics
from service.workers.priority import lower_priority

if TYPE_CHECKING:
    from service.models.bundles import Bundles, ModelOpener
    from suggest.model import Model

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
        model: the version that answers, of several the one with the greatest share; None unless active.
        split: the versions that `--split` names; empty if one version is to answer all.
        latest_version: the newest version in the registry.
        latest_error: why the newest version does not answer; None if it does.
    """

    name: str
    state: ModelState
    model: Model | None = None
    latest_version: str = ""
    latest_error: AutocompleteError | None = None
    split: tuple[SplitVersion, ...] = ()

    @property
    def models(self) -> tuple[Model, ...]:
        """All versions that answer."""
        shared = tuple(each.model for each in self.split if each.model is not None)
        return shared or (() if self.model is None else (self.model,))

    @property
    def shares(self) -> Mapping[str, float]:
        """The share of the users, in [0, 1], that each version answers; 0 for one of a split that does not answer."""
        shares = shares_now(self.split)
        if self.model is not None and not any(shares.values()):
            shares[self.model.version] = 1.0
        return shares


class ServedModels:
    """Opens each model, hands it out and follows the registry: once another active version is open, it takes over.

    A model that is split answers with the versions that `--split` names, whichever is active. Those that cannot be
    opened leave their users to the others, and are tried again when their files change. If none can be opened, the
    model answers as if it were not split.

    Whoever was given a model keeps it, open, as long as it is needed. What answers goes on if a version cannot be
    opened, or if its model leaves the registry. Nothing ends the following but `close`: an unexpected error is logged
    and counted, and the next look tries again.

    Args:
        names: the models to open.
        default: answers requests that name no model; opened first.
        opener: opens a bundle and makes it ready to answer.
        on_change: told each new status, from the thread that opens.
        follow_s: seconds from one look at the registry to the next; 0: there is only one look.
        new_models: whether models that appear in the registry are opened too.
        split: the versions that share a model's users, by its name.
        chance: draws a number in [0, 1), which gives a version to a call without a user.
    """

    def __init__(
        self,
        folder: Bundles,
        names: Sequence[str],
        default: str,
        opener: ModelOpener,
        metrics: Metrics,
        on_change: Callable[[ModelStatus], None],
        *,
        follow_s: float = 0.0,
        new_models: bool = False,
        split: Mapping[str, Sequence[Share]] | None = None,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._folder = folder
        self._versions = VersionOpener(folder, opener, metrics)
        self._metrics = metrics
        self._on_change = on_change
        self._follow_s = follow_s
        self._new_models = new_models
        self._split = split or {}
        self._chance = chance
        self.default = default
        # replaced, never changed, so that callers read it without a lock
        self._statuses: Mapping[str, ModelStatus] = {
            name: ModelStatus(name=name, state=ModelState.LOADING) for name in names
        }
        self._untold: set[str] = set()
        self._errors: dict[tuple[str, str], list[str]] = {}
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

    def get(self, name: str, user: str | None = None) -> Model:
        """The model of this name; of the default one if empty.

        Args:
            user: who asks, if the model is split: one of `any_user` if nobody knows; None for the version with the
                greatest share.

        Raises:
            ModelNotFoundError: there is none.
            ModelLoadingError: it is still being read.
            BundleError: no version of it could be opened.
        """
        status = self.status(name or self.default)
        if status.model is not None:
            chosen = None if user is None else choose(status.split, status.name, user)
            return chosen or status.model
        if status.state is ModelState.LOADING:
            raise ModelLoadingError(f"models/{status.name} is still being loaded.", remedy="Try again.")
        raise BundleError(
            f"models/{status.name} could not be loaded.", remedy="`GetModel` and the server's log say why."
        )

    def any_user(self) -> str:
        """A user drawn by chance, for a call or a stream without one."""
        return repr(self._chance())

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
        self._update_all(sorted(self._statuses, key=lambda name: name != self.default))
        with self._surviving("", "priority"):
            lower_priority()  # versions that are opened from now on replace others, which answer
        while self._follow_s and not self._stopping.wait(self._follow_s):
            self._update_all(list(self._statuses))
            if self._new_models:
                with self._surviving("", "new models"):
                    self._update_all(self._appeared())

    def _appeared(self) -> list[str]:
        """Models that have appeared in the registry and have an active version."""
        try:
            there = self._folder.models()
            return [name for name in there if name not in self._statuses and self._folder.active_version(name)]
        except (OSError, RegistryError):  # the next look may see more
            return []

    def _update_all(self, names: Sequence[str]) -> None:
        for name in names:
            if not self._stopping.is_set():
                self._update(name)

    def _update(self, name: str) -> None:
        """Looks at a model in the registry; tells a new status until it was told without an error."""
        before = self._statuses.get(name) or ModelStatus(name=name, state=ModelState.LOADING)
        status = _unseen(before, BundleError(f"{name} cannot be looked up.", remedy="The server's log says why."))
        with self._surviving(name, "look"):
            try:
                status = self._look(before)
            except OSError as error:
                status = _unseen(before, _UnseenError(f"{name} cannot be read: {error.strerror}."))
        if _comparable(status) != _comparable(before):
            if isinstance(status.latest_error, _UnseenError):
                _log.error("no_active_version", model=name, error=str(status.latest_error))
            _say_what_failed(status, before)
            self._statuses = {**self._statuses, name: status}
            self._untold.add(name)
        if name in self._untold:
            with self._surviving(name, "tell"):
                self._on_change(self._statuses[name])
                self._untold.discard(name)

    @contextmanager
    def _surviving(self, name: str, step: str) -> Iterator[None]:
        """Counts an unexpected error, and logs it once, however often it comes again in a row."""
        try:
            yield
        except Exception as error:  # whatever it is, the other models and the next look go on
            self._metrics.follow_errors.labels(name).inc()
            trace = trace_of(error)
            if self._errors.get((name, step)) != trace:
                self._errors[name, step] = trace
                _log.error("follow_failed", model=name, step=step, trace=trace, effect="what answers goes on")
        else:
            self._errors.pop((name, step), None)

    def _look(self, before: ModelStatus) -> ModelStatus:
        """What the registry says of a model now; opens the version that should answer."""
        name = before.name
        versions = self._folder.versions(name)
        active = self._folder.active_version(name)
        latest = versions[-1] if versions else ""
        split = tuple(self._shared(before, share, versions) for share in self._split.get(name, ()))
        before = replace(before, split=split)
        if (first := first_of(split)) is not None:
            error = _not_in_split(latest, split)
            return replace(before, state=ModelState.ACTIVE, model=first, latest_version=latest, latest_error=error)
        if active is None or active not in versions:
            return _unseen(replace(before, latest_version=latest), _no_active_version(name, active))
        model, error = self._choose(name, active, versions, before.model)
        if model is None:
            return replace(before, state=ModelState.FAILED, latest_version=latest, latest_error=error)
        if latest == model.version:
            error = None
        elif latest != active:
            error = BundleError(f"{latest} was published but not activated; {model.version} answers.")
        return replace(before, state=ModelState.ACTIVE, model=model, latest_version=latest, latest_error=error)

    def _shared(self, before: ModelStatus, share: Share, versions: Sequence[str]) -> SplitVersion:
        """A version of a split: as it is if it answers, else opened now if that is possible."""
        answers = next((each for each in before.models if each.version == share.version), None)
        if answers is None and share.version not in versions:
            problem = f"{before.name} {share.version} is not in the registry any more."
            error = BundleError(problem, remedy="Publish it again, or start the server with another --split.")
            return SplitVersion(version=share.version, percent=share.percent, error=error)
        opened = answers or self._versions.open(before.name, share.version)
        if isinstance(opened, AutocompleteError):
            return SplitVersion(version=share.version, percent=share.percent, error=opened)
        return SplitVersion(version=share.version, percent=share.percent, model=opened)

    def _choose(
        self, name: str, active: str, versions: Sequence[str], answers: Model | None
    ) -> tuple[Model | None, AutocompleteError | None]:
        """The active version. If it cannot be opened: what answers now, or else the newest older version that opens."""
        if answers is not None and answers.version == active:
            return answers, None
        opened = self._versions.open(name, active)
        if not isinstance(opened, AutocompleteError):
            return opened, None
        if answers is not None:
            return answers, opened
        for version in reversed([version for version in versions if version < active]):
            older = self._versions.open(name, version)
            if not isinstance(older, AutocompleteError):
                return older, opened
        return None, opened


class _UnseenError(BundleError):
    """The registry names no version that could answer."""


def _unseen(before: ModelStatus, error: BundleError) -> ModelStatus:
    """The status of a model that the registry does not show: if it answers, it goes on answering."""
    state = ModelState.FAILED if before.model is None else ModelState.ACTIVE
    return replace(before, state=state, latest_error=error)


def _comparable(status: ModelStatus) -> tuple[object, ...]:
    split = [(each.model, str(each.error)) for each in status.split]
    return status.state, status.model, status.latest_version, str(status.latest_error), split


def _not_in_split(latest: str, split: Sequence[SplitVersion]) -> AutocompleteError | None:
    """Why the newest version does not answer; None if it does."""
    for each in split:
        if each.version == latest:
            return each.error
    return BundleError(f"{latest} is not among the versions that --split names.") if latest else None


def _say_what_failed(status: ModelStatus, before: ModelStatus) -> None:
    known = {(each.version, str(each.error)) for each in before.split}
    for each in status.split:
        if each.error is not None and (each.version, str(each.error)) not in known:
            effect = "the other versions have its users" if status.models else "the model does not answer"
            _log.error(
                "split_incomplete", model=status.name, version=each.version, error=str(each.error), effect=effect
            )


def _no_active_version(name: str, active: str | None) -> _UnseenError:
    if active is None:
        return _UnseenError(f"No version of {name!r} is active.", remedy="`autocomplete train --activate` makes one.")
    return _UnseenError(
        f"The active version of {name!r}, {active!r}, is not there.",
        remedy="`autocomplete activate` makes another one active.",
    )


class VersionOpener:
    """Opens versions, with a log line and a count for each.

    It does not try a version again that could not be opened, until its files change.
    """

    def __init__(self, folder: Bundles, opener: ModelOpener, metrics: Metrics) -> None:
        self._folder = folder
        self._opener = opener
        self._metrics = metrics
        self._failures: dict[tuple[str, str], tuple[Hashable, AutocompleteError]] = {}

    def open(self, name: str, version: str) -> Model | AutocompleteError:
        """The open version, or why it cannot be opened.

        Raises:
            OSError: its files cannot be listed.
        """
        fingerprint = self._folder.fingerprint(name, version)
        known = self._failures.pop((name, version), None)
        if known is None or known[0] != fingerprint:
            opened = self._try(name, version)
            if isinstance(opened, RegistryError):  # not the version's fault: the next look tries it again
                return opened
            outcome = "failed" if isinstance(opened, AutocompleteError) else "opened"
            self._metrics.model_openings.labels(name, outcome).inc()
            if not isinstance(opened, AutocompleteError):
                _log.info("model_opened", model=name, version=version)
                return opened
            known = fingerprint, opened
        self._failures[name, version] = known
        return known[1]

    def _try(self, name: str, version: str) -> Model | AutocompleteError:
        try:
            model = self._opener(self._folder.bundle_path(name, version))
            if model.version != version:  # caches and the follower tell answers apart by version
                raise BundleError(
                    f"{name} {version} says in its manifest that it is {model.version}.",
                    remedy="A version's folder has the name under which training published it.",
                )
        except RegistryError as error:  # `RemoteBundles` logs it
            return error
        except AutocompleteError as error:
            _log.error("model_failed", model=name, version=version, error=str(error))
            return error
        except Exception as error:  # a bundle that breaks its reader must not stop the other models
            _log.error("model_failed", model=name, version=version, trace=trace_of(error))
            return BundleError(
                f"{name} {version} cannot be opened ({type(error).__name__}).",
                remedy="Train it again, or copy it again; the server's log holds details.",
            )
        return model
