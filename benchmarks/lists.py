"""What people see: whole lists of the demo's bundle, and what in them makes a reader frown.

Run from the checkout: `python -m benchmarks.lists [BUNDLE]`, after `autocomplete demo`. For the beginnings in
`lists.toml` it counts suggestions that hold a word that stands nowhere in the demo's data, that are guesses under the
model's floor, that stand below a less probable one, and that end in the middle of a thought. `--show` prints the lists.

`--pairs FILE` writes each list beside that of most popular completion, without labels and in random order, to be judged
by somebody who has not seen this. `--verdicts FILE` counts what the judge wrote in: `a`, `b` or `equal`.
"""

from __future__ import annotations

import json
import random
import tomllib
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks.bundles import find_bundle
from benchmarks.command import ROOT, run
from lm.errors import InputError
from lm.text.normalize import normalize_query
from suggest.model import Model, open_model
from suggest.types import QuerySuggestion, SuggestionSource

_DEMO = ROOT / "var" / "demo"
_TYPED = ROOT / "benchmarks" / "lists.toml"
_SHOWN = 10
_SEED = 1


class Data:
    """The demo's own data, read anew: what stands in it nobody invented.

    Attributes:
        counts: of each query of the log, as keys are written.
        words: of queries and texts.
    """

    def __init__(self, sample: Path) -> None:
        logs, texts = sorted(sample.glob("*.txt")), sorted(sample.glob("*/*.txt"))
        if not logs:
            raise InputError(sample, "no queries.", remedy="Run `autocomplete demo --exit` first.")
        self.counts = Counter(normalize_query(line).strip() for log in logs for line in _lines(log))
        self.words = {word for query in self.counts for word in query.split()}
        for text in texts:
            self.words.update(word.strip(".,;:!?\"'()[]-") for word in normalize_query(" ".join(_lines(text))).split())

    def most_popular(self, typed: str) -> list[str]:
        """The most popular completions: what the usual suggesters show."""
        prefix = normalize_query(typed)
        found = [(-count, query) for query, count in self.counts.items() if query.startswith(prefix) and query]
        return [query for _, query in sorted(found)[:_SHOWN]]


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8", errors="replace").splitlines()


def faults(
    typed: str, shown: Sequence[QuerySuggestion], data: Data, floor: float, function_words: frozenset[str]
) -> dict[str, list[str]]:
    """The suggestions of a list by what is wrong with them."""
    head = set(normalize_query(typed).split())
    found: dict[str, list[str]] = {"invented words": [], "below the floor": [], "out of order": [], "dangling ends": []}
    for place, each in enumerate(shown):
        key = normalize_query(each.text).strip()
        guessed = each.source is SuggestionSource.GENERATED or each.terms.edit_count > 0
        if any(word not in data.words and word not in head for word in key.split()):
            found["invented words"].append(each.display)
        if guessed and each.acceptance_prob < floor:
            found["below the floor"].append(each.display)
        if place and each.acceptance_prob > shown[place - 1].acceptance_prob + 1e-9:
            found["out of order"].append(each.display)
        if key not in data.counts and key.rpartition(" ")[2] in function_words:
            found["dangling ends"].append(each.display)
    return found


def main(
    bundle: Annotated[Path, typer.Argument()] = _DEMO / "registry",
    sample: Path = _DEMO / "sample",
    *,
    show: bool = False,
    pairs: Path | None = None,
    verdicts: Path | None = None,
) -> None:
    """Types, counts and prints."""
    if verdicts is not None:
        _print_verdicts(json.loads(verdicts.read_text(encoding="utf-8")))
        return
    asked = tomllib.loads(_TYPED.read_text(encoding="utf-8"))
    model, data = open_model(find_bundle(bundle)), Data(sample)
    lists = {typed: model.complete_query(typed).suggestions for typed in asked["prefixes"]}
    if show:
        _print_lists(lists)
    _print_faults(lists, model, data, frozenset(asked["function_words"].split()))
    _print_misspellings(model, asked["misspellings"])
    silent = [typed for typed in asked["nonsense"] if not model.complete_query(typed).suggestions]
    print(f"nonsense: {len(silent)} of {len(asked['nonsense'])} lists are empty")
    if pairs is not None:
        _write_pairs(pairs, lists, data)


def _print_lists(lists: Mapping[str, Sequence[QuerySuggestion]]) -> None:
    for typed, shown in lists.items():
        print(f"[{typed}]")
        for each in shown:
            print(f"    {each.display:48} {each.acceptance_prob:8.2%} {each.source.value}")


def _print_faults(
    lists: Mapping[str, Sequence[QuerySuggestion]], model: Model, data: Data, function_words: frozenset[str]
) -> None:
    floor = model.bundle.manifest.ranking.floor
    every: dict[str, list[str]] = {}
    for typed, shown in lists.items():
        for fault, texts in faults(typed, shown, data, floor, function_words).items():
            every.setdefault(fault, []).extend(texts)
    size = sum(map(len, lists.values()))
    sources = Counter(each.source.value for shown in lists.values() for each in shown)
    print(f"{len(lists)} lists, {size} suggestions ({', '.join(f'{count} {name}' for name, count in sources.items())})")
    for fault, texts in every.items():
        print(f"{fault:16} {len(texts):4d}  {len(texts) / max(size, 1):6.1%}  {', '.join(texts[:8])}")
    lengths = [len(shown) for shown in lists.values()]
    print(f"shorter than ten: {sum(length < _SHOWN for length in lengths)}, empty: {lengths.count(0)}")


def _print_misspellings(model: Model, misspellings: Mapping[str, str]) -> None:
    wrong = []
    for typed, meant in misspellings.items():
        shown = model.complete_query(typed).suggestions
        first = normalize_query(shown[0].text) if shown else ""
        if not first.startswith(meant):
            wrong.append(f"{typed}: {first or 'nothing'}")
    right = len(misspellings) - len(wrong)
    print(f"misspellings: {right} of {len(misspellings)} corrected first{'; ' * bool(wrong)}{'; '.join(wrong)}")


def _write_pairs(path: Path, lists: Mapping[str, Sequence[QuerySuggestion]], data: Data) -> None:
    rows = []
    for typed, shown in lists.items():
        ours, popular = [each.display for each in shown], data.most_popular(typed)
        if [text.lower() for text in ours] != popular:
            rows.append({"typed": typed, **dict(zip(_sides(typed), (ours, popular), strict=True)), "better": None})
    path.write_text(json.dumps(rows, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"{len(rows)} pairs, {len(lists) - len(rows)} equal lists left out: {path}")


def _sides(typed: str) -> tuple[str, str]:
    """Where our list stands, and where the other."""
    return ("a", "b") if random.Random(f"{_SEED}{typed}").random() < 0.5 else ("b", "a")


def _print_verdicts(rows: Sequence[Mapping[str, Any]]) -> None:
    verdicts = Counter(
        "equal" if row["better"] == "equal" else "better" if row["better"] == _sides(row["typed"])[0] else "worse"
        for row in rows
    )
    print(f"{len(rows)} pairs: " + ", ".join(f"{name} {verdicts[name]}" for name in ("better", "equal", "worse")))


if __name__ == "__main__":
    run(main, __doc__)
