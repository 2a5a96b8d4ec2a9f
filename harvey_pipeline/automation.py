"""Jobs and schedules, with the reason for each. What they compute is said by the assets."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final

import dagster as dg

from harvey_pipeline import landing
from harvey_pipeline.ingestion import bulk_dates
from harvey_pipeline.landing import SourceFiles
from harvey_pipeline.partitions import CALENDAR, months_touched, range_tags
from harvey_pipeline.raw_store import RawStore
from harvey_pipeline.tables import TABLES
from harvey_pipeline.tables.labels import SOURCES, Source
from harvey_pipeline.transforms.months import last_day, month_before, next_month
from harvey_pipeline.transforms.parse import LATE_DAYS
from harvey_pipeline.warehouse import DayRange, Warehouse, WarehouseError

DAILY_JOB: Final = dg.define_asset_job(
    "daily",
    selection=dg.AssetSelection.groups("raw", "core", "marts"),
    description="Everything daily, with its checks, for a day or a range of days in one run.",
)

MONTHLY_JOB: Final = dg.define_asset_job(
    "monthly",
    selection=dg.AssetSelection.groups("months"),
    description="Calendar months, with their checks, for a month or a range of months in one run.",
)


@dg.schedule(
    job=DAILY_JOB,
    name="daily_schedule",
    cron_schedule="0 6-23 * * *",
    execution_timezone="UTC",
    description="Yesterday and the day before, once all of yesterday's drops are there.",
)
def daily_schedule(
    context: dg.ScheduleEvaluationContext, raw_store: RawStore
) -> dg.RunRequest | dg.SkipReason:
    """Run the last two whole days as one range, once a day.

    Two days, because events of a day may still arrive with the next day's drop: yesterday's
    drop completes the day before it.

    It looks every hour from 06:00 on, so that drops which are late are run on the same day; the
    run key keeps a day from being run twice.
    """
    yesterday = _day_before(context.scheduled_execution_time)
    if yesterday < CALENDAR.first:
        return dg.SkipReason(f"{yesterday} lies before the calendar, which starts {CALENDAR.first}")
    if CALENDAR.last is not None and yesterday > CALENDAR.last:
        return dg.SkipReason(f"{yesterday} lies after the calendar, which ends {CALENDAR.last}")
    files = landing.find_all_files(Path(raw_store.landing_dir))
    missing = missing_drops(files, Path(raw_store.root), yesterday)
    if missing:
        return dg.SkipReason(f"waiting for {', '.join(missing)} in {raw_store.landing_dir}")
    first = max(yesterday - timedelta(days=LATE_DAYS), CALENDAR.first)
    return dg.RunRequest(run_key=str(yesterday), tags=range_tags(DayRange(first, yesterday)))


def missing_drops(files: Mapping[Source, SourceFiles], raw_dir: Path, day: date) -> list[str]:
    """The drops of a day that neither arrived nor are covered by a bulk export, as file names."""
    return [
        f"{source}/{day}.csv" for source in SOURCES if not _is_there(files[source], raw_dir, day)
    ]


def _is_there(files: SourceFiles, raw_dir: Path, day: date) -> bool:
    if day in files.drops:
        return True
    if files.source != "events":
        return files.bulk is not None
    exported = bulk_dates(files, raw_dir)
    return exported is not None and exported.first <= day <= exported.last


def _day_before(moment: datetime) -> date:
    return moment.astimezone(UTC).date() - timedelta(days=1)


@dg.schedule(
    job=MONTHLY_JOB,
    name="monthly_schedule",
    cron_schedule="*/10 * * * *",
    execution_timezone="UTC",
    description="Calendar months of which a day was computed after the month was.",
)
def monthly_schedule(
    context: dg.ScheduleEvaluationContext,  # noqa: ARG001  (Dagster gives it by name)
    warehouse: Warehouse,
) -> list[dg.RunRequest] | dg.SkipReason:
    """Run the months that are due by the warehouse's own record of what was committed when.

    So the current month is refreshed as its days arrive, and a closed month stays as it is until
    one of its days is materialised again, be it by the daily schedule, a backfill, the UI or the
    command line. A schedule by the calendar would not know of corrections. An automation condition
    forgets a day that changes between two of its ticks if the month was requested at the first,
    and knows only of runs that this Dagster instance has recorded.
    """
    if not warehouse.path.exists():
        return dg.SkipReason(f"nothing was run yet: {warehouse.path} does not exist")
    impatient = Warehouse(database=warehouse.database, lock_timeout_seconds=0)
    try:
        due = months_due(impatient)
    except WarehouseError as error:
        return dg.SkipReason(f"looking again later: {error}")
    if not due:
        return dg.SkipReason("no day was computed after its month")
    return [
        dg.RunRequest(
            run_key=f"{months[0]}..{months[-1]} as of commit {max(due[one] for one in months)}",
            tags=range_tags(DayRange(months[0], months[-1])),
        )
        for months in _consecutive(sorted(due))
    ]


_MONTHLY_TABLES: Final = tuple(name for name, table in TABLES.items() if table.is_monthly)
_READ_BY_MONTHS: Final = ("core.user_daily_activity", "core.dim_firms", "core.first_activity")


def months_due(warehouse: Warehouse) -> dict[date, int]:
    """The months whose tables are older than the days that they read, each with its last commit.

    A month reads its own days and, for who was active before, those of the month before it. One
    whose end was never covered depends on the days after it too: they tell that it is over. One of
    which no day was run is never due, nor one outside the calendar.
    """
    own = [warehouse.last_commits(name) for name in _MONTHLY_TABLES]
    read = [warehouse.last_commits(name) for name in _READ_BY_MONTHS]
    newest: dict[date, int] = {}
    for commits in read:
        for day, generation in commits.items():
            month = day.replace(day=1)
            newest[month] = max(newest.get(month, 0), generation)
    covered = _months_covered_to_their_end(warehouse)
    due = {}
    for month in {day.replace(day=1) for day in read[0] if _is_in_calendar(day)}:
        relevant = [month, month_before(month)]
        if month not in covered:
            relevant.append(next_month(month))
        changed = max(newest.get(one, 0) for one in relevant)
        if changed > min(commits.get(month, 0) for commits in own):
            due[month] = changed
    return due


def months_after(warehouse: Warehouse, days: DayRange) -> DayRange:
    """The months to compute once some days were, as the range of their keys.

    Those that the days touch, and of their neighbours that were computed before: the month after
    them, for who was active in the last of them decides who is a power user in the next; and the
    month before them if its end was never covered, for they tell that it is over.
    """
    known = warehouse.last_commits("months.user_engagement")
    touched = months_touched(days)
    before, after = month_before(touched.first), next_month(touched.last)
    is_open = before not in _months_covered_to_their_end(warehouse)
    takes_before = before in known and is_open and _is_in_calendar(last_day(before))
    takes_after = after in known and _is_in_calendar(after)
    return DayRange(
        before if takes_before else touched.first, after if takes_after else touched.last
    )


def _is_in_calendar(day: date) -> bool:
    return CALENDAR.first <= day and (CALENDAR.last is None or day <= CALENDAR.last)


def _months_covered_to_their_end(warehouse: Warehouse) -> set[date]:
    """The months on whose last day events were covered when it was run."""
    rows = warehouse.query(
        "select date_trunc('month', drop_date)::date from raw.drops "
        "where source = 'events' and is_observed and drop_date = last_day(drop_date)",
        tables=["raw.drops"],
    )
    return {month for (month,) in rows}


def _consecutive(months: Sequence[date]) -> list[list[date]]:
    """The months, ascending, in groups without a gap."""
    groups: list[list[date]] = []
    for month in months:
        if groups and next_month(groups[-1][-1]) == month:
            groups[-1].append(month)
        else:
            groups.append([month])
    return groups
