"""The server's bundles, as its settings say: from a folder, or from a registry at a URL and its copies here."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import partial
from pathlib import Path

import structlog

from lm.bundle.registry import Registry, open_registry
from lm.bundle.remote_registry import RemoteRegistry
from lm.bundle.verified import VERIFIED_FOLDER, VerifiedBundles
from lm.errors import ConfigError
from lm.models.user_cache import writable_cache
from service.config import ServerSettings
from service.models.remote_bundles import RemoteBundles
from service.models.warm import open_warm
from service.ports import BundleFolder, ModelOpener
from service.telemetry.metrics import Metrics

_log = structlog.get_logger("service.models")


class LocalBundles(Registry):
    """A registry in a folder. Nothing is copied, so there is nothing to remove or to end."""

    def keep(self, model: str, versions: Collection[str]) -> None:
        """Leaves all versions in place."""

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
        ConfigError: the registry is empty, a model that was named is not in it, or the default is not clear.
        RegistryError: it cannot be reached, and there is no copy of its bundles.
    """
    there = bundles.models()
    if not there:
        raise ConfigError(
            f"{settings.registry}: The registry holds no model.",
            remedy="Train one with `autocomplete train CONFIG`, or name another folder by --registry.",
        )
    for name in settings.models:
        if name not in there:
            raise _no_model("--models", name, there, settings)
    names = settings.models or tuple(there)
    if settings.default_model is None and len(names) > 1:
        raise ConfigError(
            f"{settings.registry}: --default-model: needed, as there are several models: {', '.join(names)}.",
            remedy=f"Such as --default-model {names[0]}.",
        )
    default = settings.default_model or names[0]
    if default not in names:
        raise _no_model("--default-model", default, names, settings)
    return names, default


def _no_model(flag: str, name: str, names: Sequence[str], settings: ServerSettings) -> ConfigError:
    return ConfigError(f"{settings.registry}: {flag}: no model {name!r}.", remedy=f"There are: {', '.join(names)}.")


def bundle_opener(settings: ServerSettings) -> ModelOpener:
    """Opens bundles ready to answer. Each bundle is checked once a machine, not once a process."""
    try:
        cache = settings.bundle_cache or writable_cache()
    except OSError as error:
        _log.warning("no_cache_folder", error=str(error), effect="each start reads all files to check them")
        return open_warm
    return partial(open_warm, verified=VerifiedBundles(cache / VERIFIED_FOLDER))
