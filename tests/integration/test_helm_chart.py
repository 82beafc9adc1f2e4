"""The Helm chart, rendered by Helm itself with few values and with many: valid objects that fit one another."""

from __future__ import annotations

import copy
import math
import subprocess
import sys
from pathlib import Path

import helm_python as helm
import kubernetes_validate
import pytest
import yaml

from service.config import ServerSettings, load_settings
from service.settings import ENVIRONMENT_PREFIX
from tests.helm_charts import (
    CHART,
    FULL,
    MINIMAL,
    ROOT,
    VALUES,
    Object,
    container_of,
    of_kind,
    only,
    pods,
    render,
    rendered,
    selected,
    variables,
)

_KUBERNETES = ("1.30.0", "1.37.0")  # the oldest that the chart takes, and a recent one
_MONITORING = "monitoring.coreos.com/v1"  # of the Prometheus operator; Kubernetes has no schema of it


@pytest.fixture(params=VALUES)
def objects(request: pytest.FixtureRequest) -> list[Object]:
    return rendered(request.param)


def test_chart_passes_its_linter() -> None:
    for values in (None, *VALUES.values()):
        report = helm.lint(CHART, values, strict=True, kube_version=f"v{_KUBERNETES[-1]}")
        assert not report["errors"]
        assert [found["error"] for found in report["messages"]] == ["icon is recommended"]


@pytest.mark.parametrize("version", _KUBERNETES)
def test_objects_are_valid(objects: list[Object], version: str) -> None:
    for each in objects:
        if each["apiVersion"] != _MONITORING:
            kubernetes_validate.validate(each, version, strict=True)


def test_names_are_unique_and_short(objects: list[Object]) -> None:
    names = [(each["kind"], each["metadata"]["name"]) for each in objects]
    assert len(set(names)) == len(names)
    long = render(MINIMAL | {"fullnameOverride": "a" * 60})
    assert max(len(each["metadata"]["name"]) for each in long) <= 63


def test_selectors_match_one_deploymentspods(objects: list[Object]) -> None:
    selectors = [
        each["spec"]["selector"]["matchLabels"]
        for each in objects
        if each["kind"] in ("Deployment", "PodDisruptionBudget")
    ]
    selectors += [each["spec"]["selector"] for each in of_kind(objects, "Service")]
    selectors += [each["spec"]["podSelector"]["matchLabels"] for each in of_kind(objects, "NetworkPolicy")]
    for selector in selectors:
        assert len(selected(objects, selector)) == 1, selector


def test_services_and_policies_name_ports_that_exist(objects: list[Object]) -> None:
    for service in of_kind(objects, "Service"):
        (container,) = selected(objects, service["spec"]["selector"])
        ports = {port["name"] for port in container["ports"]}
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= ports
    for policy in of_kind(objects, "NetworkPolicy"):
        (container,) = selected(objects, policy["spec"]["podSelector"]["matchLabels"])
        allowed = {port["port"] for rule in policy["spec"]["ingress"] for port in rule["ports"]}
        assert allowed == {port["name"] for port in container["ports"]}


def test_probes_ask_ports_that_exist(objects: list[Object]) -> None:
    for _, container in pods(objects):
        ports = {port["containerPort"] for port in container["ports"]} | {port["name"] for port in container["ports"]}
        for name in ("startupProbe", "readinessProbe", "livenessProbe"):
            if container["name"] == "redis":
                continue
            probe = container[name]
            assert (probe.get("grpc") or probe["httpGet"])["port"] in ports


def test_pods_have_no_rights(objects: list[Object]) -> None:
    for deployment in of_kind(objects, "Deployment"):
        pod = deployment["spec"]["template"]["spec"]
        (container,) = pod["containers"]
        assert pod["automountServiceAccountToken"] is False
        assert pod["enableServiceLinks"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert {"requests", "limits"} <= set(container["resources"])
        assert {mount["name"] for mount in container["volumeMounts"]} == {volume["name"] for volume in pod["volumes"]}
    dockerfile = (ROOT / "deploy" / "Dockerfile").read_text(encoding="utf-8")
    assert (
        f"--uid {only(objects, 'Deployment')['spec']['template']['spec']['securityContext']['runAsUser']} "
        in dockerfile
    )


def test_server_takes_its_variables(objects: list[Object], monkeypatch: pytest.MonkeyPatch) -> None:
    container = container_of(objects)
    known = {ENVIRONMENT_PREFIX + name.upper() for name in ServerSettings.model_fields}
    given = variables(container, ENVIRONMENT_PREFIX)
    assert set(given) <= known
    for name, value in given.items():
        monkeypatch.setenv(name, "redis://of-a-secret" if value is None else value)
    settings = load_settings({}, None)
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert settings.address == f"0.0.0.0:{ports['grpc']}"
    assert settings.metrics_address == f"0.0.0.0:{ports['metrics']}"
    mounts = {mount["mountPath"]: mount for mount in container["volumeMounts"]}
    assert "readOnly" not in mounts[str(settings.bundle_cache)]
    assert settings.registry.startswith("s3://") or mounts[settings.registry]["readOnly"] is True


def test_settings_arrive_as_they_were_given(monkeypatch: pytest.MonkeyPatch) -> None:
    given = FULL["server"]["settings"]
    for name, value in variables(container_of(rendered("full")), ENVIRONMENT_PREFIX).items():
        if value is not None:
            monkeypatch.setenv(name, value)
    settings = load_settings({}, None)
    assert {name: getattr(settings, name) for name in given} == given | {"models": ("shop", "text")}
    assert settings.cache_entries >= 1_000_000  # of which `quote` alone would make 1e+06


def test_chart_has_the_programs_settings_and_prometheuss_rules(tmp_path: Path) -> None:
    subprocess.run([sys.executable, ROOT / "scripts" / "write_chart.py", tmp_path], cwd=ROOT, check=True)
    committed = [CHART / "values.schema.json", *CHART.glob("rules/*.yml")]
    fresh = {path.relative_to(tmp_path): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert fresh == {path.relative_to(CHART): path.read_bytes() for path in committed}, "run `make chart` and commit"


def test_rules_reach_the_operator_as_they_are() -> None:
    files = sorted((ROOT / "deploy" / "prometheus" / "rules").glob("*.yml"))
    given = [only(rendered("full"), "PrometheusRule", f"-{path.stem}")["spec"] for path in files]
    assert given == [yaml.safe_load(path.read_text(encoding="utf-8")) for path in files]


def test_pods_get_the_time_that_a_stop_takes(objects: list[Object]) -> None:
    pod = only(objects, "Deployment")["spec"]["template"]["spec"]
    pause_s = pod["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
    drain_s = (
        variables(pod["containers"][0], ENVIRONMENT_PREFIX).get("AUTOCOMPLETE_DRAIN_S")
        or ServerSettings.model_fields["drain_s"].default
    )
    assert pod["terminationGracePeriodSeconds"] >= pause_s + math.ceil(float(drain_s)) + 10  # the supervisor's own


def test_replicas_are_the_autoscalers_or_the_deployments() -> None:
    (scaler,) = of_kind(rendered("minimal"), "HorizontalPodAutoscaler")
    assert scaler["spec"]["metrics"][0]["resource"]["name"] == "cpu"
    assert "cpu" in container_of(rendered("minimal"))["resources"]["requests"]  # of which it takes its share
    assert "replicas" not in only(rendered("minimal"), "Deployment")["spec"]
    (scaler,) = of_kind(rendered("full"), "HorizontalPodAutoscaler")
    assert scaler["spec"]["scaleTargetRef"]["name"] == only(rendered("full"), "Deployment")["metadata"]["name"]
    assert scaler["spec"]["metrics"][0]["pods"]["metric"]["name"] == "autocomplete_requests_in_flight"
    assert not of_kind(rendered("volume"), "HorizontalPodAutoscaler")
    assert only(rendered("volume"), "Deployment")["spec"]["replicas"] == 2


def test_clients_that_balance_see_each_pod() -> None:
    headless = only(rendered("minimal"), "Service", "-headless")["spec"]
    assert headless["clusterIP"] == "None"
    assert "clusterIP" not in only(rendered("minimal"), "Service")["spec"]
    target = variables(container_of(rendered("minimal"), "-gateway"), "")["AUTOCOMPLETE_GATEWAY_SERVER"]
    assert target == f"dns:///shop-autocomplete-headless:{headless['ports'][0]['port']}"


def test_prometheus_reads_each_pod_once() -> None:
    monitors = of_kind(rendered("full"), "ServiceMonitor")
    assert len(monitors) == 2
    for monitor in monitors:
        labels = monitor["spec"]["selector"]["matchLabels"]
        (endpoint,) = monitor["spec"]["endpoints"]
        services = [
            each
            for each in of_kind(rendered("full"), "Service")
            if labels.items() <= each["metadata"]["labels"].items()
        ]
        named = [port["name"] for each in services for port in each["spec"]["ports"]]
        assert named.count(endpoint["port"]) == 1


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({}, "registry.url"),
        ({"registry": {"url": "s3://b/r", "existingClaim": "c"}}, "registry.existingClaim"),
        (MINIMAL | {"redis": {"existingSecret": "s", "builtIn": {"enabled": True}}}, "choose one"),
        (MINIMAL | {"gateway": {"ingress": {"enabled": True}}}, "gateway.ingress.host"),
    ],
)
def test_what_contradicts_itself_is_refused(values: Object, complaint: str) -> None:
    with pytest.raises(helm.HelmRenderError, match=complaint):
        render(values)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("regsitry", {}),
        ("registry.url", "bucket"),
        ("registry.cacheSize", "plenty"),
        ("server.replicas", -1),
        ("server.preStopSeconds", "5"),
        ("server.settings.workrs", 2),
        ("server.settings.workers", 0),
        ("server.settings.cache", "disk"),
        ("server.settings.address", "0.0.0.0:1"),
        ("server.settings.redis", "redis://:password@host"),
        ("server.autoscaling.metric", "memory"),
        ("server.disruptionBudget.maxUnavailable", 0),
        ("server.resources.limits.memory", "2 GB"),
        ("gateway.settings.drain_s", -1),
        ("gateway.service.port", 70000),
        ("image.digest", "sha256:1234"),
        ("networkPolicy.egressPorts", ["https"]),
    ],
)
def test_schema_refuses_nonsense(path: str, value: object) -> None:
    values: Object = copy.deepcopy(MINIMAL)
    *folders, last = path.split(".")
    place = values
    for folder in folders:
        place = place.setdefault(folder, {})
    place[last] = value
    with helm.Chart.load(CHART) as chart, pytest.raises(helm.HelmValuesError, match=last):
        chart.validate_schema(values)
