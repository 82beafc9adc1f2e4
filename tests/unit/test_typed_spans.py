"""Which stretches of a suggestion are marked as typed."""

# ruff: noqa: RUF001 -- letters that look alike are what this file is about
from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lm.text.characters import CLUSTERS
from lm.text.folding import normalize_query
from lm.text.hangul import typed_prefixes
from suggest.typed_spans import Spans, prefix_span, word_spans


def _marked(display: str, spans: Spans) -> str:
    """The text with what is typed in brackets."""
    pieces, position = [], 0
    for start, end in spans:
        pieces += [display[position:start], "[", display[start:end], "]"]
        position = end
    return "".join([*pieces, display[position:]])


@pytest.mark.parametrize(
    ("query", "marked"),
    [
        ("ac adapt", "[AC/Adapt]er"),
        ("trail boot", "[Trail] Running [Boot]s"),
        ("boots trail", "[Trail] Running [Boots]"),
        ("jalapen", "[Jalapeñ]o Sauce"),
        ("muesl", "[Müsl]i bar"),
        ("strass", "[Straß]e"),
        ("xl20", "Cable [XL-20]0 black"),
        ("earbuds", "[Ear Buds] Pro"),
        ("earbu", "[Ear Bu]ds Pro"),
        ("snow board bi", "[Snowboard bi]nding"),
        ("株 社", "[㍿] トヨタ"),
        ("½", "Cola [1½] l"),
        ("gin and ton", "[Gin & Ton]ic"),
        ("rocknroll s", "[Rock’n’Roll S]hirt"),
        ("うどん", "[ウドン] 鍋"),
        ("여ㅎ", "서울 [여]행"),
        ("the lamp", "Desk [Lamp]"),
        ("go go", "[Go Go] Gadget"),
    ],
)
def test_typed_words_are_marked_where_they_stand(query: str, marked: str) -> None:
    display = marked.replace("[", "").replace("]", "")
    assert _marked(display, word_spans(display, query)) == marked


@pytest.mark.parametrize(
    ("query", "marked"),
    [
        ("crème br", "[Crème Br]ûlée"),
        ("ф", "[Ф]ура"),
        ("क", "[कि]ताब"),
        ("👨", "[👨‍👩‍👧] photo"),
        ("strass", "[Straß]e"),
        ("장바ㄱ", "[장바]구니"),
    ],
)
def test_what_begins_as_typed_is_marked_up_to_a_border_of_clusters(query: str, marked: str) -> None:
    display = marked.replace("[", "").replace("]", "")
    text = normalize_query(display)
    assert _marked(display, prefix_span(display, text, query, typed_prefixes(query))) == marked


_TEXTS = st.text(st.sampled_from("abA -'/é̈üßكक िた👨\u200d👩🏽한ㄱ12+.&"), max_size=14)


@given(display=_TEXTS, query=_TEXTS)
def test_spans_follow_each_other_and_cut_no_cluster(display: str, query: str) -> None:
    query = normalize_query(query)
    text = normalize_query(display).rstrip()
    borders = {0, *itertools.accumulate(map(len, CLUSTERS.findall(display)))}
    found = [word_spans(display, query)]
    if query and any(prefix.begins(text) for prefix in typed_prefixes(query)):
        found.append(prefix_span(display, text, query, typed_prefixes(query)))
    for spans in found:
        ends = [end for span in spans for end in span]
        assert ends == sorted(set(ends))
        assert borders.issuperset(ends)
