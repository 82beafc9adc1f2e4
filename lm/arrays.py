"""Arrays on disk: one `.npy` file each, opened by memory map and shared between processes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lm.errors import BundleDamagedError


def save_array(path: Path, array: NDArray[Any]) -> None:
    """Writes an array."""
    np.save(path, np.ascontiguousarray(array), allow_pickle=False)


def open_array(path: Path, *dtypes: type[np.generic]) -> NDArray[Any]:
    """Maps an array into memory, read-only.

    Raises:
        BundleDamagedError: there is no such array, or none of these types.
    """
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise BundleDamagedError(path, f"cannot be read ({error})") from None
    if array.dtype not in dtypes:
        raise BundleDamagedError(
            path, f"holds {array.dtype}, not {' or '.join(np.dtype(dtype).name for dtype in dtypes)}"
        )
    # A plain array: slicing an `np.memmap` costs ten times as much.
    return np.asarray(array)
