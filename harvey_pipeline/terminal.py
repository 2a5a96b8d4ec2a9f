"""How a run looks on a terminal: what its events say, live progress, and the tables at the end.

Nothing here starts a run or decides its outcome; `cli.py` does.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Final, Literal, Protocol, Self

import dagster as dg
from rich import box
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.table import Table
from rich.text import Text

_DAYS_NAMED: Final = 5

State = Literal["waiting", "running", "checking", "done", "failed"]


@dataclass(frozen=True)
class FailedCheck:
    """A check that did not pass, of whatever severity."""

    asset: str
    name: str
    is_blocking: bool
    is_warning: bool
    days: Sequence[str]
    day_count: int
    description: str


@dataclass(frozen=True)
class Failure:
    """A step, or the run itself, that ended with an exception."""

    where: str
    kind: str
    message: str


@dataclass
class AssetProgress:
    """What is known of one asset so far."""

    name: str
    state: State = "waiting"
    done: int = 0
    total: int = 1
    rows: int | None = None
    seconds: float = 0.0
    passed: int = 0
    failed_checks: list[FailedCheck] = field(default_factory=list)

    @property
    def warned(self) -> int:
        return sum(one.is_warning for one in self.failed_checks)

    @property
    def failed(self) -> int:
        return len(self.failed_checks) - self.warned


class View(Protocol):
    """Where progress is shown."""

    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...
    def show(self, asset: AssetProgress) -> None:
        """An asset has come further."""

    def note(self, text: str) -> None:
        """Say something beside the progress."""


class RunProgress:
    """Runs, one after the other, told by their events and by the records of the progress logger.

    `steps` are the keys of their steps, in the order in which they can run, each with the number
    of its partitions.
    """

    def __init__(self, view: View, steps: Mapping[str, int]) -> None:
        names = {
            step.replace("__", ".", 1): partitions
            for step, partitions in steps.items()
            if not _is_check(step)
        }
        self.assets = {name: AssetProgress(name, total=total) for name, total in names.items()}
        self.failures: list[Failure] = []
        self.is_interrupted = False
        self._view = view
        for asset in self.assets.values():
            view.show(asset)

    def take_event(self, entry: dg.EventLogEntry) -> None:
        """Take in an event of the run; unknown ones change nothing."""
        event = entry.dagster_event
        if event is None:
            self._take_message(entry)
            return
        match event.event_type:
            case dg.DagsterEventType.STEP_START:
                self._move(event.step_key, "checking" if _is_check(event.step_key) else "running")
            case dg.DagsterEventType.ASSET_MATERIALIZATION if event.asset_key:
                self._count_rows(event)
            case dg.DagsterEventType.ASSET_CHECK_EVALUATION:
                self._take_check(event.asset_check_evaluation_data)
            case dg.DagsterEventType.STEP_SUCCESS:
                self._add_seconds(event.step_key, event.step_success_data.duration_ms / 1000)
                self._move(event.step_key, "done")
            case dg.DagsterEventType.STEP_FAILURE:
                self._take_failure(event.step_key or "run", event.step_failure_data.error)
                self._move(event.step_key, "failed")
            case dg.DagsterEventType.RUN_FAILURE if not self.failures:
                if event.job_failure_data.error is not None:
                    self._take_failure("run", event.job_failure_data.error)
            case _:
                pass

    def take_progress(self, step: str, done: int, total: int) -> None:
        """Take in how many of a step's days (or files) are done; unknown steps are ignored."""
        for asset in self.assets.values():
            if asset.name.partition(".")[2] == step and asset.state == "running":
                asset.done, asset.total = done, total
                self._view.show(asset)

    def failed_checks(self) -> list[FailedCheck]:
        """All checks that did not pass, in the order of the assets."""
        return [check for asset in self.assets.values() for check in asset.failed_checks]

    def _take_message(self, entry: dg.EventLogEntry) -> None:
        # What is said of a step that does not run is only that another one failed.
        asset = self._of_step(entry.step_key)
        if int(entry.level) >= logging.WARNING and asset and asset.state in _AT_WORK:
            self._view.note(f"{asset.name}: {entry.user_message}")

    def _of_step(self, step_key: str | None) -> AssetProgress | None:
        name = (step_key or "").removesuffix(_CHECKS_SUFFIX).replace("__", ".", 1)
        return self.assets.get(name)

    def _move(self, step_key: str | None, state: State) -> None:
        asset = self._of_step(step_key)
        if asset is None:
            return
        asset.state = state
        if state == "done":
            asset.done = asset.total
        self._view.show(asset)

    def _count_rows(self, event: dg.DagsterEvent) -> None:
        materialization = event.step_materialization_data.materialization
        asset = self.assets.get(_table_name(materialization.asset_key))
        rows = materialization.metadata.get("dagster/row_count")
        if asset is not None and rows is not None:
            # In a run over a range every day's event tells the rows of the whole range.
            asset.rows = int(str(rows.value))

    def _add_seconds(self, step_key: str | None, seconds: float) -> None:
        asset = self._of_step(step_key)
        if asset is not None:
            asset.seconds += seconds

    def _take_check(self, evaluation: dg.AssetCheckEvaluation) -> None:
        asset = self.assets.get(_table_name(evaluation.asset_key))
        if asset is None:
            return
        if evaluation.passed:
            asset.passed += 1
            return
        days = evaluation.metadata.get("failing_days")
        count = evaluation.metadata.get("failing_day_count")
        listed = days.value if isinstance(days, dg.JsonMetadataValue) else None
        named = [str(day) for day in listed or ()]
        asset.failed_checks.append(
            FailedCheck(
                asset.name,
                evaluation.check_name,
                is_blocking=bool(evaluation.blocking),
                is_warning=evaluation.severity is dg.AssetCheckSeverity.WARN,
                days=named,
                day_count=int(str(count.value)) if count is not None else len(named),
                description=evaluation.description or "",
            )
        )

    def _take_failure(self, step: str, error: Any) -> None:
        # Dagster wraps what an asset raises; the first error that is not its own is the cause.
        cause = error
        while cause is not None and str(cause.cls_name).startswith("Dagster"):
            if cause.cls_name == _CHECK_STOPS_RUN:
                return
            cause = cause.cause
        found = cause or error
        if found.cls_name == _INTERRUPTION:
            self.is_interrupted = True
            return
        message = str(found.message).strip()
        _, separator, text = message.partition(": ")
        where = step.replace("__", ".", 1)
        self.failures.append(Failure(where, str(found.cls_name), text if separator else message))


_AT_WORK: Final = ("running", "checking")
_CHECKS_SUFFIX: Final = "_checks"
_CHECK_STOPS_RUN: Final = "DagsterAssetCheckFailedError"
_INTERRUPTION: Final = "DagsterExecutionInterruptedError"


def _is_check(step_key: str | None) -> bool:
    return (step_key or "").endswith(_CHECKS_SUFFIX)


def _table_name(key: dg.AssetKey) -> str:
    return ".".join(key.path)


# --- live and plain ------------------------------------------------------------------------------


class LiveView:
    """A bar per asset, redrawn in place."""

    def __init__(self, console: Console) -> None:
        self._progress = Progress(
            TextColumn("{task.fields[mark]} {task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[days]}", justify="right"),
            TextColumn("[dim]{task.fields[note]}"),
            console=console,
        )
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def show(self, asset: AssetProgress) -> None:
        task = self._tasks.get(asset.name)
        fields: dict[str, Any] = {
            "total": asset.total,
            "completed": asset.done,
            "mark": _MARKS[asset.state],
            "days": f"{asset.done}/{asset.total}",
            "note": _note(asset),
        }
        if task is None:
            self._tasks[asset.name] = self._progress.add_task(asset.name, **fields)
        else:
            self._progress.update(task, **fields)

    def note(self, text: str) -> None:
        self._progress.console.print(Text(text, style="yellow"))


class PlainView:
    """A line where a step starts and one where it ends: for logs and pipes."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._shown: dict[str, State] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        pass

    def show(self, asset: AssetProgress) -> None:
        if asset.state in ("waiting", self._shown.get(asset.name)):
            return
        self._shown[asset.name] = asset.state
        self.note(f"{asset.name}: {_note(asset) or asset.state}")

    def note(self, text: str) -> None:
        self._console.print(Text(text), soft_wrap=True)


_MARKS: Final[Mapping[State, str]] = {
    "waiting": "[dim]·[/]",
    "running": "[cyan]>[/]",
    "checking": "[cyan]?[/]",
    "done": "[green]✓[/]",
    "failed": "[red]✗[/]",
}


def _note(asset: AssetProgress) -> str:
    parts: list[str] = [asset.state] if asset.state in (*_AT_WORK, "failed") else []
    if asset.state not in ("waiting", "running"):
        if asset.rows is not None:
            parts.append(f"{asset.rows:,} row" + "s" * (asset.rows != 1))
        if asset.seconds:
            parts.append(f"{asset.seconds:.1f} s")
    if asset.state in ("done", "failed") and asset.passed + len(asset.failed_checks):
        counts = {"passed": asset.passed, "warned": asset.warned, "failed": asset.failed}
        told = [f"{count} {name}" for name, count in counts.items() if count]
        parts.append("checks: " + ", ".join(told))
    return ", ".join(parts)


@contextmanager
def live_or_plain(console: Console, *, is_live: bool) -> Iterator[View]:
    """Bars on a terminal, lines elsewhere."""
    with LiveView(console) if is_live else PlainView(console) as view:
        yield view


# --- tables --------------------------------------------------------------------------------------


def asset_table(assets: Sequence[AssetProgress]) -> Table:
    """One line per asset: rows, seconds, and how its checks came out."""
    table = Table(box=box.SIMPLE, pad_edge=False)
    table.add_column("Asset", no_wrap=True)
    for name in ("Rows", "Seconds", "Passed", "Warned", "Failed"):
        table.add_column(name, justify="right", no_wrap=True)
    for asset in assets:
        table.add_row(
            Text(asset.name, style="" if asset.state == "done" else "dim"),
            "-" if asset.rows is None else f"{asset.rows:,}",
            _shown_seconds(asset),
            _count(asset.passed, ""),
            _count(asset.warned, "yellow"),
            _count(asset.failed, "bold red"),
        )
    return table


def _shown_seconds(asset: AssetProgress) -> Text:
    if asset.state == "waiting":
        return Text("not run", style="dim")
    if asset.rows is None and asset.state == "failed":
        return Text("failed", style="bold red")
    return Text(f"{asset.seconds:.1f}")


def _count(number: int, style: str) -> Text:
    return Text(str(number), style=style) if number else Text("-", style="dim")


def describe_check(check: FailedCheck, description: str) -> Text:
    """A failed check in one line: asset, name, failing days and what it asserts."""
    label, style = ("warning", "yellow") if check.is_warning else ("failed", "bold red")
    if check.is_blocking and not check.is_warning:
        label = "failed, blocking"
    text = Text.assemble((f"{label}: ", style), f"{check.asset} {check.name}")
    if check.day_count:
        text.append(f" on {_name_days(check.days, check.day_count)}")
    told = " ".join(part for part in (check.description, description) if part)
    return text.append(f". {told}" if told else "")


def _name_days(days: Sequence[str], count: int) -> str:
    named = ", ".join(days[:_DAYS_NAMED])
    more = count - min(len(days), _DAYS_NAMED)
    return named if not more else f"{named} and {more} more days" if named else f"{count} days"


def describe_failure(failure: Failure) -> Text:
    """A failed step in one line."""
    return Text.assemble(("failed: ", "bold red"), f"{failure.where}: {failure.message}")


_KPIS: Final[Mapping[str, Mapping[str, str]]] = {
    "Activity": {
        "Events": "total_events",
        "Users today (DAU)": "dau",
        "Users, 7 days (WAU)": "wau",
        "Users, 30 days (MAU)": "mau",
        "Stickiness": "stickiness",
        "Assistant": "assistant_percent",
        "Vault": "vault_percent",
        "Workflow": "workflow_percent",
        "Documents": "total_documents",
        "Feedback": "avg_feedback_score",
        "Volume": "usage_volume_category",
    },
    "Users": {
        "Power": "power_users",
        "High value": "high_value_users",
        "Medium value": "medium_value_users",
        "Low value": "low_value_users",
        "Inactive": "inactive_users",
        "Power user rate": "power_user_rate",
        "Power score": "avg_power_score",
        "Queries a user": "avg_queries_per_user",
        "Active days a user": "avg_active_days_per_user",
        "Use 2+ features": "feature_adoption_rate",
    },
    "Firms": {
        "Active today": "active_firms",
        "Excellent": "excellent_firms",
        "Good": "good_firms",
        "Fair": "fair_firms",
        "Needs attention": "needs_attention_firms",
        "Critical": "critical_firms",
        "Adoption today": "avg_firm_adoption_rate",
        "Feedback": "avg_firm_feedback",
    },
    "Growth": {
        "Trend": "growth_trend",
        "New users": "new_users",
        "Returning users": "returning_users",
        "Power users kept": "power_user_retention",
        "Moved up a tier": "users_moved_up",
        "Moved down a tier": "users_moved_down",
    },
}
_PERCENT: Final = ("_percent", "_rate", "_retention", "stickiness")
_GROUP_WIDTH: Final = 36


def kpi_table(row: Mapping[str, Any]) -> Table:
    """The dashboard's row of a day, two groups side by side."""
    grid = Table.grid(padding=(0, 4))
    groups = [_kpi_group(name, columns, row) for name, columns in _KPIS.items()]
    for start in range(0, len(groups), 2):
        grid.add_row(*groups[start : start + 2])
        grid.add_row()
    return grid


def _kpi_group(name: str, columns: Mapping[str, str], row: Mapping[str, Any]) -> Table:
    table = Table(box=None, width=_GROUP_WIDTH, pad_edge=False, padding=0)
    table.add_column(name, no_wrap=True, ratio=1, header_style="bold cyan")
    table.add_column("", justify="right", no_wrap=True)
    for label, column in columns.items():
        table.add_row(label, Text(_kpi_value(column, row[column])))
    return table


def _kpi_value(column: str, value: Any) -> str:
    if value is None:
        return "-"
    if column.endswith(_PERCENT):
        return f"{value:,.1f} %"
    if isinstance(value, float):
        return f"{value:,.2f}"
    return f"{value:,}" if isinstance(value, int) else str(value)
