from __future__ import annotations

import threading
import tracemalloc

import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from service.cache.answers import MemoryCache, open_answers
from service.config import load_settings
from service.telemetry.metrics import Metrics


def key(text: str) -> bytes:
    return f"Method:model:20260101-000000:{text:>32}".encode()


def test_bytes_are_those_that_the_process_takes() -> None:
    tracemalloc.start()
    cache = MemoryCache(max_entries=10_000, max_bytes=100_000_000)
    before = tracemalloc.get_traced_memory()[0]
    for number in range(5000):
        cache.put(key(f"query {number}"), bytes(700))
    taken = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert abs(cache.byte_count / taken - 1) < 0.1


@pytest.mark.parametrize(
    ("settings", "effect"),
    [
        ({"cache": "none"}, "no answers are kept"),
        ({"cache": "none", "redis": "redis://127.0.0.1:1"}, "no answers are kept"),
        ({"cache": "redis"}, "no answers are kept"),  # and no Redis is set
        ({"cache": "process", "redis": "redis://127.0.0.1:1"}, "answers are kept in this process alone"),
        ({}, "answers are kept in this process alone"),
        ({"cache": "redis", "redis": "redis://127.0.0.1:1"}, "answers are not kept until it answers"),
        ({"redis": "redis://127.0.0.1:1"}, "answers are not shared until it answers"),
    ],
)
def test_the_log_says_where_answers_are_kept(settings: dict[str, object], effect: str) -> None:
    answers = open_answers(load_settings(settings, None), Metrics(CollectorRegistry()))
    with capture_logs() as lines:
        answers.start()
    answers.close()
    assert [line["effect"] for line in lines] == [effect]


def test_threads_that_evict_what_others_read_do_no_harm() -> None:
    cache = MemoryCache(max_entries=3, max_bytes=100_000)
    wrong: list[object] = []

    def work(start: int) -> None:
        for number in range(5000):
            text = str((start + number) % 8)
            cache.put(key(text), text.encode())
            found = cache.get(key(str(number % 8)))
            if found not in (None, str(number % 8).encode()):
                wrong.append(found)

    threads = [threading.Thread(target=work, args=(start,)) for start in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert cache.entry_count == 3
