"""Changes of the live state. The store numbers them 1, 2, 3 and keeps all of them, so that they are the audit as well.

The state is the last value of each key of each kind. Whoever has applied changes up to a number has the state of that
moment. Neither the store nor its log knows what a kind means.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

from lm.errors import InputError

MAX_CREATOR = 128
"""Characters of who did it."""
Value = Mapping[str, Any]
"""What JSON can hold."""
_FIELDS = {"number": int, "time": str, "kind": str, "key": str, "by": str, "value": (dict, type(None))}


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One change.

    Attributes:
        kind: what is changed, such as `deny`.
        key: which one of them.
        value: what it is from now on; None if it is removed.
        was: what a removal removed.
        by: who did it, as they say.
        at_s: when, in seconds since 1970.
        number: its place in the log; 0 until the store has it.
    """

    kind: str
    key: str
    value: Value | None
    was: Value | None = None
    by: str
    at_s: float
    number: int = 0


class Position(NamedTuple):
    """How far somebody has followed a store.

    Attributes:
        origin: the name of the log, drawn at random with its first change; empty before that.
        number: the last change that was applied.
    """

    origin: str
    number: int


class Snapshot(NamedTuple):
    """The state of one moment: for each key the change that made it what it is."""

    position: Position
    state: list[Change]


def removal(change: Change, *, at_s: float, by: str) -> Change:
    """The change that removes what another one made."""
    return Change(kind=change.kind, key=change.key, value=None, was=change.value, by=by, at_s=at_s)


def to_line(change: Change) -> str:
    """A change as one line of JSON, for people and for `from_line`."""
    document = {
        "number": change.number,
        "time": datetime.fromtimestamp(change.at_s, UTC).isoformat(),
        "kind": change.kind,
        "key": change.key,
        "by": change.by,
        "value": change.value,
    }
    if change.was is not None:
        document["was"] = change.was
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))


def from_line(line: str, path: str, place: int) -> Change:
    """Reads what `to_line` wrote.

    Args:
        path: the file, and `place` the line, for messages.

    Raises:
        InputError: it is no such line.
    """
    remedy = "Give a file that `autocomplete live export` wrote."
    try:
        document = json.loads(line)
    except json.JSONDecodeError as error:
        raise InputError(path, f"not JSON ({error.msg}).", line=place, remedy=remedy) from None
    if not isinstance(document, dict):
        raise InputError(path, "not a JSON object.", line=place, remedy=remedy)
    for name, kind in _FIELDS.items():
        if name not in document or not isinstance(document[name], kind):  # type: ignore[arg-type]
            raise InputError(path, f"{name!r} is missing or of another type.", line=place, remedy=remedy)
    try:
        at_s = datetime.fromisoformat(document["time"]).timestamp()
    except (ValueError, OverflowError):
        raise InputError(path, f"{document['time']!r} is not a time.", line=place, remedy=remedy) from None
    fields = {name: document[name] for name in ("number", "kind", "key", "by", "value")}
    return Change(at_s=at_s, was=document.get("was"), **fields)


def pack(change: Change) -> str:
    """A change without its number, as stores keep it."""
    return json.dumps([change.kind, change.key, change.value, change.was, change.by, change.at_s], ensure_ascii=False)


def unpack(packed: str | bytes, number: int) -> Change:
    """Reads what `pack` wrote."""
    kind, key, value, was, by, at_s = json.loads(packed)
    return Change(kind=kind, key=key, value=value, was=was, by=by, at_s=at_s, number=number)
