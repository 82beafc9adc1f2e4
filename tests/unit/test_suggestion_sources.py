"""A source is a file and a line: whatever it proposes is described, made distinct and ranked with the rest."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from lm.bundle.bundle import Bundle, open_bundle
from suggest.complete import QueryCompleter
from suggest.sources.log import LogSource
from suggest.sources.ngram import NgramSource
from suggest.sources.source import Proposal, Reading, Request, read_typed
from suggest.types import QueryOptions, SuggestionSource


class OwnSource:
    """Proposes the user's own queries, as a source to come will."""

    def __init__(self, own: Sequence[str]) -> None:
        self.own = own
        self.asked: list[str] = []

    def propose(self, request: Request, reading: Reading) -> Sequence[Proposal]:
        self.asked.append(request.query)
        return [Proposal(text, reading) for text in self.own if text.startswith(reading.query)]


@pytest.fixture(scope="module")
def bundle(tiny_bundle: Path) -> Bundle:
    return open_bundle(tiny_bundle, verify=False)


def test_what_another_source_proposes_is_described_and_ranked(bundle: Bundle) -> None:
    completer = QueryCompleter(bundle)
    own = OwnSource(["new quay harbour walk", "other", "new quay hotels"])
    completer._from_left = (NgramSource(bundle.language_model("queries")), own)
    pool = completer.proposed("new quay h")
    assert {"new quay harbour walk", "new quay hotels"} <= set(pool.candidates.texts)
    assert np.isfinite(pool.candidates.log_probs).all()
    completer._sources = (own,)
    shown = completer.complete("new quay h", QueryOptions(correct=False, min_acceptance_prob=0.0), None).suggestions
    assert own.asked == ["new quay h"] * 2
    assert shown[0].text == "new quay hotels"  # the other one may be too improbable
    assert shown[0].source is SuggestionSource.GENERATED
    assert shown[0].terms.ngram_log_prob is not None


def test_a_text_that_several_sources_propose_is_one_candidate(bundle: Bundle) -> None:
    completer = QueryCompleter(bundle)
    before = completer.proposed("new yor").candidates
    completer._from_left = (*completer._from_left, OwnSource(before.texts))
    after = completer.proposed("new yor").candidates
    assert after.texts == before.texts
    np.testing.assert_array_equal(after.log_probs, before.log_probs)


@pytest.mark.parametrize("query", ["n", "new yor", "how to ", "zzqxv", "ㅎ", "a" * 200, "new york "])
def test_sources_propose_what_completes_the_query_and_not_the_query_itself(bundle: Bundle, query: str) -> None:
    model = bundle.language_model("queries")
    assert bundle.queries is not None
    for source in (NgramSource(model), LogSource(bundle.queries)):
        reading = read_typed(model, query)
        for proposal in source.propose(Request(query), reading):
            assert proposal.reading is reading
            assert proposal.text != query.rstrip()
            assert query == "ㅎ" or proposal.text.startswith(query)
    assert reading.total == bundle.queries.completions(query, 1)[1]
