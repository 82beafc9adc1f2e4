from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

from lm.kernels.strings import SortedStrings

def word_lists(
    strings: SortedStrings,
    order: NDArray[np.uint32],
    entry_terms: Callable[[str], Iterable[tuple[bytes, int]]],
) -> tuple[
    SortedStrings,
    NDArray[np.uint32],
    NDArray[np.uint32] | NDArray[np.int64],
    NDArray[np.uint8],
    NDArray[np.uint32] | NDArray[np.int64],
    NDArray[np.uint8],
]: ...
