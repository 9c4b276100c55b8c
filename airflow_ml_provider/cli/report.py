"""What runs did, as tables for a terminal."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from rich.console import Console

    from airflow_ml_provider.factories.trial import RunResult, TaskResult
    from airflow_ml_provider.jobs.pause import Pause

_STYLES = {"success": "green", "failed": "red", "upstream_failed": "red", "skipped": "dim"}
# SageMaker's name for the metrics of the best guess without a model.
_BASELINE = "_best_constant_classifier"


def progress(console: Console, task: TaskResult) -> None:
    """Print one line for a change of a task's state."""
    if task.state in {"running", "deferred", *_STYLES}:
        style = _STYLES.get(task.state or "", "")
        console.print(
            f"  {task.task_id:<16} [{style}]{task.state}[/]"
            if style
            else f"  {task.task_id:<16} {task.state}"
        )


def show_pause(console: Console, pause: Pause) -> None:
    """Print one line for the pause before a step's next try."""
    console.print(f"  {pause}", style="yellow", markup=False, highlight=False, soft_wrap=True)


def show_run(console: Console, run: RunResult, seconds: float) -> None:
    """Print a row a task: its state, seconds, rows or job."""
    interval = ""
    if run.interval is not None:
        interval = " for {:%Y-%m-%d %H:%M} to {:%Y-%m-%d %H:%M}".format(*run.interval)
    console.print(f"{run.dag_id}{interval}: {run.state} in {seconds:.0f} s", style="bold")
    table = Table()
    table.add_column("step")
    table.add_column("state")
    table.add_column("seconds", justify="right")
    table.add_column("rows or job", overflow="fold")
    for task in run.tasks:
        table.add_row(
            task.task_id,
            f"[{_STYLES.get(task.state or '', 'default')}]{task.state}[/]",
            "" if task.seconds is None else f"{task.seconds:.1f}",
            # As Text: rich takes a piece of an ARN such as ":x:" for an emoji.
            Text(_did(task)),
        )
    console.print(table)
    for task in run.tasks:
        _show_metrics(console, task)


def show_all(
    console: Console, runs: Sequence[RunResult], home: Path, jobs: Path, objects: int
) -> None:
    """Print what came of all runs, and where it lies."""
    console.rule("All runs", align="left")
    table = Table()
    for column in ("run", "interval start", "state", "gate", "registered"):
        table.add_column(column, overflow="fold")
    for run in runs:
        table.add_row(
            run.dag_id,
            f"{run.interval[0]:%Y-%m-%d %H:%M}" if run.interval else "",
            f"[{_STYLES.get(run.state, 'default')}]{run.state}[/]",
            "\n".join(_decisions(run)),
            Text("\n".join(_registered(run))),
        )
    console.print(table)
    for line in _artifacts(runs, home):
        console.print(line, highlight=False, soft_wrap=True)
    console.print(f"Artifacts: {objects} objects under {home}/s3", highlight=False)
    console.print(f"Job folders and logs: {jobs}", highlight=False)
    console.print(f"All of this as JSON: {home}/report.json", highlight=False)
    failed = [run for run in runs if not run.succeeded]
    if failed:
        console.print(
            f"{len(failed)} of {len(runs)} runs failed; see {home}/airflow.log", style="red"
        )


def save(runs: Sequence[RunResult], file: Path) -> None:
    """Write the same as JSON, for programs."""
    text = json.dumps([asdict(run) for run in runs], indent=2, default=str)
    file.write_text(text + "\n", encoding="utf-8")


def _did(task: TaskResult) -> str:
    result = task.result
    if not isinstance(result, dict):
        return ""
    if "rows" in result:
        return f"{result['rows']:,} rows"
    for key in ("ModelPackageArn", "job_id", "MessageId"):
        if key in result:
            return str(result[key])
    if "decision" in result:
        return "passed" if result["decision"] else "refused"
    return ""


def _show_metrics(console: Console, task: TaskResult) -> None:
    for section, metrics in (task.report or {}).items():
        values = dict(_numbers(metrics))
        rows = [name for name in values if not name.endswith(_BASELINE)]
        if not rows:
            continue
        console.print(f"{task.task_id}: {section}", style="bold")
        table = Table()
        table.add_column("metric")
        table.add_column("model", justify="right")
        table.add_column("always the base rate", justify="right")
        for name in rows:
            baseline = values.get(name + _BASELINE)
            table.add_row(
                name, f"{values[name]:.4f}", "" if baseline is None else f"{baseline:.4f}"
            )
        console.print(table)


def _numbers(metrics: Any) -> Iterator[tuple[str, float]]:
    if not isinstance(metrics, dict):
        return
    for name, metric in metrics.items():
        value = metric.get("value") if isinstance(metric, dict) else None
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            yield name, value


def _decisions(run: RunResult) -> Iterator[str]:
    for task in run.tasks:
        if isinstance(task.result, dict) and "decision" in task.result:
            compared = ", ".join(_comparison(one) for one in task.result["comparisons"])
            yield f"{'passed' if task.result['decision'] else 'refused'}: {compared}"


def _comparison(compared: Mapping[str, Any]) -> str:
    left, right = (
        f"{_label(compared[side])}{compared[f'{side}_value']:.4g}" for side in ("left", "right")
    )
    return f"{left} {compared['op']} {right}"


def _label(side: Any) -> str:
    if not isinstance(side, dict):
        return ""
    if "param" in side:
        return f"{side['param']} "
    return f"{[name for name in side['metric'] if name != 'value'][-1]} "


def _artifacts(runs: Sequence[RunResult], home: Path) -> Iterator[str]:
    for run in runs:
        for task in run.tasks:
            result = task.result if isinstance(task.result, dict) else {}
            uri = result.get("ModelArtifacts", {}).get("S3ModelArtifacts")
            if uri:
                day = f" of {run.interval[0]:%Y-%m-%d}" if run.interval else ""
                yield f"Model{day}: {home}/s3/{uri.removeprefix('s3://')}"


def _registered(run: RunResult) -> Iterator[str]:
    for task in run.tasks:
        if isinstance(task.result, dict) and "ModelPackageArn" in task.result:
            yield str(task.result["ModelPackageArn"]).rsplit(":", 1)[-1]
