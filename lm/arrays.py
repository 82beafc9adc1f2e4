"""Arrays and packed strings on disk: `.npy` files, opened by memory map and shared between processes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lm.errors import BundleDamagedError
from lm.kernels.strings import SortedStrings


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


def sorted_strings(encoded: list[bytes]) -> SortedStrings:
    """Packs strings that are in ascending byte order; those of any other order only for access by position."""
    lengths = np.fromiter(map(len, encoded), np.int64, len(encoded))
    return SortedStrings(np.frombuffer(b"".join(encoded), np.uint8), pack_offsets(lengths))


def pack_offsets(lengths: NDArray[np.int64]) -> NDArray[np.uint32] | NDArray[np.int64]:
    """Where strings of these lengths, int64 (n,), start and the last one ends (n + 1,); uint32 below 4 GiB."""
    offsets = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=offsets[1:])
    return offsets.astype(np.uint32) if offsets[-1] <= np.iinfo(np.uint32).max else offsets


def save_strings(folder: Path, name: str, strings: SortedStrings) -> None:
    """Writes packed strings as `NAME.blob.npy` and `NAME.offsets.npy`."""
    save_array(folder / f"{name}.blob.npy", strings.blob)
    save_array(folder / f"{name}.offsets.npy", strings.offsets)


def open_strings(folder: Path, name: str) -> SortedStrings:
    """Maps what `save_strings` wrote.

    Raises:
        BundleDamagedError: a file is not what it should be.
    """
    blob = open_array(folder / f"{name}.blob.npy", np.uint8)
    path = folder / f"{name}.offsets.npy"
    try:
        return SortedStrings(blob, open_array(path, np.uint32, np.int64))
    except ValueError as error:
        raise BundleDamagedError(path, str(error)) from None
