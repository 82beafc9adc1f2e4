"""What a part of the suite finds: figures with their targets, and curves."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A row of the table.

    Attributes:
        met: None where there is no target.
    """

    name: str
    measured: str
    target: str = ""
    met: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """A plot: lines by name, each of points (x, y), and perhaps what each point is called."""

    name: str
    x: str
    y: str
    lines: Mapping[str, Sequence[tuple[float, float]]]
    labels: Mapping[str, Sequence[str]] = field(default_factory=dict)
    logarithmic: str = ""
    """Which of the axes are: `x`, `y`, `xy` or none."""


Result = Figure | Curve


def at_most(name: str, value: float, limit: float, measured: str = "", *, unit: str = "") -> Figure:
    """A figure that should be this much or less; `measured` says more than the value."""
    shown = f"{value:.3g}{unit}" + (f" ({measured})" if measured else "")
    return Figure(name=name, measured=shown, target=f"{limit:g}{unit} or less", met=value <= limit)


def at_least(name: str, value: float, limit: float, measured: str = "", *, unit: str = "") -> Figure:
    """A figure that should be this much or more; see `at_most`."""
    shown = f"{value:.3g}{unit}" + (f" ({measured})" if measured else "")
    return Figure(name=name, measured=shown, target=f"{limit:g}{unit} or more", met=value >= limit)


def degraded(name: str, share: float) -> Figure:
    """The share of answers in which a part of the ensemble was left out."""
    shown = "0" if share == 0 else f"{share:.2%}"
    return Figure(name=f"{name}: degraded answers", measured=shown, target="under 1%", met=share < 0.01)


def skipped(name: str, why: str) -> Figure:
    """A figure that could not be measured here."""
    return Figure(name=name, measured=f"skipped: {why}")


def ms(seconds: float) -> str:
    """Milliseconds as people read them."""
    return f"{seconds * 1000:.3f} ms" if math.isfinite(seconds) else "none"
