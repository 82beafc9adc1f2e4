"""ARPA files with known scores are read to the digit, and never-seen tokens share what is left."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from lm.errors import InputError
from lm.models.arpa import read_sections, share_never_seen
from lm.models.vocabulary import Vocabulary

# 0.1 + 0.4 + 0.25 + 0.25 = 1; `<s>` is never predicted
_ARPA = """\\data\\
ngram 1=5
ngram 2=3

\\1-grams:
-1\t<unk>\t0
0\t<s>\t-0.30103
-0.39794\t</s>\t0
-0.60206\t▁a\t-0.5
-0.60206\t▁b\t0

\\2-grams:
-0.1\t<s> ▁a
-0.2\t▁a ▁b
-0.3\t▁b </s>

\\end\\
"""


@pytest.fixture
def vocabulary() -> Vocabulary:
    return Vocabulary.from_tokens(["▁a", "▁b"])


@pytest.fixture
def arpa(tmp_path: Path) -> Path:
    path = tmp_path / "model.arpa"
    path.write_text(_ARPA, encoding="utf-8")
    return path


def test_sections_hold_ids_and_natural_logarithms(arpa: Path, vocabulary: Vocabulary) -> None:
    unigrams, bigrams = read_sections(arpa, vocabulary)
    a, b = vocabulary.id("▁a"), vocabulary.id("▁b")

    assert unigrams[0].tolist() == [[len(vocabulary)], [1], [2], [a], [b]]
    np.testing.assert_allclose(unigrams[1], np.log([0.1, 1, 0.4, 0.25, 0.25]), rtol=1e-5)
    np.testing.assert_allclose(unigrams[2], np.array([0, -0.30103, 0, -0.5, 0]) * math.log(10), rtol=1e-6)
    assert bigrams[0].tolist() == [[1, a], [a, b], [b, 2]]
    np.testing.assert_allclose(bigrams[1], np.array([-0.1, -0.2, -0.3]) * math.log(10), rtol=1e-6)
    assert bigrams[2].tolist() == [0, 0, 0]


def test_the_oov_token_is_the_unknown_one(arpa: Path, vocabulary: Vocabulary) -> None:
    arpa.write_text(_ARPA.replace("▁b", "<oov>"), encoding="utf-8")

    unigrams, _ = read_sections(arpa, vocabulary)

    assert unigrams[0][-1].tolist() == [0]


def test_never_seen_tokens_share_what_the_model_keeps_for_them(arpa: Path, tmp_path: Path) -> None:
    vocabulary = Vocabulary.from_tokens(["▁a", "▁b", "▁never", "▁seen", "▁ü"])

    share_never_seen(arpa, tmp_path / "shared.arpa", vocabulary)

    unigrams, bigrams = read_sections(tmp_path / "shared.arpa", vocabulary)
    probabilities = dict(zip(unigrams[0][:, 0].tolist(), np.exp(unigrams[1]), strict=True))
    del probabilities[1]
    assert sum(probabilities.values()) == pytest.approx(1, abs=1e-5)
    for token in (len(vocabulary), *map(vocabulary.id, ["▁never", "▁seen", "▁ü"])):
        assert probabilities[token] == pytest.approx(0.1 / 4, rel=1e-5)
    assert len(bigrams[0]) == 3


def test_a_model_that_has_seen_everything_is_copied(arpa: Path, tmp_path: Path, vocabulary: Vocabulary) -> None:
    share_never_seen(arpa, tmp_path / "shared.arpa", vocabulary)

    for copied, read in zip(
        read_sections(tmp_path / "shared.arpa", vocabulary), read_sections(arpa, vocabulary), strict=True
    ):
        for first, second in zip(copied, read, strict=True):
            np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("content", ["", "no such thing\n", "\\data\\\nngram 1=2\n", _ARPA.replace("<unk>", "x")])
def test_sharing_refuses_what_is_no_arpa_file_with_unk(tmp_path: Path, vocabulary: Vocabulary, content: str) -> None:
    source = tmp_path / "other.arpa"
    source.write_text(content, encoding="utf-8")

    with pytest.raises(InputError, match=r"other\.arpa: not an ARPA file"):
        share_never_seen(source, tmp_path / "shared.arpa", vocabulary)


@pytest.mark.parametrize(
    ("good", "bad", "place"),
    [
        ("-0.2\t▁a ▁b", "x0.2\t▁a ▁b", "x0.2"),  # no number
        ("-0.2\t▁a ▁b", "-0.2 ▁a ▁b", "-0.2 ▁a"),  # no tab
        ("-0.2\t▁a ▁b", "-0.2\t▁a ▁other", "▁other"),  # an unknown word
        ("-0.2\t▁a ▁b", "-0.2\t▁a", "▁a\n-0.3"),  # a word too few
        ("-0.2\t▁a ▁b", "-0.2\t▁a ▁b ▁a", " ▁a\n-0.3"),  # a word too many
    ],
)
def test_a_malformed_entry_is_named_by_its_byte(
    arpa: Path, vocabulary: Vocabulary, good: str, bad: str, place: str
) -> None:
    text = _ARPA.replace(good, bad)
    arpa.write_text(text, encoding="utf-8")
    byte = text.encode().index(place.encode())

    with pytest.raises(InputError, match=rf"byte {byte}: not an entry of order 2"):
        list(read_sections(arpa, vocabulary))


def test_a_cut_file_is_refused(arpa: Path, vocabulary: Vocabulary) -> None:
    content = _ARPA.encode()
    arpa.write_bytes(content[: content.index(b"-0.3\t")])

    with pytest.raises(InputError, match="not an entry of order 2"):
        list(read_sections(arpa, vocabulary))


def test_a_wrong_count_is_refused(arpa: Path, vocabulary: Vocabulary) -> None:
    arpa.write_text(_ARPA.replace("ngram 1=5", "ngram 1=4"), encoding="utf-8")

    with pytest.raises(InputError, match="section 2 is not where it should be"):
        list(read_sections(arpa, vocabulary))


@pytest.mark.parametrize("content", ["hello\n", "\\data\\\n\n", "\\data\\\nngram 1=2\n"])
def test_what_is_no_arpa_file_is_refused(arpa: Path, vocabulary: Vocabulary, content: str) -> None:
    arpa.write_text(content, encoding="utf-8")

    with pytest.raises(InputError, match="not an ARPA file"):
        list(read_sections(arpa, vocabulary))
