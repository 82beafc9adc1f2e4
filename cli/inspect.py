"""`autocomplete inspect`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from cli.bundles import find_bundle
from cli.output import print_json, stdout

if TYPE_CHECKING:
    from lm.bundle.manifest import LanguageModelEntry, Manifest


def inspect(
    bundle: Annotated[str, typer.Argument(metavar="BUNDLE", help="Bundle, or REGISTRY/NAME; also of a URL.")],
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


def _summary(folder: Path, manifest: Manifest) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_row("model", f"[bold]{manifest.name}[/bold] {escape(manifest.version)}")
    table.add_row("folder", escape(str(folder)))
    table.add_row("created", f"{manifest.created_at:%Y-%m-%d %H:%M:%S %Z}")
    table.add_row("files", f"{len(manifest.files)}, all as published; {_megabytes(_size(manifest, ''))}")
    table.add_row("queries", f"{manifest.query_count:,}; {_megabytes(_size(manifest, 'queries_index/'))}")
    return table


def _language_models(manifest: Manifest) -> Table:
    table = Table(title="Language models", title_justify="left", title_style="bold")
    for column in ("name", "unit", "trained on", "vocabulary", "n-grams", "neural", "n-gram weight", "size"):
        table.add_column(column)
    for entry in manifest.language_models:
        table.add_row(
            *(entry.name, entry.unit, ", ".join(entry.sources), f"{entry.vocabulary_size:,}"),
            *(_ngram(entry), _neural(entry)),
            *(_weight(entry), _megabytes(_size(manifest, f"{entry.name}/"))),
        )
    return table


def _ngram(entry: LanguageModelEntry) -> str:
    return f"{entry.ngram_count:,}; order {entry.ngram_order}, {entry.ngram_smoothing.replace('_', ' ')}"


def _weight(entry: LanguageModelEntry) -> str:
    if entry.context_weights is None:
        return f"{entry.ngram_weight:.2f}"
    weights = [weight for row in entry.context_weights.ngram_weights for weight in row]
    return f"{min(weights):.2f} to {max(weights):.2f} by context"


def _neural(entry: LanguageModelEntry) -> str:
    neural = f"{entry.neural_kind}, {entry.parameter_count:,} weights" if entry.neural_kind else "none"
    if not entry.reranker_kind:
        return neural
    return f"{neural}; re-ranker: {entry.reranker_kind}, {entry.reranker_parameter_count:,} weights"


def _size(manifest: Manifest, prefix: str) -> int:
    """Bytes of the files whose path starts so."""
    return sum(file.size for name, file in manifest.files.items() if name.startswith(prefix))


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"
