"""What was typed, as beginnings that a text may have."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TypedPrefix:
    """One beginning: a literal text and, where `low` is given, one more character of [`low`, `high`].

    UTF-8 keeps the order of code points, so texts that begin so are one range of those sorted by their bytes.
    """

    literal: str
    low: str = ""
    high: str = ""

    def begins(self, text: str) -> bool:
        """Whether the text begins so."""
        if not text.startswith(self.literal):
            return False
        position = len(self.literal)
        return not self.low or self.low <= text[position : position + 1] <= self.high

    def bounds(self) -> tuple[bytes, bytes]:
        """UTF-8 of the first beginning and of the last; equal where there is but one."""
        literal = self.literal.encode()
        return literal + self.low.encode(), literal + self.high.encode()
