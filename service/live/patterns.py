"""Denied patterns: regular expressions of RE2, which takes time in proportion to the text whatever the pattern is.

Patterns look at a text as it is normalised and at its words in their near forms, so that they hold for accents and
other spellings too. Capitals do not count.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import re2

from lm.errors import RequestError
from lm.text.characters import ACCENTS
from service.live.phrases import Words

if TYPE_CHECKING:
    from service.live.deny_list import DenyEntry

_PROGRAM_BYTES = 1 << 20
"""What one pattern may compile to."""
_STATE_BYTES = 64 << 10
"""For each pattern, so that all of them are looked for in one pass."""
_TOGETHER = 64
_ACCENTS = re.compile(f"[{ACCENTS}]+")


def check_pattern(pattern: str) -> None:
    """Checks a pattern.

    Raises:
        RequestError: RE2 does not take it, or it finds something in every text.
    """
    remedy = "See https://github.com/google/re2/wiki/Syntax: it has no look-around and no back references."
    try:
        compiled = re2.compile(pattern, _options(_PROGRAM_BYTES))
        re2.compile(f"(?:{pattern})", _options(_PROGRAM_BYTES))  # something may be open at its end, as after \\Q
    except re2.error as error:
        said = error.args[0] if error.args else ""
        reason = said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
        raise _wrong(f"is not a regular expression of RE2 ({reason}).", remedy) from None
    except UnicodeEncodeError:
        raise _wrong("is not UTF-8 text.", remedy) from None
    if compiled.search("") is not None:
        raise _wrong("finds something in every text.", "Use EVERYTHING to show no suggestion at all.")


class Patterns:
    """Denied patterns by the key of their entry. A value: `with_changes` makes another one.

    One pass looks for all of them. Where that takes more memory than it may, RE2 finds nothing at all, not even what
    is in every text; then they are looked for a few at a time, which takes longer and always ends.
    """

    __slots__ = ("_all", "_by_key", "_some")

    def __init__(self, by_key: Mapping[str, str] = MappingProxyType({})) -> None:
        self._by_key = dict(by_key)
        written = [form for pattern in self._by_key.values() for form in _forms(pattern)]
        self._all = _together(written) if written else None
        self._some = [
            "|".join(f"(?:{pattern})" for pattern in written[at : at + _TOGETHER])
            for at in range(0, len(written), _TOGETHER)
        ]

    def __len__(self) -> int:
        return len(self._by_key)

    def __contains__(self, key: str) -> bool:
        return key in self._by_key

    def with_changes(self, changes: Sequence[tuple[str, DenyEntry, bool]]) -> Patterns:
        """With some patterns more or less; see `Phrases.with_changes`."""
        if not changes:
            return self
        by_key = dict(self._by_key)
        for key, entry, there in changes:
            if there:
                by_key[key] = entry.phrase
            else:
                by_key.pop(key, None)
        return Patterns(by_key)

    def in_text(self, text: str, words: Sequence[Words]) -> bool:
        """Whether one finds something in a normalised text, or in its words."""
        return any(map(self._find, {text, *map(" ".join, words)}))

    def _find(self, text: str) -> bool:
        found = self._all and self._all.Match(text)
        if found is not None:  # the pattern that is in every text is among them
            return len(found) > 1
        return any(_program(some).search(text) is not None for some in self._some)


def _together(patterns: Sequence[str]) -> Any:
    """What looks for all patterns at once; None if together they take too much."""
    together = re2.Set.SearchSet(_options(_PROGRAM_BYTES + len(patterns) * _STATE_BYTES))
    for pattern in ("", *patterns):
        together.Add(pattern)
    try:
        together.Compile()
    except re2.error:
        return None
    return together


def _forms(pattern: str) -> list[str]:
    """A pattern, and it without accents if it has any, because words in their near forms have none."""
    bare = unicodedata.normalize("NFC", _ACCENTS.sub("", unicodedata.normalize("NFD", pattern)))
    return [pattern] if bare == pattern else [pattern, bare]


@lru_cache(64)
def _program(patterns: str) -> Any:
    return re2.compile(patterns, _options(_TOGETHER * _PROGRAM_BYTES))


def _options(max_bytes: int) -> Any:
    options = re2.Options()
    options.max_mem = max_bytes
    options.case_sensitive = False
    options.log_errors = False
    options.never_capture = True
    return options


def _wrong(problem: str, remedy: str) -> RequestError:
    return RequestError("deny_list_entry.phrase", problem, fault="MALFORMED", remedy=remedy)
