"""The processes of docker-compose.yml run here, and alerts and dashboards ask for what they really expose."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import urlopen

import grpc
import pytest
import redis
import yaml
from autocomplete.v1 import autocomplete_service_pb2 as pb
from autocomplete.v1 import autocomplete_service_pb2_grpc as pb_grpc
from autocomplete.v1 import user_event_service_pb2 as events_pb
from autocomplete.v1 import user_event_service_pb2_grpc as events_grpc
from prometheus_client import CollectorRegistry
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from gateway.metrics import Metrics as GatewayMetrics
from service.telemetry.metrics import Metrics
from tests.compose_run import ROOT, ComposeRun, composed
from tests.promql import groupings, metrics
from tests.service_twins import eventually

_PROMETHEUS = ROOT / "deploy" / "prometheus"
_DASHBOARDS = ROOT / "deploy" / "grafana" / "dashboards"
_OF_PROMETHEUS = {"up": {"job", "instance"}, "ALERTS": {"alertname", "alertstate", "severity"}}
_UNUSUAL = (
    "ALERTS",
    'code!="OK"',
    "degraded",
    "redis_errors_total",
    "empty_answers",
    "warmed",
    "keystrokes",
    "stream_ends",
)
needs_promtool = pytest.mark.skipif(shutil.which("promtool") is None, reason="`apt install prometheus` brings it")


def _rules() -> list[dict[str, Any]]:
    files = sorted((_PROMETHEUS / "rules").glob("*.yml"))
    groups = [group for file in files for group in yaml.safe_load(file.read_text(encoding="utf-8"))["groups"]]
    return [rule for group in groups for rule in group["rules"]]


def _dashboard_queries() -> list[str]:
    documents = [json.loads(file.read_text(encoding="utf-8")) for file in sorted(_DASHBOARDS.glob("*.json"))]
    panels = [panel for document in documents for panel in document["panels"]]
    return [target["expr"].replace("$__rate_interval", "1m") for panel in panels for target in panel["targets"]]


@pytest.fixture(scope="module")
def run(tiny_bundle_registry: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ComposeRun]:
    """All that runs here, after some calls."""
    with composed(tiny_bundle_registry, tmp_path_factory.mktemp("compose")) as started:
        for _ in range(4):  # the kernel chooses a worker for each connection
            with grpc.insecure_channel(started.address("server")) as channel:
                stub = pb_grpc.AutocompleteServiceStub(channel)
                for query in ("", "new y", "new y", "free ", "a", "qzxqzx", "new yrok"):
                    answer = stub.CompleteQuery(pb.CompleteQueryRequest(query=query), timeout=20)
                    _tell_of_a_search(channel, query, answer)
                    stub.PredictNextWord(pb.PredictNextWordRequest(text=query), timeout=20)
                with pytest.raises(grpc.RpcError):
                    stub.CompleteQuery(pb.CompleteQueryRequest(query="a" * 300), timeout=20)
        yield started


def _tell_of_a_search(channel: grpc.Channel, query: str, answer: pb.CompleteQueryResponse) -> None:
    said: dict[str, Any] = {"attribution_token": answer.attribution_token, "session_id": "tests"}
    shown = [events_pb.ShownSuggestion(text=each.text, source=each.source) for each in answer.suggestions]
    events = [events_pb.UserEvent(event_type="EVENT_TYPE_IMPRESSION", query=query, shown=shown, **said)]
    if shown:
        selection: dict[str, Any] = {"event_type": "EVENT_TYPE_SELECTION", "selected_position": 0, **said}
        events.append(events_pb.UserEvent(query=shown[0].text, typed_length=len(query), **selection))
    service = events_grpc.UserEventServiceStub(channel)
    service.WriteUserEvents(events_pb.WriteUserEventsRequest(user_events=events), timeout=20)


def _exposed(run: ComposeRun) -> list[Sample]:
    """All samples of server and gateway."""
    samples: list[Sample] = []
    for service in ("metrics", "gateway"):
        with urlopen(f"http://{run.address(service)}/metrics") as response:
            families = text_string_to_metric_families(response.read().decode())
        samples += [sample for family in families for sample in family.samples]
    return samples


def _known_labels(run: ComposeRun) -> dict[str, set[str]]:
    """Series of the server, each with its labels; what nothing has counted yet is not exposed, but known to it."""
    known: dict[str, set[str]] = {}
    suffixes = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count")}
    for metric in [*vars(Metrics(CollectorRegistry())).values(), *vars(GatewayMetrics()).values()]:
        if isinstance(metric, MetricWrapperBase):
            for suffix in suffixes.get(str(metric._type), ("",)):
                extra = {"le"} if suffix == "_bucket" else set()
                known[metric._name + suffix] = {*metric._labelnames} | extra
    for sample in _exposed(run):
        known.setdefault(sample.name, set()).update(sample.labels)
    return known


def test_metrics_of_the_running_server_are_those_that_are_watched(run: ComposeRun) -> None:
    known = {name: labels | {"job", "instance"} for name, labels in _known_labels(run).items()} | _OF_PROMETHEUS
    rules = _rules()
    for rule in rules:
        if "record" in rule:
            known[rule["record"]] = groupings(rule["expr"]) - {"le"}
    expressions = [rule["expr"] for rule in rules] + _dashboard_queries()

    assert len(expressions) > 60
    for expression in expressions:
        read = metrics(expression)
        assert read, expression
        for name, labels in read.items():
            assert name in known, f"no metric {name}: {expression}"
            assert labels <= known[name], f"{name} has no label {labels - known[name]}: {expression}"
        assert groupings(expression) <= set().union(*(known[name] for name in read)), expression


def test_metrics_that_every_server_has_are_counted_after_some_calls(run: ComposeRun) -> None:
    counted = {sample.name for sample in _exposed(run)}
    watched = {name for expression in _dashboard_queries() for name in metrics(expression)}

    missing = {name for name in watched - counted if name.startswith("autocomplete_")}

    assert all(any(part in name for part in _UNUSUAL) for name in missing), missing


def test_the_page_completes(run: ComposeRun) -> None:
    with urlopen(f"http://{run.address('gateway')}/v1:completeQuery?query=new+y") as response:
        completed = json.load(response)

    assert completed["suggestions"][0]["text"].startswith("new y")
    assert "left out" not in run.output.replace("grafana    | left out", "").replace("prometheus | left out", "")


def test_redis_takes_its_password_and_keeps_to_its_memory(run: ComposeRun) -> None:
    host, port = run.address("redis").split(":")
    with redis.Redis(host=host, port=int(port)) as stranger, pytest.raises(redis.AuthenticationError):
        stranger.ping()
    with redis.Redis(host=host, port=int(port), password="s3cret") as client:
        settings: Any = client.config_get("*")
        assert settings["maxmemory"] == str(256 * 2**20)
        assert settings["maxmemory-policy"] == "volatile-lru"
        assert settings["appendonly"] == "yes"
        assert client.dbsize() > 0  # the server's answers: both go by the same password


@pytest.mark.skipif(shutil.which("prometheus") is None, reason="`apt install prometheus` brings it")
def test_prometheus_has_an_answer_to_every_query(run: ComposeRun) -> None:
    def ask(expression: str) -> list[Any]:
        with urlopen(f"http://{run.address('prometheus')}/api/v1/query?{urlencode({'query': expression})}") as answer:
            document = json.load(answer)
        assert document["status"] == "success", expression
        return list(document["data"]["result"])

    eventually(lambda: ask('up{job="autocomplete"} == 1') != [], timeout_s=60)
    with grpc.insecure_channel(run.address("server")) as channel:  # a rate wants calls between two looks
        stub = pb_grpc.AutocompleteServiceStub(channel)
        deadline_s = time.monotonic() + 60
        wanted = ("autocomplete:cache_hits:ratio_rate30m > 0", "rate(autocomplete_gateway_requests_total[1m]) > 0")
        while not all(map(ask, wanted)) and time.monotonic() < deadline_s:
            stub.CompleteQuery(pb.CompleteQueryRequest(query="new y", max_suggestions=int(time.monotonic()) % 9 + 1))
            urlopen(f"http://{run.address('gateway')}/readyz").close()
            time.sleep(0.2)
    eventually(lambda: ask("autocomplete:slow_requests:ratio_rate3d") != [], timeout_s=60)

    empty = [query for query in _dashboard_queries() if not ask(query)]

    assert all(any(part in query for part in _UNUSUAL) for query in empty), empty
    for rule in _rules():
        ask(rule["expr"])


def test_every_process_ends_at_ctrl_c(tiny_bundle_registry: Path, tmp_path: Path) -> None:
    with composed(tiny_bundle_registry, tmp_path) as started:
        assert started.interrupt() == 0
    for service in ("server", "metrics", "redis", "gateway", "prometheus"):
        with pytest.raises(OSError, match="refused"), urlopen(f"http://{started.address(service)}"):
            pass


def test_every_alert_says_what_to_do() -> None:
    runbook = (ROOT / "docs" / "runbook.md").read_text(encoding="utf-8")
    anchors = {heading.lower() for heading in re.findall(r"^### (\w+)$", runbook, re.MULTILINE)}
    alerts = [rule for rule in _rules() if "alert" in rule]
    linked = set()

    for alert in alerts:
        assert alert["labels"]["severity"] in {"page", "ticket"}
        assert {"summary", "description", "runbook_url"} == set(alert["annotations"])
        file, _, anchor = alert["annotations"]["runbook_url"].partition("#")
        assert (ROOT / file).is_file()
        assert anchor == alert["alert"].lower()
        linked.add(anchor)
    assert linked == anchors


@needs_promtool
def test_alerts_fire_when_they_should() -> None:
    tests = sorted((_PROMETHEUS / "tests").glob("*.yml"))
    for command in (["check", "config", str(_PROMETHEUS / "prometheus.yml")], ["test", "rules", *map(str, tests)]):
        done = subprocess.run(["promtool", *command], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    covered = "".join(file.read_text(encoding="utf-8") for file in tests)
    assert {rule["alert"] for rule in _rules() if "alert" in rule} <= set(re.findall(r"alertname: (\w+)", covered))


def test_every_dashboard_is_linked_with_the_others_and_reads_prometheus() -> None:
    documents = [json.loads(file.read_text(encoding="utf-8")) for file in sorted(_DASHBOARDS.glob("*.json"))]

    assert len({document["uid"] for document in documents}) == len(documents) == 4
    for document in documents:
        assert document["tags"] == ["autocomplete"] == document["links"][0]["tags"]
        assert all(panel["title"] and panel["targets"] for panel in document["panels"])
        assert {panel["datasource"]["uid"] for panel in document["panels"]} == {"prometheus"}


def test_panels_do_not_overlap() -> None:
    for file in _DASHBOARDS.glob("*.json"):
        cells = [
            (x, y)
            for panel in json.loads(file.read_text(encoding="utf-8"))["panels"]
            for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
            for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
        ]
        assert len(cells) == len(set(cells)), file
        assert max(x for x, _ in cells) < 24
