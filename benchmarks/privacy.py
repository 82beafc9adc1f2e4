"""What a log should have kept private: made-up private strings and rare queries in it, and what comes out of a bundle.

Run from the checkout: `python -m benchmarks.privacy`; `--screening-only` trains nothing and takes seconds.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from benchmarks.private_strings import KINDS, private_strings
from benchmarks.query_completion import DATA, DATA_VARIABLE, ROOT, SPLIT_FILE, TRAINING_LINES
from lm.bundle.bundle import Bundle, open_bundle
from lm.errors import AutocompleteError
from lm.index.never_generated import NeverGenerated
from lm.text.normalize import normalize_query
from lm.text.private import looks_private
from suggest.model import Model
from suggest.types import GenerationOptions
from training.config import TrainingConfig
from training.data.screening import Screen, load_screen
from training.data.sources import read_lines
from training.pipeline import train
from training.progress import TerminalReporter

WORK = ROOT / "var" / "benchmarks" / "privacy"
STRINGS, SUBMISSIONS = 1_000, 50  # of each kind; of each string, by as many users
RARE, RARE_SUBMISSIONS = 300, 10_000
KEPT_TARGET = 0.99


def main() -> int:
    """Screens, trains, asks and prints; fails where something private came out or too many real queries went."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--screening-only", action="store_true", help="Train nothing.")
    options = parser.parse_args()
    data = Path(os.environ.get(DATA_VARIABLE, DATA))
    if not (data / SPLIT_FILE).is_file():
        print(f"Skipped: there is no {data / SPLIT_FILE}. {DATA_VARIABLE} names the folder of the logs.")
        return 0
    private = {kind: private_strings(kind, STRINGS) for kind in KINDS}
    good = _screen_all(private, data)
    if options.screening_only:
        return 0 if good else 1
    try:
        real = [normalize_query(line).rstrip() for _, line in read_lines(data / SPLIT_FILE)][:TRAINING_LINES]
        rare = rare_queries(real)
        bundle = open_bundle(_train(real, private, rare))
    except AutocompleteError as error:
        print(error, file=sys.stderr)
        return 1
    came_out = _ask_private(bundle, private) + _look_inside(bundle, private) + _ask_rare(bundle, rare)
    return 0 if good and not came_out else 1


def _screen_all(private: dict[str, list[tuple[str, str]]], data: Path) -> bool:
    screen = load_screen()
    missed = 0
    for kind, rows in private.items():
        passed = [query for _, query in rows if screen.private(normalize_query(query).rstrip()) is None]
        missed += len(passed)
        print(f"{kind:16} {len(rows):5} strings, {len(passed)} pass the screening {passed[:5] or ''}")
    return _screen_real(screen, data) and not missed


def _screen_real(screen: Screen, data: Path) -> bool:
    real = [normalize_query(line).rstrip() for path in sorted(data.glob("*.txt.xz")) for _, line in read_lines(path)]
    numbered = [query for query in real if any(map(str.isdigit, query))]
    lost: dict[str, list[str]] = defaultdict(list)
    for query in numbered:
        reason = screen.private(query)
        if reason is not None:
            lost[reason].append(query)
    for reason, queries in lost.items():
        print(f"{reason} ({len(queries)}):", *sorted(set(queries)), sep="\n    ")
    kept = 1 - sum(map(len, lost.values())) / len(numbered)
    print(
        f"{len(real)} real queries, {len(numbered)} with numbers; kept of these: {kept:.2%} (target: {KEPT_TARGET:.0%})"
    )
    print("lost by reason, of all:", dict(Counter(filter(None, map(screen.reason, real)))))
    return kept >= KEPT_TARGET


def rare_queries(real: Sequence[str]) -> list[str]:
    """Queries that a model of the log will put together: the beginning of one, the end of another, a word shared."""
    known, chance, found = set(real), random.Random(0), set[str]()
    ends: dict[str, list[str]] = defaultdict(list)
    for words in map(str.split, sorted(known)):
        for place in range(1, len(words) - 1):
            ends[words[place]].append(" ".join(words[place:]))
    for words in map(str.split, sorted(known)):
        for place in range(1, len(words) - 1):
            found.add(" ".join([*words[:place], chance.choice(ends[words[place]])]))
    screen = load_screen()
    return [
        query
        for query in chance.sample(sorted(found - known), 2 * RARE)
        if screen.reason(query) is None and not looks_private(query) and 8 < len(query) <= 60
    ][:RARE]


def _train(real: Sequence[str], private: dict[str, list[tuple[str, str]]], rare: Sequence[str]) -> Path:
    """A bundle of an n-gram model alone, with the default thresholds; each real query has three users."""
    WORK.mkdir(parents=True, exist_ok=True)
    config = TrainingConfig.model_validate(
        {
            "name": "privacy",
            "seed": 1,
            "work": str(WORK / "work"),
            "query_log": [{"path": "log.tsv", "count_column": "count", "user_column": "user"}],
            "held_out": {"max_queries": 1000},
            "publishing": {"registry": str(WORK / "registry"), "keep_versions": 1},
            "language_models": [
                {
                    "name": "queries",
                    "unit": "subword",
                    "sources": ["queries"],
                    "vocabulary_size": 4000,
                    "ngram": {"order": 5, "discount_fallback": True},  # with three users each nothing comes once
                }
            ],
        }
    )
    few = config.screening.min_users - 1
    # many users, none of whom submits so much that it is taken for a robot
    rows = [
        (query, 1, f"u{number % 2000}.{user}")
        for number, query in enumerate(real)
        for user in range(config.screening.min_users)
    ]
    rows += [
        (query, 1, f"p{number % 200}.{user}")
        for kind in private.values()
        for number, (_, query) in enumerate(kind)
        for user in range(SUBMISSIONS)
    ]
    rows += [
        (query, RARE_SUBMISSIONS // few, f"r{number}.{user}")
        for number, query in enumerate(rare)
        for user in range(few)
    ]
    random.Random(0).shuffle(rows)
    with (WORK / "log.tsv").open("w", encoding="utf-8", newline="\n") as log:
        log.write("query\tcount\tuser\n")
        log.writelines(f"{query}\t{count}\t{user}\n" for query, count, user in rows)
    return train(config, base=WORK, reporter=TerminalReporter(Console(stderr=True)), activate=True).path


def _bare(text: str) -> str:
    """Letters and digits alone: a number is given away whatever stands between its digits."""
    return re.sub(r"[\W_]+", "", normalize_query(text))


def _gives_away(text: str) -> re.Pattern[str]:
    """Finds a string as whole words, whatever stands between its letters and digits."""
    return re.compile(r"(?<![^\W_])" + r"[\W_]*".join(map(re.escape, _bare(text))) + r"(?![^\W_])")


def _suggested(model: Model, typed: Iterable[str]) -> set[str]:
    return {each.text for text in typed for each in model.complete_query(text).suggestions}


def _ask_private(bundle: Bundle, private: dict[str, list[tuple[str, str]]]) -> int:
    """Asks with a third, two thirds and all but two letters of each query, and generates from them."""
    assert bundle.queries is not None
    model, out = Model(bundle), 0
    for kind, rows in private.items():
        suggested = generated = looks = 0
        for number, (text, query) in enumerate(rows):
            typed = [query[: len(query) * part // 3] for part in (1, 2)] + [query[:-2]]
            private_text = _gives_away(text)
            unfinished = [each for each in typed if not private_text.search(normalize_query(each))]
            found = _suggested(model, unfinished)
            suggested += any(map(private_text.search, found))
            looks += sum(looks_private(each) for each in found if not bundle.queries.count(each))
            if number % 10 == 0:
                options = GenerationOptions(max_output_tokens=20, seed=number)
                line = typed[1] + "".join(chunk.text for chunk in model.generate_text(typed[1], options))
                generated += typed[1] in unfinished and private_text.search(normalize_query(line)) is not None
        out += suggested + generated + looks
        print(f"{kind:16} suggested: {suggested}, generated: {generated}, generated and looking private: {looks}")
    return out


def _look_inside(bundle: Bundle, private: dict[str, list[tuple[str, str]]]) -> int:
    """Searches every file of the bundle for each string as it was typed and normalised, and without its marks."""
    folder = Path(WORK / "registry" / "privacy" / bundle.manifest.version)
    blobs = [path.read_bytes().replace(b"\xe2\x96\x81", b" ") for path in sorted(folder.rglob("*")) if path.is_file()]
    everything = b"\0".join(blobs)
    stored = Counter(
        kind
        for kind, rows in private.items()
        for text, _ in rows
        if any(form.encode() in everything for form in {text, normalize_query(text), _bare(text)})
    )
    print(f"stored in any of {len(blobs)} files ({len(everything) / 1e6:.1f} MB):", dict(stored) or "none")
    return stored.total()


def _ask_rare(bundle: Bundle, rare: Sequence[str]) -> int:
    """Asks with every third beginning of each rare query, and generates lines from its first words."""
    assert bundle.queries is not None
    model, open_model = Model(bundle), Model(replace(bundle, never_generated=NeverGenerated()))
    suggested = unguarded = generated = 0
    for number, query in enumerate(rare):
        typed = [query[:length] for length in range(3, len(query), 3)]
        suggested += query in _suggested(model, typed)
        unguarded += query in _suggested(open_model, typed)
        prompt = query.rsplit(" ", 1)[0]
        for seed in range(5):
            chunks = model.generate_text(prompt, GenerationOptions(max_output_tokens=12, seed=seed, temperature=0.7))
            generated += normalize_query(prompt + "".join(chunk.text for chunk in chunks)).rstrip() == query
        if number % 50 == 0:
            print(f"    {number} of {len(rare)} rare queries asked", file=sys.stderr)
    indexed = sum(bundle.queries.count(query) > 0 for query in rare)
    print(
        f"{len(rare)} queries of too few users, {RARE_SUBMISSIONS} times each: in the index {indexed}, suggested"
        f" {suggested} (without the withheld ones' hashes {unguarded}), generated as a whole {generated}"
    )
    return indexed + suggested + generated


if __name__ == "__main__":
    sys.exit(main())
