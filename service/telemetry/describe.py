"""Metrics with their descriptions, which the reference of all metrics is made from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """What a metric says.

    Attributes:
        name: as Prometheus shows it.
        kind: `counter`, `gauge` or `histogram`.
    """

    name: str
    kind: str
    labels: tuple[str, ...]
    text: str


class MetricMaker:
    """Makes metrics in a collector registry, all under one prefix, and keeps their descriptions in order."""

    def __init__(self, registry: CollectorRegistry, prefix: str = "autocomplete_") -> None:
        self._registry = registry
        self._prefix = prefix
        self.described: list[Description] = []

    def counter(self, name: str, text: str, *labels: str) -> Counter:
        """A number that only grows."""
        self._describe(f"{name}_total", "counter", labels, text)
        return Counter(self._prefix + name, text, labels, registry=self._registry)

    def gauge(
        self,
        name: str,
        text: str,
        *labels: str,
        workers: Literal["livesum", "livemin", "livemax", "livemostrecent"] = "livesum",
    ) -> Gauge:
        """A number that goes up and down.

        Args:
            workers: how the numbers of several workers are put together.
        """
        self._describe(name, "gauge", labels, text)
        return Gauge(self._prefix + name, text, labels, multiprocess_mode=workers, registry=self._registry)

    def histogram(self, name: str, text: str, *labels: str, buckets: Sequence[float]) -> Histogram:
        """Numbers counted by size, in seconds."""
        self._describe(name, "histogram", labels, text)
        return Histogram(self._prefix + name, text, labels, buckets=buckets, registry=self._registry)

    def _describe(self, name: str, kind: str, labels: tuple[str, ...], text: str) -> None:
        self.described.append(Description(name=self._prefix + name, kind=kind, labels=labels, text=text))
