"""Next-word accuracy and keystroke savings from the ranks that words have as their letters are typed.

A word in the list before any letter counts for top-1 and top-3. Before each letter the list is looked at: a word in
it is taken at the price of one keystroke, which also types the space; otherwise the letter is typed. Savings are
`1 - keystrokes / (letters + spaces)` over the whole text.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

LISTS = (3, 5)
"""Lengths of the lists that are looked at."""
_TOPS = (1, 3)


@dataclass(slots=True)
class Keystrokes:
    """What typing many words cost."""

    words: int = 0
    letters: int = 0
    hits: dict[int, int] = field(default_factory=lambda: dict.fromkeys(_TOPS, 0))
    strokes: dict[int, int] = field(default_factory=lambda: dict.fromkeys(LISTS, 0))

    def add(self, length: int, ranks: Iterable[int]) -> None:
        """Types a word.

        Args:
            length: its letters.
            ranks: its place in the list, from 0, before each of its letters; taken only as far as needed.
        """
        self.words += 1
        self.letters += length + 1
        waiting = set(LISTS)
        for typed, rank in enumerate(ranks):
            for top in _TOPS:
                self.hits[top] += typed == 0 and rank < top
            for size in [size for size in waiting if rank < size]:
                self.strokes[size] += typed + 1
                waiting.discard(size)
            if not waiting:
                return
        for size in waiting:
            self.strokes[size] += length + 1

    def summary(self) -> dict[str, Any]:
        """Shares; empty if no word was typed."""
        if not self.words:
            return {}
        tops = {f"top{top}": hits / self.words for top, hits in self.hits.items()}
        saved = {f"keystrokes_saved_at_{size}": 1 - cost / self.letters for size, cost in self.strokes.items()}
        return {"words": self.words, **tops, **saved}
