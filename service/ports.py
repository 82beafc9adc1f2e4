"""What the server needs from other packages and from the outside world, as protocols."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

from lm.models.parts import Part
from suggest.budget import Budget
from suggest.types import GenerationOptions, NextWords, QueryCompletion, QueryOptions, TextChunk, TextScore, WordOptions


class LanguageModelInfo(Protocol):
    """A language model of a bundle, as `ModelService` describes it."""

    @property
    def name(self) -> str:
        """Its name in the bundle."""

    @property
    def unit(self) -> str:
        """`word` or `subword`."""

    @property
    def vocabulary_size(self) -> int:
        """Number of tokens."""

    @property
    def ngram_order(self) -> int:
        """Highest order; 0 without an n-gram model."""

    @property
    def ngram_count(self) -> int:
        """Number of n-grams of all orders."""

    @property
    def neural_kind(self) -> str:
        """Kind of network; empty without one."""

    @property
    def parameter_count(self) -> int:
        """Number of the network's parameters."""


class ServingModel(Protocol):
    """An open bundle that answers, from many threads at once."""

    @property
    def name(self) -> str:
        """The model's name, without `models/`."""

    @property
    def version(self) -> str:
        """The version that was opened."""

    @property
    def manifest_sha256(self) -> str:
        """Lower-case hexadecimal digest of the manifest."""

    @property
    def created_at_s(self) -> float:
        """When training finished, in seconds since 1970."""

    @property
    def language_models(self) -> Sequence[LanguageModelInfo]:
        """The language models, the primary one first."""

    @property
    def query_count(self) -> int:
        """Number of queries in the index."""

    @property
    def warm_queries(self) -> Sequence[str]:
        """Beginnings of queries to have answers ready for, the most typed first."""

    def complete_query(
        self,
        query: str,
        options: QueryOptions = QueryOptions(),  # noqa: B008 -- immutable
        budget: Budget | None = None,
    ) -> QueryCompletion:
        """Suggests whole queries."""

    def predict_next_word(
        self,
        text: str,
        options: WordOptions = WordOptions(),  # noqa: B008 -- immutable
        budget: Budget | None = None,
    ) -> NextWords:
        """Suggests the next word, or the rest of the one under way."""

    def score_text(self, text: str, *, part: Part = Part.ENSEMBLE) -> TextScore:
        """Scores each word and the end."""

    def generate_text(self, prompt: str, options: GenerationOptions) -> Iterator[TextChunk]:
        """Continues a text."""


ModelOpener = Callable[[Path], ServingModel]
"""Opens and checks a bundle; `suggest.model.open_model` and `service.models.warm.open_warm` are openers."""


class BundleFolder(Protocol):
    """A place with bundles; see `service.models.bundles`."""

    def models(self) -> list[str]:
        """Names of the models that have a version."""

    def versions(self, model: str) -> list[str]:
        """Versions of a model, oldest first."""

    def active_version(self, model: str) -> str | None:
        """The version that should answer."""

    def bundle_path(self, model: str, version: str) -> Path:
        """The folder of a version.

        Raises:
            RegistryError: it cannot be fetched now; later it may.
        """

    def fingerprint(self, model: str, version: str) -> Hashable:
        """Differs from an earlier one if a file of the version has changed."""

    def keep(self, model: str, versions: Collection[str]) -> None:
        """Says which versions are in use; copies of other versions may be removed."""

    def close(self) -> None:
        """Stops work that is under way."""


AnswerKey = bytes
"""Stands for everything that an answer depends on; `service.cache.answers.answer_key` makes it."""


class AnswerCache(Protocol):
    """Keeps finished answers; it may forget any of them at any time and never raises."""

    def get(self, key: AnswerKey) -> bytes | None:
        """The answer that was put under this key, or None."""

    def put(self, key: AnswerKey, answer: bytes) -> None:
        """Keeps an answer, if it can."""

    def close(self) -> None:
        """Closes what it holds open."""
