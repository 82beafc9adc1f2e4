"""Weights as int8 and activations as uint8, with scales that depend on nothing but the row itself."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# Activations lie in [1, 127] around 64, one bit fewer than they could: processors without VNNI add two
# products of uint8 and int8 in 16 bits, which 127 * 127 * 2 fits and 255 * 127 * 2 does not.
ACTIVATION_LEVELS = 63
ACTIVATION_ZERO = 64
WEIGHT_LEVELS = 127


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantizedMatrix:
    """A matrix [inputs, outputs] as int8 with one scale for each output.

    Attributes:
        values: (inputs, outputs) int8.
        scales: (outputs,) float32; value times scale is the weight.
    """

    values: NDArray[np.int8]
    scales: NDArray[np.float32]


def quantize_columns(weights: NDArray[np.float32]) -> QuantizedMatrix:
    """Rounds each column to 255 levels between its largest magnitudes."""
    scales = _scales(weights, axis=0, levels=WEIGHT_LEVELS)
    return QuantizedMatrix(values=np.rint(weights / scales).astype(np.int8), scales=scales.ravel())


def quantize_rows(vectors: NDArray[np.float32]) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Rounds each row as an activation: (rows, width) uint8 around `ACTIVATION_ZERO`, (rows, 1) scales."""
    scales = _scales(vectors, axis=1, levels=ACTIVATION_LEVELS)
    return (np.rint(vectors / scales) + ACTIVATION_ZERO).astype(np.uint8), scales


def _scales(weights: NDArray[np.float32], *, axis: int, levels: int) -> NDArray[np.float32]:
    largest = np.abs(weights).max(axis=axis, keepdims=True)
    return (np.where(largest > 0, largest, 1) / levels).astype(np.float32)
