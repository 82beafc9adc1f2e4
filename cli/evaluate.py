"""`autocomplete evaluate`."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from cli.bundles import find_bundle
from cli.output import print_json, stderr, stdout


def evaluate(
    bundles: Annotated[
        list[str],
        typer.Argument(metavar="BUNDLE...", help="Folders or URLs of bundles, or REGISTRY/NAME."),
    ],
    text: Annotated[Path | None, typer.Option(help="Running text to measure on.")] = None,
    queries: Annotated[Path | None, typer.Option(help="Queries to measure on, one a line.")] = None,
    report: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Measures more and writes report.html and report.json into this folder."),
    ] = None,
    max_sentences: Annotated[
        int, typer.Option(min=1, help="With --report: maximum number of lines for predicting next words.")
    ] = 500,
    max_typed: Annotated[
        int,
        typer.Option(min=0, help="Maximum number of queries to type letter by letter. This takes long."),
    ] = 1000,
    as_json: Annotated[bool, typer.Option("--json", help="Prints the metrics as JSON.")] = False,
) -> None:
    """Measures bundles and compares them. Without files, each is measured on the data that its training held out."""
    from cli.metrics_tables import metrics_tables
    from training.evaluation.evaluate import evaluate_files
    from training.evaluation.query_benchmark import QueryBenchmark
    from training.progress import TerminalReporter

    folders, reporter = [find_bundle(bundle) for bundle in bundles], TerminalReporter(stderr())
    if report is not None:
        from training.report.measure import measure_bundles
        from training.report.page import check_folder, write_report

        check_folder(report)
        document = measure_bundles(
            folders,
            text=text,
            queries=queries,
            max_sentences=max_sentences,
            max_typed=max_typed,
            created_at=datetime.now(UTC),
            reporter=reporter,
        )
        reporter.say(f"Report: {write_report(report, document)}")
        if as_json:
            print_json(document)
        return
    benchmark = QueryBenchmark(reporter, max_typed=max_typed)
    measured = [
        evaluate_files(folder, text=text, queries=queries, benchmark=benchmark, reporter=reporter) for folder in folders
    ]
    if as_json:
        named = {str(folder): metrics for folder, metrics in zip(folders, measured, strict=True)}
        print_json(measured[0] if len(folders) == 1 else named)
        return
    for folder, metrics in zip(folders, measured, strict=True):
        if len(folders) > 1:
            stdout().print(str(folder), style="bold", markup=False)
        for table in metrics_tables(metrics):
            stdout().print(table)
