"""The candidates of several readings of what was typed in one pool: as it stands, and with errors corrected."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from lm.text.duplicates import duplicate_key
from lm.text.hangul import typed_prefixes
from suggest.candidates import Pool
from suggest.rank import Candidates, Floats
from suggest.spelling import Correction


def pool_readings(
    query: str,
    pool: Pool,
    log_posterior: float,
    corrections: Sequence[Correction],
    propose: Callable[[Correction], Pool],
    kinds: Sequence[str],
) -> tuple[Pool, dict[str, Correction]]:
    """One pool of all readings, and of each corrected candidate which correction it completes.

    Args:
        pool: of what was typed as it stands; `log_posterior` that of this reading.
        corrections: the most probable first; a text that several lead to counts as the first one's.
        propose: candidates that complete a correction.
        kinds: differences of `lm.text.duplicates` that make no other query: a reading gives way to those before it
            where these have it as often in the log.
    """
    typed = typed_prefixes(query)
    texts = set(pool.candidates.texts)
    counts: dict[str, float] = {}
    _note(pool.candidates, kinds, counts)
    parts, posteriors, edits, owners = [pool], [log_posterior], [0], dict[str, Correction]()
    for correction in corrections:
        proposed = propose(correction)
        rows = [
            row
            for row, text in enumerate(proposed.candidates.texts)
            if text not in texts and not any(prefix.begins(text) for prefix in typed)
            if counts.get(duplicate_key(text, *kinds), -1.0) < proposed.candidates.counts[row]
        ]
        part = proposed.of(rows)
        _note(part.candidates, kinds, counts)
        texts.update(part.candidates.texts)
        owners |= dict.fromkeys(part.candidates.texts, correction)
        parts.append(part)
        posteriors.append(correction.log_posterior)
        edits.append(correction.edits)
    return _joined(parts, posteriors, edits), owners


def _note(candidates: Candidates, kinds: Sequence[str], counts: dict[str, float]) -> None:
    """Notes how often each query of the log was submitted in its most popular form."""
    for text, count in zip(candidates.texts, candidates.counts.tolist(), strict=True):
        if count > 0:
            key = duplicate_key(text, *kinds)
            counts[key] = max(count, counts.get(key, 0.0))


def _joined(parts: Sequence[Pool], log_posteriors: Sequence[float], edits: Sequence[int]) -> Pool:
    sizes = [len(part.tokens) for part in parts]
    every = [part.candidates for part in parts]

    timed = every[0].recency is not None

    def column(name: str) -> Floats:
        return np.concatenate([getattr(candidates, name) for candidates in every])

    return replace(
        parts[0],
        candidates=Candidates(
            texts=[text for candidates in every for text in candidates.texts],
            lengths=column("lengths"),
            counts=column("counts"),
            log_probs=column("log_probs"),
            tokens=column("tokens"),
            recency=column("recency") if timed else None,
            edits=np.repeat(np.array(edits, np.int64), sizes),
            log_posteriors=np.repeat(np.array(log_posteriors, np.float64), sizes),
            totals=np.repeat(np.array([part.total for part in parts], np.float64), sizes),
        ),
        tokens=[tokens for part in parts for tokens in part.tokens],
        firsts=[first for part in parts for first in part.firsts],
        total=float(sum(np.exp(log) * part.total for log, part in zip(log_posteriors, parts, strict=True))),
        parts=tuple(parts),
    )
