"""`harvey status`: what is due, and how each subject stands."""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
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
    failed_checks: Sequence[str]
    quarantined: Mapping[str, int]


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
    failed = failed_checks(settings, active)
    quarantined = _quarantined(settings, active, days)
    statuses = [
        SubjectStatus(
            one.name,
            days.first,
            days.last,
            *_completeness_of(settings, one, days, plan),
            failed_checks=failed[one.name],
            quarantined=quarantined[one.name],
        )
        for one in active
    ]
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


def _completeness_of(
    settings: "Settings", subject: "Subject", days: "DayRange", plan: "Plan"
) -> tuple[date | None, list[str]]:
    """The last day that is complete, and the drops that are missing, the latest first."""
    missing = _missing_by_day(settings, subject, days)
    tables = {table.name for table in (*subject.raw_tables, *subject.daily_tables)}
    due = {one.day for one in plan if one.table in tables}
    complete = (day for day in reversed(days.days) if day not in due and day not in missing)
    named = [name for day in sorted(missing, reverse=True) for name in missing[day]]
    return next(complete, None), named


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


def failed_checks(
    settings: "Settings", subjects: Sequence["Subject"]
) -> Mapping[str, Sequence[str]]:
    """By subject `table check` of every check whose latest result is an error, then of warnings."""
    import dagster as dg

    from harvey_pipeline.cli.home import find_dagster_home
    from harvey_pipeline.definitions import SUBJECTS, tables_of

    home = find_dagster_home(settings)
    if not (home / "dagster.yaml").exists():
        return {subject.name: [] for subject in subjects}
    tables = tables_of(SUBJECTS)
    plans = {subject.name: subject.plan_checks(tables) for subject in subjects}
    declared = [
        (plan.table.name, check)
        for some in plans.values()
        for plan in some
        for check in plan.checks
    ]
    failed = sorted(
        (one.result.severity is dg.AssetCheckSeverity.WARN, one.table, one.check.name)
        for one in latest_evaluations(home, declared)
        if not one.result.passed
    )
    told: dict[str, list[str]] = {subject.name: [] for subject in subjects}
    subject_of = {plan.table.name: name for name, some in plans.items() for plan in some}
    for is_warning, table, check in failed:
        told[subject_of[table]].append(f"{table} {check}{' (warning)' * is_warning}")
    return told


def _quarantined(
    settings: "Settings", subjects: Sequence["Subject"], days: "DayRange"
) -> Mapping[str, Mapping[str, int]]:
    """By subject the records of the last days by source and reason, the most first."""
    from harvey_pipeline.definitions import CALENDAR, build_resources
    from harvey_pipeline.landing.ledger import QUARANTINE

    if not settings.warehouse.exists():
        return {subject.name: {} for subject in subjects}
    warehouse, _ = build_resources(settings, CALENDAR)
    rows = warehouse.query(
        "select source, source || ' ' || reason, count(*) from (select source, unnest(reasons) "
        f"as reason from {QUARANTINE} where drop_date > ?) group by all order by 3 desc, 2",
        [days.last - timedelta(days=_RECENT_DAYS)],
        tables=[QUARANTINE],
    )
    subject_of = {source.name: subject.name for subject in subjects for source in subject.sources}
    told: dict[str, dict[str, int]] = {subject.name: {} for subject in subjects}
    for source, reason, count in rows:
        if source in subject_of:
            told[subject_of[source]][reason] = count
    return told


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
    size = 0
    # A file that another process removes meanwhile is not counted.
    with suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            with suppress(FileNotFoundError):
                size += _size_of(Path(entry)) if entry.is_dir() else entry.stat().st_size
    return size


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
