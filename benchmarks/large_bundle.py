"""A bundle of ten times the size: another one with a larger query index and a larger n-gram model in their places.

Run from the checkout: `python -m benchmarks.large_bundle BUNDLE_OR_REGISTRY OUT` makes the registry OUT with the model
`large`, of 1.6 million queries and about 15 million n-grams. The queries are real ones of web logs joined in pairs, for
their number only; vocabularies, networks, further language models and ranking weights are those of the bundle given, so
its suggestions are no better or worse for it, and what an answer costs compares with the bundle that it was made from.
`--measure` prints bytes a query and an n-gram of any bundle, and what opening it takes.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console

from benchmarks.bundles import find_bundle
from benchmarks.index_scale import read_queries, write_joined
from benchmarks.query_completion import DATA, DATA_VARIABLE
from lm.bundle.bundle import QUERIES_FOLDER, open_bundle
from lm.bundle.manifest import LanguageModelEntry, Manifest, read_manifest, verify_files, write_manifest
from lm.bundle.registry import Registry
from lm.errors import AutocompleteError
from lm.models.ngram import KENLM_FILE
from lm.models.tokenizer import open_tokenizer
from lm.models.vocabulary import Vocabulary
from training.config import NgramConfig
from training.data.encoding import encode
from training.ngram.estimate import train_ngram
from training.progress import Reporter, TerminalReporter
from training.query_index import index_queries, read_counts

NAME, VERSION = "large", "20260101-000000"
_QUERIES, _TEXTS = 1_600_000, 1_150_000


def main() -> int:
    """Makes the bundle, or measures one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundle", type=Path, metavar="BUNDLE_OR_REGISTRY")
    parser.add_argument("out", type=Path, nargs="?", help="Registry to make.")
    parser.add_argument("--measure", action="store_true", help="Measure the bundle; make none.")
    parser.add_argument("--queries", type=int, default=_QUERIES, help="Distinct queries of its index.")
    parser.add_argument("--texts", type=int, default=_TEXTS, help="Of these the n-gram model is trained on so many.")
    given = parser.parse_args()
    data = Path(os.environ.get(DATA_VARIABLE, DATA))
    try:
        bundle = find_bundle(given.bundle.resolve())
        if given.measure:
            measure(bundle)
        elif given.out is None:
            parser.error("OUT is missing")
        elif not (logs := sorted(data.glob("*.txt.xz"))):
            print(f"Skipped: there are no logs in {data}. {DATA_VARIABLE} names their folder.")
        else:
            queries = read_queries(logs)
            print(
                enlarge(bundle, given.out, queries, given.queries, given.texts, TerminalReporter(Console(stderr=True)))
            )
    except AutocompleteError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def enlarge(bundle: Path, out: Path, queries: list[str], size: int, texts: int, reporter: Reporter) -> Path:
    """Publishes and activates the larger bundle; returns where it lies.

    Args:
        queries: distinct real ones, from which `size` are put together.
        texts: how many of these the first language model of queries learns.
    """
    manifest = read_manifest(bundle)
    entry = next(entry for entry in manifest.language_models if entry.sources[0] == "queries")
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out, prefix=".large-") as scratch_name:
        scratch = Path(scratch_name)
        folder = scratch / "bundle"
        shutil.copytree(bundle, folder)
        with reporter.task(f"{size:,} queries"):
            write_joined(queries, size, scratch / "queries.parquet")
            shutil.rmtree(folder / QUERIES_FOLDER)
            (folder / QUERIES_FOLDER).mkdir()
            count = index_queries(scratch / "queries.parquet", folder / QUERIES_FOLDER)
        larger = _train(entry, folder / entry.name, scratch, texts, reporter)
        _write_manifest(folder, manifest, larger, count)
        shutil.rmtree(out / NAME, ignore_errors=True)
        path = Registry(out).publish(NAME, VERSION, folder)
    Registry(out).activate(NAME, VERSION)
    return path


def _train(
    entry: LanguageModelEntry, folder: Path, scratch: Path, texts: int, reporter: Reporter
) -> LanguageModelEntry:
    """Puts an n-gram model of the same order and vocabulary, learnt from more text, into the model's folder."""
    text = scratch / "train.txt"
    chosen = random.Random(1).sample([query for query, _ in read_counts(scratch / "queries.parquet")], texts)
    text.write_text("".join(query + "\n" for query in chosen), encoding="utf-8")
    vocabulary = Vocabulary.open(folder)
    tokenizer = open_tokenizer(folder, entry.unit, vocabulary, lowercase=entry.lowercase)
    for path in [*folder.glob("order*.npy"), folder / KENLM_FILE]:
        path.unlink(missing_ok=True)
    encoded = encode(tokenizer, [text], scratch, "train", reporter)
    # joined queries repeat as no text does, so that discounts cannot be estimated; the size is what matters here
    config = NgramConfig(order=entry.ngram_order, discount_fallback=True)
    train_ngram(config, encoded, vocabulary, folder, reporter=reporter, label=entry.name)
    facts = json.loads((folder / "ngram.json").read_text(encoding="utf-8"))
    return entry.model_copy(update={"ngram_count": facts["count"], "ngram_smoothing": facts["smoothing"]})


def _write_manifest(folder: Path, manifest: Manifest, larger: LanguageModelEntry, query_count: int) -> None:
    models = tuple(larger if entry.name == larger.name else entry for entry in manifest.language_models)
    update = {"name": NAME, "version": VERSION, "query_count": query_count, "language_models": models}
    write_manifest(folder, manifest.model_copy(update=update))


def measure(bundle: Path) -> None:
    """Prints the size of what grows with the data, from the files, and the seconds of checking and opening them."""
    manifest = read_manifest(bundle)
    sizes = {name: file.size for name, file in manifest.files.items()}
    index = {name: size for name, size in sizes.items() if name.startswith(f"{QUERIES_FOLDER}/")}
    text = sum(size for name, size in index.items() if name.endswith(".blob.npy"))
    if manifest.query_count:
        besides = (sum(index.values()) - text) / manifest.query_count
        print(f"{manifest.query_count:,} queries: {besides:.1f} bytes a query besides its text")
    for entry in manifest.language_models:
        table = sum(size for name, size in sizes.items() if name.startswith(f"{entry.name}/order"))
        kenlm = sizes.get(f"{entry.name}/{KENLM_FILE}", 0)
        print(
            f"{entry.name}: {entry.ngram_count:,} n-grams: {table / entry.ngram_count:.1f} bytes an n-gram, and"
            f" {kenlm / entry.ngram_count:.1f} of KenLM's file, of which memory holds what is asked for"
        )
    print(f"{sum(sizes.values()) / 1e6:,.1f} MB in all")
    begun_s = time.perf_counter()
    verify_files(bundle, manifest)
    verified_s = time.perf_counter()
    open_bundle(bundle, verify=False)
    print(f"SHA-256 of all files {verified_s - begun_s:.2f} s, opening {time.perf_counter() - verified_s:.2f} s")


if __name__ == "__main__":
    sys.exit(main())
