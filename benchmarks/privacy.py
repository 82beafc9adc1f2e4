"""What a log should have kept private: made-up private strings and rare queries in it, and what comes out of a bundle.

Run from the checkout: `python -m benchmarks.privacy`; `--screening-only` trains nothing and takes seconds.
"""

from __future__ import annotations

import random
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import typer

from benchmarks.command import SPLIT_FILE, TRAINING_LINES, WORK, query_logs, run, train_bundle
from benchmarks.private_strings import KINDS, private_strings
from lm.bundle.bundle import Bundle, open_bundle
from lm.index.never_generated import NeverGenerated
from lm.text.normalize import normalize_query
from lm.text.private import looks_private
from suggest.model import Model
from suggest.types import GenerationOptions
from training.config import Screening
from training.data.screening import load_screen
from training.data.sources import read_lines

STRINGS, SUBMISSIONS = 1_000, 50  # of each kind; of each string, by as many users
RARE, RARE_SUBMISSIONS = 300, 10_000
KEPT_TARGET = 0.99

Private = dict[str, list[tuple[str, str]]]
"""Strings of each kind, each with the query that holds it."""


def main(*, screening_only: bool = False) -> None:
    """Screens, trains, asks and prints; fails where something private came out or too many real queries went."""
    data = query_logs()
    private = {kind: private_strings(kind, STRINGS) for kind in KINDS}
    bad = _screen_private(private) + _screen_real(data)
    if not screening_only:
        real = [normalize_query(line).rstrip() for _, line in read_lines(data / SPLIT_FILE)][:TRAINING_LINES]
        rare = rare_queries(real)
        log = WORK / "privacy" / "log.tsv"
        log.parent.mkdir(parents=True, exist_ok=True)
        _write_log(log, real, private, rare)
        path = train_bundle("privacy", log.parent)
        bundle = open_bundle(path)
        bad += _ask_private(bundle, private) + _look_inside(path, private) + _ask_rare(bundle, rare)
    raise typer.Exit(1 if bad else 0)


def _screen_private(private: Private) -> int:
    """How many private strings pass the screening."""
    screen, missed = load_screen(), 0
    for kind, rows in private.items():
        passed = [query for _, query in rows if screen.private(normalize_query(query).rstrip()) is None]
        missed += len(passed)
        print(f"{kind:16} {len(rows):5} strings, {len(passed)} pass the screening {passed[:5] or ''}")
    return missed


def _screen_real(data: Path) -> int:
    """Whether too many of the real queries with numbers are lost."""
    screen = load_screen()
    real = [normalize_query(line).rstrip() for path in sorted(data.glob("*.txt.xz")) for _, line in read_lines(path)]
    numbered = [query for query in real if any(map(str.isdigit, query))]
    lost = sorted({(reason, query) for query in numbered if (reason := screen.private(query))})
    for reason, query in lost:
        print(f"{reason:16} {query}")
    kept = sum(screen.private(query) is None for query in numbered) / len(numbered)
    shares = f"kept of these: {kept:.2%} (target: {KEPT_TARGET:.0%})"
    print(f"{len(real)} real queries, {len(numbered)} with numbers; {shares}")
    print("lost by reason, of all:", dict(Counter(filter(None, map(screen.reason, real)))))
    return int(kept < KEPT_TARGET)


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


def _write_log(path: Path, real: Sequence[str], private: Private, rare: Sequence[str]) -> None:
    """Real queries of just enough users each, private ones of many, rare ones of one too few."""
    enough = Screening().min_users
    everything = [query for rows in private.values() for _, query in rows]
    # many users, none of whom submits so much that it is taken for a robot
    rows = [
        f"{query}\t{count}\t{name}{number % among}.{user}\n"
        for queries, name, among, users, count in (
            (real, "u", 2000, enough, 1),
            (everything, "p", 200, SUBMISSIONS, 1),
            (rare, "r", len(rare), enough - 1, RARE_SUBMISSIONS // (enough - 1)),
        )
        for number, query in enumerate(queries)
        for user in range(users)
    ]
    random.Random(0).shuffle(rows)
    path.write_text("query\tcount\tuser\n" + "".join(rows), encoding="utf-8", newline="\n")


def _bare(text: str) -> str:
    """Letters and digits alone: a number is given away whatever stands between its digits."""
    return re.sub(r"[\W_]+", "", normalize_query(text))


def _gives_away(text: str) -> re.Pattern[str]:
    """Finds a string as whole words, whatever stands between its letters and digits."""
    return re.compile(r"(?<![^\W_])" + r"[\W_]*".join(map(re.escape, _bare(text))) + r"(?![^\W_])")


def _suggested(model: Model, typed: Iterable[str]) -> set[str]:
    return {each.text for text in typed for each in model.complete_query(text).suggestions}


def _ask_private(bundle: Bundle, private: Private) -> int:
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


def _look_inside(folder: Path, private: Private) -> int:
    """Searches every file of the bundle for each string as it was typed and normalised, and without its marks."""
    blobs = [path.read_bytes().replace(b"\xe2\x96\x81", b" ") for path in folder.rglob("*") if path.is_file()]
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
    for query in rare:
        typed = [query[:length] for length in range(3, len(query), 3)]
        suggested += query in _suggested(model, typed)
        unguarded += query in _suggested(open_model, typed)
        prompt = query.rsplit(" ", 1)[0]
        for seed in range(5):
            chunks = model.generate_text(prompt, GenerationOptions(max_output_tokens=12, seed=seed, temperature=0.7))
            generated += normalize_query(prompt + "".join(chunk.text for chunk in chunks)).rstrip() == query
    indexed = sum(bundle.queries.count(query) > 0 for query in rare)
    print(
        f"{len(rare)} queries of too few users, {RARE_SUBMISSIONS} times each: in the index {indexed}, suggested"
        f" {suggested} (without the withheld ones' hashes {unguarded}), generated as a whole {generated}"
    )
    return indexed + suggested + generated


if __name__ == "__main__":
    run(main, __doc__)
