from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

class TokenIds:
    def __init__(self, tokens: Sequence[bytes]) -> None: ...

def parse_section(
    text: NDArray[np.uint8], start: int, order: int, count: int, ids: TokenIds
) -> tuple[NDArray[np.int32], NDArray[np.float32], NDArray[np.float32], int]: ...
