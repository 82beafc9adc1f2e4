"""An open bundle that answers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from lm.bundle.bundle import Bundle, open_bundle
from lm.bundle.manifest import LanguageModelEntry
from lm.bundle.verified import VerifiedBundles
from lm.index.live_queries import LiveQuery
from lm.models.parts import Part
from suggest.budget import Budget
from suggest.complete import QueryCompleter
from suggest.generate import generate_text
from suggest.live import NOTHING, Live
from suggest.scores import score_text
from suggest.trending import trending_query
from suggest.types import (
    Blocked,
    GenerationOptions,
    NextWords,
    QueryCompletion,
    QueryOptions,
    TextChunk,
    TextScore,
    WordOptions,
)
from suggest.words import WordPredictor


class Model:
    """Answers from one bundle, from many threads at once."""

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle
        self._text_model = bundle.language_model("text")
        self._completer = QueryCompleter(bundle)
        self._predictor = WordPredictor(self._text_model, bundle.never_generated)

    @property
    def name(self) -> str:
        """The model's name."""
        return self.bundle.manifest.name

    @property
    def version(self) -> str:
        """The bundle's version."""
        return self.bundle.manifest.version

    @property
    def manifest_sha256(self) -> str:
        """Lower-case hexadecimal digest of the manifest."""
        return self.bundle.manifest_sha256

    @property
    def created_at_s(self) -> float:
        """When training finished, in seconds since 1970."""
        return self.bundle.manifest.created_at.timestamp()

    @property
    def language_models(self) -> tuple[LanguageModelEntry, ...]:
        """What the manifest says of the language models, the primary one first."""
        return self.bundle.manifest.language_models

    @property
    def query_count(self) -> int:
        """Queries in the index."""
        return self.bundle.manifest.query_count

    @property
    def catalogue_factor(self) -> float:
        """How many submissions a weight of 1 in the catalogue counts as."""
        read = self.bundle.manifest.metrics.get("data", {}).get("queries", {}).get("catalogue", {})
        return float(read.get("weight_factor") or 1.0)

    @property
    def warm_queries(self) -> tuple[str, ...]:
        """Beginnings of queries that are worth having answers ready for, the most typed first."""
        return self.bundle.warm_set

    def complete_query(
        self,
        query: str,
        options: QueryOptions = QueryOptions(),  # noqa: B008 -- immutable
        budget: Budget | None = None,
        live: Live = NOTHING,
    ) -> QueryCompletion:
        """Ranked whole queries for what was typed; see `QueryCompleter.complete`."""
        return self._completer.complete(query, options, budget, live)

    def trending_query(self, written: str, amount: float) -> LiveQuery | None:
        """A trend as it is suggested; see `suggest.trending.trending_query`."""
        return trending_query(self.bundle, written, amount)

    def predict_next_word(
        self,
        text: str,
        options: WordOptions = WordOptions(),  # noqa: B008 -- immutable
        budget: Budget | None = None,
        blocked: Blocked | None = None,
    ) -> NextWords:
        """Words that follow the text or complete its last word; see `WordPredictor.predict`."""
        return self._predictor.predict(text, options, budget, blocked)

    def score_text(self, text: str, *, part: Part = Part.ENSEMBLE) -> TextScore:
        """Scores of the text's words; see `suggest.scores`."""
        return score_text(self._text_model, text, part)

    def generate_text(
        self, prompt: str, options: GenerationOptions, blocked: Blocked | None = None
    ) -> Iterator[TextChunk]:
        """Text that continues the prompt; see `suggest.generate`."""
        return generate_text(self._text_model, prompt, options, self.bundle.never_generated, blocked)


def open_model(path: Path, *, verify: bool = True, verified: VerifiedBundles | None = None) -> Model:
    """Opens a bundle to answer from; see `open_bundle`.

    Raises:
        BundleError: it is missing, damaged or of another format version.
    """
    return Model(open_bundle(path, verify=verify, verified=verified))
