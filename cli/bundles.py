"""The commands `inspect`, `activate` and `rollback`, and how any command finds the bundle that it is given."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.filesize import decimal
from rich.markup import escape
from rich.table import Table

from cli.output import print_json, stdout
from lm.errors import BundleError, ModelNotFoundError

if TYPE_CHECKING:
    from lm.bundle.manifest import LanguageModelEntry, Manifest
    from lm.bundle.registry import BundleStore

_Model = Annotated[str, typer.Argument(metavar="MODEL", help="Name of the model.")]
_Registry = Annotated[str, typer.Option(help="Folder of NAME/VERSION bundles, or its URL.")]


def inspect(
    bundle: Annotated[
        str,
        typer.Argument(metavar="BUNDLE", help="Folder or URL of a bundle, or REGISTRY/NAME."),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Prints the manifest as JSON.")] = False,
) -> None:
    """Checks every file of a bundle and shows what is in it."""
    from cli.metrics_tables import metrics_tables
    from lm.bundle.manifest import read_manifest, verify_files

    folder = find_bundle(bundle)
    manifest = read_manifest(folder)
    verify_files(folder, manifest)
    if as_json:
        print_json(manifest.model_dump(mode="json") | {"path": str(folder), "size_bytes": _size(manifest, "")})
        return
    for table in (_summary(folder, manifest), _language_models(manifest), *metrics_tables(manifest.metrics)):
        stdout().print(table)


def activate(
    model: _Model,
    version: Annotated[str, typer.Argument(metavar="VERSION", help="Version that answers from now on.")],
    registry: _Registry = "var/registry",
) -> None:
    """Activates a published version, such as one that measured worse and was therefore not activated."""
    from lm.bundle.registry import open_registry

    bundles = open_registry(registry)
    known = bundles.versions(model)
    if known and version not in known:
        raise ModelNotFoundError(
            f"{model} has no version {version!r} in {bundles.location}.", remedy=f"It has: {', '.join(known)}."
        )
    activate_version(bundles, model, version)


def rollback(
    model: _Model,
    registry: _Registry = "var/registry",
) -> None:
    """Activates the version before the active one again. Later training publishes, but does not activate."""
    from lm.bundle.registry import open_registry

    bundles = open_registry(registry)
    active = bundles.activation(model)
    previous = None if active is None else active.previous(bundles.versions(model))
    if active is None or previous is None:
        there = ", ".join(bundles.versions(model)) or "none"
        raise ModelNotFoundError(
            f"{model} has no version before {active.version if active else 'the active one'} in {bundles.location}.",
            remedy=f"Versions there: {there}.",
        )
    activate_version(bundles, model, previous)
    print(f"Until `autocomplete activate {model} {active.version}` undoes it, training publishes without activating.")


def activate_version(bundles: BundleStore, model: str, version: str) -> None:
    """Checks a version, makes it active and says what changed.

    Raises:
        ModelNotFoundError: there is no such version.
        BundleError: it is damaged.
    """
    from lm.bundle.manifest import read_manifest, verify_files

    folder = bundles.resolve(f"{model}/{version}")
    verify_files(folder, read_manifest(folder))
    former = bundles.active_version(model)
    bundles.activate(model, version)
    instead = f" in place of {former}" if former not in (None, version) else ""
    print(f"{model}: version {version} is active{instead}; servers follow within their `--reload-s`.")


def find_bundle(place: str | Path) -> Path:
    """The folder of a bundle on this machine. A bundle at a URL is copied.

    Args:
        place: the bundle itself, or `REGISTRY/NAME` for the active version of a model.

    Raises:
        ModelNotFoundError: the model has no active version.
        BundleError: it is a registry, which holds several models.
        RegistryError: the URL cannot be used.
    """
    from lm.bundle.manifest import MANIFEST_FILE
    from lm.bundle.registry import is_url, open_registry

    location = str(place).rstrip("/")
    remote = is_url(location)
    if not remote:
        if (Path(place) / MANIFEST_FILE).is_file():
            return Path(place)
        location = str(Path(place).resolve())  # so that `.` and a bare name have a parent
    above, _, name = location.rpartition("/")
    if open_registry(above or "/").versions(name):
        return open_registry(above or "/").resolve(name)
    root, _, model = above.rpartition("/")
    if remote and not root.endswith("/") and name in open_registry(root).versions(model):
        return open_registry(root).resolve(f"{model}/{name}")
    if models := open_registry(location).models():
        raise BundleError(f"{place}: a registry, not a bundle.", remedy=f"Name a model: {place}/{models[0]}.")
    if remote:
        raise BundleError(f"{place}: no bundle.", remedy="Name REGISTRY/NAME or REGISTRY/NAME/VERSION.")
    return Path(place)  # reading it says what is missing


def _summary(folder: Path, manifest: Manifest) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_row("model", f"[bold]{manifest.name}[/bold] {escape(manifest.version)}")
    table.add_row("folder", escape(str(folder)))
    table.add_row("created", f"{manifest.created_at:%Y-%m-%d %H:%M:%S %Z}")
    table.add_row("files", f"{len(manifest.files)}, all as published; {decimal(_size(manifest, ''))}")
    table.add_row("queries", f"{manifest.query_count:,}; {decimal(_size(manifest, 'queries_index/'))}")
    return table


def _language_models(manifest: Manifest) -> Table:
    table = Table(title="Language models", title_justify="left", title_style="bold")
    for column in ("name", "unit", "trained on", "vocabulary", "n-grams", "neural", "n-gram weight", "size"):
        table.add_column(column)
    for entry in manifest.language_models:
        table.add_row(
            *(entry.name, entry.unit, ", ".join(entry.sources), f"{entry.vocabulary_size:,}"),
            f"{entry.ngram_count:,}; order {entry.ngram_order}, {entry.ngram_smoothing.replace('_', ' ')}",
            *(_neural(entry), _weight(entry), decimal(_size(manifest, f"{entry.name}/"))),
        )
    return table


def _weight(entry: LanguageModelEntry) -> str:
    if entry.context_weights is None:
        return f"{entry.ngram_weight:.2f}"
    weights = [weight for row in entry.context_weights.ngram_weights for weight in row]
    return f"{min(weights):.2f} to {max(weights):.2f} by context"


def neural_use(entry: LanguageModelEntry) -> str:
    """What the neural model of a model of queries is for, to put behind its description."""
    if entry.sources[0] != "queries":
        return ""
    return {"propose": " (proposes queries)", "rank": "", "off": " (does not pay: not asked)"}[entry.neural_use]


def _neural(entry: LanguageModelEntry) -> str:
    neural = (
        f"{entry.neural_kind}, {entry.parameter_count:,} weights{neural_use(entry)}" if entry.neural_kind else "none"
    )
    if not entry.reranker_kind:
        return neural
    return f"{neural}; re-ranker: {entry.reranker_kind}, {entry.reranker_parameter_count:,} weights"


def _size(manifest: Manifest, prefix: str) -> int:
    """Bytes of all files with this prefix in their path."""
    return sum(file.size for name, file in manifest.files.items() if name.startswith(prefix))
