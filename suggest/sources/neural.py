"""The neural model as a source: a beam over the mixture of n-gram and neural model.

    p(token | before) = weight(before) p_ngram(token | before) + (1 - weight(before)) p_neural(token | before)

with the weights that training found (see `lm.models.mixture`). A step of the beam is one batch: hypotheses share the
network's call, the output rows and the selection. Beside what it finds, the beam scores candidates that others have
proposed, so that all of a list are judged by the same model; most of their tokens it reads anyway.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lm.kernels.ranges import largest
from lm.kernels.word_walk import WordWalk
from lm.models.language_model import LanguageModel
from lm.models.parts import Part
from lm.models.vocabulary import BEGIN, END, SPACE, UNKNOWN, Constraint
from lm.text.hangul import typed_prefixes
from suggest.sources.source import Proposal, Reading

BEAM_WIDTH = 20
MAX_TOKENS = 12
PROPOSED = 16
"""Queries that are proposed at most."""
KNOWN = 32
"""Known queries that are scored at most, the first ones; a step reads a row for each."""
_LEAST = 1e-300

Floats = NDArray[np.float64]
Tokens = tuple[int, ...]


class Explored(NamedTuple):
    """What the beam found.

    Attributes:
        proposals: the best queries that were not known, best first.
        log_probs: of each of these and of the known ones, by its text, the mixture's natural-log probability given
            what was typed.
    """

    proposals: Sequence[Proposal]
    log_probs: Mapping[str, float]


class NeuralSource:
    """Proposes what the mixture generates; threads may share it.

    Args:
        words: as for `suggest.sources.ngram.NgramSource`.
    """

    def __init__(
        self,
        model: LanguageModel,
        words: WordWalk | None = None,
        width: int = BEAM_WIDTH,
        max_tokens: int = MAX_TOKENS,
    ) -> None:
        self._model, self._words, self._width, self._max_tokens = model, words, width, max_tokens

    def explore(self, reading: Reading, known: Sequence[tuple[str, Sequence[int]]]) -> Explored:
        """Queries for what was typed, and how probable they and the known ones are.

        Args:
            known: texts and tokens of what others proposed for this reading, `END` last, the best first.
        """
        beam = _Beam(self._model, self._words, [tuple(tokens) for _, tokens in known[:KNOWN]], self._width)
        beam.run(reading, self._max_tokens)
        by_tokens = beam.scored | {tokens: log_prob for log_prob, tokens in beam.finished}
        typed_log_prob = math.log(max(beam.typed_mass, _LEAST))
        lead = f"{reading.head} " if reading.head else ""
        texts = {tuple(tokens): text for text, tokens in known}
        found: dict[str, list[tuple[float, Tokens]]] = defaultdict(list)
        for tokens, log_prob in by_tokens.items():
            text = texts.get(tokens) or lead + self._model.vocabulary.spell(tokens)
            found[text].append((log_prob - typed_log_prob, tokens))
        log_probs = {text: float(np.logaddexp.reduce([each[0] for each in ways])) for text, ways in found.items()}
        new = found.keys() - {text for text, _ in known} - {reading.excluded}
        best = sorted(new, key=lambda text: (-log_probs[text], text))[:PROPOSED]
        return Explored(self._proposals(reading, {text: max(found[text])[1] for text in best}), log_probs)

    def _proposals(self, reading: Reading, tokens: Mapping[str, Tokens]) -> list[Proposal]:
        """Proposals with the n-gram model's opinion."""
        every = np.array([token for each in tokens.values() for token in each], np.int32)
        sums, firsts = self._model.ngram.table.score_rows(
            reading.state.ngram, every, np.cumsum([0, *map(len, tokens.values())])
        )
        return [
            Proposal(text, reading, each, first, log_prob - reading.typed_log_prob)
            for (text, each), first, log_prob in zip(tokens.items(), firsts.tolist(), sums.tolist(), strict=True)
        ]


@dataclass(slots=True, eq=False)
class _Hypothesis:
    """The beginning of a sentence.

    Attributes:
        tokens: behind the finished words.
        log_prob: natural-log probability by the mixture.
        context: of the n-gram model.
        constraint: what it has to spell; None where it is not searched, but known queries begin so.
        offset: typed bytes that it has spelt.
        place: in the walk over the words that exist.
        known: numbers of the known queries that begin so.
    """

    tokens: Tokens
    log_prob: float
    context: int
    constraint: Constraint | None
    offset: int = 0
    place: int = 0
    known: list[int] = field(default_factory=list)

    @property
    def spells(self) -> bool:
        """Whether typed bytes are left to spell."""
        return self.constraint is not None and self.offset < len(self.constraint.lows)


class _Cell(NamedTuple):
    """A token that may follow a hypothesis."""

    log_prob: float
    row: int
    token: int
    offset: int


class _Beam:
    """One search.

    Attributes:
        finished: natural-log probability and tokens of the best sentences.
        scored: those of known sentences, by their tokens.
        typed_mass: probability of what was typed, over the tokenisations kept.
    """

    def __init__(self, model: LanguageModel, words: WordWalk | None, known: Sequence[Tokens], width: int) -> None:
        assert model.neural is not None
        self._model, self._neural, self._words = model, model.neural, words
        self._known, self._width = known, width
        self.finished: list[tuple[float, Tokens]] = []
        self.scored: dict[Tokens, float] = {}
        self.typed_mass = 0.0

    def run(self, reading: Reading, max_tokens: int) -> None:
        """Searches for sentences of at most so many tokens."""
        model = self._model
        root, root_V = model.state(reading.context, Part.ENSEMBLE), model.next_log_probs(reading.context, Part.ENSEMBLE)
        assert root.neural is not None
        typed = [model.vocabulary.constraint(prefix) for prefix in typed_prefixes(SPACE + reading.typed)]
        start = self._words.typed if self._words is not None and reading.typed else 0
        active = [_Hypothesis((), 0.0, root.ngram, constraint, place=start) for constraint in typed]
        active[0].known += [number for number, tokens in enumerate(self._known) if tokens]
        state_SND = np.repeat(root.neural, len(active), axis=1)
        probs_NV = np.repeat(np.exp(root_V)[None], len(active), axis=0)
        for step in range(max_tokens):
            following = self._follow(active, probs_NV, self._best(active, probs_NV))
            if not following or step + 1 == max_tokens:
                break
            rows, active = [row for row, _ in following], [hypothesis for _, hypothesis in following]
            last_N1 = np.array([hypothesis.tokens[-1:] for hypothesis in active], np.int64)
            hidden_N1E, state_SND = self._neural.advance(last_N1, state_SND[:, rows])
            probs_NV = self._mixed(hidden_N1E[:, 0], np.array([each.context for each in active], np.int64))

    def _mixed(self, hidden_NE: NDArray[np.float32], contexts_N: NDArray[np.int64]) -> NDArray[np.float32]:
        """The mixture's probabilities of all tokens, float32 (N, V)."""
        table = self._model.ngram.table
        probs_NV = self._neural.log_probs(hidden_NE)
        np.exp(probs_NV, out=probs_NV)
        log_shares, _ = self._model.mixture.log_weights(*table.features(contexts_N))
        table.mix(contexts_N, np.resize(np.exp(log_shares), len(contexts_N)), probs_NV)
        return probs_NV

    def _best(self, active: Sequence[_Hypothesis], probs_NV: NDArray[np.float32]) -> list[_Cell]:
        """What best follows the hypotheses that are searched."""
        rows = [row for row, hypothesis in enumerate(active) if hypothesis.constraint is not None]
        if not rows:
            return []
        log_probs_N = np.array([active[row].log_prob for row in rows])
        top = float(log_probs_N.max())
        joint_NV = probs_NV[rows] * np.exp(log_probs_N - top).astype(np.float32)[:, None]
        cells = list[_Cell]()
        for joint_V, row in zip(joint_NV, rows, strict=True):
            constraint, offset = active[row].constraint, active[row].offset
            if constraint is not None and active[row].spells:
                low, high = int(constraint.lows[offset]), int(constraint.highs[offset])
                self.typed_mass += float(joint_V[low:high].sum()) * math.exp(top)
                cells += self._parts(active[row], row, constraint, probs_NV[row])
                joint_V[:low] = joint_V[high:] = 0
        if self._words is None:
            joint_NV[:, [UNKNOWN, BEGIN]] = 0
        else:
            self._words.mask(np.array([active[row].place for row in rows], np.int32), joint_NV)
        joint = joint_NV.ravel()
        for cell in largest(joint, self._width).tolist():
            place, token = divmod(cell, joint_NV.shape[1])
            if joint[cell] > 0:
                spelt = active[rows[place]].constraint
                cells.append(
                    _Cell(math.log(float(joint[cell])) + top, rows[place], token, len(spelt.lows) if spelt else 0)
                )
        return sorted(cells, reverse=True)[: self._width]

    def _parts(
        self, hypothesis: _Hypothesis, row: int, constraint: Constraint, probs_V: NDArray[np.float32]
    ) -> list[_Cell]:
        """Tokens that spell a part of what is left of the typed text."""
        return [
            _Cell(hypothesis.log_prob + math.log(float(probs_V[token])), row, token, offset)
            for token, offset in constraint.parts(hypothesis.offset)
            if probs_V[token] > 0 and self._walk(hypothesis.place, token) >= 0
        ]

    def _walk(self, place: int, token: int) -> int:
        if self._words is None:
            return 0
        return int(self._words.advance(np.array([place], np.int32), np.array([token], np.int32))[0])

    def _follow(
        self, active: Sequence[_Hypothesis], probs_NV: NDArray[np.float32], cells: Sequence[_Cell]
    ) -> list[tuple[int, _Hypothesis]]:
        """The hypotheses of the next step, with the row of the one that each goes on from."""
        ended = [(cell.log_prob, (*active[cell.row].tokens, END)) for cell in cells if cell.token == END]
        self.finished = sorted([*self.finished, *ended], reverse=True)[:PROPOSED]
        floor = self.finished[-1][0] if len(self.finished) == PROPOSED else -math.inf
        following = dict[tuple[int, int], _Hypothesis]()
        for cell in cells:
            if cell.token != END and cell.log_prob > floor:
                before = active[cell.row]
                following[cell.row, cell.token] = self._after(before, cell, before.constraint)
        for row, before in enumerate(active):
            for number in before.known:
                token = self._known[number][len(before.tokens)]
                log_prob = before.log_prob + math.log(max(float(probs_NV[row, token]), _LEAST))
                if token == END:
                    self.scored[self._known[number]] = log_prob
                    continue
                if (row, token) not in following:
                    following[row, token] = self._after(before, _Cell(log_prob, row, token, 0), None)
                following[row, token].known.append(number)
        return [(row, hypothesis) for (row, _), hypothesis in following.items()]

    def _after(self, before: _Hypothesis, cell: _Cell, constraint: Constraint | None) -> _Hypothesis:
        _, context = self._model.ngram.table.score(before.context, cell.token)
        place = -1 if constraint is None else self._walk(before.place, cell.token)
        return _Hypothesis((*before.tokens, cell.token), cell.log_prob, context, constraint, cell.offset, place)
