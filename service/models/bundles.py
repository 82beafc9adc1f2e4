"""Where the server's bundles come from, by its settings: a folder, or a registry at a URL and its copies here."""

from __future__ import annotations

from collections.abc import Collection
from functools import partial
from pathlib import Path

import structlog

from lm.bundle.registries import open_registry, verified_bundles
from lm.bundle.registry import Registry
from lm.bundle.remote_registry import RemoteRegistry
from lm.errors import ConfigError
from lm.models.user_cache import writable_cache
from service.config import ServerSettings
from service.models.remote_bundles import RemoteBundles
from service.models.served_models import choose_models
from service.ports import BundleFolder, ModelOpener
from service.telemetry.metrics import Metrics

_log = structlog.get_logger("service.models")


class LocalBundles(Registry):
    """A registry in a folder: nothing is copied, so there is nothing to keep or to end."""

    def keep(self, model: str, versions: Collection[str]) -> None:
        """Leaves all versions where they are."""

    def close(self) -> None:
        """Has nothing to end."""


def open_bundles(settings: ServerSettings, metrics: Metrics | None = None) -> BundleFolder:
    """The bundles of the registry that the settings name.

    Raises:
        MissingToolError: no library for URLs of its kind is installed.
        RegistryError: the URL cannot be used.
    """
    store = open_registry(settings.registry, settings.bundle_cache)
    if isinstance(store, RemoteRegistry):
        return RemoteBundles(store, metrics)
    return LocalBundles(Path(store.location))


def chosen_models(bundles: BundleFolder, settings: ServerSettings) -> tuple[tuple[str, ...], str]:
    """The names of the models to serve and of the default one.

    Raises:
        ConfigError: the registry is empty, or a model that was named is not in it.
        RegistryError: it cannot be reached, and there is no copy of its bundles.
    """
    try:
        return choose_models(bundles, settings.models, settings.default_model)
    except ConfigError as error:
        raise ConfigError(f"{settings.registry}: {error.problem}", remedy=error.remedy) from None


def bundle_opener(settings: ServerSettings) -> ModelOpener:
    """Opens bundles ready to answer, each checked once a machine and not once a process."""
    from service.models.warm import open_warm

    try:
        cache = settings.bundle_cache or writable_cache()
    except OSError as error:
        _log.warning("no_cache_folder", error=str(error), effect="each start reads all files to check them")
        return open_warm
    return partial(open_warm, verified=verified_bundles(cache))
