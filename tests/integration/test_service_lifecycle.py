"""Start, health, reflection, metrics and a graceful stop, over real ports."""

from __future__ import annotations

import queue
import threading
import urllib.request
from pathlib import Path

import grpc
import pytest
from autocomplete.v1 import autocomplete_service_pb2 as pb
from autocomplete.v1 import autocomplete_service_pb2_grpc as pb_grpc
from autocomplete.v1 import model_service_pb2 as model_pb
from autocomplete.v1 import model_service_pb2_grpc as model_grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from autocomplete_client.health import check
from lm.errors import BundleDamagedError, ConfigError, UnavailableError
from service import listen
from service.app import Server
from service.config import load_settings
from tests.redis_process import free_port
from tests.service_twins import TwinModel, eventually, registry_of, running, sample

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
SERVICES = tuple(
    f"autocomplete.v1.{name}Service" for name in ("Autocomplete", "Model", "DenyList", "Curation", "UserEvent")
)


def test_health_follows_loading_and_stopping(tmp_path: Path) -> None:
    release = threading.Event()

    def slow(_path: Path) -> TwinModel:
        release.wait(20)
        return TwinModel()

    with running(tmp_path, opener=slow, wait=False, drain_s=600) as (server, channel):
        stub = health_pb2_grpc.HealthStub(channel)
        watch = stub.Watch(health_pb2.HealthCheckRequest())
        assert next(watch).status == NOT_SERVING
        assert not check(f"127.0.0.1:{server.port}", 20)
        release.set()
        assert next(watch).status == SERVING
        for service in ("", *SERVICES):
            assert check(f"127.0.0.1:{server.port}", 20, service=service)
        assert not check(f"127.0.0.1:{server.port}", 20, service="none.such")
        server.stop()
        assert [update.status for update in watch] == [NOT_SERVING]  # a watch does not prolong the drain
    assert not check(f"127.0.0.1:{server.port}", 20)


def test_health_answers_while_all_threads_are_busy(tmp_path: Path) -> None:
    twin = TwinModel()
    twin.gate.clear()
    with running(tmp_path, twin, max_concurrent=1) as (server, channel):
        busy = pb_grpc.AutocompleteServiceStub(channel).CompleteQuery.future(pb.CompleteQueryRequest(query="q"))
        eventually(lambda: twin.asked)
        assert check(f"127.0.0.1:{server.port}", 20)
        twin.gate.set()
        assert busy.result().suggestions


def test_connections_are_renewed_and_calls_under_way_let_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = dict(listen.GRPC_OPTIONS)
    assert options["grpc.max_connection_age_ms"] >= 60_000
    monkeypatch.setattr(listen, "GRPC_OPTIONS", tuple((options | {"grpc.max_connection_age_ms": 50}).items()))
    states: list[grpc.ChannelConnectivity] = []
    requests: queue.SimpleQueue[pb.StreamCompleteQueryRequest | None] = queue.SimpleQueue()
    with running(tmp_path) as (_, channel):
        stub = pb_grpc.AutocompleteServiceStub(channel)
        answers = stub.StreamCompleteQuery(iter(requests.get, None))
        requests.put(pb.StreamCompleteQueryRequest(config={}))
        requests.put(pb.StreamCompleteQueryRequest(keystroke={"sequence_number": 1, "query": "a"}))
        assert next(answers).sequence_number == 1
        channel.subscribe(states.append)  # only now: of a state that soon passes it tells nothing
        eventually(lambda: grpc.ChannelConnectivity.IDLE in states)  # told to go; the next call connects anew
        assert stub.CompleteQuery(pb.CompleteQueryRequest(query="q")).suggestions
        requests.put(pb.StreamCompleteQueryRequest(keystroke={"sequence_number": 2, "query": "b"}))
        while next(answers).sequence_number < 2:  # a first one may be refined
            pass
        requests.put(None)


def test_a_stream_that_never_ends_does_not_hold_its_connection_for_good(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = dict(listen.GRPC_OPTIONS)
    assert options["grpc.max_connection_age_grace_ms"] >= 600_000
    short = {"grpc.max_connection_age_ms": 50, "grpc.max_connection_age_grace_ms": 100}
    monkeypatch.setattr(listen, "GRPC_OPTIONS", tuple((options | short).items()))
    requests: queue.SimpleQueue[pb.StreamCompleteQueryRequest | None] = queue.SimpleQueue()
    with running(tmp_path) as (server, channel):
        stub = pb_grpc.AutocompleteServiceStub(channel)
        answers = stub.StreamCompleteQuery(iter(requests.get, None))
        requests.put(pb.StreamCompleteQueryRequest(config={}))
        with pytest.raises(grpc.RpcError) as caught:
            next(answers)
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        eventually(lambda: sample(server, "autocomplete_stream_ends_total", reason="cancelled") == 1)
        requests.put(None)
        assert stub.CompleteQuery(pb.CompleteQueryRequest(query="q"), wait_for_ready=True).suggestions


def test_reflection_lists_the_services_and_their_files(tmp_path: Path) -> None:
    with running(tmp_path) as (_, channel):
        stub = reflection_pb2_grpc.ServerReflectionStub(channel)
        requests = [
            reflection_pb2.ServerReflectionRequest(list_services=""),
            reflection_pb2.ServerReflectionRequest(file_containing_symbol=SERVICES[0]),
        ]
        listed, described = stub.ServerReflectionInfo(iter(requests))
    names = {service.name for service in listed.list_services_response.service}
    assert {*SERVICES, "grpc.health.v1.Health", "grpc.reflection.v1alpha.ServerReflection"} == names
    assert described.file_descriptor_response.file_descriptor_proto


def test_every_method_of_the_contract_is_served(tmp_path: Path) -> None:
    with running(tmp_path) as (_, channel):
        for descriptor in (pb.DESCRIPTOR, model_pb.DESCRIPTOR):
            for service in descriptor.services_by_name.values():
                for method in service.methods:
                    call = channel.stream_stream(f"/{service.full_name}/{method.name}")
                    assert "Method not found" not in _details(call(iter(())))


def test_metrics_are_exposed_over_http(tmp_path: Path) -> None:
    with running(tmp_path, metrics_address=f"127.0.0.1:{free_port()}") as (server, channel):
        pb_grpc.AutocompleteServiceStub(channel).CompleteQuery(pb.CompleteQueryRequest(query="q"))
        eventually(lambda: sample(server, "autocomplete_requests_in_flight") == 0)
        with urllib.request.urlopen(f"http://127.0.0.1:{server.metrics_port}/metrics") as response:
            text = response.read().decode()
    assert 'autocomplete_requests_total{code="OK",method="CompleteQuery",model="twin"} 1.0' in text
    assert 'autocomplete_model_info{model="twin",version="20260101T000000Z"} 1.0' in text
    assert 'autocomplete_models{state="active"} 1.0' in text
    assert 'autocomplete_suggestions_total{source="generated"} 2.0' in text
    assert 'autocomplete_request_duration_seconds_bucket{le="0.0005",method="CompleteQuery"}' in text


def test_a_call_under_way_finishes_at_a_stop(tmp_path: Path) -> None:
    twin = TwinModel()
    twin.gate.clear()
    with running(tmp_path, twin, drain_s=600) as (server, channel):
        call = pb_grpc.AutocompleteServiceStub(channel).CompleteQuery.future(pb.CompleteQueryRequest(query="q"))
        eventually(lambda: twin.asked)
        stopping = threading.Thread(target=server.stop)
        stopping.start()
        eventually(lambda: not _accepts(server.port))
        assert not call.done()
        twin.gate.set()
        assert call.result().suggestions
        stopping.join()


def test_a_drain_has_an_end(tmp_path: Path) -> None:
    twin = TwinModel()
    twin.gate.clear()
    with running(tmp_path, twin, drain_s=0) as (server, channel):
        call = pb_grpc.AutocompleteServiceStub(channel).CompleteQuery.future(pb.CompleteQueryRequest(query="q"))
        eventually(lambda: twin.asked)
        server.stop()
        assert call.exception() is not None
        twin.gate.set()
        eventually(lambda: sample(server, "autocomplete_requests_in_flight") == 0)


@pytest.mark.parametrize("taken", ["address", "metrics_address"])
def test_a_taken_port_is_a_clear_error(tmp_path: Path, taken: str) -> None:
    with running(tmp_path / "1", metrics_address=f"127.0.0.1:{free_port()}") as (first, _):
        port = first.port if taken == "address" else first.metrics_port
        root = registry_of(tmp_path / "2", {"twin": ["1"]})
        settings = {"registry": root, "address": f"127.0.0.1:{free_port()}", "metrics_address": "off"}
        second = Server(load_settings(settings | {taken: f"127.0.0.1:{port}"}, None), opener=_open)
        with pytest.raises(UnavailableError) as caught:
            second.start()
    flag = "--" + taken.replace("_", "-")
    assert str(caught.value).startswith(f"{flag}: cannot listen on 127.0.0.1:{port} (address already in use)")
    assert "choose another port" in str(caught.value)


def test_a_host_of_another_machine_is_a_clear_error(tmp_path: Path) -> None:
    root = registry_of(tmp_path, {"twin": ["1"]})
    server = Server(load_settings({"registry": root, "address": "192.0.2.1:20000"}, None), opener=_open)
    with pytest.raises(UnavailableError, match="--address: cannot listen on 192"):
        server.start()


def test_an_empty_registry_is_a_clear_error(tmp_path: Path) -> None:
    settings = load_settings({"registry": tmp_path / "none"}, None)
    with pytest.raises(ConfigError) as caught:
        Server(settings, opener=_open)
    assert str(tmp_path / "none") in str(caught.value)
    assert "autocomplete train" in str(caught.value)


def test_a_model_that_fails_leaves_the_others_serving(tmp_path: Path) -> None:
    def open_or_fail(path: Path) -> TwinModel:
        if path.parent.name == "bad":
            raise BundleDamagedError(path, "lm.bin has another digest")
        return TwinModel("good")

    twins = TwinModel("good"), TwinModel("bad")
    with running(tmp_path, *twins, opener=open_or_fail) as (server, channel):
        eventually(lambda: sample(server, "autocomplete_models", state="failed") == 1)
        stub = pb_grpc.AutocompleteServiceStub(channel)
        assert stub.CompleteQuery(pb.CompleteQueryRequest(query="q")).suggestions
        with pytest.raises(grpc.RpcError) as caught:
            stub.CompleteQuery(pb.CompleteQueryRequest(query="q", model="models/bad"))
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        model = model_grpc.ModelServiceStub(channel).GetModel(model_pb.GetModelRequest(name="models/bad"))
        assert check(f"127.0.0.1:{server.port}", 20)
    assert model.state == model_pb.Model.STATE_FAILED
    assert "another digest" in model.latest_version_error.message
    assert (model.version, model.latest_version) == ("", "20260101T000000Z")


def test_a_server_none_of_whose_models_opens_ends_with_the_reason(tmp_path: Path) -> None:
    def fail(path: Path) -> TwinModel:
        raise BundleDamagedError(path, "lm.bin has another digest")

    with running(tmp_path, opener=fail, wait=False) as (server, _), pytest.raises(BundleDamagedError):
        server.wait()


def _begin(channel: grpc.Channel) -> grpc.Future:
    return pb_grpc.AutocompleteServiceStub(channel).CompleteQuery.future(pb.CompleteQueryRequest(query="q"))


def _open(_path: Path) -> TwinModel:
    return TwinModel()


def _details(call: grpc.Call) -> str:
    try:
        list(call)
    except grpc.RpcError as error:
        return str(error.details())
    return ""


def _accepts(port: int) -> bool:
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        try:
            grpc.channel_ready_future(channel).result(timeout=0.2)
        except grpc.FutureTimeoutError:
            return False
    return True
