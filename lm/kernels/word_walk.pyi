import numpy as np
from numpy.typing import NDArray

class WordWalk:
    def __init__(
        self,
        tokens: NDArray[np.int32],
        children: NDArray[np.int32],
        ends: NDArray[np.uint8],
        unspaced: NDArray[np.uint8],
        starts: tuple[int, int],
        bare_token: int,
    ) -> None: ...
    def advance(self, states: NDArray[np.int32], tokens: NDArray[np.int32]) -> NDArray[np.int32]: ...
    @property
    def typed(self) -> int: ...
    def may_end(self, states: NDArray[np.int32]) -> NDArray[np.bool_]: ...
    def mask(self, states: NDArray[np.int32], log_probs: NDArray[np.float32]) -> None: ...
