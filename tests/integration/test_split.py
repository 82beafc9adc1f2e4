"""Versions of a model side by side, over real ports: who has which, and what happens if one does not open."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from autocomplete.v1 import autocomplete_service_pb2 as pb
from autocomplete.v1 import autocomplete_service_pb2_grpc as pb_grpc
from autocomplete.v1 import model_service_pb2 as model_pb
from structlog.testing import capture_logs
from typer.testing import CliRunner

from cli.main import app
from demo.sample_data import SampleData
from lm.bundle.registry import Registry
from lm.errors import ConfigError
from tests.compose_run import ROOT
from tests.reloading import FIRST, SECOND, publish_two, serving
from tests.service_twins import eventually, sample
from tests.splitting import USERS, splitting
from tests.typist import Typist


def test_a_user_has_the_same_version_on_every_replica(tmp_path: Path) -> None:
    with (
        splitting(tmp_path / "a", "twin@1=50,twin@2=50") as one,
        splitting(tmp_path / "b", "twin@2=50,twin@1=50") as two,
    ):
        first = {user: one.ask(user) for user in USERS}
        assert set(first.values()) == {"1", "2"}
        assert all(one.ask(user, "ne") == two.ask(user, "new") == first[user] for user in USERS)
        # what answers is cached under its version: each was computed once
        asked = Counter(version for version, twin in one.twins.items() for text, _ in twin.asked if text == "n")
        assert asked == {"1": 1, "2": 1}


def test_streams_stay_and_calls_without_a_user_are_shared_out(tmp_path: Path) -> None:
    with splitting(tmp_path, "twin@1=50,twin@2=50") as split:
        for user in (*USERS[:6], "", "", ""):
            config = pb.StreamCompleteQueryRequest.Config(user_pseudo_id=user)
            typist = Typist(split.channel, config=config)
            found = set()
            for number in range(1, 6):
                typist.type(number, f"n{number}")
                found |= {answer.completion.model_version for answer in _final(typist)}
            typist.finish()
            assert len(found) == 1
            assert not user or found == {split.ask(user)}
        assert {split.ask() for _ in range(50)} == {"1", "2"}


def _final(typist: Typist) -> Iterator[pb.StreamCompleteQueryResponse]:
    for answer in typist.answers:
        yield answer
        if answer.is_final:
            return


def test_what_names_no_user_is_answered_by_the_greatest_share(tmp_path: Path) -> None:
    with splitting(tmp_path, "twin@1=40,twin@2=60") as split:
        for _ in range(10):
            assert split.stub.PredictNextWord(pb.PredictNextWordRequest(text="the ")).model_version == "2"
            assert split.stub.ScoreText(pb.ScoreTextRequest(text="the")).model_version == "2"


def test_the_status_shows_the_split_and_an_activation_changes_nothing(tmp_path: Path) -> None:
    with splitting(tmp_path, "twin@1=25,twin@2=75") as split:
        status = split.status()
        assert (status.version, status.latest_version, status.state) == ("2", "3", model_pb.Model.STATE_ACTIVE)
        assert [(each.version, each.share, each.configured_share) for each in status.served_versions] == [
            ("1", 0.25, 0.25),
            ("2", 0.75, 0.75),
        ]
        assert "3 is not among the versions that --split names" in status.latest_version_error.message
        assert sample(split.server, "autocomplete_model_share", model="twin", version="1") == 0.25
        assert sample(split.server, "autocomplete_model_info", model="twin", version="2") == 1
        before = {user: split.ask(user) for user in USERS}
        Registry(split.root).activate("twin", "1")
        Registry(split.root).activate("twin", "3")
        split.server.models._update("twin")
        assert {user: split.ask(user) for user in USERS} == before
        eventually(lambda: all(("warm", True) in split.twins[each].asked for each in ("1", "2")))
        assert split.stub.CompleteQuery(pb.CompleteQueryRequest(query="n", model="models/other")).model_version == "1"
        assert not split.models.GetModel(model_pb.GetModelRequest(name="models/other")).served_versions


def test_a_version_that_does_not_open_leaves_its_users_to_the_others_until_it_does(tmp_path: Path) -> None:
    with capture_logs() as lines, splitting(tmp_path, "twin@1=50,twin@2=30,twin@3=20", broken={"2"}) as split:
        during = {user: split.ask(user) for user in USERS}
        assert set(during.values()) == {"1", "3"}
        failed = split.status().served_versions[1]
        assert (failed.version, failed.share, "digest" in failed.error.message) == ("2", 0, True)
        assert failed.configured_share == pytest.approx(0.3)
        assert split.status().served_versions[0].share == pytest.approx(5 / 7)
        assert sample(split.server, "autocomplete_model_openings_total", model="twin", outcome="failed") == 1
        assert sample(split.server, "autocomplete_split_failures", model="twin") == 1
        split.broken.clear()
        (split.root / "twin" / "2" / "manifest.json").write_text("{ }", encoding="utf-8")
        eventually(lambda: split.status().served_versions[1].share > 0)
        after = {user: split.ask(user) for user in USERS}
        eventually(lambda: sample(split.server, "autocomplete_split_failures", model="twin") == 0)
        assert set(after.values()) == {"1", "2", "3"}
        assert all(after[user] in (had, "2") for user, had in during.items())
    incomplete = [line for line in lines if line["event"] == "split_incomplete"]
    assert [(line["version"], line["effect"]) for line in incomplete] == [("2", "the other versions have its users")]


def test_if_none_of_them_opens_the_active_version_answers(tmp_path: Path) -> None:
    with splitting(tmp_path, "twin@1=50,twin@2=50", broken={"1", "2"}) as split:
        assert {split.ask(user) for user in USERS} == {"3"}
        assert [each.share for each in split.status().served_versions] == [0, 0]
        assert sample(split.server, "autocomplete_model_share", model="twin", version="3") == 1


@pytest.mark.parametrize(
    ("split", "settings", "said"),
    [
        ("twin@1=90,twin@9=10", {}, "--split: 'twin' has no version '9'. There are: 1, 2, 3"),
        ("shop@1=100", {}, "--split: no model 'shop'. There are: other, twin"),
        ("other@1=100", {"models": "twin"}, "--split: no model 'other'. There are: twin"),
    ],
)
def test_what_the_registry_does_not_have_is_an_error_before_serving(
    tmp_path: Path, split: str, settings: dict[str, Any], said: str
) -> None:
    with pytest.raises(ConfigError) as raised, splitting(tmp_path, split, **settings):
        pass
    assert said in str(raised.value)


@pytest.fixture
def two_versions(tmp_path: Path, tiny_bundle: Path) -> Path:
    """The registry."""
    publish_two(Registry(tmp_path / "registry"), tiny_bundle, tmp_path)
    return tmp_path / "registry"


def test_two_real_bundles_side_by_side(two_versions: Path) -> None:
    with serving(two_versions, split=f"tiny@{FIRST}=50,tiny@{SECOND}=50") as (_, channel):
        stub = pb_grpc.AutocompleteServiceStub(channel)
        found = [stub.CompleteQuery(pb.CompleteQueryRequest(query="new", user_pseudo_id=user)) for user in USERS]
        assert {answer.model_version for answer in found} == {FIRST, SECOND}
        assert all(answer.suggestions for answer in found)
        assert len({answer.attribution_token for answer in found}) == 2


def test_the_example_plays_users_whom_the_report_then_knows(
    two_versions: Path, tmp_path: Path, sample_data: SampleData
) -> None:
    live = str(tmp_path / "live.sqlite")
    with serving(two_versions, split=f"tiny@{FIRST}=50,tiny@{SECOND}=50", live=live) as (server, _):
        command = [sys.executable, "examples/python/experiment.py", str(sample_data.queries), "--users", "20"]
        command += ["--server", f"127.0.0.1:{server.port}"]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    report = json.loads(CliRunner().invoke(app, ["live", "report", "--live", live, "--json"]).output)
    (model,) = report["models"]
    assert report["searches"] == 60
    assert {each["version"] for each in model["versions"]} == {FIRST, SECOND}
    assert sum(each["users"] for each in model["versions"]) == 20
    for each in model["versions"]:
        said = f"{each['version']}: {each['searches_with_a_query']} searches"
        assert said in done.stdout
