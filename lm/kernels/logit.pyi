from numpy import float64
from numpy.typing import NDArray

def ranked(
    log_probs: NDArray[float64],
    counts: NDArray[float64],
    lengths: NDArray[float64],
    tokens: NDArray[float64],
    columns: tuple[NDArray[float64] | None, ...],
    weights: NDArray[float64],
    costs: NDArray[float64],
    other: NDArray[float64],
    total: float,
    least_log_prob: float,
    least_other: float,
    step: float,
) -> tuple[list[tuple[float, int]], bool]: ...
