"""What a typing error costs: completes test prefixes as they are and with one error put into each.

Run from the checkout: `python -m benchmarks.typing_errors [BUNDLE]`, after `python -m benchmarks.query_completion`.
Every held-out query has one prefix
(`training.evaluation.metrics`); those of 5 or more characters get one error, whose kind, place
and letter the MD5 of the query draws. Ranks of exact prefixes are compared with the corrector on and off.
"""

from __future__ import annotations

import argparse
import hashlib
import string
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.bundles import find_bundle
from benchmarks.query_completion import WORK
from lm.errors import AutocompleteError, InputError
from lm.text.normalize import normalize_query
from suggest.model import Model, open_model
from suggest.types import QueryOptions
from training.evaluation.metrics import MIN_QUERY_LENGTH, Listed, rank, typed_prefix
from training.evaluation.statistics import reliability

MIN_PREFIX = 5
TARGET = 0.75  # success@10 with an error by that without
_SHOWN = 10
Stated = tuple[float, bool]
_KINDS = ("insertion", "deletion", "substitution", "transposition")


@dataclass(frozen=True, slots=True)
class Outcome:
    """Ranks of one query: 1 / rank, 0 for a miss; times are seconds of this thread's processor time.

    `stated` are the probabilities in lists with corrections, and whether each was right.
    """

    prefix: str
    query: str
    off: float
    on: float
    kind: str
    mistyped: str
    error_off: float
    error_on: float
    time_off_s: float
    time_on_s: float
    stated: tuple[Stated, ...]


def with_error(query: str, prefix: str) -> tuple[str, str]:
    """The kind of error and the prefix with it: the same for a query every time.

    The first place, from the one drawn, at which the error changes the normalised prefix.
    """
    draw = int(hashlib.md5(f"{query}typing error".encode(), usedforsecurity=False).hexdigest(), 16)
    draw, number = divmod(draw, len(_KINDS))
    kind = _KINDS[number]
    draw, start = divmod(draw, len(prefix))
    letter = string.ascii_lowercase[draw % len(string.ascii_lowercase)]
    for step in range(len(prefix)):
        mistyped = normalize_query(_mistyped(kind, prefix, (start + step) % len(prefix), letter))
        if mistyped != normalize_query(prefix):
            return kind, mistyped
    return kind, prefix + letter


def _mistyped(kind: str, text: str, at: int, letter: str) -> str:
    here = {"insertion": letter + text[at], "deletion": "", "substitution": letter, "transposition": text[at : at + 2]}
    return text[:at] + here[kind][:: -1 if kind == "transposition" else 1] + text[at + 1 + (kind == "transposition") :]


def measure(model: Model, queries: Sequence[str]) -> list[Outcome]:
    """One outcome a query whose prefix is long enough; of the others the errors' ranks are 0 and their kind empty."""
    outcomes = []
    for query in queries:
        prefix = typed_prefix(query)
        off, _, _ = _rank(model, prefix, query, correct=False)
        on, _, stated = _rank(model, prefix, query, correct=True)
        kind, mistyped, error_off, error_on, time_off_s, time_on_s = "", "", 0.0, 0.0, 0.0, 0.0
        if len(prefix) >= MIN_PREFIX:
            kind, mistyped = with_error(query, prefix)
            error_off, time_off_s, _ = _rank(model, mistyped, query, correct=False)
            error_on, time_on_s, stated_then = _rank(model, mistyped, query, correct=True)
            stated += stated_then
        outcomes.append(
            Outcome(prefix, query, off, on, kind, mistyped, error_off, error_on, time_off_s, time_on_s, stated)
        )
    return outcomes


def _rank(model: Model, typed: str, query: str, *, correct: bool) -> tuple[float, float, tuple[Stated, ...]]:
    """1 / rank, seconds, and what is stated where there are corrections."""
    start_s = time.thread_time()
    completion = model.complete_query(typed, QueryOptions(max_suggestions=_SHOWN, correct=correct))
    elapsed_s = time.thread_time() - start_s
    listed = [Listed(normalize_query(each.text).rstrip(), each.log_prob) for each in completion.suggestions]
    place = rank(listed, query)
    right = [each.text == query for each in listed]
    corrected = any(suggestion.terms.edit_count for suggestion in completion.suggestions)
    probabilities = [suggestion.acceptance_prob for suggestion in completion.suggestions] if corrected else []
    return 1 / place if place else 0.0, elapsed_s, tuple(zip(probabilities, right, strict=False))


def main() -> int:
    """Measures and prints; exit status 0."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundle", nargs="?", type=Path, default=WORK / "registry", help="bundle or registry")
    parser.add_argument("--queries", type=Path, default=WORK / "held_out.txt", help="held-out queries, one a line")
    parser.add_argument("--worse", action="store_true", help="print the exact prefixes whose truth ranks lower")
    arguments = parser.parse_args()
    try:
        model = open_model(find_bundle(arguments.bundle))
        if not arguments.queries.is_file():
            raise InputError(arguments.queries, "no such file.", remedy="Run benchmarks.query_completion first.")
    except AutocompleteError as error:
        print(error, file=sys.stderr)
        return 1
    lines = arguments.queries.read_text(encoding="utf-8").splitlines()
    queries = [query for line in lines if len(query := normalize_query(line).rstrip()) >= MIN_QUERY_LENGTH]
    outcomes = measure(model, queries)
    _print_exact(outcomes, listed=arguments.worse)
    _print_errors([outcome for outcome in outcomes if outcome.kind])
    _print_calibration([stated for outcome in outcomes for stated in outcome.stated])
    _print_cost(model, outcomes)
    return 0


def _print_exact(outcomes: Sequence[Outcome], *, listed: bool) -> None:
    worse = [outcome for outcome in outcomes if outcome.on < outcome.off]
    better = sum(outcome.on > outcome.off for outcome in outcomes)
    print(f"exact prefixes, corrector on against off: {len(outcomes)}, worse {len(worse)}, better {better}")
    for outcome in worse if listed else ():
        print(f"  {outcome.prefix!r} of {outcome.query!r}: 1/{1 / outcome.off:.0f} -> {outcome.on:.2f}")


def _print_errors(outcomes: Sequence[Outcome]) -> None:
    groups: defaultdict[str, list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        groups["all"].append(outcome)
        groups[outcome.kind].append(outcome)
    print(f"{'success@10':13} {'prefixes':>8} {'no error':>9} {'error, off':>10} {'error, on':>9} {'kept':>6}")
    for name, rows in groups.items():
        exact, off, on = (
            sum(getattr(row, field) > 0 for row in rows) / len(rows) for field in ("on", "error_off", "error_on")
        )
        kept = on / exact if exact else 0.0
        goal = f" (target {TARGET:.0%})" if name == "all" else ""
        print(f"{name:13} {len(rows):8d} {exact:9.3f} {off:10.3f} {on:9.3f} {kept:6.1%}{goal}")


def _print_calibration(stated: Sequence[Stated]) -> None:
    if not stated:
        return
    probabilities, right = zip(*stated, strict=True)
    error = reliability(probabilities, right)["expected_calibration_error"]
    shares = f"{np.mean(right):.4f} right, {np.mean(probabilities):.4f} by their acceptance probabilities"
    print(f"lists with corrections: of {len(stated)} suggestions {shares}; expected calibration error {error:.4f}")


def _print_cost(model: Model, outcomes: Sequence[Outcome]) -> None:
    """Processor time of the whole answer; and how often a search was made at all."""
    for name, texts in (
        ("exact prefixes", [outcome.prefix for outcome in outcomes]),
        ("with an error", [outcome.mistyped for outcome in outcomes if outcome.kind]),
    ):
        searched = sum(
            any(timing.stage == "spelling" for timing in model.complete_query(text).timings) for text in texts
        )
        print(f"{name}: looked up in {searched / max(len(texts), 1):.1%} of {len(texts)}")
    rows = [outcome for outcome in outcomes if outcome.kind]
    for name, field in (("off", "time_off_s"), ("on", "time_on_s")):
        times_ms = 1000 * np.array([getattr(row, field) for row in rows] or [0.0])
        p99_ms = np.quantile(times_ms, 0.99)
        print(f"prefix with an error, corrector {name}: mean {times_ms.mean():.2f} ms, p99 {p99_ms:.2f}")


if __name__ == "__main__":
    sys.exit(main())
