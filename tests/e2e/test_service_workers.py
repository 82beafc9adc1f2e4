"""Several server processes on one port, killed and replaced under the eyes of their callers."""

from __future__ import annotations

import os
import re
import shutil
import signal
import urllib.request
from pathlib import Path

import grpc
import pytest
from autocomplete.v1 import autocomplete_service_pb2 as pb
from autocomplete.v1 import autocomplete_service_pb2_grpc as pb_grpc

from lm.bundle.manifest import read_manifest, write_manifest
from lm.bundle.registry import Registry
from service.workers.supervisor import Pulses, restart_delay_s
from tests.redis_process import free_port
from tests.service_process import Process, started
from tests.service_twins import eventually

_OWN_CONNECTION = (("grpc.use_local_subchannel_pool", 1),)


def worker_pids(process: Process) -> set[int]:
    """The supervisor's children that are workers; `multiprocessing` has a helper beside them."""
    children = Path(f"/proc/{process.popen.pid}/task/{process.popen.pid}/children").read_text(encoding="ascii")
    return {int(pid) for pid in children.split() if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()}


def gone(pids: set[int]) -> bool:
    return not any(Path(f"/proc/{pid}").exists() for pid in pids)


def ask(address: str, times: int) -> set[str]:
    """Asks over as many new connections; returns the versions that answered.

    Raises:
        grpc.RpcError: a call failed.
    """
    versions = set()
    for number in range(times):
        with grpc.insecure_channel(address, options=_OWN_CONNECTION) as channel:
            stub = pb_grpc.AutocompleteServiceStub(channel)
            versions.add(stub.CompleteQuery(pb.CompleteQueryRequest(query=f"a{number}"), timeout=60).model_version)
    return versions


class Metrics:
    """The one address at which all workers' metrics are."""

    def __init__(self) -> None:
        self.address = f"127.0.0.1:{free_port()}"

    def value(self, sample: str) -> float:
        with urllib.request.urlopen(f"http://{self.address}/metrics") as response:
            text = response.read().decode()
        found = re.search(rf"^{re.escape(sample)} (\S+)$", text, re.MULTILINE)
        return float(found.group(1)) if found else 0.0

    def answered(self) -> float:
        return self.value('autocomplete_requests_total{code="OK",method="CompleteQuery",model="tiny"}')


def test_a_killed_worker_is_replaced_and_what_it_counted_stays(tiny_bundle_registry: Path) -> None:
    metrics = Metrics()
    with started(tiny_bundle_registry, workers=2, metrics_address=metrics.address) as process:
        eventually(lambda: metrics.value("autocomplete_workers") == 2, timeout_s=60)
        first, second = worker_pids(process)
        ask(process.address, 12)
        assert metrics.answered() == 12
        os.kill(first, signal.SIGKILL)
        eventually(lambda: gone({first}))
        ask(process.address, 12)  # the other one answers
        eventually(lambda: metrics.value("autocomplete_worker_restarts_total") == 1)
        eventually(lambda: metrics.value("autocomplete_workers") == 2, timeout_s=60)
        assert second in worker_pids(process)
        os.kill(second, signal.SIGKILL)
        eventually(lambda: gone({second}))
        ask(process.address, 12)  # the replacement answers
        assert metrics.answered() == 36
        assert metrics.value('autocomplete_model_openings_total{model="tiny",outcome="opened"}') >= 3
        assert metrics.value('autocomplete_models{state="active"}') == 1
        assert metrics.value("process_cpu_seconds_total") > 0
        process.popen.terminate()
        code, errors = process.end()
    assert code == 0, errors
    assert "Traceback" not in errors
    assert errors.count('"worker_ended"') == 2


def test_a_worker_that_hangs_is_replaced(tiny_bundle_registry: Path) -> None:
    metrics = Metrics()
    with started(tiny_bundle_registry, workers=2, metrics_address=metrics.address) as process:
        eventually(lambda: metrics.value("autocomplete_workers") == 2, timeout_s=60)
        hanging, _ = worker_pids(process)
        os.kill(hanging, signal.SIGSTOP)
        eventually(lambda: gone({hanging}), timeout_s=60)
        eventually(lambda: metrics.value("autocomplete_worker_restarts_total") == 1)
        eventually(lambda: metrics.value("autocomplete_workers") == 2, timeout_s=60)
        ask(process.address, 12)
        process.popen.terminate()
        code, errors = process.end()
    assert code == 0, errors
    assert errors.count('"worker_hangs"') == errors.count('"worker_ended"') == 1


def looks(pulses: Pulses, clock: list[float], times: int) -> list[list[int]]:
    """Which workers hang, at so many looks a second apart."""
    found = []
    for _ in range(times):
        clock[0] += 1.0
        found.append(pulses.hanging())
    return found


def test_a_worker_hangs_once_it_has_been_silent_for_too_many_looks() -> None:
    clock = [100.0]
    pulses = Pulses(lambda: clock[0])
    for slot in (0, 1):
        pulses.begin(slot)
        pulses.beat(slot)
    for _ in range(20):
        assert looks(pulses, clock, 1) == [[]]
        pulses.beat(0)
        pulses.beat(1)
    silent = []
    for _ in range(9):
        silent += looks(pulses, clock, 1)
        pulses.beat(0)
    assert silent == [[]] * 7 + [[1]] * 2
    pulses.end(1)
    assert looks(pulses, clock, 1) == [[]]


def test_a_worker_has_longer_until_its_first_beat() -> None:
    clock = [100.0]
    pulses = Pulses(lambda: clock[0])
    pulses.begin(0)
    assert looks(pulses, clock, 128) == [[]] * 127 + [[0]]


def test_nobody_is_silent_while_the_supervisor_itself_is_stopped() -> None:
    clock = [100.0]
    pulses = Pulses(lambda: clock[0])
    pulses.beat(0)
    clock[0] += 3600.0
    assert pulses.hanging() == []
    assert pulses.due_in_s == 1.0
    pulses.beat(0)
    assert looks(pulses, clock, 7) == [[]] * 7


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_all_processes_stops_them_gracefully(tiny_bundle_registry: Path, number: signal.Signals) -> None:
    with started(tiny_bundle_registry, workers=2) as process:
        eventually(lambda: len(worker_pids(process)) == 2)
        pids = worker_pids(process)
        if number is signal.SIGINT:  # as a terminal sends Ctrl-C
            for pid in pids:
                os.kill(pid, number)
        process.popen.send_signal(number)
        code, errors = process.end()
    assert code == 0, errors
    assert "Traceback" not in errors
    assert "KeyboardInterrupt" not in errors
    assert gone(pids)


def test_workers_end_with_their_supervisor(tiny_bundle_registry: Path) -> None:
    with started(tiny_bundle_registry, workers=2) as process:
        pids = worker_pids(process)
        process.popen.kill()
        process.popen.wait()
        eventually(lambda: gone(pids), timeout_s=60)
        process.end()


def test_all_workers_follow_the_registry(tmp_path: Path, tiny_bundle: Path) -> None:
    bundles = Registry(tmp_path / "registry")
    for version in ("1", "2"):
        shutil.copytree(tiny_bundle, tmp_path / version)
        write_manifest(tmp_path / version, read_manifest(tiny_bundle).model_copy(update={"version": version}))
        bundles.publish("tiny", version, tmp_path / version)
    bundles.activate("tiny", "1")
    metrics = Metrics()
    with started(bundles.root, workers=2, reload_s=0.05, metrics_address=metrics.address) as process:
        eventually(lambda: metrics.value("autocomplete_workers") == 2, timeout_s=60)
        assert ask(process.address, 8) == {"1"}
        bundles.activate("tiny", "2")
        openings = 'autocomplete_model_openings_total{model="tiny",outcome="opened"}'
        eventually(lambda: metrics.value(openings) == 4, timeout_s=60)
        eventually(lambda: metrics.value('autocomplete_model_info{model="tiny",version="1"}') == 0)
        assert ask(process.address, 8) == {"2"}


def test_what_no_worker_can_serve_ends_with_one_paragraph(tmp_path: Path) -> None:
    version = tmp_path / "m" / "1"
    version.mkdir(parents=True)
    (version / "manifest.json").write_text("{}", encoding="utf-8")
    (tmp_path / "m" / "ACTIVE").write_text("1\n", encoding="utf-8")
    code, errors = Process(tmp_path, workers=2).end()
    assert code == 1
    assert str(version) in errors.splitlines()[-1]
    assert "Traceback" not in errors


def test_a_taken_port_ends_workers_with_one_paragraph(tiny_bundle_registry: Path) -> None:
    with started(tiny_bundle_registry, workers=2) as process:
        for workers in (1, 2):
            code, errors = Process(tiny_bundle_registry, address=process.address, workers=workers).end()
            assert code == 1
            assert errors.startswith(f"error: --address: cannot listen on {process.address}")
            assert errors.count("\n") == 1


def test_workers_that_die_early_again_and_again_are_replaced_ever_later() -> None:
    assert [restart_delay_s(deaths) for deaths in (0, 1, 2, 3, 4)] == [0, 0, 0.5, 1, 2]
    assert restart_delay_s(100) == 30
