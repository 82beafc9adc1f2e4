"""What a source of suggested queries is.

A source proposes queries for what was typed. `suggest.complete` asks all of them, finds out what log and models say of
each query, removes duplicates and ranks. To add a source, write a class in a file here and name it in
`suggest.complete`. What a caller may choose for it is a field of `suggest.types.QueryOptions`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from lm.models.language_model import LanguageModel, State
from lm.models.parts import Part
from suggest.live import NOTHING, Live
from suggest.types import QueryOptions


class Request(NamedTuple):
    """What was asked.

    Attributes:
        query: as typed, normalised: a space at its end says that the last word is finished.
        options: what the caller chose.
        live: what is known beyond the bundle.
    """

    query: str
    options: QueryOptions = QueryOptions()
    live: Live = NOTHING

    def blocks(self, text: str) -> bool:
        """Whether a normalised text must not be suggested at present."""
        return self.live.blocked is not None and self.live.blocked.blocks(text)


@dataclass(slots=True, eq=False)
class Reading:
    """One reading of what was typed: as it stands, or with typing errors corrected. Sources note what they learn.

    Attributes:
        query: what was typed, read so.
        head: the finished words, without the space after them.
        typed: the typed part of the last word.
        context: tokens of the finished words, and `state` what the n-gram model remembers of them.
        whole: whether to propose the query itself too, as where the user typed it otherwise. Where its last word is
            finished, only if it is in the log, because the models then expect another word.
        edits: typing errors corrected.
        log_share: natural log of its share of all that were looked at, by the n-gram model and what errors cost; the
            spelling notes this and the next two.
        misspelt_words: words that are far rarer than one that is hardly spelt otherwise.
        unknown_words: those, and words that no query of the log has.
        log_posterior: natural-log probability that it is what the user means to type; see `suggest.rank`.
        total: submissions of all queries in the log that begin so; noted by the log.
        live: those of them that became known since the bundle was made; noted by the live queries.
        least: submissions of the last of the log's proposals, which leave the less popular out; 0 where these are all.
        matched: those of queries that begin so in another form; noted by the words.
        typed_log_prob: natural-log probability of `typed` after the finished words; noted by the n-gram model.
        logged: candidates in the log that begin so, in this or another form; noted once they are described.
    """

    query: str
    head: str
    typed: str
    context: tuple[int, ...]
    state: State
    whole: bool = False
    edits: int = 0
    log_share: float = 0.0
    misspelt_words: int = 0
    unknown_words: int = 0
    log_posterior: float = 0.0
    total: float = 0.0
    live: float = 0.0
    typed_log_prob: float = 0.0
    least: float = 0.0
    matched: float = 0.0
    logged: int = 0

    @property
    def excluded(self) -> str:
        """What is not proposed: the query as the user typed it."""
        return "" if self.whole else self.query.rstrip()


class Match(NamedTuple):
    """How a query that does not begin as it was typed was found.

    Attributes:
        near: typed words stand in it in another form.
        later: they are not its first words, one after the other.
        disordered: they stand in another order.
        left_over: words of it that were not typed; 0 if the typed ones are the first.
        regrouped: words were joined or split.
        missing: typed words that it lacks.
    """

    near: bool
    later: bool
    disordered: bool
    left_over: int
    regrouped: bool
    missing: int

    @property
    def explains(self) -> bool:
        """Whether all typed words stand in it in their order, so that none of them need be an error."""
        return not (self.disordered or self.regrouped or self.missing)

    @property
    def features(self) -> tuple[float, ...]:
        """What is multiplied with `Ranking.matching`; 0 throughout only for what begins as it was typed."""
        return (
            -float(self.near),
            -float(self.later),
            -float(self.disordered),
            -math.log1p(self.left_over),
            -float(self.regrouped),
            -float(self.missing),
        )


class Proposal(NamedTuple):
    """A query that a source proposes.

    Attributes:
        text: normalised.
        reading: which reading of what was typed it completes.
        tokens: of the language model, those after the reading's context, `END` last; None if the source does not know.
        first: natural-log probability of the first of them by the n-gram model.
        log_prob: of the whole query by the n-gram model, given what was typed.
        match: how it was found, if it does not begin as it was typed; then `log_prob` is its share of what was
            submitted among all that was found.
    """

    text: str
    reading: Reading
    tokens: Sequence[int] | None = None
    first: float = 0.0
    log_prob: float = 0.0
    match: Match | None = None


class Source(Protocol):
    """Proposes queries; threads may share it. Its work has a bound, whatever was typed and whatever the data."""

    def propose(self, request: Request, reading: Reading) -> Sequence[Proposal]:
        """Queries for what was typed, each once.

        Args:
            request: what was asked.
            reading: how what was typed is to be read, and what the sources asked before found out about it.
        """


def read_typed(model: LanguageModel, query: str, *, whole: bool = False) -> Reading:
    """A reading of what was typed, before sources have noted anything.

    The finished words are the context. The typed letters of the last word are a constraint on what follows, so that
    pieces may fall as they did in training, wherever the cursor stands.
    """
    head, _, typed = query.rpartition(" ")
    context = tuple(model.tokenizer.encode(head)) if head else ()
    return Reading(query, head, typed, context, model.state(context, Part.NGRAM), whole)
