"""Copies settings and rules into the Helm chart, in place or in a FOLDER: `make chart`.

`values.schema.json` gets the settings of both programs, and `rules/` Prometheus's rules, since Helm reads no file
outside the chart.
"""

from __future__ import annotations

import json
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

_DEPLOY = Path(__file__).resolve().parent.parent / "deploy"
_CHART = _DEPLOY / "helm" / "autocomplete"
# for each program: module and class of its settings, and those that other values of the chart decide
_PROGRAMS = {
    "server": ("service.config", "ServerSettings", "config registry bundle_cache address metrics_address redis"),
    "gateway": ("gateway.config", "GatewaySettings", "config address server"),
}
_BOUNDS = ("enum", "minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum")


def settings_schema(module: str, name: str, said: str) -> dict[str, Any]:
    """The JSON schema of a map of settings."""
    fields = getattr(import_module(module), name).model_json_schema()["properties"]
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": {field: _property(schema) for field, schema in fields.items() if field not in said.split()},
    }


def main(target: Path) -> None:
    """Writes the files."""
    schema = json.loads((_CHART / "values.schema.json").read_text(encoding="utf-8"))
    for program, where in _PROGRAMS.items():
        schema["properties"][program]["properties"]["settings"] = settings_schema(*where)
    (target / "values.schema.json").write_text(json.dumps(schema, indent=2) + "\n", encoding="utf-8")
    (target / "rules").mkdir(exist_ok=True)
    for path in (_DEPLOY / "prometheus" / "rules").glob("*.yml"):
        (target / "rules" / path.name).write_bytes(path.read_bytes())


def _property(field: dict[str, Any]) -> dict[str, Any]:
    kinds = field.get("anyOf", [field])  # that of an optional field, and null
    kind = next(each for each in kinds if each["type"] != "null")
    name = "string" if kind["type"] == "array" else kind["type"]  # separated by commas
    bounds = {key: kind[key] for key in _BOUNDS if key in kind}
    return {"type": name, **bounds, "description": field["description"]}


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else _CHART)
