"""Numbers as people and spreadsheets write them."""

from __future__ import annotations

import math
import re

_GROUPS = re.compile(r"[+-]?\d{1,3}(?:([,'\u2019_ \u00a0\u202f])\d{3}(?:\1\d{3})*(\.\d*)?|(?:\.\d{3}){2,})")
_DOTTED_GROUPS = re.compile(r"[+-]?\d{1,3}(?:\.\d{3})+(?:,\d*)?")


def plain_number(text: str, *, decimal_comma: bool) -> str:
    """A number without what parts its groups of three digits: `8,000`, `8 000`, `1.234.567`; other text as it is.

    Args:
        decimal_comma: whether `8.000` is eight thousand, and `1,5` one and a half.
    """
    text = text.strip()
    if decimal_comma:
        return (text.replace(".", "") if _DOTTED_GROUPS.fullmatch(text) else text).replace(",", ".")
    grouped = _GROUPS.fullmatch(text)
    if not grouped:
        return text
    fraction = grouped[2] or ""
    return text.removesuffix(fraction).replace(grouped[1] or ".", "") + fraction


def parse_number(value: object, *, decimal_comma: bool) -> float:
    """A number that is written or stored in whatever way; NaN if it is none."""
    try:
        return float(plain_number(value, decimal_comma=decimal_comma) if isinstance(value, str) else value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return math.nan


def parse_hits(value: object, *, decimal_comma: bool) -> float | None:
    """How many results a field says there are; None if it is empty, NaN if it is no count."""
    if value is None or value == "":
        return None
    number = parse_number(value, decimal_comma=decimal_comma)
    return number if number >= 0 else math.nan


def is_dotted(text: str) -> bool:
    """Whether dots may part groups of three digits, as in `8.000`, or be a decimal point."""
    return _DOTTED_GROUPS.fullmatch(text.strip()) is not None
