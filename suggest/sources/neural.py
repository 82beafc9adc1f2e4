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
from lm.models.language_model import LanguageModel
from lm.models.parts import Part
from lm.models.vocabulary import BEGIN, END, SPACE, UNKNOWN
from lm.text.hangul import typed_prefixes
from suggest.sources.source import Proposal, Reading

BEAM_WIDTH = 20
MAX_TOKENS = 12
PROPOSED = 16
"""Queries that are proposed at most."""
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
    """Proposes what the mixture generates; threads may share it."""

    def __init__(self, model: LanguageModel, width: int = BEAM_WIDTH, max_tokens: int = MAX_TOKENS) -> None:
        self._model, self._width, self._max_tokens = model, width, max_tokens

    def explore(self, reading: Reading, known: Sequence[tuple[str, Sequence[int]]]) -> Explored:
        """Queries for what was typed, and how probable they and the known ones are.

        Args:
            known: texts and tokens of what others proposed for this reading, `END` last.
        """
        beam = _Beam(self._model, reading, [tuple(tokens) for _, tokens in known], self._width, self._max_tokens)
        by_tokens, typed_log_prob = beam.run()
        lead = f"{reading.head} " if reading.head else ""
        texts = {tuple(tokens): text for text, tokens in known}
        found: dict[str, list[tuple[float, Tokens]]] = defaultdict(list)
        for tokens, log_prob in by_tokens.items():
            text = texts.get(tokens) or lead + self._model.vocabulary.spell(tokens)
            found[text].append((log_prob - typed_log_prob, tokens))
        log_probs = {text: float(np.logaddexp.reduce([each[0] for each in ways])) for text, ways in found.items()}
        old = {text for text, _ in known}
        best = sorted(
            (text for text in found if text not in old and text != reading.excluded), key=lambda text: -log_probs[text]
        )[:PROPOSED]
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


class _Cell(NamedTuple):
    """A token that may follow a hypothesis."""

    log_prob: float
    row: int
    token: int
    offset: int


@dataclass(slots=True)
class _Hypotheses:
    """N beginnings of sentences, those that are searched and those that known queries begin with.

    Attributes:
        log_probs: by the mixture.
        tokens: of each.
        offsets: typed bytes that are spelt.
        constraints: which of the constraints each is to spell; -1: it is not searched.
        contexts: of the n-gram model, int64 (N,).
        known: which of the known queries begin so, of each row that some do.
    """

    log_probs: list[float]
    tokens: list[Tokens]
    offsets: list[int]
    constraints: list[int]
    contexts: NDArray[np.int64]
    known: dict[int, list[int]] = field(default_factory=dict)


class _Beam:
    """One search."""

    def __init__(
        self, model: LanguageModel, reading: Reading, known: Sequence[Tokens], width: int, max_tokens: int
    ) -> None:
        assert model.neural is not None
        self._neural = model.neural
        self._model, self._known, self._width, self._max_tokens = model, known, width, max_tokens
        self._constraints = [model.vocabulary.constraint(prefix) for prefix in typed_prefixes(SPACE + reading.typed)]
        self._root_probs_V = np.exp(model.next_log_probs(reading.context, Part.ENSEMBLE))
        self._root = model.state(reading.context, Part.ENSEMBLE)
        self._finished: list[tuple[float, Tokens]] = []
        self._scored: dict[Tokens, float] = {}
        self._typed_mass = 0.0

    def run(self) -> tuple[dict[Tokens, float], float]:
        """Natural-log probabilities of sentences by their tokens, and that of what was typed."""
        count = len(self._constraints)
        hypotheses = _Hypotheses(
            log_probs=[0.0] * count,
            tokens=[()] * count,
            offsets=[0] * count,
            constraints=list(range(count)),
            contexts=np.full(count, self._root.ngram, np.int64),
            known={0: [number for number, tokens in enumerate(self._known) if tokens]},
        )
        assert self._root.neural is not None
        state_SND = np.repeat(self._root.neural, count, axis=1)
        probs_NV = np.repeat(self._root_probs_V[None], count, axis=0)
        for step in range(self._max_tokens):
            cells = self._best_cells(hypotheses, probs_NV)
            following, rows = self._follow(hypotheses, probs_NV, cells)
            if not following.tokens or step + 1 == self._max_tokens:
                break
            last_N1 = np.array([tokens[-1:] for tokens in following.tokens], np.int64)
            hidden_N1E, state_SND = self._neural.advance(last_N1, state_SND[:, rows])
            probs_NV = self._mixed(hidden_N1E[:, 0], following.contexts)
            hypotheses = following
        found = dict(self._scored)
        found |= {tokens: log_prob for log_prob, tokens in self._finished}
        return found, math.log(max(self._typed_mass, _LEAST))

    def _mixed(self, hidden_NE: NDArray[np.float32], contexts_N: NDArray[np.int64]) -> NDArray[np.float32]:
        """The mixture's probabilities of all tokens, float32 (N, V)."""
        model = self._model
        probs_NV = self._neural.log_probs(hidden_NE)
        np.exp(probs_NV, out=probs_NV)
        log_ngram, _ = model.mixture.log_weights(*model.ngram.table.features(contexts_N))
        shares_N = np.broadcast_to(np.exp(log_ngram), len(contexts_N))
        model.ngram.table.mix(contexts_N, np.ascontiguousarray(shares_N), probs_NV)
        return probs_NV

    def _best_cells(self, hypotheses: _Hypotheses, probs_NV: NDArray[np.float32]) -> list[_Cell]:
        """What follows the searched hypotheses best."""
        searched = [row for row, constraint in enumerate(hypotheses.constraints) if constraint >= 0]
        if not searched:
            return []
        log_probs_N = np.array([hypotheses.log_probs[row] for row in searched])
        top = float(log_probs_N.max())
        joint_NV = probs_NV[searched] * np.exp(log_probs_N - top).astype(np.float32)[:, None]
        joint_NV[:, [UNKNOWN, BEGIN]] = 0
        cells = []
        ends = []
        for place, row in enumerate(searched):
            constraint, offset = self._constraints[hypotheses.constraints[row]], hypotheses.offsets[row]
            ends.append(len(constraint.lows))
            if offset == len(constraint.lows):
                continue
            low, high = int(constraint.lows[offset]), int(constraint.highs[offset])
            self._typed_mass += float(joint_NV[place, low:high].sum()) * math.exp(top)
            for token, after in constraint.parts(offset):
                if probs_NV[row, token] > 0:
                    cells.append(
                        _Cell(hypotheses.log_probs[row] + math.log(float(probs_NV[row, token])), row, token, after)
                    )
            joint_NV[place, :low] = 0
            joint_NV[place, high:] = 0
        flat = joint_NV.ravel()
        for cell in largest(flat, self._width).tolist():
            if flat[cell] > 0:
                place, token = divmod(cell, joint_NV.shape[1])
                cells.append(_Cell(math.log(float(flat[cell])) + top, searched[place], token, ends[place]))
        return sorted(cells, reverse=True)[: self._width]

    def _follow(
        self, hypotheses: _Hypotheses, probs_NV: NDArray[np.float32], cells: Sequence[_Cell]
    ) -> tuple[_Hypotheses, list[int]]:
        """The hypotheses with a token more, and the row of each one's parent."""
        for cell in cells:
            if cell.token == END:
                self._finished.append((cell.log_prob, (*hypotheses.tokens[cell.row], END)))
        self._finished = sorted(self._finished, reverse=True)[: self._width]
        full = len(self._finished) >= PROPOSED
        floor = self._finished[PROPOSED - 1][0] if full else -math.inf
        following = _Hypotheses([], [], [], [], hypotheses.contexts)
        rows, contexts, places = list[int](), list[int](), dict[tuple[int, int], int]()

        def add(cell: _Cell, constraint: int) -> None:
            places[cell.row, cell.token] = len(rows)
            rows.append(cell.row)
            following.log_probs.append(cell.log_prob)
            following.tokens.append((*hypotheses.tokens[cell.row], cell.token))
            following.offsets.append(cell.offset)
            following.constraints.append(constraint)
            contexts.append(self._model.ngram.table.score(int(hypotheses.contexts[cell.row]), cell.token)[1])

        for cell in cells:
            if cell.token != END and cell.log_prob > floor:
                add(cell, hypotheses.constraints[cell.row])
        for row, numbers in hypotheses.known.items():
            for number in numbers:
                depth = len(hypotheses.tokens[row])
                token = self._known[number][depth]
                log_prob = hypotheses.log_probs[row] + math.log(max(float(probs_NV[row, token]), _LEAST))
                if token == END:
                    self._scored[self._known[number]] = log_prob
                    continue
                if (row, token) not in places:
                    add(_Cell(log_prob, row, token, 0), -1)
                following.known.setdefault(places[row, token], []).append(number)
        following.contexts = np.array(contexts, np.int64)
        return following, rows
