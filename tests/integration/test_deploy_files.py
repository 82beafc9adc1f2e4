"""The files of a deployment parse, pass their linters, and name what really is there."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.config import GatewaySettings
from scripts.compose_processes import read_compose
from service.config import ServerSettings
from service.settings import ENVIRONMENT_PREFIX

_ROOT = Path(__file__).resolve().parents[2]
_BIN = Path(sys.executable).parent  # not resolved: the virtual environment's, where the tools are


def _run(*arguments: str | Path) -> str:
    run = subprocess.run(arguments, cwd=_ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout


@pytest.fixture(scope="module")
def compose() -> Any:
    return json.loads(_run(_BIN / "docker-compose", "--file", "docker-compose.yml", "config", "--format", "json"))


def test_dockerfile_passes_its_linter() -> None:
    _run(_BIN / "hadolint", "deploy/Dockerfile")


def test_compose_file_builds_a_stage_of_the_dockerfile(compose: Any) -> None:
    build = compose["services"]["server"]["build"]
    dockerfile = (Path(build["context"]) / build["dockerfile"]).read_text(encoding="utf-8")

    assert f" AS {build['target']}\n" in dockerfile


def test_every_service_has_a_health_check_and_comes_back(compose: Any) -> None:
    for name, service in compose["services"].items():
        if name != "trainer":  # which ends
            assert service["healthcheck"]["test"], name
            assert service["restart"] == "unless-stopped", name


def test_every_service_is_confined(compose: Any) -> None:
    for name, service in compose["services"].items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["user"].split(":")[0] not in {"", "0", "root"}, name
        assert {"cpus", "memory", "pids"} <= set(service["deploy"]["resources"]["limits"]), name
        assert re.search(r":v?\d+\.\d+\.\d+", service["image"]), name


def test_ports_are_open_to_this_machine_alone_and_redis_has_none(compose: Any) -> None:
    published = {name: service.get("ports", []) for name, service in compose["services"].items()}

    assert {port["host_ip"] for ports in published.values() for port in ports} == {"127.0.0.1"}
    assert published["redis"] == []
    assert list(compose["services"]["redis"]["networks"]) == ["inside"]
    assert compose["networks"]["inside"]["internal"] is True


def test_the_server_starts_when_there_are_models(compose: Any) -> None:
    needs = compose["services"]["server"]["depends_on"]

    assert needs["trainer"]["condition"] == "service_completed_successfully"
    assert needs["redis"]["condition"] == "service_healthy"


def test_compose_file_sets_only_settings_that_exist(compose: Any) -> None:
    known = {f"{ENVIRONMENT_PREFIX}{name}".upper() for name in ServerSettings.model_fields}
    known_to_gateway = {f"AUTOCOMPLETE_GATEWAY_{name}".upper() for name in GatewaySettings.model_fields}

    assert set(compose["services"]["server"]["environment"]) <= known
    assert set(compose["services"]["gateway"]["environment"]) <= known_to_gateway


def test_models_are_mounted_where_the_server_looks_and_cannot_be_changed(compose: Any) -> None:
    server = compose["services"]["server"]
    (mount,) = server["volumes"]

    assert Path(server["environment"]["AUTOCOMPLETE_REGISTRY"]).parent == Path(mount["target"])
    assert mount["read_only"] is True


def test_secrets_come_from_the_environment() -> None:
    example = (_ROOT / ".env.example").read_text(encoding="utf-8")
    assert re.search(r"^REDIS_PASSWORD=$", example, re.MULTILINE)

    services = read_compose(_ROOT / "docker-compose.yml", {**os.environ, "REDIS_PASSWORD": "s3cret"})

    assert ":s3cret@" in services["server"]["environment"]["AUTOCOMPLETE_REDIS"]
    assert services["redis"]["environment"]["REDIS_PASSWORD"] == "s3cret"
    assert "s3cret" not in str(services["redis"]["command"])


def test_models_of_ones_own_are_a_folder(tmp_path: Path) -> None:
    services = read_compose(_ROOT / "docker-compose.yml", {**os.environ, "AUTOCOMPLETE_DATA": str(tmp_path)})

    assert services["server"]["volumes"][0]["source"] == str(tmp_path)


def test_files_mounted_into_services_exist(compose: Any) -> None:
    for service in compose["services"].values():
        for mount in service.get("volumes", ()):
            if mount["type"] == "bind":
                assert Path(mount["source"]).exists()


def test_prometheus_scrapes_the_ports_of_metrics(compose: Any) -> None:
    text = (_ROOT / "deploy" / "prometheus" / "prometheus.yml").read_text(encoding="utf-8")
    jobs = {job["job_name"]: job for job in yaml.safe_load(text)["scrape_configs"]}

    for job, service, variable in (
        ("autocomplete", "server", "AUTOCOMPLETE_METRICS_ADDRESS"),
        ("autocomplete-gateway", "gateway", "AUTOCOMPLETE_GATEWAY_ADDRESS"),
    ):
        (discovery,) = jobs[job]["dns_sd_configs"]
        assert discovery["names"] == [service]
        assert compose["services"][service]["environment"][variable].endswith(f":{discovery['port']}")


def test_grafana_is_given_prometheus_and_the_dashboards(compose: Any) -> None:
    provisioning = _ROOT / "deploy" / "grafana" / "provisioning"
    (source,) = yaml.safe_load((provisioning / "datasources/prometheus.yml").read_text(encoding="utf-8"))["datasources"]
    (provider,) = yaml.safe_load((provisioning / "dashboards/autocomplete.yml").read_text(encoding="utf-8"))[
        "providers"
    ]
    targets = {mount["target"] for mount in compose["services"]["grafana"]["volumes"]}

    assert source["url"] == "http://prometheus:9090"
    assert provider["options"]["path"] in targets


def test_the_example_for_tls_fits_the_compose_file() -> None:
    merged = _run(
        *("env", "PUBLIC_HOST=search.example", "GRAFANA_PASSWORD=s3cret", _BIN / "docker-compose"),
        *("--file", "docker-compose.yml", "--file", "docker-compose.override.example.yml"),
        *("config", "--format", "json"),
    )
    services = json.loads(merged)["services"]

    assert {name for name, service in services.items() if service.get("ports")} == {"proxy", "prometheus"}
    assert services["grafana"]["environment"]["GF_AUTH_ANONYMOUS_ENABLED"] == "false"
    assert services["gateway"]["environment"]["AUTOCOMPLETE_GATEWAY_PUBLIC_URL"] == "https://search.example"
    mounts = [mount for mount in services["proxy"]["volumes"] if mount["type"] == "bind"]
    assert all(Path(mount["source"]).is_file() for mount in mounts)
