"""Folding against a slow oracle that asks Unicode's own tables, character by character."""

# ruff: noqa: RUF001 -- characters that look alike are what is tested
from __future__ import annotations

import unicodedata

import regex
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from lm.text.folding import NearWord, near_end, near_words, normalize_query, typed_end

few = settings(max_examples=80, deadline=None)

SAMPLES = (
    "aAzZİıiIßẞſéÉöÖüåøæœđłþçñẽơựǰΐΰΣσςΆάЁёйґқԵւևᲗთᎠꭰ"
    "אבּשָׁלךאحمدأإآٱةهہكکيیىئؤـَّٰهंकख़िी्षनदমােোகிొകാ"
    "กำัน้เແກຳ្កា京都が゛ガｶﾞー々ㄅ가각힣ㄱㅏㅋ\u1112\u1161\u11ab"
    "0159٣۷१๒０②½¼²⁻№™®©℠ℓ㎡…"
    " \t\u00a0\u3000--‐‑–—−־〜~'’‘′`´\"“”″«»״/⁄×.,:;&+#%$€_()¿!"
    "\u0301\u0308\u0327\u0338\u200b\u200c\u200d\u2060\ufeff\u00ad\ufe0f\u034f"
    "❤👍🏽👨👩👧🏳🌈🇩🇪🇫🏴\U000e0067\U000e0062\U000e007f⃣"
)
mixed = st.text(st.sampled_from(SAMPLES), max_size=24)
any_text = st.one_of(mixed, st.text(max_size=16))
ascii_text = st.text(st.sampled_from("abcs XYZ0129 -+#&'`./%\t\x7f_"), max_size=24)
ACCENTED = [*"aéöüåçñẽơựάόΐёйאבحأإآ", "שׁ", "לָ", "مَ", "مّ"]
NO_JAMO_OR_TAGS = "[^\u1100-\u11ff\u3130-\u318f\uffa0-\uffdc\u0e4d\u0e33\u0eb3\u0ecd\u200d\u2581\U000e0000-\U000e007f]*"
LOOKS = {
    "-": r"[\p{Pd}−⁃˗]",
    "'": r"[`´‘’‚‛′‵‹›ʹʻʼʽ΄᾽᾿՚׳＇ꞌ]",
    '"': r"[“”„‟″‶«»〝〞〟״ˮ＂⹂]",
    "x": "[×⨯✕]",
    "/": "[⁄∕]",
    "": r"[\p{Default_Ignorable_Code_Point}\p{Cf}ـ®©™℠℗--[\u115f\u1160\u3164\uffa0]]",
}


def _same(text: str) -> str:
    """The folded form, one step after the other over the whole text until no step changes anything."""
    before = ""
    while before != text:
        before, text = text, text.replace("〜", "~").replace("゛", " ")
        for other, look in LOOKS.items():
            text = regex.sub(look, other, text, flags=regex.VERSION1)
        text = "".join(
            each if unicodedata.decimal(each, None) is None else str(unicodedata.decimal(each)) for each in text
        )
        text = text.translate(str.maketrans("یىکہı", "ييكهi"))
        text = regex.sub(r"(?<=[0-9])(?=[¼-¾⅐-⅟↉])", " ", text)
        text = regex.sub(r"(?<=[0-9])(?=[⁰¹²³⁴-⁻])", "^", text)
        text = text.casefold().lower().replace("i\u0307", "i")
        text = unicodedata.normalize("NFKC", text)
        text = regex.sub(r"[\p{White_Space}\p{Cc}\u2800\u3164\uffa0]+", " ", text).removeprefix(" ")
    return text


@few
@given(st.from_regex(NO_JAMO_OR_TAGS, fullmatch=True, alphabet=st.sampled_from(SAMPLES)))
def test_a_folded_text_is_what_unicode_says_of_each_character(text: str) -> None:
    assert normalize_query(text) == _same(text)


@few
@given(any_text)
def test_folding_twice_is_folding_once(text: str) -> None:
    assert normalize_query(normalize_query(text)) == normalize_query(text)


@few
@given(any_text)
def test_texts_that_are_the_same_are_near(text: str) -> None:
    key = normalize_query(text)
    found, by_key = near_words(text), near_words(key)
    assert [(word.forms, word.glued) for word in found] == [(word.forms, word.glued) for word in by_key]


@few
@given(any_text)
def test_words_cover_all_letters_and_end_at_borders_of_clusters(text: str) -> None:
    borders = {0, *(match.end() for match in regex.finditer(r"\X", text))}
    words = near_words(text)
    for word in words:
        assert word.forms
        assert all(word.forms)
        assert {word.start, word.end} <= borders
        assert word.start < word.end
    covered = {place for word in words for place in range(word.start, word.end)}
    for match in regex.finditer(r"\X", text):
        if normalize_query(match.group()[0])[:1].isalnum():
            assert covered.issuperset(range(*match.span())), match


@few
@given(ascii_text)
def test_words_of_ascii_text_are_those_of_any_text(text: str) -> None:
    # a letter outside ASCII after a space is one more word, and takes the text the slow way
    folded = text.lower()
    assert near_words(folded) == near_words(f"{folded} é")[:-1] == _ascii_words(folded)


def _ascii_words(text: str) -> list[NearWord]:
    """The same character by character."""
    words: list[NearWord] = []
    place = 0
    while place < len(text):
        letters = text[place].isalpha()
        end = place
        while end < len(text) and text[end].isalnum() and text[end].isalpha() == letters:
            end += 1
        if letters and end - place < 3 and not text[place - 1 : place].isdigit():
            marks = end
            while text[marks : marks + 1] in {"+", "#"}:
                marks += 1
            end = end if text[marks : marks + 1].isalpha() else marks
        if end > place:
            gap = text[words[-1].end : place] if words else " "
            words.append(
                NearWord((text[place:end],), place, end, not any(each <= " " or each == "\x7f" for each in gap))
            )
        place = max(end, place + 1)
    return words


def _plain(word: str) -> str:
    """Without marks on letters of scripts where these are no letters; `đ` and the like are not in it."""
    kept = ""
    for character in unicodedata.normalize("NFD", word):
        accent = unicodedata.category(character) == "Mn" and unicodedata.name(character).split()[0] in {
            "COMBINING",
            "HEBREW",
            "ARABIC",
        }
        kept += "" if accent else character
    return unicodedata.normalize("NFC", kept)


@few
@given(st.lists(st.sampled_from(ACCENTED), min_size=1, max_size=8).map("".join))
def test_the_plain_form_has_no_accents(word: str) -> None:
    found = near_words(word)
    assert "".join(each.forms[0] for each in found) == _plain(normalize_query(word))
    assert all(len(each.forms) == 1 + bool(set("öüå") & set(word)) for each in found)


@few
@given(mixed, st.data())
def test_what_was_typed_so_far_is_a_beginning(text: str, data: st.DataObject) -> None:
    text = unicodedata.normalize("NFC", text)
    cut = data.draw(st.sampled_from([match.end() for match in regex.finditer(r"\X", text)] or [0]))
    typed, whole = normalize_query(text[:cut]), normalize_query(text)
    assume(not regex.search(r"[\u1100-\u11ff\u3131-\u318e\u0e4d\U000e0000-\U000e007f]", text))
    assert whole.startswith(typed)
    assume("+" not in typed and "#" not in typed)  # `a+` may be a name or become `a+b`
    words, all_words = near_words(typed), near_words(whole)
    assert [word.forms for word in words[:-1]] == [word.forms for word in all_words[: max(len(words) - 1, 0)]]
    if words:
        assert any(form.startswith(words[-1].forms[0]) for form in all_words[len(words) - 1].forms)


@few
@given(any_text)
def test_what_is_shown_grows_with_what_is_typed_and_cuts_no_cluster(text: str) -> None:
    key = normalize_query(text)
    borders = {0, *(match.end() for match in regex.finditer(r"\X", text))}
    ends = [typed_end(text, length) for length in range(len(key) + 1)]
    assert borders.issuperset(ends)
    assert ends == sorted(ends)
    assert ends[-1] == len(text) or not key
    for length, end in enumerate(ends):
        if text[:end].strip():
            assert len(normalize_query(text[:end])) >= length or end == len(text)


@few
@given(any_text, st.data())
def test_what_is_typed_of_a_word_ends_in_it_at_a_border(text: str, data: st.DataObject) -> None:
    for word in near_words(text):
        form = data.draw(st.sampled_from(word.forms))
        end = near_end(text, word, form[: data.draw(st.integers(1, len(form)))])
        assert word.start <= end <= word.end
        assert end in {0, *(match.end() for match in regex.finditer(r"\X", text))}
