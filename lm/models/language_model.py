"""A language model of a bundle: one vocabulary, an n-gram model, perhaps a neural one, and their mixture."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lm.bundle.manifest import LanguageModelEntry
from lm.errors import BundleDamagedError, UnsupportedError
from lm.memo import Memo
from lm.models.mixture import Mixture, log_add
from lm.models.neural import NeuralModel, NeuralState
from lm.models.ngram import NgramModel
from lm.models.parts import Part
from lm.models.reranker import Reranker
from lm.models.vocabulary import BEGIN, END, SPACE, Tokenizer, Vocabulary, open_tokenizer
from lm.models.written_forms import WrittenForms

_STATE_BYTES = 16 << 20
_DISTRIBUTION_BYTES = 32 << 20
_MOST_STEPS = 8
"""Tokens back for which a known state is looked for: those of a long word."""


@dataclass(frozen=True, slots=True)
class State:
    """What a language model remembers of the tokens before.

    Attributes:
        ngram: context of the successor table.
        neural: the neural model's state, batch of one, and `hidden` float32 (1, E), its last output; arrays of
            their own and not views, which would keep the outputs after all other tokens too.
        recent: the recent words, if they count.
    """

    ngram: int
    neural: NeuralState | None = None
    hidden: NDArray[np.float32] | None = None
    recent: tuple[int, ...] = ()


class LanguageModel:
    """An open language model; safe to share between threads.

    Attributes:
        entry: what the bundle's manifest says of it.
        vocabulary: its tokens.
        tokenizer: text to tokens and back.
        written: how its words are written.
        ngram: the n-gram model.
        neural: the neural model, or None if there is none or it does not pay.
        reranker: the model that scores complete queries, or None.
        mixture: the weights of both.
        recent_words: the cache component, or None.
        word_starts: half-open range of the tokens that begin a word.
    """

    def __init__(self, entry: LanguageModelEntry, folder: Path) -> None:
        """Opens what lies in `folder`; raises `BundleDamagedError` if a file is not what it should be."""
        self.entry = entry
        self.vocabulary = Vocabulary.open(folder)
        self.tokenizer: Tokenizer = open_tokenizer(
            folder, entry.unit, self.vocabulary, lowercase=entry.lowercase, pretokenized=entry.pretokenized
        )
        self.written = WrittenForms.open(folder, entry.writing) if entry.writing else WrittenForms()
        self.ngram = NgramModel(folder, self.vocabulary)
        asked = entry.neural_kind and entry.neural_use != "off"
        self.neural = NeuralModel(folder / "neural") if asked else None
        if self.neural is not None and self.neural.description.vocabulary_size != len(self.vocabulary):
            raise BundleDamagedError(folder / "neural", "the neural model is of another vocabulary")
        self.reranker = Reranker(folder / "reranker") if entry.reranker_kind else None
        if self.reranker is not None and self.reranker.description.vocabulary_size != len(self.vocabulary):
            raise BundleDamagedError(folder / "reranker", "the re-ranker is of another vocabulary")
        self.mixture = Mixture(entry.ngram_weight, entry.context_weights)
        if entry.context_weights is not None and len(entry.context_weights.backoffs) != self.ngram.order:
            raise BundleDamagedError(folder, "the mixture's weights are of an n-gram model of another order")
        self.recent_words = entry.recent_words
        self.word_starts = self.vocabulary.prefix_range(SPACE.encode())
        self._states: Memo[tuple[bool, tuple[int, ...]], State] = Memo(
            _STATE_BYTES, deep=True, largest=_STATE_BYTES // 16
        )
        self._distributions: Memo[tuple[str, tuple[int, ...]], NDArray[np.float32]] = Memo(
            _DISTRIBUTION_BYTES, deep=True, largest=_DISTRIBUTION_BYTES
        )

    @property
    def joins(self) -> bool:
        """Whether several tokens may make one word."""
        return self.entry.unit == "subword"

    @property
    def carries_state(self) -> bool:
        """Whether the neural model remembers the sentences before."""
        return self.neural is not None and self.neural.description.carries_state

    @property
    def reads_on(self) -> bool:
        """Whether the sentences before change what is said of the next one."""
        return self.carries_state or self.recent_words is not None

    def part(self, wanted: Part) -> Part:
        """The part that answers: an ensemble without a neural model and recent words is its n-gram model.

        Raises:
            UnsupportedError: the neural model is asked for and there is none.
        """
        if self.neural is not None:
            return wanted
        if wanted is Part.NEURAL:
            raise UnsupportedError(
                f"Language model {self.entry.name!r} has no neural model.",
                remedy="Ask for the whole ensemble, or train it with a [language_models.neural] section.",
            )
        return wanted if self.recent_words is not None else Part.NGRAM

    def state(self, context: Sequence[int], part: Part) -> State:
        """The state after the tokens before; kept, so that one more token costs one step.

        Args:
            context: tokens of a sentence's beginning. Sentences before it may precede it, each closed by `END`: a
                neural model that carries its state remembers them, and the recent words go back into them;
                everything else starts afresh at each sentence.
        """
        key, neural = tuple(context), part is not Part.NGRAM
        known = self._states.get((neural, key))
        if known is not None:
            return known
        before, tokens = State(self.ngram.begin), (END, *key)
        # Back to the beginning of the sentence at most: a word more is a few steps, a sentence many.
        most = max(min(len(last_sentence(key)), _MOST_STEPS), 1)
        for size in range(len(key) - 1, max(len(key) - 1 - most, -1), -1):
            found = self._states.get((neural, key[:size]))
            if found is not None:
                before, tokens = found, key[size:]
                break
        state = self.advance(before, tokens, part)
        self._states.put((neural, key), state)
        return state

    def remember(self, recent: tuple[int, ...], tokens: Iterable[int]) -> tuple[int, ...]:
        """The recent words after more tokens; none where they do not count."""
        return () if self.recent_words is None else self.recent_words.remember(recent, tokens)

    def advance(self, state: State, tokens: tuple[int, ...], part: Part) -> State:
        """The state after more tokens; after `END` another sentence begins."""
        ended, sentence = END in tokens, last_sentence(tokens)
        begin = self.ngram.begin if ended else state.ngram
        _, ngram = self.ngram.table.score_all(begin, np.array(sentence, np.int32))
        recent = self.remember(state.recent, tokens)
        if part is Part.NGRAM or self.neural is None:
            return State(ngram, recent=recent)
        before = self.neural.initial_state() if state.neural is None else state.neural
        if ended and not self.carries_state:
            before, tokens = self.neural.initial_state(), (END, *sentence)
        # `<s>` stands for the end of the sentence before: a model that carries its state reads it at each beginning.
        read_1T = np.array([[BEGIN if token == END else token for token in tokens]], np.int64)
        hidden_1TE, following = self.neural.advance(read_1T, before)
        return State(ngram, following, hidden_1TE[:, -1].copy(), recent)

    def log_probs(self, states: Sequence[State], part: Part) -> NDArray[np.float32]:
        """Natural-log probabilities of all tokens after each state, float32 (len(states), V)."""
        size = len(self.vocabulary)
        neural = None
        if part is not Part.NGRAM and self.neural is not None:
            hidden = [state.hidden for state in states if state.hidden is not None]
            neural = self.neural.log_probs(np.concatenate(hidden))
            if part is Part.NEURAL:
                return neural
        ngram = np.stack([self.ngram.table.distribution(state.ngram, 0, size) for state in states])
        if part is Part.NGRAM:
            return ngram
        mixed = ngram
        if neural is not None:
            mixed = self.mix(ngram, neural, np.array([state.ngram for state in states], np.int64))
        return self._with_recent(mixed, states)

    def _with_recent(self, mixed_BV: NDArray[np.float32], states: Sequence[State]) -> NDArray[np.float32]:
        """The probabilities with the recent words mixed in, in place."""
        if self.recent_words is not None:
            for row, state in enumerate(states):
                self.recent_words.mix(mixed_BV[row], state.recent)
        return mixed_BV

    def knows_next(self, context: tuple[int, ...], part: Part) -> bool:
        """Whether `next_log_probs` costs nothing."""
        return self._distributions.get((part.value, context)) is not None

    def next_log_probs(self, context: Sequence[int], part: Part) -> NDArray[np.float32]:
        """Natural-log probabilities of all tokens after a sentence's first ones, float32 (V,), read-only.

        Kept, so that a letter typed inside a word costs a slice and not a step.
        """
        key = (part.value, tuple(context))
        known = self._distributions.get(key)
        if known is not None:
            return known
        log_probs: NDArray[np.float32] = self.log_probs([self.state(context, part)], part)[0]
        log_probs.flags.writeable = False
        self._distributions.put(key, log_probs)
        return log_probs

    @property
    def has_short_list(self) -> bool:
        """Whether the neural model can be asked of frequent tokens alone."""
        return self.neural is not None and self.neural.short_list is not None

    def likely_log_probs(self, states: Sequence[State]) -> NDArray[np.float32]:
        """The ensemble's `log_probs`, near enough to tell which tokens are the most probable, float32 (len(states), V).

        Where the neural model has a short list, it is asked of this alone, and shares out among its tokens what the
        n-gram model gives to all of them; of others the n-gram model's opinion counts (Schwenk, "Continuous space
        language models", 2007, section 3.3). An eighth of the output layer's time at 50,000 words and a list of 8,192.
        """
        if self.neural is None or self.neural.short_list is None:
            return self.log_probs(states, Part.ENSEMBLE)
        tokens_S = self.neural.short_list.tokens
        neural_BS = self.neural.short_list.probabilities(
            np.concatenate([state.hidden for state in states if state.hidden is not None])
        )
        mixed_BV = self.log_probs(states, Part.NGRAM)
        ngram_BS = np.exp(mixed_BV[:, tokens_S])
        contexts_B = np.array([state.ngram for state in states], np.int64)
        weights = self.mixture.log_weights(*self.ngram.table.features(contexts_B))
        of_ngram, of_neural = (np.exp(each)[:, None] for each in weights)
        shared_BS = ngram_BS.sum(axis=1, keepdims=True) * neural_BS
        mixed_BV[:, tokens_S] = np.log(of_ngram * ngram_BS + of_neural * shared_BS)
        return self._with_recent(mixed_BV, states)

    def mix(
        self, ngram: NDArray[np.float32], neural: NDArray[np.float32], contexts: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        """The natural-log probabilities of n-gram and neural model together; recent words are not among them yet.

        Args:
            ngram, neural: float32 (n,), a token after each context, or (n, V), all of them.
            contexts: of the successor table, int64 (n,).
        """
        log_ngram, log_neural = self.mixture.log_weights(*self.ngram.table.features(contexts))
        if ngram.ndim == 2:
            log_ngram, log_neural = log_ngram[:, None], log_neural[:, None]
        return log_add(ngram + log_ngram, neural + log_neural)

    def token_log_probs(self, tokens: Sequence[int]) -> dict[Part, NDArray[np.float32]]:
        """Scores of one sentence's tokens by each part there is, float32 (len(tokens),).

        Include `END` to score the end of the sentence. A Kneser-Ney model's scores are KenLM's own.
        """
        return next(self.running_log_probs([tokens]))

    def running_log_probs(self, sentences: Iterable[Sequence[int]]) -> Iterator[dict[Part, NDArray[np.float32]]]:
        """As `token_log_probs`, for the sentences of a running text. A model that reads on remembers earlier ones."""
        state = None
        recent: tuple[int, ...] = ()
        for tokens in sentences:
            ngram = self.ngram.log_probs(list(tokens))
            scores = {Part.NGRAM: ngram, Part.ENSEMBLE: ngram}
            if self.neural is not None:
                if state is None or not self.carries_state:
                    state = self.neural.initial_state()
                hidden_BTE, state = self.neural.advance(np.array([(BEGIN, *tokens[:-1])], np.int64), state)
                neural = self.neural.target_log_probs(hidden_BTE[0], np.array(tokens, np.int64))
                contexts = self.ngram.table.contexts(self.ngram.begin, np.array(tokens, np.int32))
                scores |= {Part.NEURAL: neural, Part.ENSEMBLE: self.mix(ngram, neural, contexts)}
            if self.recent_words is not None:
                scores[Part.ENSEMBLE], recent = self.recent_words.mix_tokens(scores[Part.ENSEMBLE], tokens, recent)
            yield scores


def last_sentence(context: tuple[int, ...]) -> tuple[int, ...]:
    """The tokens of a context after its last `END`."""
    return context[len(context) - context[::-1].index(END) :] if END in context else context
