"""Whether a new bundle takes the place of the active one, by the command that trains it."""

from __future__ import annotations

import itertools
import random
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from cli.main import app
from lm.bundle.bundle import HELD_OUT_FOLDER, open_bundle
from lm.bundle.registry import Registry
from lm.index.never_generated import Withheld
from training.evaluation.evaluate import HeldOut
from training.gate import new_to

CONFIG = """
name = "shop"
[[query_log]]
path = "log.tsv"
count_column = "times"
[screening]
min_count = 1
[[language_models]]
name = "queries"
unit = "word"
sources = ["queries"]
ngram = { smoothing = "add_delta", order = 3 }
"""
COLOURS = ["red", "blue", "green", "black", "white", "pink", "yellow", "grey", "brown", "golden"]
KINDS = ["summer", "winter", "leather", "cotton", "woollen", "cheap", "small", "large"]
THINGS = ["shoes", "boots", "hats", "coats", "shirts", "scarves", "gloves", "socks", "belts", "bags"]


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "shop.toml").write_text(CONFIG, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def rows() -> list[str]:
    """Counted queries, few of them popular."""
    draw = random.Random(0)
    queries = [" ".join(words) for words in itertools.product(COLOURS, KINDS, THINGS)]
    return [f"{query}\t{int(draw.paretovariate(1.1))}" for query in draw.sample(queries, 600)]


def train(shop: Path, log: list[str], *options: str) -> Result:
    (shop / "log.tsv").write_text("query\ttimes\n" + "".join(row + "\n" for row in log), encoding="utf-8")
    return CliRunner().invoke(app, ["train", "shop.toml", *options])


@pytest.mark.timeout(180)
def test_the_same_rows_in_another_order_or_a_later_window_are_activated(shop: Path) -> None:
    counted = rows()
    assert train(shop, counted[:500]).exit_code == 0
    for log in (random.Random(1).sample(counted[:500], 500), counted[20:520], counted[40:540]):
        trained = train(shop, log)
        version = Registry(shop / "var" / "registry").versions("shop")[-1]
        assert trained.exit_code == 0, trained.output
        assert trained.stdout.splitlines()[-1] == f"Version {version} is active."
        assert "On what neither has learnt" in trained.stdout
        assert "MRR@10 of queries" in trained.stdout


@pytest.mark.timeout(180)
def test_what_is_worse_is_said_last_with_the_command_that_activates_it(shop: Path) -> None:
    counted = rows()
    assert train(shop, counted).exit_code == 0
    first = Registry(shop / "var" / "registry").active_version("shop")
    trained = train(shop, counted, "--set", "screening.min_count=20")  # somebody mistyped a setting
    second = Registry(shop / "var" / "registry").versions("shop")[-1]
    assert trained.exit_code == 3, trained.output
    last = trained.stdout.splitlines()[-1]
    command = f"autocomplete activate shop {second} --registry var/registry"
    assert last.startswith("Not activated: MRR@10 of queries 0.")
    assert last.endswith(f"To activate it all the same: {command}")
    assert Registry(shop / "var" / "registry").active_version("shop") == first
    assert CliRunner().invoke(app, shlex.split(command)[1:]).exit_code == 0
    assert Registry(shop / "var" / "registry").active_version("shop") == second

    assert train(shop, counted, "--set", "screening.min_count=40", "--activate").exit_code == 0


@pytest.mark.timeout(180)
def test_only_what_the_active_one_has_not_learnt_counts(shop: Path) -> None:
    log = [f"{row.partition(chr(9))[0]}\t{number % 2 + 1}" for number, row in enumerate(rows())]
    assert train(shop, log, "--set", "screening.min_count=2").exit_code == 0
    folder = Registry(shop / "var" / "registry").resolve("shop")
    bundle, held_out = open_bundle(folder), Withheld(folder / HELD_OUT_FOLDER)
    assert bundle.queries is not None
    kept = (folder / "evaluation" / "test_queries.txt").read_text(encoding="utf-8").splitlines()
    assert len(held_out) >= len(set(kept))
    indexed = next(query for query, times in (row.split("\t") for row in log) if bundle.queries.count(query) > 1)
    withheld = next(
        query
        for query, times in (row.split("\t") for row in log)
        if times == "1" and bundle.never_generated.withholds(query)
    )
    never_seen = "violet shoes"
    asked = HeldOut(["A sentence."], [kept[0], indexed, withheld, never_seen])
    assert new_to(bundle, held_out, asked) == HeldOut([], [kept[0], never_seen])
