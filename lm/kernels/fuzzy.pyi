from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

class FuzzyTrie:
    def __init__(
        self,
        characters: NDArray[np.uint32],
        children: NDArray[np.uint32],
        counts: NDArray[np.float32],
        masses: NDArray[np.float32],
        kinship: NDArray[np.uint8],
        costs: Mapping[str, float],
    ) -> None: ...
    def find(self, text: str) -> tuple[float, float]: ...
    def search(
        self, text: str, unfinished: bool, k: int, max_edits: int, floor: float
    ) -> tuple[list[tuple[str, float, float, int]], int]: ...
