"""`harvey checks`: what is assumed of the tables, and which of it did not hold last time."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table as Grid
from rich.text import Text

from harvey_pipeline.cli.app import (
    OK,
    DagsterHome,
    Debug,
    UnusableError,
    WarehouseFile,
    unknown_name,
)
from harvey_pipeline.cli.home import find_dagster_home
from harvey_pipeline.cli.outcomes import FailedCheck, most_urgent_first
from harvey_pipeline.cli.show import (
    columns_of,
    label,
    label_of,
    listing_output,
    name_days,
    plural,
    say,
)

if TYPE_CHECKING:
    import dagster as dg

    from harvey_pipeline.checks.report import Check


def list_checks(
    name: Annotated[
        str | None,
        typer.Argument(
            help="A table (`marts.power_curve`), a schema (`marts`), a check (`volume_is_usual`) "
            "or a rule of one (`key_is_unique`); else all checks."
        ),
    ] = None,
    is_failed_wanted: Annotated[
        bool,
        typer.Option("--failed", help="Those that did not pass when they were last evaluated."),
    ] = False,
    warehouse: WarehouseFile = None,
    dagster_home: DagsterHome = None,
    debug: Debug = False,
) -> int:
    """Show the checks, or those that did not pass."""
    declared = _declared(name)
    console = listing_output()
    if is_failed_wanted:
        _show_failed(console, declared)
        return OK
    for number, table in enumerate(dict.fromkeys(table for table, _ in declared)):
        say(console, Text("\n" * bool(number)).append(table, style="bold cyan"))
        console.print(grid_of_checks([check for one, check in declared if one == table]))
    return OK


def checks_of(table: str) -> list["Check"]:
    """The checks of a table, as they are declared; none for one that no asset is named after."""
    return [check for one, check in _all_declared() if one == table]


def grid_of_checks(checks: Sequence["Check"]) -> Grid:
    """A line for each check and each of its rules: name, severity, and what it asserts."""
    grid = columns_of(3)
    for check in checks:
        severity = label(check.severity.value, is_blocking=check.is_blocking)
        grid.add_row(check.name, severity, Text(check.description))
        for rule, told in check.rules.items():
            grid.add_row(f"  {rule}", "", Text(told))
    return grid


def _all_declared() -> list[tuple[str, "Check"]]:
    from harvey_pipeline.definitions import SUBJECTS, check_plans

    return [(plan.table.name, check) for plan in check_plans(SUBJECTS) for check in plan.checks]


def _declared(name: str | None) -> list[tuple[str, "Check"]]:
    """The checks that a name stands for, with their tables."""
    declared = _all_declared()
    found = [
        (table, check)
        for table, check in declared
        if name in (None, table, table.partition(".")[0], check.name, *check.rules)
    ]
    if name is not None and not found:
        tables = {table for table, _ in declared}
        schemas = {table.partition(".")[0] for table in tables}
        checks = {one for _, check in declared for one in (check.name, *check.rules)}
        known = sorted(tables | schemas | checks)
        raise unknown_name("table, schema, check or rule", name, known, "harvey checks")
    return found


# --- what did not pass ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Evaluated:
    """A check with all that its last result says."""

    table: str
    check: "Check"
    result: "dg.AssetCheckEvaluation"
    run_id: str
    at: datetime


def _show_failed(console: Console, declared: Sequence[tuple[str, "Check"]]) -> None:
    count, results = _read_latest(declared)
    for check, evaluated in results:
        for part in _tell(check, evaluated, is_terminal=console.is_terminal):
            console.print(part)
        console.print()
    told = f"{len(results)} of {plural(count, 'check')} did not pass"
    say(console, f"{told} when they were last evaluated.")


def _read_latest(
    declared: Sequence[tuple[str, "Check"]],
) -> tuple[int, list[tuple[FailedCheck, Evaluated]]]:
    """How many of the checks were ever evaluated, and which of them did not pass last time."""
    from harvey_pipeline.cli.progress import read_failed_check
    from harvey_pipeline.settings import SettingsError, read_settings

    try:
        home = find_dagster_home(read_settings())
    except SettingsError as error:
        raise UnusableError(str(error)) from error
    evaluated = list(latest_evaluations(home, declared)) if home.is_dir() else []
    if not evaluated:
        raise UnusableError(
            f"{home} holds no results of checks. Compute something with `harvey run`, or set "
            f"DAGSTER_HOME or --dagster-home to the folder that it used."
        )
    failed = {
        (one.table, one.check.name): (read_failed_check(one.result), one)
        for one in evaluated
        if not one.result.passed
    }
    in_order = most_urgent_first([check for check, _ in failed.values()])
    return len(evaluated), [failed[check.asset, check.name] for check in in_order]


def latest_evaluations(home: Path, declared: Iterable[tuple[str, "Check"]]) -> Iterator[Evaluated]:
    """The last result of each check, of tables by name, that was ever evaluated."""
    import dagster as dg

    by_key = {
        dg.AssetCheckKey(dg.AssetKey(table.split(".")), check.name): (table, check)
        for table, check in declared
    }
    with dg.DagsterInstance.from_config(str(home)) as instance:
        records = instance.event_log_storage.get_latest_asset_check_execution_by_key([*by_key])
    for key, (table, check) in by_key.items():
        record = records.get(key)
        result = _evaluation_of(record.event) if record and record.event else None
        if record is not None and result is not None:
            moment = datetime.fromtimestamp(record.create_timestamp, UTC)
            yield Evaluated(table, check, result, record.run_id, moment)


def _evaluation_of(entry: "dg.EventLogEntry") -> "dg.AssetCheckEvaluation | None":
    """The result that an event tells; None for one that only says that there will be a result."""
    import dagster as dg

    event = entry.dagster_event
    if event is None or event.event_type is not dg.DagsterEventType.ASSET_CHECK_EVALUATION:
        return None
    return event.asset_check_evaluation_data


def _tell(
    check: FailedCheck, evaluated: Evaluated, *, is_terminal: bool
) -> Iterator[RenderableType]:
    """A check that did not pass, in full; its tables are drawn at a terminal only."""
    import dagster as dg
    from rich.markdown import Markdown

    yield Text.assemble(label_of(check), " ", (f"{check.asset} {check.name}", "bold"))
    evaluated_at = f"{evaluated.at:%Y-%m-%d %H:%M} UTC"
    lines = [
        check.description,
        f"Asserted: {evaluated.check.description}",
        f"Days: {name_days(check)}." if check.day_count else "",
    ]
    yield from (_indented(Text(line)) for line in lines if line)
    for name, value in evaluated.result.metadata.items():
        if isinstance(value, dg.MarkdownMetadataValue) and value.value:
            yield _indented(Text(f"{name.replace('_', ' ').capitalize()}:"))
            yield _indented(Markdown(value.value) if is_terminal else Text(value.value))
    told = f"Evaluated {evaluated_at} in run {evaluated.run_id}."
    yield _indented(Text(told, style="dim"))


def _indented(part: RenderableType) -> Padding:
    return Padding(part, (0, 0, 0, 2), expand=False)
