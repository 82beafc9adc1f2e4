"""Writes Grafana's dashboards, which are described here, to `deploy/grafana/dashboards`: `make dashboards`."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_FOLDER = Path(__file__).resolve().parent.parent / "deploy" / "grafana" / "dashboards"
_COLUMNS = 24
_DATA_SOURCE = {"type": "prometheus", "uid": "prometheus"}
_RATE = "[$__rate_interval]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """A panel.

    Attributes:
        queries: pairs of an expression and its legend.
        unit: of Grafana's: `s`, `percentunit`, `reqps`, `short`, `bytes`, ...
        kind: `timeseries`, `stat` or `table`.
        limit: a line that values should stay below, or None.
    """

    title: str
    queries: tuple[tuple[str, str], ...]
    unit: str = "short"
    kind: str = "timeseries"
    description: str = ""
    width: int = 8
    stacked: bool = False
    limit: float | None = None


def _rate(metric: str, by: str = "", where: str = "") -> str:
    selector = f"{metric}{{{where}}}" if where else metric
    grouped = f"sum by ({by})" if by else "sum"
    return f"{grouped} (rate({selector}{_RATE}))"


def _quantile(share: float, metric: str, by: str, where: str = "") -> str:
    labels = f"{by}, le" if by else "le"
    return f"histogram_quantile({share}, {_rate(metric + '_bucket', labels, where)})"


_CALLS = "autocomplete_requests_total"
_DURATION = "autocomplete_request_duration_seconds"
_STAGE = "autocomplete_stage_duration_seconds"
_LOOKUPS = "autocomplete_cache_lookups_total"
_COMPLETION = 'method="CompleteQuery"'

OVERVIEW = (
    Panel(
        title="Servers that answer",
        queries=(('sum(up{job="autocomplete"})', "servers"), ("sum(autocomplete_workers)", "workers")),
        kind="stat",
        width=6,
    ),
    Panel(
        title="Calls that fail, of an hour",
        queries=(("autocomplete:request_errors:ratio_rate1h", "share"),),
        unit="percentunit",
        kind="stat",
        limit=0.001,
        width=6,
        description="By the server's fault. The objective allows 0.1% over 30 days.",
    ),
    Panel(
        title="Answers over 50 ms, of an hour",
        queries=(("autocomplete:slow_requests:ratio_rate1h", "share"),),
        unit="percentunit",
        kind="stat",
        limit=0.01,
        width=6,
        description="Of completions and next words. The objective allows 1% over 30 days.",
    ),
    Panel(
        title="Alerts",
        queries=(('sum by (alertname) (ALERTS{alertstate="firing"})', "{{alertname}}"),),
        kind="stat",
        limit=1,
        width=6,
    ),
    Panel(title="Calls by method", queries=((_rate(_CALLS, "method"), "{{method}}"),), unit="reqps", stacked=True),
    Panel(
        title="Calls that did not succeed, by code",
        queries=((_rate(_CALLS, "code", 'code!="OK"'), "{{code}}"),),
        unit="reqps",
        stacked=True,
    ),
    Panel(
        title="Latency of completions",
        queries=tuple((_quantile(q, _DURATION, "", _COMPLETION), f"p{q * 100:g}") for q in (0.5, 0.95, 0.99)),
        unit="s",
        limit=0.05,
    ),
    Panel(
        title="Under way and waiting",
        queries=(
            ("sum(autocomplete_requests_in_flight)", "under way"),
            ("sum(autocomplete_requests_waiting)", "waiting"),
            ("sum(autocomplete_open_streams)", "open streams"),
        ),
    ),
    Panel(
        title="Gateway: requests by status",
        queries=((_rate("autocomplete_gateway_requests_total", "status"), "{{status}}"),),
        unit="reqps",
        stacked=True,
    ),
    Panel(
        title="Processor time",
        queries=((f'rate(process_cpu_seconds_total{{job=~"autocomplete.*"}}{_RATE})', "{{job}} {{instance}}"),),
        description="Cores in use, all workers together.",
    ),
    Panel(
        title="Memory",
        queries=(('process_resident_memory_bytes{job=~"autocomplete.*"}', "{{job}} {{instance}}"),),
        unit="bytes",
        description="Summed over workers; what they share counts in each.",
    ),
)

LATENCY = (
    *(
        Panel(title=f"p{q * 100:g} by method", queries=((_quantile(q, _DURATION, "method"), "{{method}}"),), unit="s")
        for q in (0.5, 0.95, 0.99)
    ),
    Panel(
        title="Budget that is used up, by window",
        queries=tuple((f"autocomplete:slow_requests:ratio_rate{w} / 0.01", w) for w in ("5m", "1h", "6h", "3d")),
        description="Times as fast as the objective (99% within 50 ms) allows. 1 is on the limit.",
        limit=1,
    ),
    Panel(
        title="p95 of a stage",
        queries=((_quantile(0.95, _STAGE, "stage"), "{{stage}}"),),
        unit="s",
        description="Of computed answers; those from a cache have no stages.",
    ),
    Panel(
        title="Time spent by stage",
        queries=((_rate(_STAGE + "_sum", "stage"), "{{stage}}"),),
        stacked=True,
        description="Seconds a second: cores that each stage keeps busy.",
    ),
    Panel(
        title="Gateway: p95 by method",
        queries=((_quantile(0.95, "autocomplete_gateway_request_duration_seconds", "method"), "{{method}}"),),
        unit="s",
        description="From a request's headers to the end of its response.",
    ),
    Panel(
        title="Distribution of completions",
        queries=((_rate(_DURATION + "_bucket", "le", _COMPLETION), "<= {{le}} s"),),
        unit="reqps",
    ),
    Panel(
        title="Keystrokes in streams",
        queries=((_rate("autocomplete_stream_keystrokes_total", "outcome"), "{{outcome}}"),),
        unit="reqps",
        stacked=True,
    ),
    Panel(
        title="Streams that ended, by reason",
        queries=((_rate("autocomplete_stream_ends_total", "reason"), "{{reason}}"),),
        unit="reqps",
        stacked=True,
        description="`idle`, `unread`, `flood` are streams that the server ended.",
    ),
)

QUALITY = (
    Panel(
        title="Answers from a cache",
        queries=(
            ("autocomplete:cache_hits:ratio_rate30m", "30 minutes"),
            ("autocomplete:cache_hits:ratio_rate1d", "a day"),
        ),
        unit="percentunit",
        description="A fall to under 0.6 of the day's share raises an alert.",
    ),
    Panel(
        title="Where answers come from",
        queries=(
            (_rate(_LOOKUPS, "tier", 'outcome="hit"'), "{{tier}}"),
            (_rate(_STAGE + "_count", "", 'stage="rank"'), "computed"),
        ),
        unit="reqps",
        stacked=True,
        description="`flight`: another caller's computation was awaited.",
    ),
    Panel(
        title="Kept in processes",
        queries=(("sum(autocomplete_process_cache_bytes)", "bytes"),),
        unit="bytes",
    ),
    Panel(
        title="Redis",
        queries=(
            ("min(autocomplete_redis_available)", "available"),
            (_rate("autocomplete_redis_errors_total", "operation"), "errors: {{operation}}"),
            (_rate("autocomplete_redis_dropped_answers_total"), "answers not sent"),
        ),
        description="`available` is 0 where a server has no Redis, too.",
    ),
    Panel(
        title="Computed answers without the neural part",
        queries=(("autocomplete:degraded_answers:ratio_rate5m", "share"),),
        unit="percentunit",
        limit=0.05,
    ),
    Panel(
        title="Parts left out, by reason",
        queries=((_rate("autocomplete_degraded_answers_total", "reason, part"), "{{part}}: {{reason}}"),),
        unit="reqps",
        stacked=True,
    ),
    Panel(
        title="Suggestions by source",
        queries=((_rate("autocomplete_suggestions_total", "source"), "{{source}}"),),
        unit="reqps",
        stacked=True,
    ),
    Panel(
        title="Answers without a suggestion",
        queries=((_rate("autocomplete_empty_answers_total", "method"), "{{method}}"),),
        unit="reqps",
        description="A rise says that users type what the models have not seen: time to train.",
    ),
    Panel(
        title="Made ready before anybody asked",
        queries=((_rate("autocomplete_warmed_answers_total", "outcome"), "{{outcome}}"),),
        unit="reqps",
    ),
)

MODELS = (
    Panel(
        title="Versions that answer",
        queries=(("sum by (model, version) (autocomplete_model_info) > 0", "{{model}} {{version}}"),),
        kind="table",
        width=12,
        description="How many servers have each.",
    ),
    Panel(
        title="Age",
        queries=(("time() - max by (model) (autocomplete_model_created_timestamp_seconds)", "{{model}}"),),
        unit="s",
        width=12,
        limit=14 * 86400,
        description="Since the end of training. 14 days raise an alert.",
    ),
    Panel(title="By state", queries=(("sum by (state) (autocomplete_models)", "{{state}}"),)),
    Panel(
        title="Opened, and failed to open",
        queries=(
            ("sum by (model, outcome) (increase(autocomplete_model_openings_total[10m]))", "{{model}} {{outcome}}"),
        ),
        description="In 10 minutes, each worker's opening counted.",
    ),
    Panel(
        title="Looks at the registry that failed",
        queries=(("sum by (instance) (increase(autocomplete_registry_errors_total[10m]))", "{{instance}}"),),
        description="In 10 minutes; of registries at URLs.",
    ),
    Panel(title="Calls by model", queries=((_rate(_CALLS, "model"), "{{model}}"),), unit="reqps", stacked=True),
    Panel(
        title="Workers that died, in an hour",
        queries=(("sum by (instance) (increase(autocomplete_worker_restarts_total[1h]))", "{{instance}}"),),
        limit=1,
    ),
)

DASHBOARDS = {
    "overview": ("Autocomplete: overview", OVERVIEW),
    "latency": ("Autocomplete: latency", LATENCY),
    "quality": ("Autocomplete: quality and cache", QUALITY),
    "models": ("Autocomplete: models", MODELS),
}


def dashboard(name: str) -> dict[str, Any]:
    """A dashboard as Grafana reads it (schema version 39)."""
    title, panels = DASHBOARDS[name]
    shown: list[dict[str, Any]] = []
    x = y = row_height = 0
    for number, panel in enumerate(panels, start=1):
        height = 4 if panel.kind == "stat" else 8
        if x + panel.width > _COLUMNS:
            x, y, row_height = 0, y + row_height, 0
        shown.append(_panel(panel, number, {"x": x, "y": y, "w": panel.width, "h": height}))
        x, row_height = x + panel.width, max(row_height, height)
    return {
        "uid": f"autocomplete-{name}",
        "title": title,
        "tags": ["autocomplete"],
        "schemaVersion": 39,
        "editable": False,
        "refresh": "10s",
        "time": {"from": "now-1h", "to": "now"},
        "links": [{"type": "dashboards", "tags": ["autocomplete"], "title": "Autocomplete", "asDropdown": False}],
        "panels": shown,
    }


def _panel(panel: Panel, number: int, place: dict[str, int]) -> dict[str, Any]:
    defaults: dict[str, Any] = {"unit": panel.unit, "min": 0}
    if panel.kind == "timeseries":
        custom = {"fillOpacity": 10, "showPoints": "never"}
        defaults["custom"] = custom | ({"stacking": {"mode": "normal"}} if panel.stacked else {})
    if panel.limit is not None:
        steps = [{"color": "green", "value": None}, {"color": "red", "value": panel.limit}]
        defaults["thresholds"] = {"mode": "absolute", "steps": steps}
        if panel.kind == "timeseries":
            defaults["custom"]["thresholdsStyle"] = {"mode": "dashed"}
    table = {"format": "table", "instant": True} if panel.kind == "table" else {}
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.description,
        "datasource": _DATA_SOURCE,
        "gridPos": place,
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "targets": [
            {"refId": chr(ord("A") + i), "expr": expression, "legendFormat": legend, **table}
            for i, (expression, legend) in enumerate(panel.queries)
        ],
    }


def main(folder: Path) -> None:
    """Writes all dashboards into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in DASHBOARDS:
        text = json.dumps(dashboard(name), indent=1)
        (folder / f"{name}.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else _FOLDER)
