"""Finds the bundle that a command line names."""

from __future__ import annotations

from pathlib import Path

from lm.errors import BundleError


def find_bundle(path: Path) -> Path:
    """The folder of a bundle, given itself or as `REGISTRY/NAME`, whose active version it then is.

    Raises:
        ModelNotFoundError: the model has no active version.
        BundleError: it is a registry, which holds several models.
    """
    from lm.manifest import MANIFEST_FILE
    from lm.registry import Registry

    if (path / MANIFEST_FILE).is_file():
        return path
    folder = path.resolve()  # so that `.` and a bare name have a parent
    if Registry(folder.parent).versions(folder.name):
        return Registry(folder.parent).resolve(folder.name)
    models = Registry(path).models()
    if models:
        raise BundleError(f"{path}: a registry, not a bundle.", remedy=f"Name a model: {path / models[0]}.")
    return path  # reading it says what is missing
