"""What goes into a model and what comes out of it: immutable values, free of any wire format.

Log probabilities are natural logarithms; times are seconds; lengths are Unicode code points. What an answer holds many
of are tuples, made in a third of a frozen dataclass's time.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from lm.index.tags import TagFilter
from lm.models.parts import Part
from suggest.budget import LeftOut, OptionalPart, StageTiming


class Generated(enum.Enum):
    """Whether queries that the models put together are suggested; the values are those of settings and manifest."""

    OFF = "off"
    FILL = "fill"  # after all that log and catalogue have
    MIX = "mix"  # among those of log and catalogue, by their probability


class Blocked(Protocol):
    """What must not be suggested at present, whatever a bundle holds."""

    def blocks(self, text: str) -> bool:
        """Whether a normalised text must not be suggested."""

    def blocks_after(self, before: str, text: str) -> bool:
        """Whether normalised text must not follow other normalised text, which has the space at its end if any."""


class QueryOptions(NamedTuple):
    """What a caller of `complete_query` chooses besides the query.

    All that an answer depends on besides the model and the query is a field of this value, because the whole value
    stands in the key of a cached answer.

    Attributes:
        max_suggestions: length of the list at most.
        generated: whether generated queries are suggested, and where; None: as the model says.
        min_acceptance_prob: suggestions of any kind that are less probable are left out, 0: none; None: as the model
            says, which leaves out guesses alone: what is generated and what is corrected.
        neural: whether the neural parts may take part.
        correct: whether to look for typing errors where what was typed is not as queries usually are.
        explain: whether to say what the neural model thinks of each whole query, which costs extra.
        tags: only entries with such tags are suggested; None: all.
        context: queries of the user's session as they were written, the last one last.
    """

    max_suggestions: int = 10
    generated: Generated | None = None
    min_acceptance_prob: float | None = None
    neural: bool = True
    correct: bool = True
    explain: bool = False
    tags: TagFilter | None = None
    context: tuple[str, ...] = ()


class WordOptions(NamedTuple):
    """What a caller of `predict_next_word` chooses besides the text; as for `QueryOptions`, all of it is in the key.

    Attributes:
        max_suggestions: length of the list at most.
        min_probability: words that are less probable are left out.
        min_ghost_probability: the best word is ghost text if it is at least this probable; None: as the model has it.
        part: which part of the ensemble answers.
        explain: whether to give the terms of each score; those of an ensemble cost extra.
    """

    max_suggestions: int = 10
    min_probability: float = 0.0
    min_ghost_probability: float | None = None
    part: Part = Part.ENSEMBLE
    explain: bool = False


class SuggestionSource(enum.Enum):
    """What produced a suggestion; the value is its label in the metrics."""

    LOG = "history"
    CATALOGUE = "catalogue"  # an entry of the catalogue, also if it is in the log too
    GENERATED = "generated"
    TRENDING = "trending"  # mostly submitted since the bundle was made
    PERSONAL = "personal"  # an earlier query of the user's own, also if it is in the log too


class FinishReason(enum.Enum):
    """Why generation stopped."""

    STOP = "stop"
    LENGTH = "length"


class ScoreTerms(NamedTuple):
    """How a suggestion came by its place; a term that took no part is None."""

    popularity_log_prob: float | None = None
    ngram_log_prob: float | None = None
    neural_log_prob: float | None = None
    edit_count: int = 0


class QuerySuggestion(NamedTuple):
    """A suggested whole query.

    Attributes:
        text: normalised, as models and log hold it.
        display: as it should be displayed.
        typed: the stretches of it that the user typed, give or take corrected errors: half-open ranges of code points
            of `display` from left to right, which cut no grapheme cluster.
        payload: what the operator's catalogue holds for it; empty if nothing.
        log_prob: under the ensemble, given what was typed.
        acceptance_prob: calibrated probability that this is the query that the user wants.
        pinned: whether it stands where the operator wants it.
    """

    text: str
    display: str
    log_prob: float
    acceptance_prob: float
    source: SuggestionSource
    typed: tuple[tuple[int, int], ...]
    terms: ScoreTerms
    payload: str = ""
    pinned: bool = False


class WordSuggestion(NamedTuple):
    """A predicted word as it is written; `log_prob` is given the text before it and its typed letters."""

    text: str
    log_prob: float
    terms: ScoreTerms


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What all answers say of the work on them.

    Attributes:
        left_out: parts that time was too short for.
    """

    left_out: tuple[LeftOut, ...] = ()
    timings: tuple[StageTiming, ...]

    @property
    def degraded(self) -> bool:
        """Whether time was too short for a part."""
        return bool(self.left_out)


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryCompletion(Answer):
    """Suggested queries, best first.

    Attributes:
        refiners: parts that were not to be asked, and could have said something.
        corrected_query: the normalised query with its typing errors corrected, if this is more probable than all
            other readings of it and a suggestion completes it; else empty.
    """

    suggestions: tuple[QuerySuggestion, ...]
    normalized_query: str
    corrected_query: str = ""
    refiners: tuple[OptionalPart, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class NextWords(Answer):
    """Predicted words, most probable first.

    Attributes:
        replace_start: offset in the given text, in code points, from which a chosen word replaces it.
        ghost_text: what of the first word is still to be written, to be shown behind the cursor; empty if the model is
            not sure enough of it.
    """

    suggestions: tuple[WordSuggestion, ...]
    replace_start: int
    ghost_text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenScore:
    """The score of one word, or of the end of the sentence (`</s>`)."""

    token: str
    log_prob: float
    out_of_vocabulary: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TextScore:
    """Scores of a text's words and of its end."""

    token_scores: tuple[TokenScore, ...]
    log_prob: float
    perplexity: float


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationOptions:
    """How text is generated.

    Attributes:
        temperature: in [0, 2]; 0 takes the most probable token.
        top_p: in (0, 1]; sample from the smallest set of tokens with this much probability.
        top_k: at least 1; sample from this many tokens.
        seed: makes sampling repeatable for one version of a model.
        beam_width: above 1, the best text of a beam this wide instead of a sample.
    """

    max_output_tokens: int = 32
    temperature: float = 1.0
    top_p: float | None = None
    top_k: int | None = None
    seed: int | None = None
    beam_width: int = 1
    part: Part = Part.ENSEMBLE


@dataclass(frozen=True, slots=True, kw_only=True)
class TextChunk:
    """A stretch of generated text to append; only the last one says why generation stopped."""

    text: str
    finish_reason: FinishReason | None = None
