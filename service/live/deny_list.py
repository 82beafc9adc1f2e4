"""Entries of the deny list: what they say, how they are checked, and how a change of the live state holds one."""

from __future__ import annotations

import enum
import hashlib
import math
from dataclasses import dataclass, replace

from lm.errors import RequestError
from service.live.changes import MAX_CREATOR, Change
from service.live.patterns import check_pattern
from service.live.phrases import folded

KIND = "deny"
MAX_PHRASE, MAX_REASON = 256, 1024
MAX_ENTRIES, MAX_PATTERNS = 200_000, 1_000
"""In force at the same time, for all models together."""
_ID_BYTES = 8
_LONGEST_S = 253_402_300_799.0
"""The last moment that a timestamp can hold, in the year 9999."""


class Operator(enum.Enum):
    """What an entry takes down; the values are part of the stores' format."""

    EXACT = "exact"
    """What is the phrase."""
    CONTAINS = "contains"
    """What has the words of the phrase in it, one after the other."""
    PATTERN = "pattern"
    """What a regular expression finds something in."""
    GENERATED = "generated"
    """All that models generate."""
    EVERYTHING = "everything"
    """All suggestions."""

    @property
    def has_phrase(self) -> bool:
        """Whether it looks at the text; the others are kill switches."""
        return self not in (Operator.GENERATED, Operator.EVERYTHING)


@dataclass(frozen=True, slots=True, kw_only=True)
class DenyEntry:
    """An entry.

    Attributes:
        phrase: as it was given; empty for a kill switch.
        model: name of the one model that it holds for; empty for all.
        created_s, ends_s: in seconds since 1970; it ends never if that is infinite.
    """

    operator: Operator
    phrase: str = ""
    model: str = ""
    reason: str = ""
    creator: str = ""
    created_s: float
    ends_s: float = math.inf

    @property
    def key(self) -> str:
        """What it takes down, as a digest: two entries that take down the same are the same."""
        said = self.phrase if self.operator is Operator.PATTERN else folded(self.phrase)
        named = "\n".join((self.operator.value, self.model, said))
        return hashlib.blake2b(named.encode(), digest_size=_ID_BYTES, person=b"deny").hexdigest()

    def checked(self) -> DenyEntry:
        """Itself.

        Raises:
            RequestError: a field is wrong.
        """
        for field, text, limit in (
            ("phrase", self.phrase, MAX_PHRASE),
            ("reason", self.reason, MAX_REASON),
            ("creator", self.creator, MAX_CREATOR),
        ):
            if len(text) > limit:
                raise _wrong(field, f"has {len(text)} characters.", f"At most {limit} are allowed.", "TEXT_TOO_LONG")
        if not self.operator.has_phrase:
            if self.phrase:
                raise _wrong("phrase", "is there, but a kill switch has none.", "Leave it out, or choose EXACT.")
        elif not self.phrase.strip():
            raise _wrong("phrase", "is missing.", "Give what no suggestion may show.")
        elif self.operator is Operator.PATTERN:
            check_pattern(self.phrase)
        elif not folded(self.phrase):
            raise _wrong("phrase", "holds no word.", "Use PATTERN to take down marks.")
        if self.ends_s <= self.created_s:
            remedy = "Give a time to come, or leave it out."
            raise _wrong("expire_time", "is over already.", remedy, "OUT_OF_RANGE")
        return self

    def until(self, ends_s: float) -> DenyEntry:
        """It with another end."""
        return replace(self, ends_s=ends_s)


def creation(entry: DenyEntry, *, at_s: float, by: str) -> Change:
    """The change that makes an entry what it is."""
    value = {
        "operator": entry.operator.value,
        "phrase": entry.phrase,
        "model": entry.model,
        "reason": entry.reason,
        "creator": entry.creator,
        "created_s": entry.created_s,
        "ends_s": entry.ends_s if entry.ends_s < _LONGEST_S else None,
    }
    return Change(kind=KIND, key=entry.key, value=value, by=by, at_s=at_s)


def entry_of(change: Change) -> DenyEntry:
    """The entry that a change made or removed.

    Raises:
        ValueError: it holds none that this release knows.
    """
    value = change.value if change.value is not None else change.was
    try:
        assert value is not None
        ends_s = value["ends_s"]
        return DenyEntry(
            operator=Operator(value["operator"]),
            phrase=str(value["phrase"]),
            model=str(value["model"]),
            reason=str(value["reason"]),
            creator=str(value["creator"]),
            created_s=float(value["created_s"]),
            ends_s=math.inf if ends_s is None else float(ends_s),
        )
    except (AssertionError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"change {change.number} holds no entry of a deny list ({error!r})") from None


def _wrong(field: str, problem: str, remedy: str, fault: str = "MALFORMED") -> RequestError:
    return RequestError(f"deny_list_entry.{field}", problem, fault=fault, remedy=remedy)  # type: ignore[arg-type]
