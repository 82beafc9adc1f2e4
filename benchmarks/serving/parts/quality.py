"""What time buys: MRR@10 against p50 added, over beam width, candidates chosen and re-scored, the neural part or none.

The bundle is that of `benchmarks.query_completion`, which has not seen the held-out queries.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from itertools import islice
from pathlib import Path

from rich.console import Console

from benchmarks.bundles import find_bundle
from benchmarks.query_completion import WORK, data_folder, train_on_logs, write_held_out
from benchmarks.serving.bench import Bench
from benchmarks.serving.calls import COMPLETE, channel, completion_request, median_answer
from benchmarks.serving.results import Curve, Figure, Result, skipped
from benchmarks.serving.servers import empty_server, real_server
from benchmarks.serving.tuned_server import changed, value_of
from benchmarks.serving.turns import take_turns
from benchmarks.serving.typing_traffic import prefixes
from benchmarks.serving.variants import without_neural
from lm.bundle.registry import Registry
from suggest.model import open_model
from training.evaluation.query_measures import MEASURES
from training.evaluation.query_outcomes import outcomes, served, wanted_queries
from training.progress import SilentReporter, TerminalReporter

_BEAM, _CHOSEN = "suggest.sources.BEAM_WIDTH", "suggest.CHOSEN"
_NAME = "MRR@10 against p50 added"
_MRR = next(measure for measure in MEASURES if measure.name == "mrr_at_10")
_DEFAULT, _WARM_UP = "default", 100
_SWEEPS: dict[str, list[dict[str, int]]] = {
    "beam width": [{_BEAM: width} for width in (5, 10, 15, 20, 30, 60)],
    "candidates re-scored": [{_CHOSEN: count} for count in (12, 16, 24, 40)],
    "without the neural part: beam width": [{_BEAM: width} for width in (5, 10, 20, 30, 60)],
}


def measure(bench: Bench) -> Iterator[Result]:
    """Yields a figure a point, and the curve."""
    data = data_folder()
    if data is None:
        yield skipped(_NAME, "the query logs are not there")
        return
    bundle = _bundle(data)
    lines = write_held_out(data).read_text(encoding="utf-8").splitlines()
    queries = wanted_queries(lines)[: bench.effort.judged]
    full, bare = bench.registry(bundle), without_neural(bundle, bench.new_folder())
    default = _point(bench, full, {}, queries)
    yield _figure(f"{_DEFAULT}, beam {value_of(_BEAM)}, {value_of(_CHOSEN)} re-scored", default)
    lines_of: dict[str, list[tuple[float, float]]] = {_DEFAULT: [default]}
    labels: dict[str, list[str]] = {_DEFAULT: [_DEFAULT]}
    for sweep, settings in _SWEEPS.items():
        for constants in settings:
            point = _point(bench, bare if "without" in sweep else full, constants, queries)
            value = next(iter(constants.values()))
            lines_of.setdefault(sweep, []).append(point)
            labels.setdefault(sweep, []).append(str(value))
            yield _figure(f"{sweep} {value}", point)
    x = "p50 added to the empty handler, in times its p50"
    yield Curve(name="quality", x=x, y=f"MRR@10 ({len(queries):,} held-out queries)", lines=lines_of, labels=labels)


def _bundle(data: Path) -> Path:
    registry = WORK / "registry"
    if Registry(registry).models():
        return find_bundle(registry)
    reporter = TerminalReporter(Console(stderr=True))
    return train_on_logs(data, reporter, registry="registry", change=lambda config: config)[0].path


def _point(bench: Bench, registry: Path, constants: Mapping[str, int], queries: list[str]) -> tuple[float, float]:
    """p50 added, in times that of the empty handler, and MRR@10."""
    requests = [completion_request(prefix) for prefix in islice(prefixes(queries), bench.effort.calls // 2)]
    warm_up = [completion_request(prefix) for prefix in islice(prefixes(queries[::-1]), _WARM_UP)]
    with ExitStack() as stack:
        server = stack.enter_context(real_server(registry, flags={"--cache": "none"}, constants=constants))
        call = stack.enter_context(channel(server.address))(COMPLETE)
        empty = stack.enter_context(empty_server({COMPLETE: median_answer(map(call, warm_up))}))
        empty_call = stack.enter_context(channel(empty.address))(COMPLETE)
        times = take_turns({"real": call, "empty": empty_call}, requests, warm_up=warm_up)
    with changed(constants):
        model = open_model(find_bundle(registry), verify=False)
        found = outcomes(served(model), queries, SilentReporter())
    p50, floor = (times[name].percentile(0.5) for name in ("real", "empty"))
    terms = [_MRR.term(outcome) for outcome in found]
    return (p50 - floor) / floor, sum(above for above, _ in terms) / sum(below for _, below in terms)


def _figure(name: str, point: tuple[float, float]) -> Figure:
    return Figure(name=f"{_NAME}: {name}", measured=f"MRR@10 {point[1]:.4f} at {point[0]:.2f} times the empty handler")
