"""The chart's gateway: its settings, and what an ingress shows of it to the public."""

from __future__ import annotations

from pathlib import Path

import pytest

import gateway
from gateway.config import GatewaySettings, load_settings
from gateway.contract import bindings, is_for_operators, methods
from gateway.sockets import SOCKET_PATH
from tests.helm_charts import FULL, container_of, only, rendered, variables

_PAGE = Path(gateway.__file__).parent / "page"


def test_gateway_takes_its_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    prefix = GatewaySettings.model_config["env_prefix"]
    container = container_of(rendered("full"), "-gateway")
    given = variables(container, prefix)
    assert set(given) <= {prefix + name.upper() for name in GatewaySettings.model_fields}
    for name, value in given.items():
        monkeypatch.setenv(name, value or "")
    settings = load_settings({}, None)
    (port,) = container["ports"]
    assert settings.address == f"0.0.0.0:{port['containerPort']}"
    assert settings.public_url == "https://search.example"
    assert settings.cache_s == FULL["gateway"]["settings"]["cache_s"]


def test_gateway_answers_under_the_names_of_its_service_and_ingress() -> None:
    given = variables(container_of(rendered("full"), "-gateway"), "AUTOCOMPLETE_GATEWAY_")
    service = only(rendered("full"), "Service", "-gateway")["metadata"]["name"]
    hosts = (given["AUTOCOMPLETE_GATEWAY_ALLOWED_HOSTS"] or "").split(",")
    assert hosts[0] == service
    assert f"{service}.search.svc.cluster.local" in hosts
    assert hosts[-1] == "search.example"


def _paths() -> dict[str, str]:
    (rule,) = only(rendered("full"), "Ingress", "-gateway")["spec"]["rules"]
    return {each["path"]: each["pathType"] for each in rule["http"]["paths"]}


def _shown(path: str) -> bool:
    folders = [where for where, kind in _paths().items() if kind == "Prefix"]
    return path in _paths() or any(path.startswith(f"{folder}/") for folder in folders)


def test_ingress_shows_the_api_and_the_page_but_no_figures() -> None:
    paths = {True: set[str](), False: set[str]()}
    for method in methods():
        paths[is_for_operators(method)].update(binding.spelt("x") for binding in bindings(method))
    page = {f"/page/{path.name}" for path in _PAGE.iterdir()}
    offered = paths[False] | page | {SOCKET_PATH, "/", "/suggest", "/openapi.json", "/opensearch.xml"}
    assert {"/v1:completeQuery", "/page/main.js"} <= offered
    assert not {path for path in offered if not _shown(path)}
    hidden = {"/metrics", "/healthz", "/readyz", *paths[True]}
    assert "/v1/denyListEntries" in hidden
    assert not {path for path in hidden if _shown(path)}
