import numpy as np
from numpy.typing import NDArray

def block_maxima(weights: NDArray[np.float32]) -> NDArray[np.float32]: ...

class RangeMaxima:
    weights: NDArray[np.float32]
    maxima: NDArray[np.float32]
    def __init__(self, weights: NDArray[np.float32], maxima: NDArray[np.float32]) -> None: ...
    def heaviest(self, low: int, high: int, k: int) -> list[int]: ...
