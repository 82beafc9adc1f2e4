"""The chart's gateway: its settings, and what an ingress shows of it to the public."""

from __future__ import annotations

import pytest

from gateway.config import GatewaySettings, load_settings
from gateway.contract import methods
from gateway.openapi import openapi_document
from gateway.page_files import page_routes
from gateway.sockets import SOCKET_PATH
from tests.helm_charts import FULL, container_of, only, rendered, variables


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
    assert settings.admin is FULL["gateway"]["settings"]["admin"]


def _paths() -> dict[str, str]:
    (rule,) = only(rendered("full"), "Ingress", "-gateway")["spec"]["rules"]
    return {each["path"]: each["pathType"] for each in rule["http"]["paths"]}


def _shown(path: str) -> bool:
    folders = [where for where, kind in _paths().items() if kind == "Prefix"]
    return path in _paths() or any(path.startswith(f"{folder}/") for folder in folders)


def test_ingress_shows_the_contract_and_the_page_but_no_figures() -> None:
    public, everything = (set(openapi_document(methods(admin=admin))["paths"]) for admin in (False, True))
    page = {route.path for route in page_routes()}
    private = {"/metrics", "/healthz", "/readyz"} | (everything - public)
    offered = (public | page | {SOCKET_PATH, "/openapi.json", "/opensearch.xml"}) - private
    assert {"/", "/suggest", "/v1:completeQuery"} <= offered
    assert not {path for path in offered if not _shown(path)}
    assert not {path for path in private if _shown(path)}
