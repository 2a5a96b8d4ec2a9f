"""The daily job and its schedule, on an ephemeral instance with real files."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from harvey_pipeline.automation import daily_schedule
from harvey_pipeline.definitions import defs
from harvey_pipeline.partitions import CALENDAR, days_of_tags
from harvey_pipeline.warehouse import DayRange
from harvey_pipeline_tests.builders import (
    EVENTS,
    FIRMS,
    HEADERS,
    USERS,
    csv_text,
    landing_file,
    raw_store,
)

DAY = date(2024, 4, 2)


def tick(root: Path, yesterday: date) -> dg.RunRequest | dg.SkipReason:
    """What the schedule answers on the morning after a day."""
    morning = datetime(yesterday.year, yesterday.month, yesterday.day, 6, tzinfo=UTC)
    with (
        dg.DagsterInstance.ephemeral() as instance,
        dg.build_schedule_context(
            instance=instance,
            scheduled_execution_time=morning + timedelta(days=1),
            resources={"raw_store": raw_store(root)},
        ) as context,
    ):
        answer = daily_schedule(context)
    assert isinstance(answer, dg.RunRequest | dg.SkipReason)
    return answer


def reason_to_wait(root: Path, yesterday: date) -> str:
    answer = tick(root, yesterday)
    assert isinstance(answer, dg.SkipReason)
    return str(answer.skip_message)


def days_asked_for(root: Path, yesterday: date) -> DayRange | None:
    answer = tick(root, yesterday)
    assert isinstance(answer, dg.RunRequest)
    assert answer.run_key == str(yesterday)
    return days_of_tags(dict(answer.tags))


def drops_of(root: Path, day: date, *sources: str) -> None:
    for source, header in HEADERS.items():
        if source in sources:
            landing_file(root, f"{source}/{day}.csv", csv_text(header))


def test_the_last_two_days_are_one_range(tmp_path: Path) -> None:
    drops_of(tmp_path, DAY, *HEADERS)
    assert days_asked_for(tmp_path, DAY) == DayRange(date(2024, 4, 1), date(2024, 4, 2))


def test_no_day_before_the_calendar_is_asked_for(tmp_path: Path) -> None:
    drops_of(tmp_path, CALENDAR.first, *HEADERS)
    assert days_asked_for(tmp_path, CALENDAR.first) == DayRange(CALENDAR.first, CALENDAR.first)


def test_days_outside_the_calendar_are_skipped(tmp_path: Path) -> None:
    assert CALENDAR.last is not None
    before, after = CALENDAR.first - timedelta(days=1), CALENDAR.last + timedelta(days=1)
    drops_of(tmp_path, before, *HEADERS)
    drops_of(tmp_path, after, *HEADERS)
    assert reason_to_wait(tmp_path, before) == (
        f"{before} lies before the calendar, which starts {CALENDAR.first}"
    )
    assert reason_to_wait(tmp_path, after) == (
        f"{after} lies after the calendar, which ends {CALENDAR.last}"
    )


@pytest.mark.parametrize(
    ("arrived", "missing"),
    [
        pytest.param((), "users/2024-04-02.csv, firms/2024-04-02.csv, events/2024-04-02.csv"),
        pytest.param(("users", "events"), "firms/2024-04-02.csv"),
        pytest.param(("users", "firms"), "events/2024-04-02.csv"),
    ],
    ids=["nothing", "without-firms", "without-events"],
)
def test_missing_drops_are_waited_for_by_name(
    tmp_path: Path, arrived: tuple[str, ...], missing: str
) -> None:
    drops_of(tmp_path, DAY, *arrived)
    drops_of(tmp_path, DAY - timedelta(days=1), *HEADERS)
    assert reason_to_wait(tmp_path, DAY) == f"waiting for {missing} in {tmp_path / 'landing'}"


def test_a_day_within_a_bulk_export_counts_as_there(tmp_path: Path) -> None:
    landing_file(tmp_path, "users.csv", csv_text(USERS))
    landing_file(tmp_path, "firms.csv", csv_text(FIRMS))
    rows = [f"{day},f1,u1,VAULT,1,5" for day in ("2024-03-30", "2024-04-02")]
    landing_file(tmp_path, "events.csv", csv_text(EVENTS, *rows))
    assert days_asked_for(tmp_path, DAY) == DayRange(date(2024, 4, 1), DAY)
    later = DAY + timedelta(days=1)
    assert reason_to_wait(tmp_path, later).startswith("waiting for events/2024-04-03.csv in")


def test_the_job_holds_everything_daily_and_all_its_checks() -> None:
    keys = defs.resolve_asset_graph().get_all_asset_keys()
    daily = {"__".join(key.path) for key in keys if key.path[0] in ("raw", "core", "marts")}
    steps = {node.name for node in defs.resolve_job_def("daily").nodes}
    assert len(daily) == 10
    assert steps == daily | {f"{name}_checks" for name in daily}


def test_the_schedule_runs_hourly_from_six_utc() -> None:
    schedule = defs.resolve_schedule_def("daily_schedule")
    assert schedule.cron_schedule == "0 6-23 * * *"
    assert schedule.execution_timezone == "UTC"
    assert schedule.job_name == "daily"
