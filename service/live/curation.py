"""What an operator curates for a model: entries, pins, synonyms and hit counts, and how changes hold them."""

from __future__ import annotations

import enum
import hashlib
import math
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, TypeAlias

from pydantic import TypeAdapter, ValidationError

from lm.errors import RequestError
from lm.text.normalize import normalize_query
from service.live.changes import MAX_CREATOR, Change

MAX_TEXT, MAX_PAYLOAD = 256, 1024
MAX_TAGS, MAX_TAG = 32, 64
MAX_PHRASE_WORDS = 5
MAX_PLACE = 20
MAX_BOOST = 1e6
MAX_WEIGHT, MAX_HITS = 1e12, 2**53
MOST = {"entry": 200_000, "pin": 10_000, "synonym": 10_000, "hits": 200_000}
"""In force at the same time, for all models together."""
_ID_BYTES = 8


class When(enum.Enum):
    """When a pin holds; the values are part of the stores' format."""

    TYPED = "typed"
    """When just its query is typed."""
    BEGINS = "begins"
    """When what is typed begins with its query."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CuratedEntry:
    """An entry of the catalogue.

    Attributes:
        text: as it is shown.
        weight: as those of the bundle's catalogue; 0 for one that is withdrawn.
        tags: what a request may filter by, in order.
        withdrawn: whether the text is not suggested, as what is out of stock, wherever it comes from.
    """

    kind: ClassVar[str] = "entry"
    model: str
    text: str
    weight: float = 0.0
    payload: str = ""
    tags: tuple[str, ...] = ()
    withdrawn: bool = False
    creator: str = ""
    created_s: float

    @property
    def query(self) -> str:
        """The text as it is matched."""
        return normalized(self.text)

    @property
    def key(self) -> str:
        """Which text of which model."""
        return _digest(self.kind, self.model, self.query)

    def checked(self) -> CuratedEntry:
        """Itself.

        Raises:
            RequestError: a field is wrong.
        """
        _check_text(self.kind, "text", self.text)
        _check_length(self.kind, "payload", self.payload, MAX_PAYLOAD)
        _check_length(self.kind, "creator", self.creator, MAX_CREATOR)
        check_tags("catalogue_entry.tags", self.tags)
        if self.withdrawn:
            if self.weight or self.payload or self.tags:
                remedy = "Leave weight, payload and tags out."
                raise _wrong(self.kind, "withdrawn", "is set, so that there is nothing to show.", remedy)
        elif not 0 < self.weight <= MAX_WEIGHT:  # also if it is not a number
            remedy = f"Give a number above 0 and at most {MAX_WEIGHT:g}, or set withdrawn."
            raise _wrong(self.kind, "weight", "is not a valid weight.", remedy, "OUT_OF_RANGE")
        return self


@dataclass(frozen=True, slots=True, kw_only=True)
class Pin:
    """A text that stands where the operator wants it.

    Attributes:
        query: which typed text it holds for; empty for an empty box.
        text: what is pinned, as it is shown.
        payload: what is shown with it; empty: what catalogue or live entry have.
        place: from 1 on; 0 for one that is boosted.
        boost: what its probability is multiplied with; 0 for one that has a place.
        starts_s, ends_s: when it holds, in seconds since 1970; None: always before, always after.
    """

    kind: ClassVar[str] = "pin"
    model: str
    query: str
    when: When
    text: str
    payload: str = ""
    place: int = 0
    boost: float = 0.0
    starts_s: float | None = None
    ends_s: float | None = None
    creator: str = ""
    created_s: float

    @property
    def trigger(self) -> str:
        """The query as it is matched."""
        return normalized(self.query)

    @property
    def key(self) -> str:
        """Which text for which query."""
        return _digest(self.kind, self.model, self.when.value, self.trigger, normalized(self.text))

    def holds(self, now_s: float) -> bool:
        """Whether it holds at a time."""
        return (self.starts_s or -math.inf) <= now_s < (math.inf if self.ends_s is None else self.ends_s)

    def checked(self) -> Pin:
        """See `CuratedEntry.checked`."""
        _check_length(self.kind, "query", self.query, MAX_TEXT)
        _check_text(self.kind, "text", self.text)
        _check_length(self.kind, "payload", self.payload, MAX_PAYLOAD)
        _check_length(self.kind, "creator", self.creator, MAX_CREATOR)
        if bool(self.place) == bool(self.boost):
            problem = "is there beside a boost." if self.place else "is missing, and so is the boost."
            raise _wrong(self.kind, "place", problem, "Give one of place and boost.")
        if not 0 <= self.place <= MAX_PLACE:
            raise _wrong(self.kind, "place", f"is {self.place}.", f"Places are from 1 to {MAX_PLACE}.", "OUT_OF_RANGE")
        if not 0 <= self.boost <= MAX_BOOST:
            remedy = f"Give a factor above 0 and at most {MAX_BOOST:g}."
            raise _wrong(self.kind, "boost", "is not a valid factor.", remedy, "OUT_OF_RANGE")
        if self.ends_s is not None and self.ends_s <= max(self.created_s, self.starts_s or -math.inf):
            remedy = "Give a time to come, after the start, or leave it out."
            raise _wrong(self.kind, "expire_time", "is over before the pin holds.", remedy, "OUT_OF_RANGE")
        return self


@dataclass(frozen=True, slots=True, kw_only=True)
class Synonym:
    """Words that also find what has other words.

    Attributes:
        two_way: whether the replacement also finds what has the phrase.
    """

    kind: ClassVar[str] = "synonym"
    model: str
    phrase: str
    replacement: str
    two_way: bool = False
    creator: str = ""
    created_s: float

    @property
    def key(self) -> str:
        """Which phrase and replacement."""
        return _digest(self.kind, self.model, normalized(self.phrase), normalized(self.replacement))

    def checked(self) -> Synonym:
        """See `CuratedEntry.checked`."""
        for field, text in (("phrase", self.phrase), ("replacement", self.replacement)):
            _check_text(self.kind, field, text)
            words = len(normalized(text).split(" "))
            if words > MAX_PHRASE_WORDS:
                remedy = f"At most {MAX_PHRASE_WORDS} are allowed."
                raise _wrong(self.kind, field, f"has {words} words.", remedy, "TEXT_TOO_LONG")
        _check_length(self.kind, "creator", self.creator, MAX_CREATOR)
        if normalized(self.phrase) == normalized(self.replacement):
            raise _wrong(self.kind, "replacement", "is the phrase itself.", "Give other words.")
        return self


@dataclass(frozen=True, slots=True, kw_only=True)
class Hits:
    """How much a query finds at the operator's; kept only if it is nothing, for then it is not suggested."""

    kind: ClassVar[str] = "hits"
    model: str
    query: str
    hits: int = 0
    creator: str = ""
    created_s: float

    @property
    def key(self) -> str:
        """Which query of which model."""
        return _digest(self.kind, self.model, normalized(self.query))

    def checked(self) -> Hits:
        """See `CuratedEntry.checked`."""
        _check_text(self.kind, "query", self.query)
        _check_length(self.kind, "creator", self.creator, MAX_CREATOR)
        if not 0 <= self.hits <= MAX_HITS:
            raise _wrong(self.kind, "hits", "is not a valid count.", f"Give 0 to {MAX_HITS}.", "OUT_OF_RANGE")
        return self


Rule: TypeAlias = Pin | Synonym | Hits
CuratedItem: TypeAlias = CuratedEntry | Rule
_ADAPTERS: dict[str, TypeAdapter[Any]] = {kind.kind: TypeAdapter(kind) for kind in (CuratedEntry, Pin, Synonym, Hits)}


def normalized(text: str) -> str:
    """A text as it is matched, without a space at its end."""
    return normalize_query(text).rstrip(" ")


def creation(item: CuratedItem, *, at_s: float) -> Change:
    """The change that makes an item what it is."""
    value = {name: each.value if isinstance(each, enum.Enum) else each for name, each in asdict(item).items()}
    if isinstance(item, CuratedEntry):
        value["tags"] = list(item.tags)  # as it is read back
    return Change(kind=item.kind, key=item.key, value=value, by=item.creator, at_s=at_s)


def item_of(change: Change) -> Any:
    """The item that a change made or removed.

    Raises:
        ValueError: it holds none that this release knows.
    """
    value = change.value if change.value is not None else change.was
    try:
        return _ADAPTERS[change.kind].validate_python(value)
    except (KeyError, ValidationError):
        raise ValueError(f"change {change.number} holds nothing that can be curated") from None


def check_tags(field: str, tags: tuple[str, ...]) -> None:
    """Refuses too many tags, and tags that are empty or too long."""
    if len(tags) > MAX_TAGS:
        remedy = f"At most {MAX_TAGS} are allowed."
        raise RequestError(field, f"has {len(tags)} tags.", fault="OUT_OF_RANGE", remedy=remedy)
    for tag in tags:
        if not tag.strip():
            raise RequestError(field, "has an empty tag.", fault="MALFORMED", remedy="Leave it out.")
        if len(tag) > MAX_TAG:
            problem, remedy = f"has a tag of {len(tag)} characters.", f"At most {MAX_TAG} are allowed."
            raise RequestError(field, problem, fault="TEXT_TOO_LONG", remedy=remedy)


def _check_text(kind: str, field: str, text: str) -> None:
    _check_length(kind, field, text, MAX_TEXT)
    if not normalized(text):
        raise _wrong(kind, field, "is missing." if not text.strip() else "holds nothing to match.", "Give a text.")


def _check_length(kind: str, field: str, text: str, limit: int) -> None:
    if len(text) > limit:
        raise _wrong(kind, field, f"has {len(text)} characters.", f"At most {limit} are allowed.", "TEXT_TOO_LONG")


def _digest(*parts: str) -> str:
    named = "\n".join(parts)
    return hashlib.blake2b(named.encode(), digest_size=_ID_BYTES, person=b"curated").hexdigest()


_MESSAGES = {"entry": "catalogue_entry", "pin": "pin", "synonym": "synonym", "hits": "hit_counts"}


def _wrong(kind: str, field: str, problem: str, remedy: str, fault: str = "MALFORMED") -> RequestError:
    return RequestError(f"{_MESSAGES[kind]}.{field}", problem, fault=fault, remedy=remedy)  # type: ignore[arg-type]
