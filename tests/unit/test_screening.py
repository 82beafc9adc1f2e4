from pathlib import Path

import pytest

from lm.errors import InputError
from lm.text.normalize import normalize_query
from training.data.screening import Screen, load_screen


@pytest.fixture(scope="module")
def screen() -> Screen:
    return load_screen()


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("mail jane.doe@example.com today", "email"),
        ("jane @ example.co.uk", "email"),
        ("call 212-555-2368", "phone"),
        ("(415) 555-2671 owner", "phone"),
        ("+44 20 7946 0018", "phone"),
        ("4111 1111 1111 1111", "payment_card"),
        ("card 5500005555555559", "payment_card"),
        ("gb82 west 1234 5698 7654 32 transfer", "iban"),
        ("DE89370400440532013000", "iban"),
        ("ssn 078-05-1120", "identity_number"),
        ("078 05 1120 jones", "identity_number"),
        ("order 123456789012", "long_number"),
        ("case 98-765.4321", "long_number"),
        (normalize_query("\uff14" * 12), "long_number"),
        ("٤٤٥٥٦٦٧٧٨٨٩٩", "long_number"),
        ("d41d8cd98f00b204e9800998ecf8427e", "secret"),
        ("id 123e4567-e89b-12d3-a456-426614174000", "secret"),
        ("ghp_16c7e42f292c6912e7710c838347ae17", "secret"),
        ("key a1b2c3d4e5f6g7h8i9", "secret"),
        ("jane.doe72 at gmail.com", "email"),
        ("janedoe72 gmail com", "email"),
        ("jane.doe yahoo com", "email"),
        ("jane (at) example (dot) org", "email"),
        ("jane at example dot org", "email"),
        ("call 611 1956", "long_number"),
        ("call 212 555 1984 24 7", "phone"),
        ("route 66 0046 8 12 31 54", "long_number"),
        ("212\u2013555\u20132368", "phone"),
        ("card 4111 1111 1111 1111 12 25 123", "payment_card"),
        ("es77 0276 4563 1024 4477 2713", "iban"),
        ("gb29-nwbk-6016-1331-9268-19", "iban"),
        ("10.019.698-r", "long_number"),
        ("10.119.198-r", "long_number"),
        ("2018 1419 9995", "long_number"),
        ("nino ab 12 34 56 c", "identity_number"),
        ("rssmra85t10a562s", "identity_number"),
        ("131052a308t", "identity_number"),
        ("akiaiosfodnnaexample", "secret"),
        ("eyjhbgcioijiuzi1nij9.eyjzdwiioiixmjm0nty3ode.dozjgn", "secret"),
        ("free PORN", "blocked_word"),
        ("How to  commit suicide", "blocked_word"),
        ("some-fuck!", "blocked_word"),
    ],
)
def test_dropped(screen: Screen, query: str, reason: str) -> None:
    found = screen.reason(normalize_query(query).rstrip())
    # a number in a key may be found first: what counts is that it goes
    assert found == reason or (reason == "secret" and found == "long_number")


@pytest.mark.parametrize(
    "query",
    [
        "how to tie a tie",
        "canon a520",
        "1,000,000 dollars in euros",
        "1 000 000 visitors",
        "irs form 1040 2005",
        "rcw 41 04 005",
        "j chem soc 22 54 4 1248 55",
        "police precincts 41 42 43 44 45 46 47 48 49 50 52",
        "275/45/20 tires",
        "isbn 978 3 16 148410 0",
        "meet me at the dot com",
        "windows2000professional",
        "suicide prevention hotline",
        "zip code 90210",
        "90210-1234 zip",
        "world war 1914-1918",
        "consumer price index 2004 2005",
        "weather 3-13-2006",
        "shoes under $199.99",
        "10.0.19",
        "192.168.0.1",
        "192 168 1 1 login",
        "@nasa on mars",
        "boeing 747 400 vs 787",
        "internationalization standards",
        "christians4christians",
        "http://example.com/2006/top10",
        "scunthorpe essex cockpit",
        "bass fishing",
        "café in münchen",
        "한국 영화 추천",
    ],
)
def test_kept(screen: Screen, query: str) -> None:
    assert screen.reason(query) is None


def test_an_operators_words_are_beside_the_built_in_ones(tmp_path: Path) -> None:
    path = tmp_path / "words.txt"
    path.write_text("# ours\nAcme  # a rival\n\nÜbel\n나쁜말\nRed  Tape\n枪支\n", encoding="utf-8")
    screen = load_screen(path)
    for query in ("acme prices", "übel", "나쁜말 모음", "free porn", "the red tape!", "买枪支吗"):
        assert screen.reason(query) == "blocked_word"
    for query in ("acmed prices", "red hot tape", "tape red", "infrared tape"):
        assert screen.reason(query) is None


def test_an_operator_takes_words_off_the_built_in_list(tmp_path: Path) -> None:
    path = tmp_path / "words.txt"
    path.write_text("!playboy\n~acme\n", encoding="utf-8")
    screen = load_screen(path)
    assert screen.reason("playboy bunny costume") is screen.reason("acme prices") is None
    assert screen.blocked.block_generated("acme prices")


@pytest.mark.parametrize("line", ["two, words", "w*ld", "semi-colon", "/regex/"])
def test_a_line_that_is_not_made_of_words(tmp_path: Path, line: str) -> None:
    path = tmp_path / "words.txt"
    path.write_text(f"fine\n{line}\n")
    with pytest.raises(InputError, match=r"words\.txt, line 2: .* is not made of words") as caught:
        load_screen(path)
    assert caught.value.line == 2


def test_words_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is a folder"):
        load_screen(tmp_path)
    with pytest.raises(InputError, match="cannot be read: No such file"):
        load_screen(tmp_path / "none.txt")
