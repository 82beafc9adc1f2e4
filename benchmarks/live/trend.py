"""After how long a query that users begin to search for is among the first, in a replayed log."""

from __future__ import annotations

import lzma
import random
import statistics
from collections.abc import Sequence
from pathlib import Path

from benchmarks.command import SPLIT_FILE, TRAINING_LINES, data_folder, query_logs
from lm.bundle.registry import open_registry
from lm.text.normalize import normalize_query
from service.live.events.event import Event, EventKind, number_at
from service.live.events.trending import NO_TRENDS
from service.live.events.trends import Trends
from suggest.live import NOTHING, Live
from suggest.model import Model, open_model
from suggest.types import QueryOptions
from training.data.sources import read_lines

_TRENDS = "bing-covid-country-2020-01.tsv.xz"
_BEGIN_S = 1_800_000_000.0


def measure_trend(registry: Path, queries: int, share: float) -> None:
    """Prints the hours until a query that comes up is among the first three for its first four letters.

    Args:
        queries: how many come up, one in each replay.
        share: of the searches that are for it at first; an hour later it is ten times that.
    """
    model = _model(registry)
    background, new = web_queries()[TRAINING_LINES:], _new_queries(model, queries)
    for rate in (1_000, 10_000, 100_000):
        hours = [_hours(model, query, background, rate, share, seed) for seed, query in enumerate(new)]
        never = sum(each is None for each in hours)
        known = sorted(each for each in hours if each is not None)
        median = f"{statistics.median(known):.3f}" if known else "-"
        print(
            f"{rate:>7,} searches an hour, {share:.1%} for it at first: median {median} hours, under 0.1 in "
            f"{sum(each < 0.1 for each in known)} of {len(new)}, never within the hour in {never}"
        )


def _hours(model: Model, query: str, background: Sequence[str], rate: int, share: float, seed: int) -> float | None:
    """Hours until a query is among the first three; None if it is not within one."""
    chance, trends, known, number = random.Random(seed), Trends(), NO_TRENDS, number_at(_BEGIN_S)
    for minute in range(-60, 60):
        now_s, events = _BEGIN_S + 60 * minute, []
        rising = 0.0 if minute < 0 else share * 10 ** (minute / 60)
        for _ in range(_poisson(chance, rate / 60)):
            number += 1
            number = max(number, number_at(now_s))
            text = query if chance.random() < rising else chance.choice(background)
            user = f"{chance.randrange(1 << 32):08x}"
            events.append(
                Event(kind=EventKind.SUBMISSION, at_s=now_s, model=model.name, query=text, user=user, number=number)
            )
        trends.take(events)
        if minute >= 0:
            end_s = now_s + 60
            known = known.with_trends(model, trends.trending(end_s).get(model.name, {}), int(end_s // 60))
            if query in _first(model, query[:4], Live(queries=(known.queries,))):
                return (minute + 1) / 60
    return None


def _first(model: Model, typed: str, live: Live = NOTHING) -> list[str]:
    options = QueryOptions(max_suggestions=3, neural=False)
    return [each.text for each in model.complete_query(typed, options, None, live).suggestions]


def _poisson(chance: random.Random, mean: float) -> int:
    return max(round(chance.gauss(mean, mean**0.5)), 0)


def _new_queries(model: Model, count: int) -> list[str]:
    """Queries of January 2020 that the model does not have among its first three."""
    path = data_folder("AUTOCOMPLETE_BENCHMARK_TRENDS", "trends", _TRENDS) / _TRENDS
    lines = lzma.decompress(path.read_bytes()).decode().splitlines()[1:]
    found = sorted({normalize_query(line.split("\t")[1]).rstrip() for line in lines})
    random.Random(1).shuffle(found)
    new = (text for text in found if len(text) > 5 and text.isascii() and text not in _first(model, text[:4]))
    return [text for text, _ in zip(new, range(count), strict=False)]


def _model(registry: Path) -> Model:
    opened = open_registry(registry)
    return open_model(opened.resolve(opened.models()[0]))


def web_queries() -> list[str]:
    """The queries of a log of the web, in its order."""
    texts = (normalize_query(line).rstrip() for _, line in read_lines(query_logs() / SPLIT_FILE))
    return [text for text in texts if 2 < len(text) < 100]
