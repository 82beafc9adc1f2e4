"""How answers slow down and memory grows with ten times the queries and n-grams: bundles of growing size."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from benchmarks.serving.bench import Bench
from benchmarks.serving.calls import COMPLETE, count_degraded, take_turns
from benchmarks.serving.figures import Figure, at_most, degraded, ms
from benchmarks.serving.model import SIZES, serving_bundle
from lm.bundle.bundle import QUERIES_FOLDER
from lm.bundle.manifest import Manifest, read_manifest

_TEXT = "queries.blob.npy"
_STARTS = 3


def measure(bench: Bench) -> Iterator[Figure]:
    """Yields the figures, and memory and latency against size."""
    found = {size: serving_bundle(size) for size in SIZES}
    bundles = {size: bundle for size, bundle in found.items() if bundle is not None}
    if len(bundles) < len(found):
        skipped = "skipped: first `python -m benchmarks.serving --train --big`"
        yield Figure(name="ten times the data", measured=skipped)
        return
    yield from _latency(bench, bundles)
    yield from _files(bundles[SIZES[-1]])
    yield _start(bench, bundles[SIZES[-1]])


def _latency(bench: Bench, bundles: dict[int, Path]) -> Iterator[Figure]:
    """The same prefixes of real queries to all."""
    flags = {"--cache": "none"}
    running = {str(size): bench.server(flags, registry=bench.registry(bundle)) for size, bundle in bundles.items()}
    with bench.beside_empty(COMPLETE, running, bench.warm_up()) as (servers, calls):
        ready = {name: servers[name].process.memory_info().rss / 2**20 for name in running}
        times = take_turns(calls, bench.typed())
        loaded = {name: servers[name].process.memory_info().rss / 2**20 for name in running}
    before, after = (times[str(size)].percentile(0.5) for size in SIZES[-2:])
    manifests = [read_manifest(bundles[size]) for size in SIZES[-2:]]
    grown = " to ".join(f"{each.query_count:,} queries and {_ngrams(each):,} n-grams" for each in manifests)
    name = "ten times the queries and n-grams: p50 uncached / before"
    yield at_most(name, after / before, 1.3, f"{ms(before)} to {ms(after)}; {grown}")
    answered = [answer for name in running for answer in times[name].answers]
    yield degraded("ten times the data", count_degraded(COMPLETE, answered) / len(answered))
    memory = ", ".join(f"{name} queries: {ready[name]:.0f} and {loaded[name]:.0f} MiB" for name in running)
    yield Figure(name="resident when ready and after the load", measured=memory)


def _files(bundle: Path) -> Iterator[Figure]:
    """Bytes of the mapped files: what they take in memory once all pages were asked for."""
    manifest = read_manifest(bundle)
    index = {name: entry.size for name, entry in manifest.files.items() if name.startswith(QUERIES_FOLDER + "/")}
    besides = sum(index.values()) - index[f"{QUERIES_FOLDER}/{_TEXT}"]
    yield at_most("bytes a stored query besides its text", besides / manifest.query_count, 60)
    sizes = {suffix: _sum(manifest, suffix) for suffix in (".npy", "kenlm.binary")}
    ngrams = _ngrams(manifest)
    kenlm = f"and {sizes['kenlm.binary'] / ngrams:.1f} of KenLM's own file, which ScoreText reads"
    yield at_most("bytes an n-gram in the successor tables", sizes[".npy"] / ngrams, 20, kenlm)


def _sum(manifest: Manifest, suffix: str) -> int:
    """Bytes of the n-gram models' files with this ending."""
    wanted = tuple(f"{model.name}/{kind}" for model in manifest.language_models for kind in ("order", "kenlm"))
    files = manifest.files.items()
    return sum(entry.size for name, entry in files if name.startswith(wanted) and name.endswith(suffix))


def _ngrams(manifest: Manifest) -> int:
    return sum(model.ngram_count for model in manifest.language_models)


def _start(bench: Bench, bundle: Path) -> Figure:
    registry, taken_s = bench.registry(bundle), []
    for _ in range(_STARTS):
        with bench.server({"--cache": "none"}, registry=registry) as server:
            taken_s.append(server.ready_s)
    said = f"best of {_STARTS}, worst {max(taken_s):.2f}; files in the page cache"
    return at_most(f"start to ready, {_ngrams(read_manifest(bundle)):,} n-grams", min(taken_s), 2, said, unit=" s")
