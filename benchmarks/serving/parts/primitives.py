"""What each primitive of an answer costs by itself, in this process: microseconds, the median of many."""

from __future__ import annotations

import functools
import itertools
import time
from collections.abc import Callable, Iterator

import numpy as np
from autocomplete.v1 import autocomplete_service_pb2 as pb
from prometheus_client import CollectorRegistry

from benchmarks.serving.bench import Bench
from benchmarks.serving.calls import completion_request
from benchmarks.serving.results import Figure, Result
from benchmarks.serving.servers import CLIENT_CORES, pinned
from benchmarks.serving.typing_traffic import prefixes
from lm.errors import UnavailableError
from lm.kernels.ranges import RangeMaxima, block_maxima
from lm.models.language_model import LanguageModel
from lm.models.parts import Part
from lm.models.vocabulary import SPACE
from lm.text.hangul import typed_prefixes
from lm.text.normalize import normalize_query
from service.cache.answers import answer_key
from service.cache.memory_cache import MemoryCache
from service.cache.redis_cache import RedisCache
from service.ports import AnswerCache, AnswerKey
from service.rpc.convert import completion_response
from service.telemetry.metrics import Metrics
from suggest.model import Model, open_model
from tests.redis_process import RedisProcess

_BATCH_S = 0.0001
"""Timed at once, so that the clock itself counts for little."""
_LONGEST_S = 1.0
_WEIGHTS, _SPAN = 1_000_000, 100_000
_PREFIXES = 200
_KEPT, _KEPT_AFTER_S = 1000, 5.0
_BEAM_WIDTH, _MAX_TOKENS = 20, 24

Case = tuple[str, Callable[[], object]]


def measure(bench: Bench) -> Iterator[Result]:
    """Yields a figure for each."""
    model = open_model(bench.bundle, verify=False)
    typed = list(itertools.islice(prefixes(bench.queries()), _PREFIXES))
    answer = model.complete_query(typed[-1])
    payload = completion_response(answer, model, explain=False).SerializeToString()
    parts = (_search(model, typed), _networks(model), _messages(model, typed), _kept("process", _memory(), payload))
    for name, run in itertools.chain(*parts):
        yield Figure(name=name, measured=f"{_median_us(run, bench.effort.repeats):.2f} us")
    redis = RedisProcess(bench.new_folder())
    with pinned(CLIENT_CORES):
        redis.start()
    try:
        metrics = Metrics(CollectorRegistry())
        cache = RedisCache(redis.url, timeout_s=1.0, ttl_s=60, metrics=metrics)
        cache.ping()
        for name, run in _kept("Redis", cache, payload):
            yield Figure(name=name, measured=f"{_median_us(run, bench.effort.repeats):.2f} us")
        cache.close()
    finally:
        redis.stop()


def _search(model: Model, typed: list[str]) -> Iterator[Case]:
    weights = np.random.default_rng(1).random(_WEIGHTS, np.float32)
    ranges, lows = RangeMaxima(weights, block_maxima(weights)), itertools.cycle(range(0, _WEIGHTS - _SPAN, 997))

    def top() -> object:
        low = next(lows)
        return ranges.heaviest(low, low + _SPAN, 10)

    yield f"range top 10 of {_SPAN:,}", top
    index, queries, lm = model.bundle.queries, itertools.cycle(typed), model.bundle.language_model("queries")
    assert index is not None
    yield "query index: 10 completions", lambda: index.completions(next(queries), 10)
    yield "query index: 3 infix completions", lambda: index.infix_completions(next(queries), 3)
    yield "normalise a query", lambda: normalize_query(next(queries))
    yield from _table(lm, typed)


def _table(lm: LanguageModel, typed: list[str]) -> Iterator[Case]:
    table, begin, size = lm.ngram.table, lm.ngram.begin, len(lm.vocabulary)
    pairs = itertools.cycle(
        [(table.score_all(begin, np.array(tokens[:-1], np.int32))[1], tokens[-1]) for tokens in _tokens(lm, typed)]
    )
    constraints = itertools.cycle(
        [lm.vocabulary.constraint(typed_prefixes(SPACE + text)[0]).arrays for text in typed if " " not in text]
    )
    yield "successor table: a step", lambda: table.score(*next(pairs))
    yield "successor table: 10 best successors", lambda: table.successors(next(pairs)[0], 0, size, 10)
    yield f"beam of {_BEAM_WIDTH}", lambda: table.beam(begin, next(constraints), _BEAM_WIDTH, _MAX_TOKENS)
    yield "n-gram distribution over the vocabulary", lambda: table.distribution(next(pairs)[0], 0, size)


def _tokens(lm: LanguageModel, typed: list[str]) -> list[list[int]]:
    return [tokens for tokens in (list(lm.tokenizer.encode(text)) for text in typed if text.strip()) if tokens]


def _networks(model: Model) -> Iterator[Case]:
    for lm in model.bundle.language_models:
        neural = lm.neural
        if neural is None:
            continue
        one, many = np.full((1, 1), 3, np.int64), np.full((16, 1), 3, np.int64)
        state, states = neural.initial_state(), neural.initial_state(16)
        hidden, hiddens = neural.advance(one, state)[0][0], neural.advance(many, states)[0][:, 0]
        name, size = lm.entry.name, len(lm.vocabulary)

        def step(neural=neural, tokens=one, before=state) -> object:  # type: ignore[no-untyped-def]
            return neural.advance(tokens, before)

        def step_16(neural=neural, tokens=many, before=states) -> object:  # type: ignore[no-untyped-def]
            return neural.advance(tokens, before)

        yield f"{name}: state step, 1 row", step
        yield f"{name}: state step, 16 rows", step_16
        yield f"{name}: output over {size:,} tokens, 1 row", lambda n=neural, h=hidden: n.log_probs(h)  # type: ignore[misc]
        yield f"{name}: output over {size:,} tokens, 16 rows", lambda n=neural, h=hiddens: n.log_probs(h)  # type: ignore[misc]
        listed = neural.short_list
        if listed is not None:
            name_of_list = f"{name}: output of the short list of {len(listed.tokens):,}, 1 row"
            yield name_of_list, functools.partial(listed.probabilities, hidden)
        low, high = lm.word_starts
        third = (low, low + (high - low) // 3)

        def piece(lm=lm, third=third) -> object:  # type: ignore[no-untyped-def]
            return lm.next_log_probs((), Part.ENSEMBLE)[third[0] : third[1]]

        yield f"{name}: slice of a kept distribution", piece


def _messages(model: Model, typed: list[str]) -> Iterator[Case]:
    answers = itertools.cycle([model.complete_query(text) for text in typed[:50]])
    responses = itertools.cycle([completion_response(next(answers), model, explain=False) for _ in range(50)])
    requests, queries = itertools.cycle([completion_request(text) for text in typed]), itertools.cycle(typed)
    metrics = Metrics(CollectorRegistry())
    duration = metrics.request_duration.labels("CompleteQuery")
    yield "protobuf: read a request", lambda: pb.CompleteQueryRequest.FromString(next(requests))
    yield "protobuf: build a response", lambda: completion_response(next(answers), model, explain=False)
    yield "protobuf: serialise a response", lambda: next(responses).SerializeToString()
    yield "metrics: observe a duration", lambda: duration.observe(0.001)
    yield "metrics: observe a completion", lambda: metrics.observe_completion(next(answers), "CompleteQuery")
    yield "key of an answer", lambda: answer_key("CompleteQuery", model, (next(queries), 10, False))


def _memory() -> MemoryCache:
    return MemoryCache(max_entries=100_000, max_bytes=64 << 20)


def _kept(name: str, cache: AnswerCache, payload: bytes) -> Iterator[Case]:
    keys: list[AnswerKey] = [b"CompleteQuery:model:20260101-000000:%032d" % number for number in range(_KEPT)]
    for key in keys:
        cache.put(key, payload)
    until_s = time.monotonic() + _KEPT_AFTER_S
    while cache.get(keys[-1]) is None:  # Redis is told in the background
        if time.monotonic() > until_s:
            raise UnavailableError(f"The cache ({name}) keeps nothing.", remedy="See whether it can be reached.")
        time.sleep(0.01)
    order = itertools.cycle(keys)
    yield f"cache ({name}): get", lambda: cache.get(next(order))
    yield f"cache ({name}): put", lambda: cache.put(next(order), payload)


def _median_us(run: Callable[[], object], repeats: int) -> float:
    """Microseconds of a call: the median over batches."""
    run()
    begun = time.perf_counter()
    run()
    batch = max(1, int(_BATCH_S / max(time.perf_counter() - begun, 1e-7)))
    taken_s: list[float] = []
    while len(taken_s) < repeats and sum(taken_s) * batch < _LONGEST_S:
        begun = time.perf_counter()
        for _ in range(batch):
            run()
        taken_s.append((time.perf_counter() - begun) / batch)
    return float(np.median(taken_s)) * 1e6
