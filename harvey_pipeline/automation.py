"""Jobs and schedules, with the reason for each. What they compute is said by the assets."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final

import dagster as dg

from harvey_pipeline import landing
from harvey_pipeline.ingestion import bulk_dates
from harvey_pipeline.landing import SourceFiles
from harvey_pipeline.partitions import CALENDAR, range_tags
from harvey_pipeline.raw_store import RawStore
from harvey_pipeline.tables import SOURCES, Source
from harvey_pipeline.transforms.parse import LATE_DAYS
from harvey_pipeline.warehouse import DayRange

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

monthly_sensor: Final = dg.AutomationConditionSensorDefinition(
    "monthly_sensor",
    target=dg.AssetSelection.groups("months"),
    minimum_interval_seconds=60,
    description="Months whose days were materialised, by whichever run, once that run is over.",
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
