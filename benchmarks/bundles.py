"""The bundle under measurement and what is typed into it."""

from __future__ import annotations

from pathlib import Path

from lm.bundle.manifest import MANIFEST_FILE
from lm.bundle.registry import Registry
from lm.errors import InputError
from training.evaluation.evaluate import EVALUATION_FOLDER


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


def held_out_lines(bundle: Path, name: str) -> list[str]:
    """The queries or sentences that the bundle holds out, those of a file of its `evaluation/`; none if it keeps none.

    Raises:
        InputError: it keeps no held-out data at all.
    """
    folder = bundle / EVALUATION_FOLDER
    if not folder.is_dir():
        raise InputError(folder, "no such folder.", remedy="Name a bundle trained with `publishing.keep_held_out`.")
    return (folder / name).read_text(encoding="utf-8").splitlines() if (folder / name).is_file() else []
