"""The jobs and their schedules, on an ephemeral instance with real files."""

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from harvey_pipeline import engagement
from harvey_pipeline.definitions import CALENDAR, choose_subjects, defs, tables_of
from harvey_pipeline.graph.assets import asset_key
from harvey_pipeline.graph.calendar import Calendar
from harvey_pipeline.graph.computing import build_asset
from harvey_pipeline.graph.due import versions_of_asset
from harvey_pipeline.graph.partitions import Partitions, days_of_tags
from harvey_pipeline.warehouse.commits import (
    Basis,
    last_generation,
    record_commits,
    record_computing,
)
from harvey_pipeline.warehouse.days import DayRange
from harvey_pipeline.warehouse.publishing import publish
from harvey_pipeline.warehouse.table import Table
from harvey_pipeline.warehouse.warehouse import Warehouse
from harvey_pipeline_tests.builders import (
    EVENTS,
    FIRMS,
    HEADERS,
    USERS,
    csv_text,
    landing_file,
    raw_store,
)
from harvey_pipeline_tests.pipelines import Pipeline

DAY = date(2024, 4, 2)
TABLES = tables_of(choose_subjects(("engagement", "agents")))
MONTHLY = [table for table in TABLES.values() if table.is_monthly]
MONTHLY_ASSETS = tuple(one for one in engagement.SUBJECT.assets if one.table.is_monthly)


@pytest.fixture(scope="module", autouse=True)
def instance() -> Iterator[dg.DagsterInstance]:
    """An instance with files, which schedules can find again."""
    with dg.instance_for_test() as made:
        yield made


def tick(root: Path, yesterday: date) -> list[dg.RunRequest] | dg.SkipReason:
    """What the schedule answers on the morning after a day."""
    morning = datetime(yesterday.year, yesterday.month, yesterday.day, 6, tzinfo=UTC)
    store = raw_store(root)
    with dg.build_schedule_context(
        instance=dg.DagsterInstance.get(),
        scheduled_execution_time=morning + timedelta(days=1),
        resources={"raw_store": store, "warehouse": store.warehouse},
    ) as context:
        answer = defs.resolve_schedule_def("daily_schedule")(context)
    assert isinstance(answer, list | dg.SkipReason)
    return answer


def reason_to_wait(root: Path, yesterday: date) -> str:
    answer = tick(root, yesterday)
    assert isinstance(answer, dg.SkipReason)
    return str(answer.skip_message)


def days_asked_for(root: Path, yesterday: date) -> DayRange | None:
    answer = tick(root, yesterday)
    assert isinstance(answer, list)
    [request] = answer
    return days_of_tags(dict(request.tags))


def drops_of(root: Path, day: date, *sources: str) -> None:
    for source, header in HEADERS.items():
        if source in sources:
            landing_file(root, f"{source}/{day}.csv", csv_text(header))


def test_days_that_are_due_are_one_range(tmp_path: Path) -> None:
    drops_of(tmp_path, DAY - timedelta(days=1), *HEADERS)
    drops_of(tmp_path, DAY, *HEADERS)
    assert days_asked_for(tmp_path, DAY) == DayRange(date(2024, 4, 1), date(2024, 4, 2))


def test_no_day_before_the_calendar_is_asked_for(tmp_path: Path) -> None:
    drops_of(tmp_path, CALENDAR.first, *HEADERS)
    assert days_asked_for(tmp_path, CALENDAR.first) == DayRange(CALENDAR.first, CALENDAR.first)


def test_days_before_the_calendar_are_skipped(tmp_path: Path) -> None:
    before = CALENDAR.first - timedelta(days=1)
    drops_of(tmp_path, before, *HEADERS)
    assert reason_to_wait(tmp_path, before) == (
        f"{before} lies before the calendar, which starts {CALENDAR.first}"
    )


def test_days_after_the_calendar_are_not_asked_for(tmp_path: Path) -> None:
    assert CALENDAR.last is not None
    after = CALENDAR.last + timedelta(days=1)
    drops_of(tmp_path, after, *HEADERS)
    assert reason_to_wait(tmp_path, after) == "nothing is due"
    drops_of(tmp_path, CALENDAR.last, *HEADERS)
    assert days_asked_for(tmp_path, after) == DayRange(CALENDAR.last, CALENDAR.last)


@pytest.mark.parametrize(
    ("arrived", "missing"),
    [
        pytest.param(
            (), "users/2024-04-02.csv, firms/2024-04-02.csv, events/2024-04-02.csv", id="nothing"
        ),
        pytest.param(("users", "events"), "firms/2024-04-02.csv", id="without-firms"),
        pytest.param(("users", "firms"), "events/2024-04-02.csv", id="without-events"),
    ],
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
    assert days_asked_for(tmp_path, DAY) == DayRange(date(2024, 3, 30), DAY)
    later = DAY + timedelta(days=1)
    assert reason_to_wait(tmp_path, later).startswith("waiting for events/2024-04-03.csv in")


def test_the_job_holds_everything_daily_and_all_its_checks() -> None:
    keys = defs.resolve_asset_graph().get_all_asset_keys()
    raw = {"raw_users", "raw_firms", "raw_events"}
    daily = {
        "__".join(key.path)
        for key in keys
        if key.path[0] in ("core", "marts") or key.path[-1] in raw
    }
    steps = {node.name for node in defs.resolve_job_def("daily").nodes}
    assert len(daily) == 17
    assert steps == daily | {f"{name}_checks" for name in daily}


def test_the_schedule_runs_hourly_from_six_utc() -> None:
    schedule = defs.resolve_schedule_def("daily_schedule")
    assert schedule.cron_schedule == "0 6-23 * * *"
    assert schedule.execution_timezone == "UTC"
    assert schedule.job_name == "daily"


# --- months --------------------------------------------------------------------------------------

MARCH, APRIL, MAY, JUNE = (date(2024, month, 1) for month in (3, 4, 5, 6))
MONTH_ENDS = (date(2024, 3, 31), date(2024, 4, 30), date(2024, 5, 31))
ACTIVITY = TABLES["core.user_daily_activity"]
FIRST_ACTIVITY = TABLES["core.first_activity"]
DIM_FIRMS = TABLES["core.dim_firms"]


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    return Warehouse(database=str(tmp_path / "warehouse.duckdb"))


def commit(warehouse: Warehouse, first: date, last: date, *tables: Table) -> None:
    """Note that days of some tables were computed, and came out as others than before."""
    days = DayRange(first, last)
    for table in tables:
        versions = {}
        for asset in MONTHLY_ASSETS:
            if asset.table == table:
                store = raw_store(warehouse.path.parent)
                versions = versions_of_asset(asset, table.partitions(days), store)
        with warehouse.connect() as connection:
            warehouse.prepare(connection, [table])
            generation = last_generation(connection)
            record_commits(connection, [table], days)
            record_computing(connection, table, table.partitions(days), Basis(generation, versions))


def months_due(warehouse: Warehouse) -> list[date]:
    return Pipeline(
        warehouse.path.parent / "landing", warehouse.path.parent, date(2024, 1, 1)
    ).months_due(date(2024, 1, 1), date(2024, 6, 30))


def monthly_tick(warehouse: Warehouse) -> list[dg.RunRequest] | dg.SkipReason:
    with dg.build_schedule_context(
        instance=dg.DagsterInstance.get(),
        scheduled_execution_time=datetime(2024, 7, 1, tzinfo=UTC),
        resources={"warehouse": warehouse, "raw_store": raw_store(warehouse.path.parent)},
    ) as context:
        answer = defs.resolve_schedule_def("monthly_schedule")(context)
    assert isinstance(answer, list | dg.SkipReason)
    return answer


def test_a_month_is_due_once_a_day_of_it_was_run(warehouse: Warehouse) -> None:
    assert months_due(warehouse) == []
    commit(warehouse, date(2024, 5, 30), date(2024, 5, 31), ACTIVITY)
    assert months_due(warehouse) == [MAY]


def test_a_month_that_was_run_after_its_days_is_not_due(warehouse: Warehouse) -> None:
    commit(warehouse, APRIL, date(2024, 6, 2), ACTIVITY, FIRST_ACTIVITY)
    assert months_due(warehouse) == [APRIL, MAY, JUNE]
    commit(warehouse, APRIL, JUNE, *MONTHLY)
    assert months_due(warehouse) == []


@pytest.mark.parametrize("left_out", MONTHLY, ids=str)
def test_a_month_is_due_until_all_of_its_tables_were_run(
    warehouse: Warehouse, left_out: Table
) -> None:
    commit(warehouse, MAY, MAY, ACTIVITY)
    commit(warehouse, MAY, MAY, *(table for table in MONTHLY if table != left_out))
    assert months_due(warehouse) == [MAY]
    # Cohorts follow the other two.
    commit(warehouse, MAY, MAY, left_out, TABLES["months.retention_cohorts"])
    assert months_due(warehouse) == []


@pytest.mark.parametrize(
    ("table", "due"),
    [(ACTIVITY, [MAY, JUNE]), (FIRST_ACTIVITY, [MAY, JUNE]), (DIM_FIRMS, [MAY])],
    ids=str,
)
def test_a_day_that_changes_makes_the_months_due_that_read_it(
    warehouse: Warehouse, table: Table, due: list[date]
) -> None:
    """May says who of June was active before, and who belongs to its cohort."""
    cover(warehouse, *MONTH_ENDS)
    commit(warehouse, MARCH, date(2024, 6, 2), ACTIVITY)
    commit(warehouse, MARCH, JUNE, *MONTHLY)
    commit(warehouse, date(2024, 5, 10), date(2024, 5, 10), table)
    assert months_due(warehouse) == due


def cover(warehouse: Warehouse, *days: date) -> None:
    """Note in the ledger that events of some days are covered."""
    with warehouse.connect() as connection:
        warehouse.prepare(connection, [TABLES["raw.drops"]])
        for day in days:
            connection.execute(
                "insert into raw.drops select 'events', ?, null, 'drop', null, null, 0, 0, 0, "
                "0, 0, true, null, now()",
                [day],
            )


def test_a_month_whose_end_is_not_covered_waits_for_the_days_after_it(
    warehouse: Warehouse,
) -> None:
    """They tell that it is over, and on which day its firms are seen."""
    commit(warehouse, MAY, date(2024, 5, 31), ACTIVITY)
    cover(warehouse, date(2024, 5, 30))
    commit(warehouse, MAY, MAY, *MONTHLY)
    assert months_due(warehouse) == []
    commit(warehouse, JUNE, JUNE, ACTIVITY)
    assert months_due(warehouse) == [JUNE]
    cover(warehouse, JUNE)
    assert months_due(warehouse) == [MAY, JUNE]


def test_due_months_are_requested_as_ranges(warehouse: Warehouse) -> None:
    commit(warehouse, date(2024, 1, 5), date(2024, 1, 6), ACTIVITY)
    commit(warehouse, date(2024, 3, 31), date(2024, 5, 1), ACTIVITY)
    answer = monthly_tick(warehouse)
    assert isinstance(answer, list)
    asked = [days_of_tags(dict(request.tags)) for request in answer]
    assert asked == [DayRange(date(2024, 1, 1), date(2024, 1, 1)), DayRange(MARCH, MAY)]
    assert len({request.run_key for request in answer}) == 2


def test_the_same_state_is_requested_under_the_same_key_and_a_new_one_under_another(
    warehouse: Warehouse,
) -> None:
    """Dagster runs a key once, so a month that is asked for already is not asked for twice."""

    def key() -> str | None:
        answer = monthly_tick(warehouse)
        assert isinstance(answer, list)
        (request,) = answer
        return request.run_key

    commit(warehouse, MAY, MAY, ACTIVITY)
    first = key()
    assert first is not None
    assert key() == first
    commit(warehouse, MAY, MAY, ACTIVITY)
    assert key() not in (first, None)


def test_nothing_due_is_skipped_with_the_reason(warehouse: Warehouse) -> None:
    answer = monthly_tick(warehouse)
    assert isinstance(answer, dg.SkipReason)
    assert str(answer.skip_message) == "nothing is due"
    assert not warehouse.path.exists()
    commit(warehouse, MAY, MAY, ACTIVITY)
    commit(warehouse, MAY, MAY, *MONTHLY)
    publish(warehouse, TABLES)
    answer = monthly_tick(warehouse)
    assert isinstance(answer, dg.SkipReason)
    assert answer.skip_message == "nothing is due"


def test_a_warehouse_at_work_is_looked_at_later(warehouse: Warehouse) -> None:
    commit(warehouse, MAY, MAY, ACTIVITY)
    holds = f"import duckdb; held = duckdb.connect({warehouse.database!r}); print(); input()"
    with subprocess.Popen(
        [sys.executable, "-c", holds], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        other.stdout.readline()
        answer = monthly_tick(warehouse)
        other.communicate(b"\n")
    assert isinstance(answer, dg.SkipReason)
    assert str(answer.skip_message).startswith("looking again later: ")
    assert isinstance(monthly_tick(warehouse), list)


def days_read(month_table: str, month: str, calendar: Calendar) -> tuple[str, str]:
    """The first and the last day of activity that a month of a table reads."""
    [asset] = [one for one in engagement.SUBJECT.assets if one.table.name == month_table]
    partitions = Partitions(calendar)
    [spec] = build_asset(asset, "letters", partitions, TABLES, {}).specs
    [dependency] = [one for one in spec.deps if one.asset_key == asset_key(ACTIVITY)]
    mapping = dependency.partition_mapping
    assert isinstance(mapping, dg.TimeWindowPartitionMapping)
    upstream = mapping.get_upstream_mapped_partitions_result_for_partitions(
        partitions.monthly.subset_with_partition_keys([month]), partitions.monthly, partitions.daily
    )
    keys = sorted(upstream.partitions_subset.get_partition_keys())
    return keys[0], keys[-1]


@pytest.mark.parametrize(
    ("table", "month", "first", "last"),
    [
        pytest.param(
            "months.firm_usage_summary", "2024-02-01", "2024-02-01", "2024-02-29", id="its-own"
        ),
        pytest.param(
            "months.user_engagement", "2024-03-01", "2024-02-01", "2024-03-31", id="and-before"
        ),
        pytest.param(
            "months.user_engagement", "2024-01-01", "2023-12-01", "2024-01-31", id="of-two-years"
        ),
    ],
)
def test_a_month_reads_its_days_and_perhaps_those_of_the_month_before(
    table: str, month: str, first: str, last: str
) -> None:
    calendar = Calendar(date(2023, 11, 15), None)
    assert days_read(table, month, calendar) == (first, last)


def test_months_of_which_only_some_days_are_in_the_calendar_read_those() -> None:
    calendar = Calendar(date(2023, 11, 15), date(2024, 2, 10))
    for month, first, last in (
        ("2023-11-01", "2023-11-15", "2023-11-30"),
        ("2024-02-01", "2024-02-01", "2024-02-10"),
    ):
        assert days_read("months.firm_usage_summary", month, calendar) == (first, last)


def test_the_monthly_job_holds_every_month_table_and_all_its_checks() -> None:
    tables = {table.name.replace(".", "__") for table in MONTHLY}
    steps = {node.name for node in defs.resolve_job_def("monthly").nodes}
    assert steps == tables | {f"{name}_checks" for name in tables}
    schedule = defs.resolve_schedule_def("monthly_schedule")
    assert (schedule.cron_schedule, schedule.job_name) == ("*/10 * * * *", "monthly")
