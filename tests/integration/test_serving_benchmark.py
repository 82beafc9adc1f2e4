"""The benchmark suite of serving, with few calls, on the tiny bundle: it runs, and writes what it found."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from benchmarks.bundles import find_bundle, in_versions, without_neural
from benchmarks.index_scale import joined
from benchmarks.serving.open_loop import offer
from benchmarks.serving.servers import Started, empty_server, python_of
from benchmarks.serving.typing_traffic import fixed_arrivals, poisson_arrivals, prefixes, typing_traffic
from lm.errors import ConfigError
from suggest.model import open_model

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("cached", "overload", "streams")
QUERIES = ["new york", "maps", "weather", "cheap flights"]


@pytest.fixture(scope="module")
def empty() -> Iterator[Started]:
    with empty_server({"CompleteQuery": b""}) as server:
        yield server


def run_suite(bundle: Path, out: Path, *parts: str, more: Sequence[str] = ()) -> None:
    """A quick run of some parts."""
    command = [sys.executable, "-m", "benchmarks.serving", "--quick", "--bundle", str(bundle), "--out", str(out)]
    run = subprocess.run(
        [*command, "--only", ",".join(parts), *more],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "proto")])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory, tiny_bundle: Path) -> Path:
    """The folder that a quick run of several parts wrote."""
    out = tmp_path_factory.mktemp("serving")
    run_suite(tiny_bundle, out, *PARTS)
    return out


def test_a_quick_run_measures_each_part_and_writes_a_table(report: Path) -> None:
    found = json.loads((report / "figures.json").read_text())
    table = (report / "figures.md").read_text()

    assert tuple(found) == PARTS
    for part in found.values():
        assert part["figures"]
        assert all(figure["measured"] in table for figure in part["figures"])
        assert part["setting"]["effort"].startswith("quick")


def test_another_checkout_is_measured_by_turns_in_the_same_run(tmp_path: Path, tiny_bundle: Path) -> None:
    run_suite(tiny_bundle, tmp_path, "traffic", "redis", more=("--against", str(ROOT)))

    found = json.loads((tmp_path / "figures.json").read_text())
    assert tuple(found) == ("traffic", "redis", "redis, other checkout")
    assert any(figure["name"].endswith("/ other checkout") for figure in found["traffic"]["figures"])


def test_another_checkout_needs_a_virtual_environment(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no .*\.venv/bin/python\. Run `make"):
        python_of(tmp_path)


def test_every_call_of_a_quick_overload_gets_an_answer_or_a_refusal(report: Path) -> None:
    figures = json.loads((report / "figures.json").read_text())["overload"]["figures"]

    lost = next(figure for figure in figures if figure["name"] == "overload: calls without an answer")

    assert lost["met"], lost["measured"]


def test_an_open_loop_counts_from_when_a_call_was_due(empty: Started) -> None:
    due_s = fixed_arrivals(20, 200.0)

    load = offer(empty.address, [b""] * 20, due_s)

    assert load.outcomes == {"OK": 20}
    assert load.unanswered == 0
    assert np.allclose(load.latencies_s, load.done_s - due_s)
    assert (load.sent_s >= due_s).all()
    assert (load.done_s >= load.sent_s).all()


def test_an_open_loop_notes_what_was_refused(empty: Started) -> None:
    load = offer(empty.address, [b""] * 3, fixed_arrivals(3, 100.0), method="NoSuchMethod")

    assert load.outcomes == {"UNIMPLEMENTED": 3}
    assert load.unanswered == 3


def test_users_type_every_prefix_in_order_at_the_wanted_rate() -> None:
    typed, due_s = typing_traffic(QUERIES, 2000, 50.0)

    assert set(typed) == set(prefixes(QUERIES))
    assert (np.diff(due_s) >= 0).all()
    assert due_s[-1] == pytest.approx(40.0)
    assert typed.count("n") > typed.count("ch")  # the first query is the most popular one
    assert typing_traffic(QUERIES, 2000, 50.0)[0] == typed


def test_poisson_arrivals_have_the_wanted_rate() -> None:
    gaps_s = np.diff(poisson_arrivals(20_000, 100.0))

    assert gaps_s.mean() == pytest.approx(0.01, rel=0.05)
    assert gaps_s.std() == pytest.approx(0.01, rel=0.05)


def test_joined_queries_are_distinct_and_the_same_every_time() -> None:
    first, again = (joined([*QUERIES, *"abcdefgh"], 100) for _ in range(2))

    assert len(set(first)) == 100
    assert first == again


def test_variants_of_a_bundle_open_and_leave_it_as_it_was(tmp_path: Path, tiny_bundle: Path) -> None:
    manifest = (tiny_bundle / "manifest.json").read_bytes()

    bare = open_model(find_bundle(without_neural(tiny_bundle, tmp_path / "bare")))
    versions = in_versions(tiny_bundle, tmp_path / "versions", ("20260102-000000", "20260101-000000"))

    assert all(model.neural is None for model in bare.bundle.language_models)
    assert bare.complete_query("new yor").suggestions
    assert open_model(versions.resolve("tiny")).version == "20260101-000000"
    assert (tiny_bundle / "manifest.json").read_bytes() == manifest
