from functools import cache

from hypothesis import given, settings
from hypothesis import strategies as st

from lm.text import normalize_query
from training.screening import Screen, load_screen

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
        "long_number",
        "payment_card",
        "phone",
        "secret",
        "social_security_number",
    }
