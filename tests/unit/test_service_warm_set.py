"""What makes answers ready in the background."""

from __future__ import annotations

import threading

from prometheus_client import CollectorRegistry

from service.cache.warm_set import WarmSets
from service.telemetry.metrics import Metrics
from suggest.model import Model
from tests.service_twins import TwinModel, eventually


class Prepared:
    """Notes what is to be made ready; a gate can hold it back."""

    def __init__(self) -> None:
        self.texts: list[tuple[str, str]] = []
        self.gate = threading.Event()
        self.failing: str | None = None

    def __call__(self, model: Model, text: str) -> bool:
        self.gate.wait(20)
        if text == self.failing:
            raise LookupError("broken")
        self.texts.append((model.version, text))
        return text != "found"


def warm_sets(prepared: Prepared, *, limit: int = 10, busy: threading.Event | None = None) -> tuple[WarmSets, Metrics]:
    metrics = Metrics(CollectorRegistry())
    is_busy = busy.is_set if busy is not None else lambda: False
    return WarmSets(prepared, metrics, limit=limit, busy=is_busy, clock=lambda: 0.0), metrics


def test_the_most_typed_come_first_and_no_more_than_the_limit() -> None:
    prepared = Prepared()
    prepared.gate.set()
    sets, metrics = warm_sets(prepared, limit=3)
    sets.begin(TwinModel(warm_queries=("", "n", "found", "late"), version="1"))
    eventually(lambda: len(prepared.texts) == 3)
    sets.close()
    assert prepared.texts == [("1", ""), ("1", "n"), ("1", "found")]
    counts = [
        metrics.registry.get_sample_value("autocomplete_warmed_answers_total", {"model": "twin", "outcome": outcome})
        for outcome in ("computed", "found")
    ]
    assert counts == [2, 1]


def test_another_version_takes_over() -> None:
    prepared = Prepared()
    sets, _ = warm_sets(prepared)
    sets.begin(TwinModel(warm_queries=("a", "b", "c"), version="1"))
    sets.begin(TwinModel(warm_queries=("a", "b", "c"), version="2"))
    prepared.gate.set()
    eventually(lambda: ("2", "c") in prepared.texts)
    sets.close()
    assert sum(version == "1" for version, _ in prepared.texts) <= 1  # the one under way


def test_calls_go_before() -> None:
    prepared, busy = Prepared(), threading.Event()
    prepared.gate.set()
    busy.set()
    sets, _ = warm_sets(prepared, busy=busy)
    sets.begin(TwinModel(warm_queries=("a",)))
    assert not prepared.texts
    busy.clear()
    eventually(lambda: prepared.texts)
    busy.set()
    sets.begin(TwinModel(warm_queries=("b",)))
    sets.close()  # waits for no lull
    assert len(prepared.texts) == 1


def test_an_error_ends_it_quietly() -> None:
    prepared = Prepared()
    prepared.gate.set()
    prepared.failing = "b"
    sets, _ = warm_sets(prepared)
    sets.begin(TwinModel(warm_queries=("a", "b", "c")))
    eventually(lambda: len(prepared.texts) == 1)
    sets.close()
    assert [text for _, text in prepared.texts] == ["a"]
