"""What is searched for at present: counts of queries that fade, made of events alone, so alike on every replica.

An event counts for less the older it is: half as much after each half-life. As in forward decay (Cormode et al., 2009,
section 3), what it adds grows with its time instead, and the time of a look divides it. A query may be shown once some
distinct users have sent it within a day, and a user counts for it once an hour, so that nobody makes a trend alone.
"""

from __future__ import annotations

import hashlib
import json
import math
import zlib
from array import array
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lm.text.normalize import normalize_query
from service.live.events.event import Event, EventKind, number_at
from suggest.trending import trending_key

WITHIN_S = 24 * 3600.0
"""The users of a trend have sent its query within so long."""
MAX_QUERIES = 200_000
MAX_TRENDING = 10_000
"""Queries that are shown at the same time, for all models together."""
_PERIOD_S = 3600
_PERIOD_NUMBERS = number_at(_PERIOD_S)
_TICK_S = 60
"""Counts fade in such steps, so that what is shown does not change all the time."""
_STEP = 1.5
"""Counts are told as powers of it, for the same reason."""
SETTLED_S = 300.0
"""For so long a query is shown with the same level, unless it rises or falls by more than one."""
KEPT_S = 3600.0
"""For so long a query that is shown stays, unless others are a step heavier."""
_NOT_SHOWN = -(1 << 15)
_LEAST_COUNT = 0.5
_SLOTS = 1 << 19
_FADED = 1 / 64
"""A count that says nothing any more."""
_SPAN = 200.0
"""Half-lives after which what events add is scaled anew."""
_USER_BITS, _PERIOD_BITS = 32, 16
_USER, _PERIOD = (1 << _USER_BITS) - 1, (1 << _PERIOD_BITS) - 1
_FORMAT = 1


class Trend(NamedTuple):
    """A query that is searched for at present.

    Attributes:
        written: as most write it.
        level: the power of `_STEP` that its count has reached.
    """

    model: str
    written: str
    level: int

    @property
    def amount(self) -> float:
        """Its events, faded, up to a step."""
        return float(_STEP ** (self.level + 0.5))


class Trends:
    """The counts. Belongs to one thread.

    Args:
        half_life_s: seconds.
        least_users: distinct users that must have sent a query.
        most: queries that are kept, the heaviest; for a moment there may be a quarter more.
        slots: of the memory of who has sent what in this hour. Two who share one forget each other.

    Attributes:
        number: the last event that was taken.
    """

    def __init__(
        self, *, half_life_s: float = 3600.0, least_users: int = 3, most: int = MAX_QUERIES, slots: int = _SLOTS
    ) -> None:
        self._half_life_s = half_life_s
        self._least_users = least_users
        self._most = most
        self._landmark_s = 0.0
        self._rows: dict[str, int] = {}
        self._keys: list[str] = []
        self._written: list[str] = []
        self._votes = array("q")
        self._weights = array("d")
        self._users = array("Q")  # of each query its latest users, the latest first: second and user
        self._seen = array("Q", bytes(8 * slots))
        self._levels = array("h")  # as they are shown
        self._shown: dict[int, Trend] = {}
        self._by_model: dict[str, dict[str, Trend]] = {}
        self._rewritten = set[int]()
        self._shown_s = 0.0
        self.number = 0

    def __len__(self) -> int:
        return len(self._rows)

    def take(self, events: Iterable[Event]) -> None:
        """Counts events, in their order; those up to `number` have counted."""
        for event in events:
            if event.number > self.number:
                if event.number // _PERIOD_NUMBERS > self.number // _PERIOD_NUMBERS:
                    self._drop_faded(event.taken_s)
                self.number = event.number
                if event.kind is not EventKind.IMPRESSION:
                    self._count(event)

    def trending(self, now_s: float) -> dict[str, dict[str, Trend]]:
        """What may be shown now, by its model and by how it is written.

        A query is shown with the level that it had some minutes ago if it went up or down by one since. Where there
        are too many, those that are shown stay for an hour unless others are a step heavier. Else thousands of queries
        that are about as frequent would take turns, and no answer that was made with them could be kept. Replicas
        differ for so long in what is at the edge.
        """
        tick_s = now_s // _TICK_S * _TICK_S
        counts_N = np.array(self._weights) * 2.0 ** min((self._landmark_s - tick_s) / self._half_life_s, 1000.0)
        seconds_N = np.array(self._users).reshape(-1, self._least_users)[:, -1] >> np.uint64(_USER_BITS)
        former_N = np.array(self._levels)
        kept_N = (former_N != _NOT_SHOWN) & _in_one(KEPT_S, len(former_N), self._shown_s, now_s)
        rows = np.flatnonzero((counts_N >= _LEAST_COUNT) & (seconds_N > tick_s - WITHIN_S))
        rows = rows[_heaviest(np.where(kept_N, counts_N * _STEP, counts_N)[rows], MAX_TRENDING)]
        levels_N = np.full_like(former_N, _NOT_SHOWN)
        levels_N[rows] = np.floor(np.log(counts_N[rows]) / math.log(_STEP))
        settled_N = (former_N != _NOT_SHOWN) & _in_one(SETTLED_S, len(former_N), self._shown_s, now_s)
        settled_N &= (levels_N != _NOT_SHOWN) & (np.abs(levels_N - former_N) <= 1)
        levels_N[settled_N] = former_N[settled_N]
        self._show({*np.flatnonzero(levels_N != former_N).tolist(), *self._rewritten}, levels_N.tolist())
        self._levels = array("h", levels_N.tobytes())
        self._shown_s = now_s
        return {model: dict(trends) for model, trends in self._by_model.items() if trends}

    def _show(self, changed: Iterable[int], levels: Sequence[int]) -> None:
        for row in changed:
            if (former := self._shown.pop(row, None)) is not None:
                del self._by_model[former.model][former.written]
        for row in changed:
            if levels[row] != _NOT_SHOWN:
                trend = self._shown[row] = Trend(self._keys[row].partition("\n")[0], self._written[row], levels[row])
                self._by_model.setdefault(trend.model, {})[trend.written] = trend
        self._rewritten.clear()

    def pack(self) -> bytes:
        """All of it, for `unpack`."""
        head = {
            "format": _FORMAT,
            "half_life_s": self._half_life_s,
            "least_users": self._least_users,
            "landmark_s": self._landmark_s,
            "number": self.number,
            "keys": self._keys,
            "written": self._written,
        }
        parts = (json.dumps(head, ensure_ascii=False).encode(), *(each.tobytes() for each in self._arrays()))
        return zlib.compress(b"".join((len(part).to_bytes(8, "big") + part) for part in parts), 1)

    def restore(self, data: bytes) -> bool:
        """Takes over what `pack` made, if this release made it with these settings; whether it was."""
        try:
            parts = _parts(zlib.decompress(data))
            head = json.loads(parts[0])
            made = head["format"], head["half_life_s"], head["least_users"]
        except (zlib.error, ValueError, TypeError, LookupError):  # of a later release
            return False
        if made != (_FORMAT, self._half_life_s, self._least_users):
            return False
        self._landmark_s, self.number = head["landmark_s"], head["number"]
        self._name(head["keys"])
        self._written = head["written"]
        for values, part in zip(self._arrays(), parts[1:], strict=True):
            del values[:]
            values.frombytes(part)
        return True

    def _name(self, keys: list[str]) -> None:
        """Sets the keys of the rows, of which none counts as shown."""
        self._keys = keys
        self._rows = {key: row for row, key in enumerate(keys)}
        self._levels = array("h", [_NOT_SHOWN]) * len(keys)
        self._shown, self._by_model = {}, {}
        self._rewritten.clear()

    def _arrays(self) -> tuple[array[Any], ...]:
        return self._votes, self._weights, self._users, self._seen

    def _count(self, event: Event) -> None:
        written = " ".join(event.query.split())
        text = normalize_query(written).rstrip()
        if not text:
            return
        key = f"{event.model}\n{trending_key(text)}"
        if self._has_counted(key, event):
            return
        row = self._rows.get(key)
        if row is None:
            row = self._add(key, written)
        at_s = min(event.at_s, event.taken_s)
        weight = self._weight(at_s, event.taken_s)  # which may scale the weights
        self._weights[row] += weight
        if written == self._written[row]:
            self._votes[row] += 1
        elif self._votes[row] > 0:
            self._votes[row] -= 1
        else:
            self._written[row], self._votes[row] = written, 1
            self._rewritten.add(row)
        if event.user:
            self._note_user(row, int(event.user[: _USER_BITS // 4], 16), int(at_s))

    def _has_counted(self, key: str, event: Event) -> bool:
        """Whether this user, or somebody of all that have no id, has sent this query in this hour already."""
        digest = hashlib.blake2b(f"{event.user}\n{key}".encode("utf-8", "surrogatepass"), digest_size=8).digest()
        named = int.from_bytes(digest, "big")
        mark = named & ~_PERIOD | int(event.taken_s // _PERIOD_S) & _PERIOD
        slot = (named >> _PERIOD_BITS) % len(self._seen)
        if self._seen[slot] == mark:
            return True
        self._seen[slot] = mark
        return False

    def _weight(self, at_s: float, now_s: float) -> float:
        if (now_s - self._landmark_s) / self._half_life_s > _SPAN:
            factor = 2.0 ** max((self._landmark_s - now_s) / self._half_life_s, -1000.0)
            self._weights = array("d", (np.array(self._weights) * factor).tobytes())
            self._landmark_s = now_s
        return float(2.0 ** max((at_s - self._landmark_s) / self._half_life_s, -1000.0))

    def _note_user(self, row: int, user: int, second: int) -> None:
        """Keeps of a query's users the latest ones, each with the last second."""
        start, end = row * self._least_users, (row + 1) * self._least_users
        known = self._users[start:end]
        now = second << _USER_BITS | user
        others = []
        for each in known:
            if each & _USER == user and each:
                now = max(now, each)
            else:
                others.append(each)
        self._users[start:end] = array("Q", sorted([now, *others], reverse=True)[: self._least_users])

    def _add(self, key: str, written: str) -> int:
        if len(self._rows) >= self._most + self._most // 4:
            self._keep_heaviest()
        row = self._rows[key] = len(self._keys)
        self._keys.append(key)
        self._levels.append(_NOT_SHOWN)
        self._written.append(written)
        self._votes.append(0)
        self._weights.append(0.0)
        self._users.extend([0] * self._least_users)
        return row

    def _drop_faded(self, now_s: float) -> None:
        """Drops what has faded and has had no user for a day, as every replica does at the same event.

        So nothing that only one user has sent stays for long, whatever else is sent.
        """
        faded = _FADED * 2.0 ** min((now_s - self._landmark_s) / self._half_life_s, 1000.0)
        latest_N = np.array(self._users).reshape(-1, self._least_users)[:, 0] >> np.uint64(_USER_BITS)
        kept = np.flatnonzero((np.array(self._weights) >= faded) | (latest_N > max(now_s - WITHIN_S, 0.0)))
        if len(kept) < len(self._rows):
            self._keep(kept.tolist())

    def _keep_heaviest(self) -> None:
        keys = self._keys
        self._keep(sorted(sorted(range(len(keys)), key=lambda row: (-self._weights[row], keys[row]))[: self._most]))

    def _keep(self, kept: Sequence[int]) -> None:
        levels = [self._levels[row] for row in kept]
        shown = {place: trend for place, row in enumerate(kept) if (trend := self._shown.get(row)) is not None}
        rewritten = {place for place, row in enumerate(kept) if row in self._rewritten}
        self._name([self._keys[row] for row in kept])
        self._written = [self._written[row] for row in kept]
        self._votes = array("q", [self._votes[row] for row in kept])
        self._weights = array("d", [self._weights[row] for row in kept])
        self._users = array("Q", np.array(self._users).reshape(-1, self._least_users)[kept].tobytes())
        self._levels, self._shown, self._rewritten = array("h", levels), shown, rewritten
        for trend in shown.values():
            self._by_model.setdefault(trend.model, {})[trend.written] = trend


def _in_one(period_s: float, rows: int, *moments_s: float) -> NDArray[np.bool_]:
    """For each row whether two moments lie in one of its periods; those of the rows do not all begin at once."""
    starts_N = np.arange(rows) % int(period_s)
    one_N, other_N = ((moment_s + starts_N) // period_s for moment_s in moments_s)
    return np.asarray(one_N == other_N)


def _heaviest(weights_N: NDArray[np.float64], most: int) -> NDArray[np.int64]:
    """Which are the heaviest, so many at most; of those that are equal the first."""
    if len(weights_N) <= most:
        return np.arange(len(weights_N))
    least = np.partition(weights_N, -most)[-most]
    above, equal = np.flatnonzero(weights_N > least), np.flatnonzero(weights_N == least)
    return np.concatenate([above, equal[: most - len(above)]])


def _parts(raw: bytes) -> list[bytes]:
    """What `pack` has put one after the other."""
    parts, at = list[bytes](), 0
    while at < len(raw):
        end = at + 8 + int.from_bytes(raw[at : at + 8], "big")
        parts.append(raw[at + 8 : end])
        at = end
    return parts
