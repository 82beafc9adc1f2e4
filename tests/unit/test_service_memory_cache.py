from __future__ import annotations

import threading
import tracemalloc

from autocomplete.v1 import autocomplete_service_pb2 as pb

from service.cache.memory_cache import MemoryCache
from service.ports import AnswerKey


def key(text: str) -> AnswerKey:
    return "Method", "model", "1", text, 10, False


def test_the_least_recently_used_goes_first() -> None:
    cache = MemoryCache(max_entries=2, max_bytes=10_000)
    cache.put(key("a"), b"1")
    cache.put(key("b"), b"2")
    cache.get(key("a"))
    cache.put(key("c"), b"3")
    assert (cache.get(key("a")), cache.get(key("b")), cache.get(key("c"))) == (b"1", None, b"3")
    assert cache.entry_count == 2


def test_bytes_bound_it() -> None:
    cache = MemoryCache(max_entries=1000, max_bytes=3000)
    for number in range(10):
        cache.put(key(str(number)), bytes(750))
    assert cache.entry_count == 2
    assert cache.byte_count <= 3000
    assert cache.get(key("9")) is not None


def test_an_answer_that_is_too_large_is_not_kept_and_drops_what_it_replaces() -> None:
    cache = MemoryCache(max_entries=10, max_bytes=1000)
    cache.put(key("a"), b"small")
    cache.put(key("a"), bytes(2000))
    assert cache.get(key("a")) is None
    assert (cache.entry_count, cache.byte_count) == (0, 0)


def test_replacing_counts_once() -> None:
    cache = MemoryCache(max_entries=10, max_bytes=10_000)
    cache.put(key("a"), b"12345")
    size = cache.byte_count
    cache.put(key("a"), b"54321")
    assert cache.byte_count == size


def test_what_becomes_of_a_text_elsewhere_changes_no_sum() -> None:
    cache = MemoryCache(max_entries=1, max_bytes=100_000)
    cache.put(key("가" * 10), b"answer")
    size = cache.byte_count
    for number in range(10):
        asked = key("가" * 9 + str(number))
        if number % 2:
            pb.CompleteQueryResponse(normalized_query=str(asked[3]))  # the text keeps its UTF-8 from now on
        cache.put(asked, b"answer")
        cache.put(key("가" * 9 + str(number)), b"answer")
        pb.CompleteQueryResponse(normalized_query=str(asked[3]))
    cache.put(key("가" * 10), b"answer")
    assert cache.byte_count == size


def test_bytes_are_those_that_the_process_takes() -> None:
    tracemalloc.start()
    cache = MemoryCache(max_entries=10_000, max_bytes=100_000_000)
    before = tracemalloc.get_traced_memory()[0]
    for number in range(5000):
        cache.put(key(f"query {number}"), bytes(700))
    taken = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert abs(cache.byte_count / taken - 1) < 0.1


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
