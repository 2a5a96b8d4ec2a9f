"""Jobs and schedules of a subject, with the reason for each."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final

import dagster as dg

from harvey_pipeline.graph.calendar import Calendar
from harvey_pipeline.graph.partitions import months_touched, range_tags
from harvey_pipeline.landing.coverage import is_covered
from harvey_pipeline.landing.files import find_all_files
from harvey_pipeline.landing.ledger import DROPS
from harvey_pipeline.landing.raw_store import RawStore
from harvey_pipeline.landing.source import Source
from harvey_pipeline.warehouse.days import DayRange, last_day, month_before, next_month
from harvey_pipeline.warehouse.table import Table
from harvey_pipeline.warehouse.warehouse import Warehouse, WarehouseError

DAILY: Final = "daily"
MONTHLY: Final = "monthly"


@dataclass(frozen=True)
class Months:
    """A subject's tables by calendar month, the daily tables that they read, and its sources.

    `covering` are the sources that tell which days there are.
    """

    tables: tuple[Table, ...]
    read: tuple[Table, ...]
    covering: tuple[Source, ...]


def daily_job(name: str, assets: Sequence[dg.AssetKey]) -> dg.JobDefinition:
    """Everything daily of a subject."""
    return dg.define_asset_job(  # type: ignore[return-value]
        name,
        selection=dg.AssetSelection.assets(*assets),
        description="Everything daily, with its checks, for a day or a range of days in one run.",
    )


def monthly_job(name: str, assets: Sequence[dg.AssetKey]) -> dg.JobDefinition:
    """The calendar months of a subject."""
    return dg.define_asset_job(  # type: ignore[return-value]
        name,
        selection=dg.AssetSelection.assets(*assets),
        description="Calendar months, with their checks, for a month or a range in one run.",
    )


def daily_schedule(
    job: dg.JobDefinition, sources: Sequence[Source], calendar: Calendar
) -> dg.ScheduleDefinition:
    """Run the last whole days as one range, once a day.

    As many days as the late window of the sources is long, and one more: events of a day may still
    arrive with a later day's drop, and that drop completes the day.

    It looks every hour from 06:00 on, so that drops which are late are run on the same day; the
    run key keeps a day from being run twice.
    """
    late_days = max((source.late_days for source in sources), default=0)

    @dg.schedule(
        job=job,
        name=f"{job.name}_schedule",
        cron_schedule="0 6-23 * * *",
        execution_timezone="UTC",
        description="Yesterday and the days before that its drops may complete, once all of "
        "yesterday's drops are there.",
    )
    def schedule(
        context: dg.ScheduleEvaluationContext, raw_store: RawStore
    ) -> dg.RunRequest | dg.SkipReason:
        yesterday = _day_before(context.scheduled_execution_time)
        if yesterday < calendar.first:
            return dg.SkipReason(
                f"{yesterday} lies before the calendar, which starts {calendar.first}"
            )
        if calendar.last is not None and yesterday > calendar.last:
            return dg.SkipReason(f"{yesterday} lies after the calendar, which ends {calendar.last}")
        missing = missing_drops(raw_store, sources, yesterday)
        if missing:
            return dg.SkipReason(f"waiting for {', '.join(missing)} in {raw_store.landing_dir}")
        first = max(yesterday - timedelta(days=late_days), calendar.first)
        return dg.RunRequest(run_key=str(yesterday), tags=range_tags(DayRange(first, yesterday)))

    return schedule


def missing_drops(raw_store: RawStore, sources: Sequence[Source], day: date) -> list[str]:
    """The drops of a day that neither arrived nor are covered by a bulk export, as file names.

    An optional source of which there is nothing at all is not waited for.
    """
    files = find_all_files(Path(raw_store.landing_dir), sources)
    return [
        f"{source.name}/{day}.csv"
        for source in sources
        if not (source.is_optional and files[source.name].is_empty)
        and not is_covered(files[source.name], Path(raw_store.root), day)
    ]


def _day_before(moment: datetime) -> date:
    return moment.astimezone(UTC).date() - timedelta(days=1)


def monthly_schedule(
    job: dg.JobDefinition, months: Months, calendar: Calendar
) -> dg.ScheduleDefinition:
    """Run the months that are due by the warehouse's own record of what was committed when.

    So the current month is refreshed as its days arrive, and a closed month stays as it is until
    one of its days is materialised again, be it by the daily schedule, a backfill, the UI or the
    command line. A schedule by the calendar would not know of corrections. An automation condition
    forgets a day that changes between two of its ticks if the month was requested at the first,
    and knows only of runs that this Dagster instance has recorded.
    """

    @dg.schedule(
        job=job,
        name=f"{job.name}_schedule",
        cron_schedule="*/10 * * * *",
        execution_timezone="UTC",
        description="Calendar months of which a day was computed after the month was.",
    )
    def schedule(
        context: dg.ScheduleEvaluationContext,  # noqa: ARG001  (Dagster gives it by name)
        warehouse: Warehouse,
    ) -> list[dg.RunRequest] | dg.SkipReason:
        if not warehouse.path.exists():
            return dg.SkipReason(f"nothing was run yet: {warehouse.path} does not exist")
        impatient = Warehouse(database=warehouse.database, lock_timeout_seconds=0)
        try:
            due = months_due(impatient, months, calendar)
        except WarehouseError as error:
            return dg.SkipReason(f"looking again later: {error}")
        if not due:
            return dg.SkipReason("no day was computed after its month")
        return [
            dg.RunRequest(
                run_key=f"{some[0]}..{some[-1]} as of commit {max(due[one] for one in some)}",
                tags=range_tags(DayRange(some[0], some[-1])),
            )
            for some in _consecutive(sorted(due))
        ]

    return schedule


def months_due(warehouse: Warehouse, months: Months, calendar: Calendar) -> dict[date, int]:
    """The months whose tables are older than the days that they read, each with its last commit.

    A month reads its own days and, for who was active before, those of the month before it. One
    whose end was never covered depends on the days after it too: they tell that it is over. One of
    which no day was run is never due, nor one outside the calendar.
    """
    own = [warehouse.last_commits(table) for table in months.tables]
    read = {table: warehouse.last_commits(table) for table in months.read}
    newest: dict[date, int] = {}
    for commits in read.values():
        for day, generation in commits.items():
            month = day.replace(day=1)
            newest[month] = max(newest.get(month, 0), generation)
    covered = _months_covered_to_their_end(warehouse, months)
    due = {}
    days_run = {
        day for table, commits in read.items() if table.day_column is not None for day in commits
    }
    for month in {day.replace(day=1) for day in days_run if day in calendar}:
        relevant = [month, month_before(month)]
        if month not in covered:
            relevant.append(next_month(month))
        changed = max(newest.get(one, 0) for one in relevant)
        if changed > min(commits.get(month, 0) for commits in own):
            due[month] = changed
    return due


def months_after(
    warehouse: Warehouse, months: Months, calendar: Calendar, days: DayRange
) -> DayRange:
    """The months to compute once some days were, as the range of their keys.

    Those that the days touch, and of their neighbours that were computed before: the month after
    them, for what happened in the last of them decides about the next; and the month before them
    if its end was never covered, for they tell that it is over.
    """
    known = warehouse.last_commits(months.tables[0])
    touched = months_touched(days)
    before, after = month_before(touched.first), next_month(touched.last)
    is_open = before not in _months_covered_to_their_end(warehouse, months)
    takes_before = before in known and is_open and last_day(before) in calendar
    takes_after = after in known and after in calendar
    return DayRange(
        before if takes_before else touched.first, after if takes_after else touched.last
    )


def _months_covered_to_their_end(warehouse: Warehouse, months: Months) -> set[date]:
    """The months on whose last day events were covered when it was run."""
    names = [source.name for source in months.covering]
    rows = warehouse.query(
        f"select date_trunc('month', drop_date)::date from {DROPS} "
        "where list_contains(?, source) and is_observed and drop_date = last_day(drop_date)",
        [names],
        tables=[DROPS],
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
