"""The bundle under measurement, what is typed into it, and bundles made of it."""

from __future__ import annotations

from pathlib import Path

from lm.bundle.bundle import EVALUATION_FOLDER
from lm.bundle.manifest import MANIFEST_FILE, Manifest, read_manifest, write_manifest
from lm.bundle.registry import Registry
from lm.errors import InputError


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


def without_neural(bundle: Path, root: Path) -> Path:
    """The bundle with its n-gram models alone, active in a registry `root`."""
    manifest = read_manifest(bundle)
    bare = {"neural_kind": "", "parameter_count": 0, "reranker_kind": "", "reranker_parameter_count": 0}
    models = tuple(model.model_copy(update=bare) for model in manifest.language_models)
    ranking = manifest.ranking.model_copy(update={"reranker": 0.0})
    _publish(bundle, root, manifest.model_copy(update={"language_models": models, "ranking": ranking}))
    return root


def in_versions(bundle: Path, root: Path, versions: tuple[str, ...]) -> Registry:
    """A registry `root` with the bundle in several versions, the last one active."""
    for version in versions:
        _publish(bundle, root, read_manifest(bundle).model_copy(update={"version": version}))
    return Registry(root)


def _publish(bundle: Path, root: Path, manifest: Manifest) -> None:
    """Links to the bundle's files, beside another manifest."""
    folder = root / manifest.name / manifest.version
    folder.mkdir(parents=True)
    for path in bundle.resolve().iterdir():
        if path.name != MANIFEST_FILE:
            (folder / path.name).symlink_to(path)
    write_manifest(folder, manifest)
    Registry(root).activate(manifest.name, manifest.version)
