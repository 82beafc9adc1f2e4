"""Finds the bundle that a command line names."""

from __future__ import annotations

from pathlib import Path

from lm.errors import BundleError


def find_bundle(place: str | Path) -> Path:
    """The folder of a bundle, given itself or as `REGISTRY/NAME`, whose active version it then is.

    Of a registry at a URL it is a copy on this machine.

    Raises:
        ModelNotFoundError: the model has no active version.
        BundleError: it is a registry, which holds several models.
        RegistryError: the URL cannot be used.
    """
    from lm.bundle.manifest import MANIFEST_FILE
    from lm.bundle.registry import is_url, open_registry

    if is_url(str(place)):
        return _find_remote(str(place).rstrip("/"))
    path = Path(place)
    if (path / MANIFEST_FILE).is_file():
        return path
    folder = path.resolve()  # so that `.` and a bare name have a parent
    if open_registry(folder.parent).versions(folder.name):
        return open_registry(folder.parent).resolve(folder.name)
    _refuse_registry(str(path))
    return path  # reading it says what is missing


def _find_remote(url: str) -> Path:
    """The bundle at `REGISTRY/NAME` or `REGISTRY/NAME/VERSION`."""
    from lm.bundle.registry import open_registry

    above, _, name = url.rpartition("/")
    root, _, model = above.rpartition("/")
    if open_registry(above).versions(name):
        return open_registry(above).resolve(name)
    if not root.endswith("/") and name in open_registry(root).versions(model):
        return open_registry(root).resolve(f"{model}/{name}")
    _refuse_registry(url)
    raise BundleError(f"{url}: no bundle.", remedy="Name REGISTRY/NAME or REGISTRY/NAME/VERSION.")


def _refuse_registry(place: str) -> None:
    from lm.bundle.registry import open_registry

    models = open_registry(place).models()
    if models:
        raise BundleError(f"{place}: a registry, not a bundle.", remedy=f"Name a model: {place}/{models[0]}.")
