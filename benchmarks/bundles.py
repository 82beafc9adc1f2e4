"""The bundle under measurement and what is typed into it."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

from lm.errors import InputError
from lm.manifest import MANIFEST_FILE
from lm.registry import Registry
from training.evaluate import EVALUATION_FOLDER, QUERIES_FILE


def find_bundle(path: Path) -> Path:
    """The bundle that was named, or the active one of a registry's first model.

    Raises:
        InputError: it is neither.
    """
    if (path / MANIFEST_FILE).is_file():
        return path
    registry = Registry(path)
    if not registry.models():
        raise InputError(path, "neither a bundle nor a registry.", remedy="Train one: `autocomplete demo`.")
    return registry.resolve(registry.models()[0])


def registry_of(bundle: Path, folder: Path) -> Path:
    """A registry with this bundle alone."""
    model = bundle.parent.name
    (folder / model).mkdir()
    (folder / model / bundle.name).symlink_to(bundle, target_is_directory=True)
    Registry(folder).activate(model, bundle.name)
    return folder


def held_out_prefixes(bundle: Path, count: int) -> list[str]:
    """The first prefixes of the bundle's held-out queries, as they are typed.

    Raises:
        InputError: it keeps none.
    """
    kept = bundle / EVALUATION_FOLDER / QUERIES_FILE
    if not kept.is_file():
        raise InputError(kept, "no such file.", remedy="Name a bundle that was trained on a query log.")
    queries = kept.read_text(encoding="utf-8").splitlines()
    return list(islice((query[:end] for query in queries for end in range(1, len(query) + 1)), count))
