"""The gateway over a real port, with a real server of twins behind it."""

from __future__ import annotations

import json
import re
import socket
import threading
from collections.abc import Iterator
from concurrent import futures
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import grpc
import pytest
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message_factory import GetMessageClass
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from openapi_spec_validator import OpenAPIV31SpecValidator
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin

from gateway import app
from gateway.config import GatewaySettings, load_settings
from gateway.contract import Binding, bindings, full_path, methods, services
from gateway.process import listen
from lm.errors import ConfigError, OverloadedError
from scripts.write_openapi import main
from service.app import Server
from suggest.budget import LeftOut, OptionalPart, Shortage
from tests.gateways import RunningGateway, running_gateway
from tests.redis_process import free_port
from tests.service_twins import TwinModel, eventually, running

_PATH = "/v1:streamCompleteQuery"


@contextmanager
def both(folder: Path, *twins: TwinModel, **settings: Any) -> Iterator[tuple[RunningGateway, Server]]:
    """A gateway and its server; settings of the server begin with `server_`."""
    of_server = {name.removeprefix("server_"): value for name, value in settings.items() if name.startswith("server_")}
    of_gateway = {name: value for name, value in settings.items() if not name.startswith("server_")}
    with (
        running(folder, *twins, **of_server) as (server, _),
        running_gateway(f"127.0.0.1:{server.port}", **of_gateway) as gateway,
    ):
        yield gateway, server


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    """One gateway for all tests that only ask."""
    with both(tmp_path_factory.mktemp("gateway")) as (running_one, _):
        yield running_one


@contextmanager
def typing(gateway: RunningGateway, config: dict[str, Any] | None = None, **options: Any) -> Iterator[ClientConnection]:
    """A typing session."""
    with connect(f"ws://127.0.0.1:{gateway.port}{_PATH}", **options) as session:
        session.send(json.dumps({"config": config or {}}))
        yield session


def test_a_query_is_completed_by_post_and_by_get(gateway: RunningGateway) -> None:
    posted = gateway.ask("POST", "/v1:completeQuery", {"query": "New YOR", "maxSuggestions": 2})
    got = gateway.ask("GET", "/v1:completeQuery?query=New%20YOR&max_suggestions=2")
    explained = gateway.ask("GET", "/v1:completeQuery?query=a&explain=true")
    assert posted.status == got.status == 200
    assert posted.json == got.json
    assert [each["text"] for each in posted.json["suggestions"]] == ["new yorc", "new yorb"]
    assert posted.json["suggestions"][0]["segments"][1] == {"text": "c", "typed": False}
    assert posted.headers["cache-control"] == explained.headers["cache-control"] == "no-store"
    assert got.headers["cache-control"] == "private, max-age=10"
    assert got.headers["x-content-type-options"] == "nosniff"
    assert explained.json["timings"] == [{"stage": "ngram", "duration": "0.001s"}]


def test_a_degraded_answer_is_not_kept(tmp_path: Path) -> None:
    with both(tmp_path, TwinModel(left_out=(LeftOut(OptionalPart.NEURAL, Shortage.DEADLINE),))) as (gateway, _):
        assert gateway.ask("GET", "/v1:completeQuery?query=a").headers["cache-control"] == "no-store"


@pytest.mark.parametrize("personal", ["userPseudoId=ann", "contextQueries=new"])
def test_an_answer_for_one_user_is_not_kept(gateway: RunningGateway, personal: str) -> None:
    answer = gateway.ask("GET", f"/v1:completeQuery?query=a&{personal}")
    assert (answer.status, answer.headers["cache-control"]) == (200, "no-store")


def test_a_user_is_forgotten_over_http(gateway: RunningGateway) -> None:
    forgotten = gateway.ask("POST", "/v1/userData:delete", {"userPseudoId": "ann"})
    assert (forgotten.status, forgotten.json) == (200, {"eventCount": "0"})
    refused = gateway.ask("POST", "/v1/userData:delete", {})
    assert refused.status == 400
    assert "user_pseudo_id" in str(refused.json)


def test_the_other_methods(gateway: RunningGateway) -> None:
    words = gateway.ask("POST", "/v1:predictNextWord", {"text": "the united "}).json
    score = gateway.ask("POST", "/v1:scoreText", {"text": "a b"}).json
    model = gateway.ask("GET", "/v1/models/twin").json
    models = gateway.ask("GET", "/v1/models?pageSize=5").json
    generated = gateway.ask("POST", "/v1:generateText", {"prompt": "a", "maxOutputTokens": 3})
    assert [each["text"] for each in words["suggestions"]] == ["states", "nations"]
    assert words["replaceStart"] == 11
    assert len(score["tokenScores"]) == 3
    assert (model["name"], model["queryCount"]) == ("models/twin", "3")
    assert models["models"] == [model]
    assert generated.headers["content-type"] == "application/x-ndjson"
    lines = [json.loads(line) for line in generated.body.splitlines()]
    assert [line["text"] for line in lines] == [" word"] * 3
    assert [line["finishReason"] for line in lines][1:] == ["FINISH_REASON_UNSPECIFIED", "FINISH_REASON_LENGTH"]


def test_generated_text_arrives_as_it_is_produced_and_ends_with_its_reader(tmp_path: Path) -> None:
    twin = TwinModel()
    with both(tmp_path, twin) as (gateway, server):
        twin.gate.clear()
        body = b'{"maxOutputTokens": 200}'
        with socket.create_connection(("127.0.0.1", gateway.port), timeout=20) as reader:
            head = (
                "POST /v1:generateText HTTP/1.1",
                *("host: localhost", "content-type: application/json", f"content-length: {len(body)}", "", ""),
            )
            reader.sendall("\r\n".join(head).encode() + body)
            assert reader.recv(4096)
            assert server.metrics.registry.get_sample_value("autocomplete_requests_in_flight") == 1
        twin.gate.set()
        eventually(lambda: server.metrics.registry.get_sample_value("autocomplete_requests_in_flight") == 0)


class _Echo(grpc.GenericRpcHandler):  # type: ignore[misc]
    """A server that takes note of each call, and fails it."""

    def __init__(self) -> None:
        self.calls: dict[str, tuple[bytes, dict[str, str]]] = {}

    def service(self, details: Any) -> Any:
        def fail(request: bytes, context: Any) -> Any:
            self.calls[details.method] = (request, dict(context.invocation_metadata()))
            context.abort(grpc.StatusCode.ABORTED, "as told")

        streams = details.method.endswith("GenerateText")
        return grpc.unary_stream_rpc_method_handler(fail) if streams else grpc.unary_unary_rpc_method_handler(fail)


@pytest.fixture
def echo() -> Iterator[tuple[_Echo, RunningGateway]]:
    handler = _Echo()
    server = grpc.server(futures.ThreadPoolExecutor(2), handlers=(handler,))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        with running_gateway(f"127.0.0.1:{port}", admin=True) as gateway:
            yield handler, gateway
    finally:
        server.stop(None).wait()


def _bindings() -> list[tuple[MethodDescriptor, Binding]]:
    return [(method, binding) for method in methods() for binding in bindings(method)]


@pytest.mark.parametrize(("method", "binding"), _bindings(), ids=lambda each: getattr(each, "name", ""))
def test_every_annotated_method_is_reached(
    echo: tuple[_Echo, RunningGateway], method: MethodDescriptor, binding: Binding
) -> None:
    handler, gateway = echo
    document: dict[str, object] | None = {} if binding.body else None
    answer = gateway.ask(binding.verb, binding.spelt("x1"), document, traceparent="00-ab-cd-01")
    assert (answer.status, answer.json["message"]) == (409, "as told")
    request, metadata = handler.calls[full_path(method)]
    assert metadata["traceparent"] == "00-ab-cd-01"
    sent = GetMessageClass(method.input_type).FromString(request)
    for name, template in binding.variables.items():
        assert getattr(sent, name) == template.replace("*", "x1")


@pytest.mark.parametrize(
    ("verb", "path", "document"),
    [
        ("GET", "/v1/trendingQueries", None),
        ("GET", "/v1/denyListEntries", None),
        ("POST", "/v1/denyListEntries", {}),
        ("DELETE", "/v1/denyListEntries/x", None),
    ],
)
def test_what_is_not_served_yet_is_a_path_like_any_unknown_one(
    gateway: RunningGateway, verb: str, path: str, document: Any
) -> None:
    unserved, unknown = gateway.ask(verb, path, document), gateway.ask(verb, "/v1/nothing", document)
    assert unserved.status == unknown.status == 404
    assert unserved.json == unknown.json


def test_the_gateway_offers_what_the_server_serves(tmp_path: Path) -> None:
    with both(tmp_path) as (_, server), grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        request = reflection_pb2.ServerReflectionRequest(list_services="")
        (listed,) = reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo(iter([request]))
    served = {each.name for each in listed.list_services_response.service}
    assert {each.full_name for each in services()} == {name for name in served if name.startswith("autocomplete.")}


def _reason(document: Any) -> tuple[int, str, list[str]]:
    """Code, reason and the fields of a `google.rpc.Status`."""
    reason: str = ""
    fields: list[str] = []
    for detail in document["details"]:
        reason = detail.get("reason", reason)
        fields += [each["field"] for each in detail.get("fieldViolations", ())]
    return document["code"], reason, fields


@pytest.mark.parametrize(
    ("verb", "path", "document", "status", "code", "reason", "fields"),
    [
        ("POST", "/v1:completeQuery", {"query": "x" * 257}, 400, 3, "TEXT_TOO_LONG", ["query"]),
        ("POST", "/v1:completeQuery", {"maxSuggestions": -1}, 400, 3, "OUT_OF_RANGE", ["max_suggestions"]),
        ("POST", "/v1:completeQuery", {"model": "models/none"}, 404, 5, "MODEL_NOT_FOUND", []),
        ("POST", "/v1:completeQuery", {"nothing": 1}, 400, 3, "MALFORMED", ["nothing"]),
        ("POST", "/v1:completeQuery", {"query": "x" * 300_000}, 400, 3, "TEXT_TOO_LONG", ["body"]),
        ("POST", "/v1:completeQuery?query=a", {}, 400, 3, "MALFORMED", ["query string"]),
        ("GET", "/v1:completeQuery?nothing=1", None, 400, 3, "MALFORMED", ["nothing"]),
        ("GET", "/suggest", None, 400, 3, "MALFORMED", ["q"]),
        ("GET", "/suggest?q=a&model=none", None, 404, 5, "MODEL_NOT_FOUND", []),
        ("GET", "/suggest?q=a&model=%2F", None, 400, 3, "MALFORMED", ["model"]),
        ("GET", "/suggest?q=a&generated=on", None, 400, 3, "MALFORMED", ["generated"]),
        ("GET", "/suggest?q=a&q=b", None, 400, 3, "MALFORMED", ["q"]),
        ("GET", "/suggest?q=a&explain=true", None, 400, 3, "MALFORMED", ["explain"]),
        ("GET", "/suggest?q=a&maxSuggestions=x", None, 400, 3, "MALFORMED", ["max_suggestions"]),
        (
            "GET",
            "/suggest?q=a&min_acceptance_probability=2",
            None,
            400,
            3,
            "OUT_OF_RANGE",
            ["min_acceptance_probability"],
        ),
        ("POST", "/v1:completeQuery", {"generated": "off"}, 400, 3, "MALFORMED", ["generated"]),
        ("POST", "/v1:completeQuery", {"generated": True}, 400, 3, "MALFORMED", ["generated"]),
        ("GET", "/v1/models/a/b", None, 404, 5, "", []),
        ("PUT", "/v1:completeQuery", {}, 405, 12, "", []),
    ],
)
def test_errors_are_statuses(
    gateway: RunningGateway, verb: str, path: str, document: Any, status: int, code: int, reason: str, fields: list[str]
) -> None:
    answer = gateway.ask(verb, path, document)
    assert (answer.status, *_reason(answer.json)) == (status, code, reason, fields)
    assert answer.headers["content-type"] == "application/json"


def test_a_body_of_another_type_is_refused(gateway: RunningGateway) -> None:
    answer = gateway.ask("POST", "/v1:completeQuery", body=b'{"query": "a"}', content_type="text/plain")
    assert (answer.status, _reason(answer.json)[2]) == (400, ["body"])


def test_overload_says_when_to_come_again(tmp_path: Path) -> None:
    twin = TwinModel()
    twin.failure = OverloadedError("Too many calls are waiting.", retry_after_s=1.5)
    with both(tmp_path, twin) as (gateway, _):
        refused = gateway.ask("POST", "/v1:completeQuery", {"query": "c"})
    assert (refused.status, refused.headers["retry-after"]) == (429, "2")
    assert _reason(refused.json)[:2] == (8, "OVERLOADED")


def test_without_a_server_answers_are_errors_until_it_is_there(tmp_path: Path) -> None:
    address = f"127.0.0.1:{free_port()}"
    with running_gateway(address, timeout_s=1) as gateway:
        refused = gateway.ask("POST", "/v1:completeQuery", {"query": "a"})
        assert gateway.ask("GET", "/healthz").status == 200
        assert gateway.ask("GET", "/readyz").status == 503
        with running(tmp_path, address=address):
            eventually(lambda: gateway.ask("GET", "/readyz").status == 200)
            assert gateway.ask("POST", "/v1:completeQuery", {"query": "a"}).status == 200
    assert (refused.status, refused.headers["retry-after"]) == (503, "1")
    assert "127.0.0.1" not in refused.json["message"]


def test_a_slow_server_is_a_timeout(tmp_path: Path) -> None:
    twin = TwinModel()
    twin.gate.clear()
    with both(tmp_path, twin, timeout_s=0.2) as (gateway, _):
        answer = gateway.ask("POST", "/v1:completeQuery", {"query": "a"})
        twin.gate.set()
    assert (answer.status, answer.json["code"]) == (504, 4)


def test_a_typing_session(tmp_path: Path) -> None:
    with both(tmp_path) as (gateway, server), typing(gateway, {"maxSuggestions": 1, "explain": True}) as session:
        session.send(json.dumps({"keystroke": {"sequenceNumber": "1", "query": "a"}}))
        fast, refined = json.loads(session.recv(20)), json.loads(session.recv(20))
        session.send(json.dumps({"keystroke": {"sequenceNumber": 1, "query": "ab"}}))
        refused = json.loads(session.recv(20))
        session.close()
        eventually(lambda: server.metrics.registry.get_sample_value("autocomplete_open_streams") == 0)
        eventually(lambda: gateway.sample("autocomplete_gateway_sockets_total", outcome="closed") == 1)
    assert (fast["sequenceNumber"], fast["isFinal"], refined["isFinal"]) == ("1", False, True)
    assert [each["text"] for each in refined["completion"]["suggestions"]] == ["ac"]
    assert _reason(refused["error"])[2] == ["keystroke.sequence_number"]


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ('{"keystroke": {}}', "INVALID_ARGUMENT: config is missing"),
        ('{"config": {"nothing": 1}}', "INVALID_ARGUMENT: config.nothing: no such field"),
        ("{", "INVALID_ARGUMENT: body: not valid JSON"),
        (b"{}", "INVALID_ARGUMENT: message: is not text"),
        ('{"config": {"model": "models/none"}}', "NOT_FOUND: There is no models/none"),
    ],
)
def test_a_session_that_is_refused_says_why(gateway: RunningGateway, message: str | bytes, reason: str) -> None:
    with connect(f"ws://127.0.0.1:{gateway.port}{_PATH}") as session:
        session.send(message)
        with pytest.raises(ConnectionClosed) as caught:
            session.recv(20)
    assert caught.value.rcvd is not None
    assert caught.value.rcvd.code == 1008
    assert caught.value.rcvd.reason.replace("config: is", "config is").startswith(reason)


def _exhaust(session: ClientConnection) -> None:
    while True:
        session.recv(20)


def test_a_session_ends_with_its_server_and_when_nobody_types(tmp_path: Path) -> None:
    with both(tmp_path) as (gateway, server), typing(gateway) as session:
        session.send(json.dumps({"keystroke": {"sequenceNumber": 1, "query": "a"}}))
        session.recv(20)
        stopping = threading.Thread(target=server.stop)
        stopping.start()
        with pytest.raises(ConnectionClosed):
            _exhaust(session)
        stopping.join()
    with both(tmp_path / "idle", socket_idle_s=0.1) as (gateway, _), typing(gateway) as session:
        with pytest.raises(ConnectionClosed) as caught:
            session.recv(20)
        assert caught.value.rcvd is not None
        assert (caught.value.rcvd.code, caught.value.rcvd.reason) == (1000, "idle")
        eventually(lambda: gateway.sample("autocomplete_gateway_sockets_total", outcome="idle") == 1)


def test_sessions_are_bounded_and_other_sites_pages_open_none(tmp_path: Path) -> None:
    with both(tmp_path, max_sockets=1, allowed_origins="https://shop.example") as (gateway, _):
        own = f"http://127.0.0.1:{gateway.port}"
        with pytest.raises(InvalidStatus), typing(gateway, origin="https://evil.example"):
            pass
        address = f"ws://127.0.0.1:{gateway.port}{_PATH}"
        with typing(gateway, origin="https://shop.example"), connect(address, origin=Origin(own)) as second:
            with pytest.raises(ConnectionClosed) as caught:
                second.recv(20)
            assert caught.value.rcvd is not None
            assert caught.value.rcvd.code == 1013
        eventually(lambda: gateway.sample("autocomplete_gateway_open_sockets") == 0)


def test_a_browser_finds_the_search_engine(tmp_path: Path) -> None:
    with both(tmp_path, public_url="https://search.example/") as (gateway, _):
        described = gateway.ask("GET", "/opensearch.xml")
        suggested = gateway.ask("GET", "/suggest?q=New%20yor")
        page = gateway.ask("GET", "/")
    root = ElementTree.fromstring(described.body)
    templates = {
        each.get("type"): each.get("template") for each in root.iter("{http://a9.com/-/spec/opensearch/1.1/}Url")
    }
    assert templates["application/x-suggestions+json"] == "https://search.example/suggest?q={searchTerms}"
    assert templates["text/html"] == "https://search.example/?q={searchTerms}"
    assert suggested.headers["content-type"] == "application/x-suggestions+json"
    assert suggested.json == ["New yor", ["new yorc", "new yorb", "new yora"], [], []]
    assert b'rel="search"' in page.body


def test_the_address_bar_chooses_as_a_request_does(gateway: RunningGateway) -> None:
    def suggest(options: str) -> list[str]:
        listed: list[str] = gateway.ask("GET", f"/suggest?q=new{options}").json[1]
        return listed

    assert suggest("&generated=off") == suggest("&generated=off&model=twin") == ["newc"]
    assert suggest("&generated=mix&maxSuggestions=2&model=models/twin") == ["newc", "newb"]
    assert suggest("&min_acceptance_probability=0.75") == suggest("&minAcceptanceProbability=0.75") == []
    by_get = gateway.ask("GET", "/v1:completeQuery?query=new&generated=GENERATED_QUERIES_OFF")
    by_post = gateway.ask("POST", "/v1:completeQuery", {"query": "new", "generated": "GENERATED_QUERIES_OFF"})
    assert [each["text"] for each in by_get.json["suggestions"]] == ["newc"]
    assert by_get.json == by_post.json


def test_the_public_url_is_the_one_that_was_asked(tmp_path: Path) -> None:
    with both(tmp_path, allowed_hosts="a.example") as (gateway, _):
        plain = gateway.ask("GET", "/opensearch.xml", host="a.example:81")
        proxied = gateway.ask("GET", "/opensearch.xml", host="a.example", x_forwarded_proto="https")
        wrong = gateway.ask("GET", "/opensearch.xml", host='a"><x')
    assert b'"http://a.example:81/suggest?' in plain.body
    assert b'"https://a.example/suggest?' in proxied.body
    assert wrong.status == 400


def test_other_sites_may_call_only_if_allowed(tmp_path: Path) -> None:
    with both(tmp_path) as (gateway, _):
        closed = gateway.ask("GET", "/v1:completeQuery?query=a", origin="https://shop.example")
    with both(tmp_path / "open", allowed_origins="https://shop.example") as (gateway, _):
        opened = gateway.ask("GET", "/v1:completeQuery?query=a", origin="https://shop.example")
        other = gateway.ask("GET", "/v1:completeQuery?query=a", origin="https://evil.example")
        before = gateway.ask(
            *("OPTIONS", "/v1:completeQuery"),
            origin="https://shop.example",
            access_control_request_method="POST",
            access_control_request_headers="content-type",
        )
    assert "access-control-allow-origin" not in closed.headers | other.headers
    assert opened.headers["access-control-allow-origin"] == "https://shop.example"
    assert before.status == 200


def test_the_pages_files_are_small_tagged_and_bound_to_their_origin(gateway: RunningGateway) -> None:
    page = gateway.ask("GET", "/")
    files = set(re.findall(rb'(?:src|href)="(page/[^"]+)"', page.body))
    for path in files:
        found = gateway.ask("GET", f"/{path.decode()}", accept_encoding="gzip")
        assert found.status == 200
        assert found.headers["cache-control"] == "no-cache"
        assert int(found.headers["content-length"]) < 500 or found.headers["content-encoding"] == "gzip"
        again = gateway.ask("GET", f"/{path.decode()}", if_none_match=found.headers["etag"])
        assert (again.status, again.body) == (304, b"")
    assert gateway.ask("GET", "/page/../config.py").status == 404
    assert len(files) >= 2
    assert "script-src 'self'" in page.headers["content-security-policy"]
    assert not re.search(rb"<script>|<style>|\son\w+=|style=", page.body)


def test_the_openapi_document_is_valid_and_has_every_path(gateway: RunningGateway) -> None:
    document = gateway.ask("GET", "/openapi.json").json
    OpenAPIV31SpecValidator(document).validate()
    operations = {(path, verb): about for path, each in document["paths"].items() for verb, about in each.items()}
    bound = {(binding.spelt("{{{}}}"), binding.verb.lower()) for _, binding in _bindings()}
    assert operations.keys() == bound | {("/suggest", "get")}
    request = document["components"]["schemas"]["CompleteQueryRequest"]["properties"]
    assert request["maxSuggestions"]["type"] == "integer"
    assert "at most 256 characters" in request["query"]["description"]
    assert document["components"]["schemas"]["ScoreTextRequest"]["required"] == ["text"]
    undescribed = [
        f"{name}.{field}"
        for name, schema in document["components"]["schemas"].items()
        if not name.startswith("google.")
        for field, about in schema.get("properties", {}).items()
        if not about["description"]
    ]
    assert undescribed == []


def test_the_openapi_document_is_that_of_the_protos_and_offers_what_is_served(tmp_path: Path) -> None:
    main(tmp_path / "openapi.json")
    fresh = (tmp_path / "openapi.json").read_text(encoding="utf-8")
    committed = Path(app.__file__).with_name("openapi.json").read_text(encoding="utf-8")
    assert committed == fresh, "run `make proto` and commit what it changes"
    assert "Not served yet" not in committed


def test_names_of_metrics_are_pinned(tmp_path: Path) -> None:
    with both(tmp_path) as (gateway, _):
        gateway.ask("POST", "/v1:completeQuery", {"query": "a"})
        gateway.ask("GET", "/nothing/at/all")
        text = gateway.ask("GET", "/metrics").body.decode()
    assert set(re.findall(r"^# TYPE (autocomplete_\w+) (\w+)$", text, re.MULTILINE)) >= {
        ("autocomplete_gateway_requests_total", "counter"),
        ("autocomplete_gateway_request_duration_seconds", "histogram"),
        ("autocomplete_gateway_requests_in_flight", "gauge"),
        ("autocomplete_gateway_open_connections", "gauge"),
        ("autocomplete_gateway_refused_connections_total", "counter"),
        ("autocomplete_gateway_open_sockets", "gauge"),
        ("autocomplete_gateway_sockets_total", "counter"),
        ("autocomplete_gateway_socket_messages_total", "counter"),
    }
    assert 'autocomplete_gateway_requests_total{method="CompleteQuery",status="200"} 1.0' in text
    assert 'autocomplete_gateway_requests_total{method="other",status="404"} 1.0' in text


def test_connections_are_bounded_in_number_and_pace(tmp_path: Path) -> None:
    with both(tmp_path, max_connections=1) as (gateway, _):
        with socket.create_connection(("127.0.0.1", gateway.port), timeout=20):
            eventually(lambda: gateway.sample("autocomplete_gateway_open_connections") == 1)
            refused = gateway.ask("GET", "/healthz")
        eventually(lambda: gateway.sample("autocomplete_gateway_open_connections") == 0)
        assert gateway.ask("GET", "/healthz").status == 200
    assert (refused.status, refused.headers["retry-after"]) == (503, "1")
    with both(tmp_path / "pace", connections_per_s=0.01) as (gateway, _):
        assert [gateway.ask("GET", "/healthz").status for _ in range(2)] == [200, 503]
        assert gateway.sample("autocomplete_gateway_refused_connections_total", reason="too_fast") == 1


def test_small_writes_are_sent_at_once() -> None:
    with listen("127.0.0.1:0") as listener, socket.create_connection(listener.getsockname()):
        accepted, _ = listener.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_an_endless_head_is_cut_off(tmp_path: Path) -> None:
    with both(tmp_path) as (gateway, _):
        with socket.create_connection(("127.0.0.1", gateway.port), timeout=20) as sender:
            sender.sendall(b"GET / HTTP/1.1\r\n")
            with pytest.raises(OSError, match=r"reset|pipe|eof"):
                sender.sendall((b"x-more: " + b"y" * 4000 + b"\r\n") * 10_000)
        assert gateway.sample("autocomplete_gateway_refused_connections_total", reason="large_head") == 1


@pytest.mark.parametrize(
    ("field", "value", "problem"),
    [
        ("server", "50051", "not HOST:PORT"),
        ("public_url", "search.example", "not a scheme and a host"),
        ("public_url", "https://a.example/{x}", "not a scheme and a host"),
        ("public_url", "https://a.example/?q=a", "not a scheme and a host"),
        ("allowed_origins", "https://a.example/page", "not a scheme and a host"),
        ("max_sockets", "0", "greater than or equal to 1"),
    ],
)
def test_wrong_settings_name_their_flag(field: str, value: str, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem) as caught:
        load_settings({field: value}, None)
    assert str(caught.value).startswith("--" + field.replace("_", "-"))


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTOCOMPLETE_GATEWAY_SERVER", "dns:///completions:50051")
    monkeypatch.setenv("AUTOCOMPLETE_GATEWAY_ALLOWED_ORIGINS", "https://a.example/, *")
    settings = load_settings({}, None)
    assert settings.server == "dns:///completions:50051"
    assert settings.allowed_origins == ("https://a.example", "*")
    assert all(field.description for field in GatewaySettings.model_fields.values())
