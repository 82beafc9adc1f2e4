"""What it costs to judge texts against what is taken down, and to keep that."""

from __future__ import annotations

import itertools
import random
import statistics
import time
import tracemalloc
from collections.abc import Sequence
from pathlib import Path

from lm.text.normalize import normalize_query
from service.live.denied import Denied
from service.live.deny_list import DenyEntry, Operator

_LIST = 16
"""Texts that are judged for one answer."""


def overlay_of(phrases: Sequence[str], operator: Operator) -> Denied:
    """An overlay that denies some phrases."""
    return Denied().with_changes(
        [(DenyEntry(operator=operator, phrase=phrase, created_s=1.0), True) for phrase in phrases]
    )


def measure_overlay(queries: Path) -> None:
    """Prints what it costs to judge texts, and to keep entries."""
    texts = sorted({normalize_query(line).strip() for line in queries.read_text("utf-8").splitlines()})
    random.Random(1).shuffle(texts)
    judged, phrases = texts[:10_000], texts[10_000:]
    for size, operator in itertools.product((1_000, 100_000), (Operator.EXACT, Operator.CONTAINS)):
        overlay_of(phrases[:size], operator)  # what is remembered of words is not the overlay's
        tracemalloc.start()
        overlay = overlay_of(phrases[:size], operator)
        entry_bytes = tracemalloc.get_traced_memory()[0] / overlay.size
        tracemalloc.stop()
        new_us = statistics.median(_judging_us(overlay, judged[at : at + 500]) for at in range(0, len(judged), 500))
        known_us = _judging_us(overlay, judged[-500:])
        answer = f"an answer of {_LIST} texts {_LIST * known_us:.0f} to {_LIST * new_us:.0f} us"
        judging = f"{new_us:5.2f} us for a new text, {known_us:4.2f} us for a known one"
        print(f"{overlay.size:>7,} {operator.value:8}: {judging}; {answer}; {entry_bytes:.0f} bytes an entry")


def _judging_us(overlay: Denied, texts: Sequence[str]) -> float:
    view, begun_s = overlay.view(""), time.thread_time()
    for text in texts:
        view.blocks(text)
    return (time.thread_time() - begun_s) / len(texts) * 1e6
