"""Several versions of a model that are served side by side, each to a share of the users (`--split`).

Who asks is given a version by weighted rendezvous hashing (Thaler and Ravishankar, 1998): each version draws a number
from its name and the user's, and the highest of them, by the weights, wins. So a user has the same version on every
replica and after every restart. If a share changes or a version is missing, only those users move who have to.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lm.errors import AutocompleteError
    from suggest.model import Model

_SALT = b"autocomplete split"


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitVersion:
    """A version that takes a share of the users.

    Attributes:
        model: None if it does not answer. Its users then have the other versions.
        error: why it does not answer.
    """

    version: str
    percent: float
    model: Model | None = None
    error: AutocompleteError | None = None


def choose(versions: Sequence[SplitVersion], model: str, user: str) -> Model | None:
    """The version for a user among those that answer; None if none does.

    Args:
        user: any text; equal texts are given equal versions.
    """
    answering = [each for each in versions if each.model is not None]
    if not answering:
        return None
    return max(answering, key=lambda each: _draw(model, each, user)).model


def first_of(versions: Sequence[SplitVersion]) -> Model | None:
    """The version with the greatest share among those that answer; of equal ones that which is named first."""
    answering = [each for each in versions if each.model is not None]
    return max(answering, key=lambda each: each.percent).model if answering else None


def shares_now(versions: Sequence[SplitVersion]) -> dict[str, float]:
    """The share of the users, in [0, 1], that each version answers now."""
    whole = math.fsum(each.percent for each in versions if each.model is not None)
    return {each.version: each.percent / whole if each.model is not None else 0.0 for each in versions}


def _draw(model: str, version: SplitVersion, user: str) -> float:
    """What a version draws for a user. It is below 0 and, of several, is the greatest as often as the shares say."""
    named = f"{model}\n{version.version}\n{user}".encode("utf-8", "surrogatepass")
    number = int.from_bytes(hashlib.blake2b(named, digest_size=8, key=_SALT).digest(), "big")
    uniform = (number + 0.5) / 2**64  # in (0, 1)
    return math.log(uniform) / version.percent
