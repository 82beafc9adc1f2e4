"""The shares of `--split`: which versions of a model answer side by side, and how many of its users each answers."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

_SHARE = re.compile(r"(?P<model>[a-z][a-z0-9_-]{0,62})@(?P<version>[^\s@=/]+)=(?P<percent>\d{1,3}(\.\d{1,3})?)")
_PRECISION = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """What `--split` says of one version.

    Attributes:
        percent: of the model's users, above 0 and at most 100.
    """

    version: str
    percent: float


def read_split(items: Sequence[str]) -> dict[str, tuple[Share, ...]]:
    """The shares of each model, from texts such as `shop@20261201-030000=90`.

    Raises:
        ValueError: one is no such text, or the shares of a model are not those of a whole.
    """
    found: dict[str, list[Share]] = {}
    for item in items:
        match = _SHARE.fullmatch(item)
        if match is None:
            raise ValueError(f"{item!r} is not MODEL@VERSION=PERCENT, such as shop@20261201-030000=90")
        share = Share(version=match["version"], percent=float(match["percent"]))
        if not 0 < share.percent <= 100:
            raise ValueError(f"{item!r}: a share is above 0 and at most 100 percent")
        shares = found.setdefault(match["model"], [])
        if any(other.version == share.version for other in shares):
            raise ValueError(f"{match['model']}@{share.version} is there twice")
        shares.append(share)
    for model, shares in found.items():
        total = math.fsum(share.percent for share in shares)
        if abs(total - 100) > _PRECISION:
            raise ValueError(f"the shares of {model!r} add up to {total:g}, not to 100")
    return {model: tuple(shares) for model, shares in found.items()}
