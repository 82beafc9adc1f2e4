"""The Helm chart, rendered by Helm itself, as objects of Kubernetes that tests can look up."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import helm_python as helm
import yaml

ROOT = Path(__file__).resolve().parents[1]
CHART = ROOT / "deploy" / "helm" / "autocomplete"
MINIMAL: dict[str, Any] = {"registry": {"url": "s3://bucket/registry"}}
FULL: dict[str, Any] = yaml.safe_load((CHART / "ci" / "full-values.yaml").read_text(encoding="utf-8"))
VALUES: dict[str, dict[str, Any]] = {
    "minimal": MINIMAL,
    "full": FULL,
    "volume": {
        "registry": {"existingClaim": "models", "subPath": "registry"},
        "redis": {"builtIn": {"enabled": True}},
        "server": {"autoscaling": {"enabled": False}},
        "gateway": {"enabled": False},
        "networkPolicy": {"enabled": False},
        "serviceMonitor": {"enabled": True},
    },
}
Object = dict[str, Any]


def render(values: Object) -> list[Object]:
    """The objects of a release `shop` in the namespace `search`.

    Raises:
        helm.HelmError: Helm refuses the values.
    """
    with helm.Chart.load(CHART) as chart:
        files = chart.render(values, name="shop", namespace="search")
    documents = [text for name, text in files.items() if name.endswith(".yaml")]
    return [found for text in documents for found in yaml.safe_load_all(text) if found]


@cache
def rendered(name: str) -> list[Object]:
    """The objects by some of `VALUES`."""
    return render(VALUES[name])


def only(objects: list[Object], kind: str, suffix: str = "") -> Object:
    """The object of a kind whose name ends so after the release's."""
    name = f"shop-autocomplete{suffix}"
    (found,) = [each for each in objects if (each["kind"], each["metadata"]["name"]) == (kind, name)]
    return found


def of_kind(objects: list[Object], *kinds: str) -> list[Object]:
    """All objects of some kinds."""
    return [each for each in objects if each["kind"] in kinds]


def pods(objects: list[Object]) -> Iterator[tuple[Object, Object]]:
    """Each deployment's labels of a pod, and its only container."""
    for deployment in of_kind(objects, "Deployment"):
        template = deployment["spec"]["template"]
        (container,) = template["spec"]["containers"]
        yield template["metadata"]["labels"], container


def selected(objects: list[Object], selector: Object) -> list[Object]:
    """The containers of the pods that have these labels."""
    return [container for labels, container in pods(objects) if selector.items() <= labels.items()]


def container_of(objects: list[Object], suffix: str = "") -> Object:
    """The container of a deployment."""
    (container,) = only(objects, "Deployment", suffix)["spec"]["template"]["spec"]["containers"]
    return dict(container)


def variables(container: Object, prefix: str) -> dict[str, str | None]:
    """Variables of a container's environment; None for the value of one from a secret."""
    return {each["name"]: each.get("value") for each in container["env"] if each["name"].startswith(prefix)}
