"""In-memory twins for tests of the server: a model that needs no files, and a server that runs on twins."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest

from autocomplete_client.errors import CallError, from_rpc
from lm.bundle.manifest import MANIFEST_FILE
from lm.errors import UnsupportedError
from lm.index.live_queries import LiveQuery
from lm.models.parts import Part
from lm.text.normalize import normalize_query
from service.app import Server
from service.config import load_settings
from service.live.follower import Follower
from service.models.served_models import ModelState
from service.telemetry.metrics import Metrics
from suggest.budget import Budget, LeftOut, OptionalPart, StageTiming
from suggest.live import NOTHING, Live
from suggest.model import Model
from suggest.types import (
    Blocked,
    FinishReason,
    Generated,
    GenerationOptions,
    NextWords,
    QueryCompletion,
    QueryOptions,
    QuerySuggestion,
    ScoreTerms,
    SuggestionSource,
    TextChunk,
    TextScore,
    TokenScore,
    WordOptions,
    WordSuggestion,
)
from tests.redis_process import free_port

VERSION = "20260101T000000Z"
PROBABILITY = 0.5
"""Of each suggestion of a twin."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TwinLanguageModel:
    name: str = "words"
    unit: str = "word"
    vocabulary_size: int = 100
    ngram_order: int = 3
    ngram_count: int = 1000
    neural_kind: str = "lstm"
    parameter_count: int = 5000


_Anything: Any = object  # so that the twin can stand for a `Model`


class TwinModel(_Anything):  # type: ignore[misc]
    """Completes from a fixed list; a gate can hold its answers back, and it counts how often it is asked."""

    manifest_sha256 = "ab" * 32
    query_count = 3
    catalogue_factor = 1.0

    def __init__(
        self,
        name: str = "twin",
        *,
        version: str = VERSION,
        created_at_s: float = 1_767_225_600.0,
        neural_kind: str = "lstm",
        left_out: tuple[LeftOut, ...] = (),
        refiners: tuple[OptionalPart, ...] = (OptionalPart.NEURAL,),
        text: bool = True,
        warm_queries: tuple[str, ...] = (),
    ) -> None:
        self.name = name
        self.version = version
        self.created_at_s = created_at_s
        self.language_models = (TwinLanguageModel(neural_kind=neural_kind),)
        self.left_out = left_out
        self.refiners = refiners
        self.text = text
        self.warm_queries = warm_queries
        self.gate = threading.Event()
        self.gate.set()
        self.at_gate = threading.Event()
        """Set once the gate has been reached by generated text."""
        self.asked: list[tuple[str, bool]] = []
        self.budgets_s: list[float] = []
        self.waited_s: list[float] = []
        self.failure: Exception | None = None

    def complete_query(
        self,
        query: str,
        options: QueryOptions = QueryOptions(),  # noqa: B008 -- immutable
        budget: Budget | None = None,
        live: Live = NOTHING,
    ) -> QueryCompletion:
        neural = options.neural
        self._work(query, neural, budget)
        texts = [query + ending for ending in ("a", "b", "c")] if query != "zzz" else []
        sources = [SuggestionSource.LOG, SuggestionSource.GENERATED, SuggestionSource.GENERATED]
        if neural:
            texts.reverse()
        kept = [
            (text, source)
            for text, source in zip(texts, sources, strict=False)
            if not (options.generated is Generated.OFF and source is SuggestionSource.GENERATED)
            and (options.min_acceptance_prob or 0.0) <= PROBABILITY
            if live.blocked is None or not live.blocked.blocks(text)
        ]
        return QueryCompletion(
            suggestions=tuple(
                QuerySuggestion(
                    text=text,
                    display=text,
                    log_prob=-1.0 - rank,
                    acceptance_prob=PROBABILITY,
                    source=source,
                    typed=((0, len(query)),) if query else (),
                    terms=ScoreTerms(popularity_log_prob=-2.0, ngram_log_prob=-3.0),
                )
                for rank, (text, source) in enumerate(kept[: options.max_suggestions])
            ),
            normalized_query=normalize_query(query),
            left_out=self.left_out,
            refiners=() if neural or not self._refines() else self.refiners,
            timings=(StageTiming(stage="ngram", duration_s=0.001),),
        )

    def trending_query(self, written: str, amount: float) -> LiveQuery | None:
        return LiveQuery(written, amount, amount) if "blocked" not in written else None

    def predict_next_word(
        self,
        text: str,
        options: WordOptions = WordOptions(),  # noqa: B008 -- immutable
        budget: Budget | None = None,
        blocked: Blocked | None = None,
    ) -> NextWords:
        self._work(text, options.part is not Part.NGRAM, budget)
        known = [word for word in ("states", "nations") if blocked is None or not blocked.blocks_after(text, word)]
        words = known[: options.max_suggestions] if options.min_probability < 0.9 else ()
        return NextWords(
            suggestions=tuple(WordSuggestion(text=word, log_prob=-0.5, terms=ScoreTerms()) for word in words),
            replace_start=len(text),
            ghost_text=words[0] if words and (options.min_ghost_probability or 0.5) <= 0.6 else "",
            left_out=self.left_out,
            timings=(),
        )

    def score_text(self, text: str, *, part: Part = Part.ENSEMBLE) -> TextScore:  # noqa: ARG002
        if not self.text:
            raise UnsupportedError("This model scores no text.", remedy="Ask another one.")
        scores = tuple(
            TokenScore(token=word, log_prob=-1.0, out_of_vocabulary=False) for word in (*text.split(), "</s>")
        )
        return TextScore(token_scores=scores, log_prob=-float(len(scores)), perplexity=2.718281828)

    def generate_text(
        self,
        prompt: str,  # noqa: ARG002
        options: GenerationOptions,
        blocked: Blocked | None = None,
    ) -> Iterator[TextChunk]:
        for position in range(options.max_output_tokens):
            if position:
                self.at_gate.set()
                self.gate.wait(20)
            last = position == options.max_output_tokens - 1
            if blocked is not None and blocked.blocks_after("", "word"):
                yield TextChunk(text="", finish_reason=FinishReason.STOP)
                return
            yield TextChunk(text=" word", finish_reason=FinishReason.LENGTH if last else None)

    def _refines(self) -> bool:
        return any(part.neural_kind for part in self.language_models)

    def _work(self, text: str, neural: bool, budget: Budget | None) -> None:
        self.asked.append((text, neural))
        if budget is not None:
            self.budgets_s.append(budget.remaining_s())
            self.waited_s.append(budget.waited_s)
        if neural or not self._refines():
            self.gate.wait(20)
        if self.failure is not None:
            raise self.failure


PATIENCE = {"time_budget_ms": 20_000, "max_wait_ms": 5_000}
"""Settings: a machine that runs tests is busy with others, so what is late there says nothing."""


def no_live_state(metrics: Metrics) -> Follower:
    """What follows no store: nothing is ever taken down."""
    return Follower(None, metrics, clock=time.monotonic, wall_clock=time.time)


def registry_of(root: Path, models: Mapping[str, list[str]]) -> Path:
    """A registry folder whose bundles are empty; the newest version of each model is active."""
    for name, versions in models.items():
        for version in versions:
            (root / name / version).mkdir(parents=True)
            (root / name / version / MANIFEST_FILE).write_text("{}", encoding="utf-8")
        (root / name / "ACTIVE").write_text(versions[-1], encoding="utf-8")
    return root


@contextmanager
def served(
    registry: Path | str, *, opener: Callable[[Path], Model] | None = None, wait: bool = True, **settings: Any
) -> Iterator[tuple[Server, grpc.Channel]]:
    """A server on a free port, once each model of its registry was opened, or could not be."""
    overrides = {"registry": registry, "address": f"127.0.0.1:{free_port()}", "metrics_address": "off"}
    server = Server(load_settings(overrides | settings, None), opener=opener)
    server.start()
    try:
        with grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel:
            if wait:
                eventually(lambda: all(each.state is not ModelState.LOADING for each in server.models.statuses()))
            yield server, channel
    finally:
        server.stop()
        gc.unfreeze()  # it ends before its process does


@contextmanager
def running(
    folder: Path,
    *models: TwinModel,
    opener: Callable[[Path], Model] | None = None,
    **settings: Any,
) -> Iterator[tuple[Server, grpc.Channel]]:
    """A server that answers with twins."""
    twins = {model.name: model for model in models or (TwinModel(),)}
    root = registry_of(folder / "registry", {name: [twin.version] for name, twin in twins.items()})

    def open_twin(path: Path) -> Model:
        return twins[path.parent.name]

    given: dict[str, Any] = {"default_model": next(iter(twins)), "drain_s": 5} | PATIENCE | settings
    with served(root, opener=opener or open_twin, **given) as serving:
        yield serving


def eventually(condition: Callable[[], object], timeout_s: float = 20.0) -> None:
    """Waits until something holds."""
    deadline_s = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline_s:
            raise AssertionError("it never came to hold")
        time.sleep(0.005)


def refused(call: Callable[..., object], *args: Any, **fields: Any) -> CallError:
    """How a call over gRPC is refused."""
    with pytest.raises(grpc.RpcError) as raised:
        call(*args, **fields)
    return from_rpc(raised.value)


def sample(server: Server, name: str, **labels: str) -> float:
    """The value of a metric; 0 if it has none yet."""
    return server.metrics.registry.get_sample_value(name, labels) or 0.0
