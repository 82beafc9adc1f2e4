"""What the live state promises, measured: take-downs, pins, entries and users' events, mostly on real servers.

Run from the checkout, after `autocomplete demo`: `python -m benchmarks.live PART`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from benchmarks.bundles import find_bundle
from benchmarks.command import ROOT, new_app, run_app
from benchmarks.live.answers import measure_answers
from benchmarks.live.cut import measure_cut
from benchmarks.live.events import measure_event_spread, measure_load
from benchmarks.live.hidden import measure_hidden
from benchmarks.live.kills import measure_kills
from benchmarks.live.overlay import measure_overlay
from benchmarks.live.servers import Store
from benchmarks.live.spread import measure_spread
from benchmarks.live.trend import measure_trend

_DEMO = ROOT / "var" / "demo"
_Registry = Annotated[Path, typer.Option(help="The registry of the demo.")]
_Sample = Annotated[Path, typer.Option(help="Queries, one a line.")]
_Store = Annotated[Store, typer.Option(help="Where the live state is kept.")]
_REGISTRY, _SAMPLE = _DEMO / "registry", _DEMO / "sample" / "queries.txt"
app = new_app(__doc__)


@app.command()
def kills(
    registry: _Registry = _REGISTRY,
    store: _Store = Store.REDIS,
    rounds: Annotated[int, typer.Option(help="Kills.")] = 200,
    seed: Annotated[int, typer.Option(help="Of their moments.")] = 1,
) -> None:
    """Take-downs lost when workers, servers and the store are killed."""
    measure_kills(registry, store, rounds, seed)


@app.command()
def spread(
    registry: _Registry = _REGISTRY,
    sample: _Sample = _SAMPLE,
    store: _Store = Store.REDIS,
    changes: Annotated[int, typer.Option(help="Take-downs, pins and entries in turn.")] = 1000,
    calls_per_s: Annotated[int, typer.Option(help="Completions beside them.")] = 300,
    most_s: Annotated[float, typer.Option(help="Ends after so many seconds.")] = 480,
) -> None:
    """From the acknowledgement of a change to every worker of three replicas."""
    measure_spread(registry, sample, store, changes, calls_per_s, most_s)


@app.command()
def cut(
    registry: _Registry = _REGISTRY,
    sample: _Sample = _SAMPLE,
    changes: Annotated[int, typer.Option(help="Take-downs meanwhile.")] = 200,
    away_s: Annotated[float, typer.Option(help="For how many seconds.")] = 60,
) -> None:
    """What a replica still shows after it was cut off from Redis."""
    measure_cut(registry, sample, away_s, changes)


@app.command()
def hidden(registry: _Registry = _REGISTRY, sample: _Sample = _SAMPLE) -> None:
    """Whether any method shows what is taken down, and whether anything else is missing."""
    measure_hidden(registry, sample)


@app.command()
def events(
    registry: _Registry = _REGISTRY,
    store: _Store = Store.SQLITE,
    queries: Annotated[int, typer.Option(help="New queries, one after the other.")] = 200,
) -> None:
    """From the third user's event to a suggestion elsewhere."""
    measure_event_spread(registry, store, queries)


@app.command()
def load(
    registry: _Registry = _REGISTRY,
    store: _Store = Store.SQLITE,
    events_per_s: Annotated[int, typer.Option(help="Events a second.")] = 2000,
    batch: Annotated[int, typer.Option(help="Events in a call.")] = 20,
    completions_per_s: Annotated[int, typer.Option(help="Completions a second.")] = 500,
    rounds: Annotated[int, typer.Option(help="Of a measurement without and one with events.")] = 3,
    seconds: Annotated[float, typer.Option(help="Of each measurement.")] = 15.0,
    before: Annotated[float, typer.Option(help="Minutes for which such events have come before.")] = 0.0,
    workers: Annotated[int, typer.Option(help="Of the server.")] = 1,
) -> None:
    """Completions without and with events beside them."""
    measure_load(
        registry,
        store,
        events_per_s,
        batch,
        completions_per_s,
        rounds,
        seconds,
        minutes=before,
        workers=workers,
    )


@app.command()
def trend(
    registry: _Registry = _REGISTRY,
    queries: Annotated[int, typer.Option(help="Queries that come up, one in each replay.")] = 40,
    share: Annotated[float, typer.Option(help="Of the searches that are for it at first.")] = 0.002,
) -> None:
    """Hours until a query that comes up is among the first three."""
    measure_trend(registry, queries, share)


@app.command()
def overlay(
    queries: Annotated[Path, typer.Argument(help="Queries, one a line: 120,000 different ones or more.")],
) -> None:
    """The time to judge a text, and the memory of a take-down."""
    measure_overlay(queries)


@app.command()
def answers(
    registry: _Registry = _REGISTRY,
    entries: Annotated[int, typer.Option(help="Live entries, beside 1,000 pins and 1,000 take-downs.")] = 100_000,
    prefixes: Annotated[int, typer.Option(help="Answers.")] = 1000,
) -> None:
    """What the live state adds to an answer that no cache has."""
    measure_answers(find_bundle(registry), entries, prefixes)


if __name__ == "__main__":
    run_app(app)
