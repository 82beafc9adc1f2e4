from __future__ import annotations

from service.adapters.memory_cache import MemoryCache


def test_the_least_recently_used_goes_first() -> None:
    cache = MemoryCache(max_entries=2, max_bytes=10_000)
    cache.put("a", b"1")
    cache.put("b", b"2")
    cache.get("a")
    cache.put("c", b"3")
    assert (cache.get("a"), cache.get("b"), cache.get("c")) == (b"1", None, b"3")
    assert cache.entry_count == 2


def test_bytes_bound_it() -> None:
    cache = MemoryCache(max_entries=1000, max_bytes=3000)
    for number in range(10):
        cache.put(str(number), bytes(750))
    assert cache.entry_count == 2
    assert cache.byte_count <= 3000
    assert cache.get("9") is not None


def test_an_answer_that_is_too_large_is_not_kept_and_drops_what_it_replaces() -> None:
    cache = MemoryCache(max_entries=10, max_bytes=1000)
    cache.put("a", b"small")
    cache.put("a", bytes(2000))
    assert cache.get("a") is None
    assert (cache.entry_count, cache.byte_count) == (0, 0)


def test_replacing_counts_once() -> None:
    cache = MemoryCache(max_entries=10, max_bytes=10_000)
    cache.put("a", b"12345")
    size = cache.byte_count
    cache.put("a", b"54321")
    assert cache.byte_count == size
