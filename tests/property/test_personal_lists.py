"""Lists with a user's own queries state what they are sorted by, and hide what must not be shown."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from lm.bundle.manifest import Personal
from lm.text.duplicates import KINDS
from suggest.mixing import Mixing
from suggest.own import Fit, History, OwnQuery, begins_mistyped
from suggest.personal import User, prefix_log_share
from suggest.session import refinements
from suggest.types import Generated, QueryOptions, QuerySuggestion, ScoreTerms, SuggestionSource

NOW_S = 1_800_000_000.0
WORDS = st.sampled_from(["new", "york", "news", "hats", "red", "redhat", "koln"])
TEXTS = st.lists(WORDS, min_size=1, max_size=3).map(" ".join)
TYPED = st.one_of(st.just(""), TEXTS.flatmap(lambda text: st.integers(1, len(text)).map(lambda end: text[:end])))
OWN = st.builds(
    lambda text, ago_s, times: OwnQuery(text, text.title(), NOW_S - ago_s, times),
    TEXTS,
    st.floats(0, 1e7),
    st.integers(1, 50),
)
SOURCES = st.sampled_from([SuggestionSource.LOG, SuggestionSource.CATALOGUE, SuggestionSource.GENERATED])


@st.composite
def lists(draw: st.DrawFn) -> list[QuerySuggestion]:
    """A list of distinct texts whose probabilities add up to 1 at most, best first."""
    texts = draw(st.lists(TEXTS, unique_by=lambda text: tuple(sorted(text.split())), max_size=8))
    weights = sorted((draw(st.floats(0.001, 1)) for _ in texts), reverse=True)
    total = sum(weights) + draw(st.floats(0.01, 2))
    return [
        QuerySuggestion(text, text, math.log(each / total), each / total, draw(SOURCES), (), ScoreTerms())
        for text, each in zip(texts, weights, strict=True)
    ]


def user_of(queries: Sequence[OwnQuery], context: Sequence[str] = ()) -> User:
    known = {query.text: query for query in queries}
    return User.of(History(known.values()), [OwnQuery(text, text, 0.0) for text in context], NOW_S)


def mixed(
    typed: str,
    listed: Sequence[QuerySuggestion],
    user: User,
    options: QueryOptions = QueryOptions(generated=Generated.MIX),  # noqa: B008 -- immutable
    hidden: str = "",
) -> tuple[QuerySuggestion, ...]:
    chances = user.chances(typed, prefix_log_share(5, 100) if typed else 0.0, Personal())
    mixing = Mixing(
        query=typed,
        options=options,
        kinds=[kind for kind in KINDS if kind != "plural"],
        floor=0.0,
        hides=lambda text: text == hidden,
        may_generate=bool,
    )
    return mixing.mixed(listed, chances)


@given(TYPED, lists(), st.lists(OWN, max_size=8), st.lists(TEXTS, max_size=5))
def test_a_list_is_sorted_by_what_it_states(
    typed: str, listed: list[QuerySuggestion], queries: list[OwnQuery], context: list[str]
) -> None:
    shown = mixed(typed, listed, user_of(queries, context))
    probs = [each.acceptance_prob for each in shown]
    assert probs == sorted(probs, reverse=True)
    assert sum(probs) <= 1 + 1e-6
    assert all(math.isclose(each.log_prob, math.log(max(each.acceptance_prob, 1e-300))) for each in shown)
    assert len({each.text for each in shown}) == len(shown) <= 10


@given(TYPED, lists(), st.lists(OWN, max_size=8))
def test_what_is_wanted_otherwise_keeps_its_share(
    typed: str, listed: list[QuerySuggestion], queries: list[OwnQuery]
) -> None:
    user = user_of(queries)
    chances = user.chances(typed, -2.0, Personal())
    rest = 1 - sum(math.exp(each.log_prob) for each in chances)
    assert -1e-9 <= rest <= 1
    if not chances:
        assert mixed(typed, listed, user) == tuple(listed[:10])


@given(lists(), st.lists(OWN, min_size=1, max_size=8))
def test_own_queries_come_first_in_an_empty_box(listed: list[QuerySuggestion], queries: list[OwnQuery]) -> None:
    sources = [each.source is SuggestionSource.PERSONAL for each in mixed("", listed, user_of(queries))]
    assert sources[0]
    assert sources == sorted(sources, reverse=True)


@given(TYPED, lists(), st.lists(OWN, min_size=1, max_size=8))
def test_what_is_hidden_is_never_added(typed: str, listed: list[QuerySuggestion], queries: list[OwnQuery]) -> None:
    hidden = queries[0].text
    before = {each.text for each in listed}
    assert hidden in before or hidden not in {
        each.text for each in mixed(typed, listed, user_of(queries, [hidden]), hidden=hidden)
    }


@given(TYPED, lists(), st.lists(TEXTS, max_size=5))
def test_nothing_is_made_up_for_whoever_wants_no_generated_queries(
    typed: str, listed: list[QuerySuggestion], context: list[str]
) -> None:
    options = QueryOptions(generated=Generated.OFF)
    before = {each.text for each in listed} | set(context)
    assert {each.text for each in mixed(typed, listed, user_of([], context), options)} <= before
    filled = mixed(typed, listed, user_of([], context), QueryOptions(generated=Generated.FILL))
    generated = [each.source is SuggestionSource.GENERATED for each in filled]
    assert generated == sorted(generated)


@given(st.text("abc", min_size=1, max_size=8), st.text("abc", min_size=1, max_size=6))
def test_one_error_is_found_as_by_trying_all(text: str, typed: str) -> None:
    edited = {typed[:at] + typed[at + 1 :] for at in range(len(typed))}
    edited |= {
        typed[:at] + letter + typed[at + rest :] for at in range(len(typed) + 1) for letter in "abc" for rest in (0, 1)
    }
    edited |= {typed[:at] + typed[at + 1] + typed[at] + typed[at + 2 :] for at in range(len(typed) - 1)}
    assert begins_mistyped(text, typed) == any(text.startswith(each) for each in edited) or text.startswith(typed)


@given(TYPED, st.lists(TEXTS, max_size=5))
def test_a_refinement_goes_on_as_typed_with_a_word_of_the_session(typed: str, context: list[str]) -> None:
    found = refinements(typed, context)
    words = {word for query in context for word in query.split()}
    assert len({each.text for each in found}) == len(found) <= 16
    for each in found:
        assert each.text.startswith(typed)
        assert each.text.rpartition(" ")[2] in words


def test_how_an_own_query_fits() -> None:
    history = History(
        OwnQuery(text, text, NOW_S - at) for at, text in enumerate(["red hats", "new york", "köln", "red"])
    )

    def fits(typed: str) -> list[tuple[str, Fit]]:
        return [(each.query.text, each.fit) for each in history.found(typed)]

    assert fits("red") == [("red hats", Fit.BEGINS)]  # not what was typed itself
    assert fits("hats r") == [("red hats", Fit.WORDS)]
    assert fits("koln") == [("köln", Fit.WORDS)]
    assert fits("nwe yo") == [("new york", Fit.MISTYPED)]
    assert fits("yrk") == []
    assert [text for text, _ in fits("")] == ["red hats", "new york", "köln", "red"]


def test_the_callers_session_goes_before_the_servers() -> None:
    user = user_of([OwnQuery("hats", "Hats", NOW_S - 60, 4), OwnQuery("news", "news", NOW_S - 5000)])
    assert user.context == ("hats",)
    user = user_of([OwnQuery("hats", "Hats", NOW_S - 60, 4)], ["red", "hats"])
    assert user.context == ("red", "hats")
    assert [(query.text, query.times) for query in user.history.queries] == [("hats", 4), ("red", 1)]


@given(st.lists(st.text("abc ", min_size=1, max_size=9), max_size=8), st.text("abc ", max_size=7), st.booleans())
def test_what_is_found_is_what_looking_at_each_finds(texts: list[str], typed: str, finished: bool) -> None:
    texts = list(dict.fromkeys(" ".join(text.split()) for text in texts if text.strip()))
    typed = " ".join(typed.split())
    typed += " " * (finished and bool(typed))
    found = {each.query.text: each.fit for each in History(OwnQuery(text, text, NOW_S) for text in texts).found(typed)}
    for text in texts:
        *whole, last = typed.split(" ")
        needed, there = Counter(whole), Counter(text.split())
        holds = needed <= there and (not last or any(word.startswith(last) for word in there - needed))
        if text == typed.rstrip():
            expected = None
        elif text.startswith(typed):
            expected = Fit.BEGINS
        elif holds and typed.strip():
            expected = Fit.WORDS
        else:
            expected = Fit.MISTYPED if len(typed) >= 4 and begins_mistyped(text, typed) else None
        assert found.get(text) is expected
