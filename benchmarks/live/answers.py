"""What entries, pins and take-downs add to an answer that no cache has."""

from __future__ import annotations

import random
import statistics
import time
from pathlib import Path

from prometheus_client import CollectorRegistry

from service.live.curation import CuratedEntry, Pin, When
from service.live.deny_list import DenyEntry, Operator
from service.live.kinds import Item
from service.live.models import LiveModel
from service.live.overlay import Overlay
from service.telemetry.metrics import Metrics
from suggest.model import Model, open_model
from suggest.types import QueryOptions
from tests.service_twins import no_live_state


def live_items(model: Model, queries: list[str], draw: random.Random, entries: int) -> list[Item]:
    """Entries of two to four words of the bundle's queries, pins for beginnings of some, and denied phrases."""
    words = sorted({word for query in queries for word in query.split() if len(word) > 2})
    texts = list({" ".join(draw.sample(words, draw.randint(2, 4))) for _ in range(entries)})
    items: list[Item] = [
        CuratedEntry(model=model.name, text=text.title(), weight=draw.paretovariate(1.0), payload=text, created_s=1.0)
        for text in texts
    ]
    for query in draw.sample(queries, 1000):
        place = draw.randint(1, 10)
        pin = Pin(model=model.name, query=query, when=When.BEGINS, text=f"{query} sale", place=place, created_s=1.0)
        items.append(pin)
    for number, text in enumerate(draw.sample(texts, 500) + draw.sample(queries, 500)):
        operator = Operator.EXACT if number % 2 else Operator.CONTAINS
        items.append(DenyEntry(operator=operator, phrase=text, created_s=1.0))
    return items


def live_model(model: Model, items: list[Item]) -> LiveModel:
    """A model with a live state."""
    follower = no_live_state(Metrics(CollectorRegistry()))
    follower.overlay = Overlay().with_changes([(item, True) for item in items])
    return LiveModel(model, follower)


def measure_answers(bundle: Path, entries: int, prefixes: int) -> None:
    """Prints the median times of answers with and without live entries, 1,000 pins and 1,000 take-downs."""
    model, draw = open_model(bundle), random.Random(1)
    assert model.bundle.queries is not None
    queries = [text for text, _ in model.bundle.queries.completions("", 20_000)[0]]
    begun_s = time.perf_counter()
    items = live_items(model, queries, draw, entries)
    models = {"none": live_model(model, []), "live": live_model(model, items)}
    built_s = time.perf_counter() - begun_s
    spent_ms: dict[str, list[float]] = {name: [] for name in models}
    chosen = [query[: draw.randint(1, len(query))] for query in draw.choices(queries, k=prefixes)]
    for prefix in chosen:  # corrections are kept once they are found
        for each in models.values():
            each.complete_query(prefix, QueryOptions(), None)
    for number, prefix in enumerate(chosen):
        for name in sorted(models, reverse=bool(number % 2)):
            at_s = time.thread_time()  # of an answer, whatever else the machine does
            models[name].complete_query(prefix, QueryOptions(), None)
            spent_ms[name].append((time.thread_time() - at_s) * 1e3)
    p50 = {name: statistics.median(each) for name, each in spent_ms.items()}
    ratios = [live / none for live, none in zip(spent_ms["live"], spent_ms["none"], strict=True)]
    print(f"{len(items):,} items, taken up in {built_s:.1f} s; {prefixes} prefixes")
    print(f"p50 {p50['none']:.2f} ms without, {p50['live']:.2f} ms with: {p50['live'] / p50['none']:.2f} times")
    print(f"median of the ratios {statistics.median(ratios):.2f}")
