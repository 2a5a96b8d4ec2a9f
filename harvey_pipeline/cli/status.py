"""`harvey status`: what is due, and how each subject stands."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.console import Console
from rich.text import Text

from harvey_pipeline.cli.app import (
    OK,
    DagsterHome,
    Debug,
    EndDate,
    LandingDir,
    StartDate,
    WarehouseFile,
)
from harvey_pipeline.cli.checks import latest_evaluations
from harvey_pipeline.cli.plan import (
    no_garbage_collection,
    plan_as_json,
    read_usable_settings,
    survey,
    tell_plan,
)
from harvey_pipeline.cli.show import columns_of, first_of, listing_output, plural, say

if TYPE_CHECKING:
    from harvey_pipeline.graph.due import Plan
    from harvey_pipeline.settings import Settings
    from harvey_pipeline.subject import Subject
    from harvey_pipeline.warehouse.days import DayRange

_PATIENCE_SECONDS: Final = 6.0
"""A run that is going on lets others in every few seconds."""

_NAMED: Final = 3
_NONE: Final = "none"
_RECENT_DAYS: Final = 7
_MEGABYTE: Final = 1_000_000


@dataclass(frozen=True)
class SubjectStatus:
    """How a subject stands.

    `last_complete_day` is the last day of which all drops are there and all is computed,
    `missing_drops` are those of the days that there are, `failed_checks` those whose latest result
    is no success, `quarantined` counts the records of the last seven days by reason.
    """

    subject: str
    first_day: date
    last_day: date
    last_complete_day: date | None
    missing_drops: list[str]
    failed_checks: list[str]
    quarantined: dict[str, int]


def show_status(
    is_json_wanted: Annotated[bool, typer.Option("--json", help="Tell it as JSON.")] = False,
    landing_dir: LandingDir = None,
    warehouse: WarehouseFile = None,
    start_date: StartDate = None,
    end_date: EndDate = None,
    dagster_home: DagsterHome = None,
    debug: Debug = False,
) -> int:
    """Show what is due, and why, and how each subject stands. Nothing is run."""
    with no_garbage_collection():
        settings = replace(read_usable_settings(), lock_timeout_seconds=_PATIENCE_SECONDS)
        surveyed = survey(settings)
    active, days, plan = surveyed.subjects, surveyed.days, surveyed.plan
    statuses = [_status_of(settings, subject, days, plan) for subject in active]
    sizes = _sizes(settings)
    if is_json_wanted:
        everything = {
            "due": plan_as_json(plan, active),
            "subjects": [asdict(one) for one in statuses],
            "warehouse": sizes,
        }
        typer.echo(json.dumps(everything, indent=2, default=str))
        return OK
    console = listing_output()
    for line in surveyed.told:
        say(console, line)
    lines = list(tell_plan(plan, active))
    say(console, Text("Due" if lines else f"Nothing is due: {days} are computed", style="bold"))
    for line in lines:
        say(console, f"  {line}")
    for status in statuses:
        _show_subject(console, status)
    _show_sizes(console, settings, sizes)
    return OK


def _status_of(
    settings: "Settings", subject: "Subject", days: "DayRange", plan: "Plan"
) -> SubjectStatus:
    missing = _missing_by_day(settings, subject, days)
    tables = {table.name for table in (*subject.raw_tables, *subject.daily_tables)}
    due = {one.day for one in plan if one.table in tables}
    complete = [day for day in reversed(days.days) if day not in due and day not in missing]
    return SubjectStatus(
        subject.name,
        days.first,
        days.last,
        complete[0] if complete else None,
        [name for day in sorted(missing, reverse=True) for name in missing[day]],
        failed_checks(settings, subject),
        _quarantined(settings, subject, days),
    )


def _missing_by_day(
    settings: "Settings", subject: "Subject", days: "DayRange"
) -> dict[date, list[str]]:
    """The drops that are not there, of days of which some are expected."""
    from harvey_pipeline.landing.coverage import sources_missing
    from harvey_pipeline.landing.files import find_all_files
    from harvey_pipeline.landing.places import landing_place

    files = find_all_files(landing_place(settings.landing_dir), subject.sources).values()
    missing = {day: sources_missing(files, settings.raw_dir, day) for day in days.days}
    return {day: [f"{name}/{day}" for name in names] for day, names in missing.items() if names}


def failed_checks(settings: "Settings", subject: "Subject") -> list[str]:
    """`table check` of every check whose latest result is an error, and then of the warnings."""
    import dagster as dg

    from harvey_pipeline.cli.home import find_dagster_home
    from harvey_pipeline.definitions import SUBJECTS, tables_of

    home = find_dagster_home(settings)
    if not (home / "dagster.yaml").exists():
        return []
    declared = [
        (plan.table.name, check)
        for plan in subject.plan_checks(tables_of(SUBJECTS))
        for check in plan.checks
    ]
    failed = [
        (one.result.severity is dg.AssetCheckSeverity.WARN, f"{one.table} {one.check.name}")
        for one in latest_evaluations(home, declared)
        if not one.result.passed
    ]
    return [f"{name} (warning)" if is_warning else name for is_warning, name in sorted(failed)]


def _quarantined(settings: "Settings", subject: "Subject", days: "DayRange") -> dict[str, int]:
    from harvey_pipeline.definitions import CALENDAR, build_resources
    from harvey_pipeline.landing.ledger import QUARANTINE

    if not settings.warehouse.exists():
        return {}
    warehouse, _ = build_resources(settings, CALENDAR)
    rows = warehouse.query(
        "select source || ' ' || reason, count(*) from (select source, unnest(reasons) as reason "
        f"from {QUARANTINE} where drop_date > ? and list_contains(?, source)) "
        "group by 1 order by 2 desc, 1",
        [days.last - timedelta(days=_RECENT_DAYS), [one.name for one in subject.sources]],
        tables=[QUARANTINE],
    )
    return dict(rows)


def _sizes(settings: "Settings") -> dict[str, int | float | None]:
    """Sizes in bytes, and how far the published copy is behind: in seconds, and at all."""
    from harvey_pipeline.definitions import CALENDAR, build_resources
    from harvey_pipeline.warehouse.publishing import is_behind
    from harvey_pipeline.warehouse.warehouse import published_path

    warehouse, _ = build_resources(settings, CALENDAR)
    published = published_path(settings.warehouse)
    age = datetime.now(UTC).timestamp() - published.stat().st_mtime if published.exists() else None
    return {
        "bytes": settings.warehouse.stat().st_size if settings.warehouse.exists() else None,
        "raw_bytes": _size_of(settings.raw_dir),
        "published_age_seconds": age,
        "is_published_behind": is_behind(warehouse),
    }


def _size_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _show_subject(console: Console, status: SubjectStatus) -> None:
    say(console, Text(f"\n{status.subject}", style="bold cyan"))
    grid = columns_of(2)
    for name, told in _facts(status):
        grid.add_row(f"  {name}", told)
    console.print(grid)


def _facts(status: SubjectStatus) -> Iterator[tuple[str, str]]:
    yield "Days", f"{status.first_day} to {status.last_day}"
    yield "Last complete day", str(status.last_complete_day or "none")
    for name, found in (
        ("Missing drops", status.missing_drops),
        ("Failed checks", status.failed_checks),
    ):
        count = f"{len(found)}: " if len(found) > 1 else ""
        yield name, count + (first_of(found, _NAMED) or _NONE)
    rows = [f"{count} {reason}" for reason, count in status.quarantined.items()]
    yield f"Quarantine, {_RECENT_DAYS} days", first_of(rows, _NAMED) or _NONE


def _show_sizes(
    console: Console, settings: "Settings", sizes: dict[str, int | float | None]
) -> None:
    size, raw, age = sizes["bytes"], sizes["raw_bytes"], sizes["published_age_seconds"]
    told = "not there yet" if size is None else f"{size / _MEGABYTE:,.1f} MB"
    say(console, f"\n{settings.warehouse}: {told}; raw files {(raw or 0) / _MEGABYTE:,.1f} MB")
    copy = "none yet" if age is None else f"{_tell_age(age)} old"
    if sizes["is_published_behind"]:
        copy += "; not everything computed is in it, which harvey run mends"
    say(console, f"Published copy: {copy}")


def _tell_age(seconds: float) -> str:
    for noun, length in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if seconds >= 2 * length:
            return plural(int(seconds // length), noun)
    return plural(int(seconds), "second")
