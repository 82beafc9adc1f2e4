"""The chart's gateway: its settings, its probes, and what an ingress shows of it to the public."""

from __future__ import annotations

import pytest

from tests.helm_charts import FULL, container_of, only, rendered, variables

_config = pytest.importorskip("gateway.config")
_contract = pytest.importorskip("gateway.contract")
_openapi = pytest.importorskip("gateway.openapi")
_page_files = pytest.importorskip("gateway.page_files")
_sockets = pytest.importorskip("gateway.sockets")


def test_gateway_takes_its_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    prefix = _config.GatewaySettings.model_config["env_prefix"]
    container = container_of(rendered("full"), "-gateway")
    given = variables(container, prefix)
    assert set(given) <= {prefix + name.upper() for name in _config.GatewaySettings.model_fields}
    for name, value in given.items():
        monkeypatch.setenv(name, value or "")
    settings = _config.load_settings({}, None)
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
    public, everything = (_openapi.openapi_document(_contract.methods(admin=each))["paths"] for each in (False, True))
    page = {route.path for route in _page_files.page_routes()}
    private = {"/metrics", "/healthz", "/readyz"} | set(everything) - set(public)
    offered = (set(public) | page | {_sockets.SOCKET_PATH, "/openapi.json", "/opensearch.xml"}) - private
    assert {"/", "/suggest", "/v1:completeQuery"} <= offered
    assert not {path for path in offered if not _shown(path)}
    assert not {path for path in private if _shown(path)}
