"""Jobs, schedules and the landing sensor, with the reason for each."""

import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import dagster as dg

from harvey_pipeline.graph.calendar import Calendar
from harvey_pipeline.graph.due import Graph, Stage
from harvey_pipeline.graph.requests import Watched, day_before, request_due
from harvey_pipeline.landing.raw_store import RawStore
from harvey_pipeline.landing.records.contract import LandingError
from harvey_pipeline.landing.settled import Look, unsettled_drops

DAILY: Final = "daily"
MONTHLY: Final = "monthly"
AUDIT: Final = "audit"


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


def audit_job(name: str, assets: Sequence[dg.AssetKey]) -> dg.JobDefinition:
    """Every check of a subject over all days that were ever run; it computes nothing."""
    return dg.define_asset_job(  # type: ignore[return-value]
        name,
        selection=dg.AssetSelection.checks_for_assets(*assets),
        description="Every check, over all days that were ever run. Computes nothing.",
    )


def audit_schedule(job: dg.JobDefinition) -> dg.ScheduleDefinition:
    """The first day of each month."""
    return dg.ScheduleDefinition(
        name=f"{job.name}_schedule",
        job=job,
        cron_schedule="0 7 1 * *",
        execution_timezone="UTC",
        description="The first day of each month: every check over all days.",
    )


def daily_schedule(
    job: dg.JobDefinition, graph: Graph, stage: Stage, calendar: Calendar, *, minute: int = 0
) -> dg.ScheduleDefinition:
    """Run everything daily of a stage that is due, once all of yesterday's drops are there.

    It looks every hour from 06:00 on, so that drops which are late are run on the same day, and
    asks for the same state once. A day that was missed is due until it is run. `graph` holds all
    that the stage rests on: while that is due, it waits.
    """

    @dg.schedule(
        job=job,
        name=f"{job.name}_schedule",
        cron_schedule=f"{minute} 6-23 * * *",
        execution_timezone="UTC",
        description="Yesterday, the days before that its drops may complete, and whatever else is "
        "due, once all of yesterday's drops are there.",
    )
    def schedule(
        context: dg.ScheduleEvaluationContext, raw_store: RawStore
    ) -> list[dg.RunRequest] | dg.SkipReason:
        watched = Watched.impatiently(graph, calendar, raw_store)
        yesterday = day_before(context.scheduled_execution_time)
        if yesterday < calendar.first:
            return dg.SkipReason(
                f"{yesterday} lies before the calendar, which starts {calendar.first}"
            )
        try:
            missing = watched.missing_drops(yesterday) if yesterday in calendar else []
        except LandingError as error:
            return dg.SkipReason(str(error))
        if missing:
            return dg.SkipReason(f"waiting for {', '.join(missing)} in {raw_store.landing_dir}")
        return request_due(context.instance, watched, [[stage]], yesterday)

    return schedule


def monthly_schedule(
    job: dg.JobDefinition, graph: Graph, stage: Stage, calendar: Calendar
) -> dg.ScheduleDefinition:
    """Run the months that are due by the warehouse's own record of what was committed when.

    So the current month is refreshed as its days arrive, and a closed month stays as it is until
    one of its days is materialised again, be it by the daily schedule, a backfill, the UI or the
    command line. A schedule by the calendar would not know of corrections. An automation condition
    forgets a day that changes between two of its ticks if the month was requested at the first,
    and knows only of runs that this Dagster instance has recorded.
    """
    # Days that are due are no matter of this schedule: their months follow once they were run.
    monthly = Graph((), tuple(asset for asset in graph.assets if asset.table.is_monthly))

    @dg.schedule(
        job=job,
        name=f"{job.name}_schedule",
        cron_schedule="*/10 * * * *",
        execution_timezone="UTC",
        description="Calendar months of which a day was computed after the month was.",
    )
    def schedule(
        context: dg.ScheduleEvaluationContext, raw_store: RawStore
    ) -> list[dg.RunRequest] | dg.SkipReason:
        watched = Watched.impatiently(monthly, calendar, raw_store, graph.sources)
        yesterday = day_before(context.scheduled_execution_time)
        return request_due(context.instance, watched, [[stage]], yesterday)

    return schedule


def landing_sensor(
    jobs: Sequence[dg.JobDefinition],
    stages: Sequence[Sequence[Stage]],
    graph: Graph,
    calendar: Calendar,
    incomplete_after_hour: int,
    look_seconds: int,
) -> dg.SensorDefinition:
    """Look at the landing folder every `look_seconds`, and ask for what has become due.

    `stages` are those of each subject: what one cannot read holds up no other.

    A file is left alone until it stood still between two looks. Yesterday waits until its drops are
    complete, but no longer than until an hour of today, UTC. It is off until somebody starts it.
    """

    @dg.sensor(
        name="landing_sensor",
        jobs=jobs,
        minimum_interval_seconds=look_seconds,
        description="Days of drops that arrived, changed or are gone, what rests on them, and "
        "days that were missed.",
    )
    def sensor(context: dg.SensorEvaluationContext, raw_store: RawStore) -> dg.SensorResult:
        watched = Watched.impatiently(graph, calendar, raw_store)
        now = datetime.now(UTC)
        look = Look(time.time_ns())
        before = Look(look.at_ns - look_seconds * 1_000_000_000)
        if context.cursor:
            before = Look.parse(context.cursor)
        try:
            look = look.with_recent(watched.files.values())
            unsettled = list(unsettled_drops(watched.files.values(), before, look))
            yesterday = day_before(now)
            missing = watched.missing_drops(yesterday) if yesterday in calendar else []
            outside = [
                day for day in watched.days_found if day not in calendar and day <= yesterday
            ]
        except LandingError as error:
            return dg.SensorResult(skip_reason=str(error), cursor=str(look))
        is_waiting = bool(missing) and now.hour < incomplete_after_hour
        last = yesterday - timedelta(days=1) if is_waiting else yesterday
        asked = request_due(context.instance, watched, stages, last, unsettled)
        if isinstance(asked, list):
            return dg.SensorResult(run_requests=asked, cursor=str(look))
        reasons = [str(asked.skip_message)]
        if is_waiting:
            reasons.append(f"waiting for {', '.join(missing)}")
        if outside:
            reasons.append(
                f"{len(outside)} days with drops, such as {outside[-1]}, lie outside the calendar: "
                f"it is read when the code location is loaded"
            )
        if unsettled:
            reasons.append(f"{len(unsettled)} files have changed since the last look")
        return dg.SensorResult(skip_reason="; ".join(reasons), cursor=str(look))

    return sensor
