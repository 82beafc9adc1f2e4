"""The files of a deployment parse, pass their linters, and name what really is there."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from service.config import ENVIRONMENT_PREFIX, ServerSettings

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
        assert service["healthcheck"]["test"], name
        assert service["restart"] == "unless-stopped", name


def test_compose_file_sets_only_settings_that_exist(compose: Any) -> None:
    environment = compose["services"]["server"]["environment"]
    names = {name.removeprefix(ENVIRONMENT_PREFIX).lower() for name in environment}

    assert names <= set(ServerSettings.model_fields)
    assert {"registry", "address", "redis"} <= names


def test_models_are_mounted_where_the_server_looks_and_cannot_be_changed(compose: Any) -> None:
    server = compose["services"]["server"]
    (mount,) = server["volumes"]

    assert mount["target"] == server["environment"]["AUTOCOMPLETE_REGISTRY"]
    assert mount["read_only"] is True


def test_files_mounted_into_services_exist(compose: Any) -> None:
    for mount in compose["services"]["prometheus"]["volumes"]:
        if mount["type"] == "bind":
            assert Path(mount["source"]).is_file()


def test_prometheus_scrapes_the_servers_metrics_port(compose: Any) -> None:
    text = (_ROOT / "deploy" / "prometheus" / "prometheus.yml").read_text(encoding="utf-8")
    (job,) = yaml.safe_load(text)["scrape_configs"]
    (discovery,) = job["dns_sd_configs"]

    assert discovery["names"] == ["server"]
    assert compose["services"]["server"]["environment"]["AUTOCOMPLETE_METRICS_ADDRESS"].endswith(
        f":{discovery['port']}"
    )
