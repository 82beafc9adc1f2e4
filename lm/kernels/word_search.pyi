from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

CONTINUES: int
JOINED: int
ALTERNATIVE: int
LOWEST_KEY: int
RANKS_A_BLOCK: int
MOST_TERMS: int
MOST_PLACES: int
MOST_ITEMS: int
MOST_RUN: int
MOST_JOINED: int
MOST_SLOTS: int
MOST_FORMS: int

class WordSearch:
    def __init__(
        self,
        heads: NDArray[np.uint32],
        maxima: NDArray[np.float32],
        starts: NDArray[np.uint32] | NDArray[np.int64],
        lists: NDArray[np.uint8],
        forward_starts: NDArray[np.uint32] | NDArray[np.int64],
        forward: NDArray[np.uint8],
    ) -> None: ...
    def __len__(self) -> int: ...
    def size(self, low: int, high: int) -> int: ...
    def search(
        self, slots: Sequence[tuple[Sequence[tuple[int, int]], bool, bool, bool]], k: int, steps: int
    ) -> tuple[list[tuple[int, int, int, int, bool, bool, bool]], int]: ...
