"""How answers slow down and memory grows with ten times the queries and n-grams: made-up bundles of growing size."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from benchmarks.serving.bench import Bench
from benchmarks.serving.calls import COMPLETE, Call, channel, completion_request, count_degraded, median_answer
from benchmarks.serving.model import SIZES, synthetic_bundle
from benchmarks.serving.results import Curve, Figure, Result, at_most, degraded, ms, skipped
from benchmarks.serving.servers import empty_server, real_server
from benchmarks.serving.turns import Times, take_turns
from lm.bundle.bundle import QUERIES_FOLDER
from lm.bundle.manifest import Manifest, read_manifest

_TEXT = "queries.blob.npy"
_STARTS = 3


def measure(bench: Bench) -> Iterator[Result]:
    """Yields the figures, and memory and latency against size."""
    found = {size: synthetic_bundle(size) for size in SIZES}
    bundles = {size: bundle for size, bundle in found.items() if bundle is not None}
    if len(bundles) < len(found):
        yield skipped("ten times the data", "first `python -m benchmarks.serving --train --big`")
        return
    yield from _latency(bench, bundles)
    yield from _files(bundles[SIZES[-1]])
    yield _start(bench, bundles[SIZES[-1]])


def _latency(bench: Bench, bundles: dict[int, Path]) -> Iterator[Result]:
    """Each size in turn with the others, each with its own held-out queries, drawn alike."""
    resident: list[tuple[int, float]] = []
    own: list[tuple[int, float]] = []
    with ExitStack() as stack:
        calls, requests = {}, {}
        servers = {}
        for size, bundle in bundles.items():
            servers[size] = stack.enter_context(real_server(bench.registry(bundle), flags={"--cache": "none"}))
            calls[str(size)] = stack.enter_context(channel(servers[size].address))(COMPLETE)
            requests[str(size)] = [completion_request(prefix) for prefix in bench.typed(bundle)]
            answers = [calls[str(size)](completion_request(prefix)) for prefix in bench.warm_up(bundle)]
        ready = {size: server.memory_mb("VmRSS") for size, server in servers.items()}
        empty = stack.enter_context(empty_server({COMPLETE: median_answer(answers)}))
        calls["empty handler"] = stack.enter_context(channel(empty.address))(COMPLETE)
        times = _take_turns(calls, requests)
        for size, server in servers.items():
            resident.append((size, server.memory_mb("VmRSS")))
            own.append((size, server.memory_mb("RssAnon")))
    before, after = (times[str(size)].percentile(0.5) for size in SIZES[-2:])
    manifests = [read_manifest(bundles[size]) for size in SIZES[-2:]]
    grown = " to ".join(f"{each.query_count:,} queries and {_ngrams(each):,} n-grams" for each in manifests)
    name = "ten times the queries and n-grams: p50 uncached / before"
    yield at_most(name, after / before, 1.3, f"{ms(before)} to {ms(after)}; {grown}")
    answered = [answer for size in bundles for answer in times[str(size)].answers]
    yield degraded("ten times the data", count_degraded(COMPLETE, answered) / len(answered))
    memory = ", ".join(f"{size:,} queries: {ready[size]:.0f} and {then:.0f} MiB" for size, then in resident)
    yield Figure(name="resident when ready and after the load", measured=memory)
    p50 = [(float(size), times[str(size)].percentile(0.5) * 1000) for size in bundles]
    floor = [(float(size), times["empty handler"].percentile(0.5) * 1000) for size in bundles]
    latency = {"uncached": p50, "empty handler": floor}
    yield Curve(name="latency_by_size", x="queries", y="p50, ms", lines=latency, logarithmic="x")
    lines = {"resident": resident, "of them the process's own": own}
    yield Curve(name="memory_by_size", x="queries", y="memory after the load, MiB", lines=lines, logarithmic="x")


def _take_turns(calls: dict[str, Call], requests: dict[str, list[bytes]]) -> dict[str, Times]:
    """As `take_turns`, each server with its own requests; the empty one with those of the largest."""
    numbers = [str(number).encode() for number in range(min(map(len, requests.values())))]
    largest = requests[str(SIZES[-1])]

    def by_number(call: Call, own: list[bytes]) -> Call:
        return lambda number: call(own[int(number)])

    return take_turns({name: by_number(call, requests.get(name, largest)) for name, call in calls.items()}, numbers)


def _files(bundle: Path) -> Iterator[Figure]:
    """Bytes of the mapped files: what they take in memory once all pages were asked for."""
    manifest = read_manifest(bundle)
    index = {name: entry.size for name, entry in manifest.files.items() if name.startswith(QUERIES_FOLDER + "/")}
    besides = sum(index.values()) - index[f"{QUERIES_FOLDER}/{_TEXT}"]
    yield at_most("bytes a stored query besides its text", besides / manifest.query_count, 40)
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
        with real_server(registry, flags={"--cache": "none"}) as server:
            taken_s.append(server.ready_s)
    said = f"best of {_STARTS}, worst {max(taken_s):.2f}; files in the page cache"
    return at_most(f"start to ready, {_ngrams(read_manifest(bundle)):,} n-grams", min(taken_s), 2, said, unit=" s")
