"""What a typing error costs: completes test prefixes as they are and with one error put into each.

Run from the checkout: `python -m benchmarks.typing_errors [BUNDLE]`, after `python -m benchmarks.query_completion`.
Every held-out query has one prefix (`training.evaluation.metrics`); those of 5 or more characters get one error. The
MD5 of the query draws its kind, place and letter. Ranks of exact prefixes are compared with the corrector on and off.
"""

from __future__ import annotations

import hashlib
import string
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from benchmarks.bundles import find_bundle
from benchmarks.command import run
from benchmarks.query_completion import HELD_OUT, REGISTRY
from lm.errors import InputError
from lm.text.normalize import normalize_query
from suggest.model import Model, open_model
from suggest.types import QueryOptions
from training.evaluation.metrics import Listed, rank, typed_prefix
from training.evaluation.query_outcomes import wanted_queries
from training.evaluation.statistics import reliability

MIN_PREFIX = 5
TARGET = 0.75  # success@10 with an error by that without
_KINDS = ("insertion", "deletion", "substitution", "transposition")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The list for one typed text.

    Attributes:
        rank: of the wanted query; 0 if it is not shown.
        taken_s: processor time of this thread.
        searched: whether typing errors were looked for.
        stated: probability of each suggestion of a list with corrections, and whether it is right.
    """

    rank: int
    taken_s: float
    searched: bool
    stated: list[tuple[float, bool]]


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
    before, here, after = text[:at], text[at], text[at + 1 :]
    changed = {
        "insertion": letter + here + after,
        "deletion": after,
        "substitution": letter + after,
        "transposition": after[:1] + here + after[1:],
    }
    return before + changed[kind]


def complete(model: Model, query: str, typed: str, *, correct: bool) -> Outcome:
    """What the model shows where `query` is wanted."""
    start_s = time.thread_time()
    completion = model.complete_query(typed, QueryOptions(correct=correct))
    taken_s = time.thread_time() - start_s
    shown = completion.suggestions
    place = rank([Listed(normalize_query(each.text).rstrip(), each.log_prob) for each in shown], query)
    corrected = any(each.terms.edit_count for each in shown)
    return Outcome(
        rank=place,
        taken_s=taken_s,
        searched=any(timing.stage == "spelling" for timing in completion.timings),
        stated=[(each.acceptance_prob, each.text == query) for each in shown if corrected],
    )


def main(
    bundle: Annotated[Path, typer.Argument()] = REGISTRY, queries: Path = HELD_OUT, *, worse: bool = False
) -> None:
    """Measures and prints; `--worse` lists the exact prefixes whose truth ranks lower with the corrector."""
    model = open_model(find_bundle(bundle))
    lines = queries.read_text(encoding="utf-8").splitlines() if queries.is_file() else []
    rows = [(query, typed_prefix(query)) for query in wanted_queries(lines)]
    if not any(len(prefix) >= MIN_PREFIX for _, prefix in rows):
        raise InputError(queries, "no queries.", remedy="Run benchmarks.query_completion first.")
    long = [place for place, (_, prefix) in enumerate(rows) if len(prefix) >= MIN_PREFIX]
    kinds, mistyped = zip(*(with_error(*rows[place]) for place in long), strict=True)
    wrong = [(rows[place][0], typed) for place, typed in zip(long, mistyped, strict=True)]
    off, on, error_off, error_on = (
        [complete(model, query, typed, correct=correct) for query, typed in asked]
        for asked in (rows, wrong)
        for correct in (False, True)
    )
    _print_exact(rows, off, on, listed=worse)
    _print_errors(kinds, [on[place] for place in long], error_off, error_on)
    _print_calibration([stated for outcome in (*on, *error_on) for stated in outcome.stated])
    for name, outcomes in (("exact prefixes", on), ("with an error", error_on)):
        print(f"{name}: looked up in {np.mean([each.searched for each in outcomes]):.1%} of {len(outcomes)}")
    for name, outcomes in (("off", error_off), ("on", error_on)):
        times_ms = 1000 * np.array([each.taken_s for each in outcomes])
        p99_ms = np.quantile(times_ms, 0.99)
        print(f"prefix with an error, corrector {name}: mean {times_ms.mean():.2f} ms, p99 {p99_ms:.2f}")


def _print_exact(rows: Sequence[tuple[str, str]], off: list[Outcome], on: list[Outcome], *, listed: bool) -> None:
    places = [(was.rank or np.inf, now.rank or np.inf) for was, now in zip(off, on, strict=True)]
    better, worse = (sum(now < was for was, now in places), sum(now > was for was, now in places))
    print(f"exact prefixes, corrector on against off: {len(rows)}, worse {worse}, better {better}")
    for (query, prefix), (was, now) in zip(rows, places, strict=True):
        if listed and now > was:
            print(f"  {prefix!r} of {query!r}: place {was:g} -> {now:g}")


def _print_errors(kinds: Sequence[str], exact: list[Outcome], off: list[Outcome], on: list[Outcome]) -> None:
    print(f"{'success@10':13} {'prefixes':>8} {'no error':>9} {'error, off':>10} {'error, on':>9} {'kept':>6}")
    for name in ("all", *_KINDS):
        chosen = np.array([name in {"all", kind} for kind in kinds])
        found = (np.array([each.rank > 0 for each in lists])[chosen].mean() for lists in (exact, off, on))
        without, error_off, error_on = found
        goal = f" (target {TARGET:.0%})" if name == "all" else ""
        shares = f"{without:9.3f} {error_off:10.3f} {error_on:9.3f} {error_on / max(without, 1e-9):6.1%}"
        print(f"{name:13} {chosen.sum():8d} {shares}{goal}")


def _print_calibration(stated: Sequence[tuple[float, bool]]) -> None:
    probabilities, right = zip(*stated, strict=True) if stated else ((0.0,), (False,))
    error = reliability(probabilities, right)["expected_calibration_error"]
    shares = f"{np.mean(right):.4f} right, {np.mean(probabilities):.4f} by their acceptance probabilities"
    print(f"lists with corrections: of {len(stated)} suggestions {shares}; expected calibration error {error:.4f}")


if __name__ == "__main__":
    run(main, __doc__)
