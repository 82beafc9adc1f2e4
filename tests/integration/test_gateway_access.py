"""Under which names the gateway answers, to which pages, and under which path of a site."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin

from gateway.config import load_settings
from lm.errors import ConfigError
from tests.gateways import RunningGateway, running_gateway
from tests.path_proxy import site_with_gateway
from tests.redis_process import free_port
from tests.service_twins import running

_SOCKET = "/v1:streamCompleteQuery"


@pytest.fixture
def gateway() -> Iterator[RunningGateway]:
    """A gateway without a server."""
    with running_gateway(
        f"127.0.0.1:{free_port()}", public_url="https://search.example", allowed_hosts="*.shop.example, gateway"
    ) as started:
        yield started


def _open(gateway: RunningGateway, host: str, origin: str) -> None:
    """Opens and closes a WebSocket as a page does."""
    with connect(f"ws://{host}{_SOCKET}", origin=Origin(origin), sock=gateway.connection()):
        pass


def test_a_page_that_rebinds_its_name_is_refused(gateway: RunningGateway) -> None:
    with pytest.raises(InvalidStatus) as caught:
        _open(gateway, "evil.example:8080", "http://evil.example:8080")
    assert caught.value.response.status_code == 400
    for path in ("/", "/page/main.js", "/openapi.json", "/suggest?q=a", "/v1:completeQuery?query=a", "/nothing"):
        refused = gateway.ask("GET", path, host="evil.example", origin="http://evil.example")
        assert refused.status == 400
        assert "--allowed-hosts" in json.dumps(refused.json)
        assert refused.json["details"][0]["reason"] == "MALFORMED"


@pytest.mark.parametrize("host", ["", "evil.example", "localhost.evil.example", "a/b", "[::2]", "evilshop.example"])
def test_other_names_are_refused(gateway: RunningGateway, host: str) -> None:
    assert gateway.ask("GET", "/", host=host).status == 400


@pytest.mark.parametrize(
    "host",
    [
        *("localhost", "localhost:8080", "LOCALHOST", "127.0.0.1:1", "[::1]:8080", "[::1]"),
        *("search.example", "search.example:443", "a.shop.example", "gateway:8080"),
    ],
)
def test_names_of_this_machine_and_those_that_are_set_are_allowed(gateway: RunningGateway, host: str) -> None:
    assert gateway.ask("GET", "/", host=host).status == 200
    _open(gateway, host, f"http://{host.lower()}")


def test_probes_and_metrics_answer_under_any_name(gateway: RunningGateway) -> None:
    asked = {
        path: gateway.ask("GET", path, host="10.1.2.3:8080").status for path in ("/healthz", "/readyz", "/metrics")
    }
    assert asked == {"/healthz": 200, "/readyz": 503, "/metrics": 200}


def test_any_name_may_be_allowed() -> None:
    with running_gateway(f"127.0.0.1:{free_port()}", allowed_hosts="*") as gateway:
        assert gateway.ask("GET", "/", host="anything.example").status == 200


@pytest.mark.parametrize("host", ["https://search.example", "search.example:80", "a/b", "search.*", "a b"])
def test_what_is_not_a_host_name_is_not_allowed(host: str) -> None:
    with pytest.raises(ConfigError, match=r"^--allowed-hosts.*is not a host name"):
        load_settings({"allowed_hosts": host}, None)


@pytest.mark.parametrize("strips", [True, False])
def test_the_gateway_lies_under_a_path_of_a_site(tmp_path: Path, strips: bool) -> None:
    with (
        running(tmp_path) as (server, _),
        running_gateway(f"127.0.0.1:{server.port}", public_url="https://shop.example/auto/") as gateway,
        site_with_gateway(gateway.port, prefix="/auto", strips=strips) as port,
    ):
        site = RunningGateway(gateway=gateway.gateway, port=port)
        page = site.ask("GET", "/auto/")
        described = site.ask("GET", "/auto/opensearch.xml")
        completed = site.ask("POST", "/auto/v1:completeQuery", {"query": "New yor"})
        statuses = [
            site.ask("GET", path).status for path in ("/auto/page/main.js", "/auto/openapi.json", "/page/main.js")
        ]
        with connect(f"ws://127.0.0.1:{port}/auto{_SOCKET}", origin=Origin("https://shop.example")) as session:
            session.send(json.dumps({"config": {}}))
            session.send(json.dumps({"keystroke": {"sequenceNumber": 1, "query": "a"}}))
            answer = json.loads(session.recv(20))
    assert page.status == completed.status == 200
    assert b'"https://shop.example/auto/suggest?q={searchTerms}"' in described.body
    assert statuses == [200, 200, 404]
    assert answer["sequenceNumber"] == "1"
