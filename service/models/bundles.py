"""The server's bundles, as its settings say: from a folder, or from a registry at a URL and its copies here."""

from __future__ import annotations

import gc
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from lm.bundle.registry import Registry, open_registry
from lm.bundle.remote_registry import RemoteRegistry
from lm.bundle.verified import VERIFIED_FOLDER, VerifiedBundles
from lm.errors import ConfigError, UnsupportedError
from lm.models.user_cache import writable_cache
from service.config import ServerSettings
from service.models.remote_bundles import RemoteBundles
from service.shares import Share, read_split
from service.telemetry.metrics import Metrics

if TYPE_CHECKING:
    from suggest.model import Model

_QUERIES = 5
"""Popular queries to complete letter by letter, and popular words to continue from."""
_LETTERS = 4
_ALLOCATED = 20_000
"""Objects made, and not freed, before the garbage collector looks at young ones; 700 are made for one answer."""
_log = structlog.get_logger("service.models")


class LocalBundles(Registry):
    """A registry in a folder. Nothing is copied, so there is nothing to remove or to end."""

    def keep(self, model: str, versions: Collection[str]) -> None:
        """Leaves all versions in place."""

    def close(self) -> None:
        """Has nothing to end."""


Bundles = LocalBundles | RemoteBundles
ModelOpener = Callable[[Path], "Model"]
"""Opens and checks a bundle."""


def open_bundles(settings: ServerSettings, metrics: Metrics | None = None) -> Bundles:
    """The bundles of the registry that the settings name.

    Raises:
        MissingToolError: no library for URLs of its kind is installed.
        RegistryError: the URL cannot be used.
    """
    store = open_registry(settings.registry, settings.bundle_cache)
    if isinstance(store, RemoteRegistry):
        return RemoteBundles(store, metrics)
    return LocalBundles(Path(store.location))


def chosen_models(bundles: Bundles, settings: ServerSettings) -> tuple[tuple[str, ...], str]:
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


def chosen_split(bundles: Bundles, settings: ServerSettings, names: Sequence[str]) -> Mapping[str, tuple[Share, ...]]:
    """The versions that share the users of a model, by its name; models that are not split are not in it.

    Args:
        names: of the models to serve.

    Raises:
        ConfigError: a model is not served, or a version is not in the registry.
    """
    split = read_split(settings.split)
    for name, shares in split.items():
        if name not in names:
            raise _no_model("--split", name, names, settings)
        there = bundles.versions(name)
        for share in shares:
            if share.version not in there:
                raise ConfigError(
                    f"{settings.registry}: --split: {name!r} has no version {share.version!r}.",
                    remedy=f"There are: {', '.join(there)}.",
                )
    return split


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


def open_warm(path: Path, verified: VerifiedBundles | None = None) -> Model:
    """Opens a bundle and asks it a little, so that its first caller waits no longer than others.

    A model's first answers cost more: the networks' memory is laid out, pages of the mapped files are read, and the
    costs of an answer's parts are not known yet.

    Args:
        verified: bundles that need no second check.

    Raises:
        BundleError: it is missing, damaged or of another format version.
    """
    from suggest.model import open_model  # brings the networks' runtime

    model = open_model(path, verified=verified)
    with suppress(UnsupportedError):  # it has no queries
        for popular in model.complete_query("").suggestions[:_QUERIES]:
            for length in range(1, min(_LETTERS, len(popular.text)) + 1):
                model.complete_query(popular.text[:length])
    with suppress(UnsupportedError):
        for word in model.predict_next_word("").suggestions[:_QUERIES]:
            model.predict_next_word(word.text + " ")
            model.predict_next_word(word.text[:1])
    with suppress(UnsupportedError):  # opens KenLM's file, which is then mapped even if the folder goes
        model.score_text("")
    return model


def settle_memory() -> None:
    """Takes all objects of now, such as open models, out of the garbage collector's rounds.

    A round over a model would stop all calls for a while. Objects are still freed with their last reference.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_ALLOCATED, 10, 10)
