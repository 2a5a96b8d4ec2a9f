"""The warehouse: what a write replaces, what it leaves when it fails, and who waits for whom."""

import logging
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest

from harvey_pipeline.definitions import SUBJECTS, tables_of
from harvey_pipeline.warehouse.commits import read_state
from harvey_pipeline.warehouse.days import DayRange
from harvey_pipeline.warehouse.publishing import publish_after_run
from harvey_pipeline.warehouse.table import Table
from harvey_pipeline.warehouse.warehouse import (
    Deferred,
    Frames,
    Pieces,
    Warehouse,
    WarehouseError,
    memory_for,
)

TABLES = tables_of(SUBJECTS)
DAILY = TABLES["marts.daily_event_summary"]
OTHER_DAILY = TABLES["core.user_daily_activity"]
WHOLE = TABLES["history.user_snapshots"]
ENGAGEMENT = TABLES["marts.daily_user_engagement"]

FIRST = date(2024, 4, 1)

FILLED = {1: 1, 2: 2, 3: 3, 4: 4}


def day(offset: int) -> date:
    return FIRST + timedelta(days=offset)


def days(first: int, last: int) -> DayRange:
    return DayRange(day(first), day(last))


def totals(events: Mapping[int, int]) -> pl.LazyFrame:
    """Rows of `marts.daily_event_summary`: the number of events by day."""
    return pl.LazyFrame(
        [
            {
                "date": day(offset),
                "is_covered": True,
                "total_events": count,
                "active_users": 1,
                "active_firms": 1,
                "total_documents": 0,
                "avg_feedback_score": None,
                "assistant_events": count,
                "vault_events": 0,
                "workflow_events": 0,
                "scored_events": 0,
                "high_satisfaction_events": 0,
                "low_satisfaction_events": 0,
            }
            for offset, count in events.items()
        ],
        schema=DAILY.polars_schema,
    )


def snapshots(*offsets: int) -> pl.LazyFrame:
    """Rows of `history.user_snapshots`, a table that is replaced whole."""
    return pl.LazyFrame(
        {"day": [day(offset) for offset in offsets], "form": ["drop"] * len(offsets)},
        schema=WHOLE.polars_schema,
    )


def held(warehouse: Warehouse) -> dict[int, int]:
    """The number of events by day that the warehouse holds."""
    rows = warehouse.query(
        f"select date - date '{FIRST}', total_events from {DAILY} order by 1", tables=[DAILY]
    )
    return dict(rows)


def snapshot_days(warehouse: Warehouse) -> list[int]:
    rows = warehouse.query(f"select day - date '{FIRST}' from {WHOLE} order by 1", tables=[WHOLE])
    return [offset for (offset,) in rows]


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    return Warehouse(database=str(tmp_path / "data" / "warehouse.duckdb"))


@pytest.fixture(scope="module")
def filled_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("filled")
    made = Warehouse(database=str(folder / "warehouse.duckdb"))
    made.write({DAILY: totals(FILLED)}, days(1, 4))
    return made.path


@pytest.fixture
def filled(tmp_path: Path, filled_once: Path) -> Warehouse:
    """A warehouse that holds as many events on a day as the day's number, of days 1 to 4."""
    return Warehouse(database=str(shutil.copy(filled_once, tmp_path)))


class Child:
    """Another Python process; it is ended and its pipes are closed whatever happens."""

    def __init__(self, code: str, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", code, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
        )

    def wait_for(self, word: str) -> None:
        assert self.process.stdout is not None
        assert self.process.stdout.readline().strip() == word

    def go_on(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.stdout.close()


@pytest.fixture
def children() -> Iterator[list[Child]]:
    started: list[Child] = []
    yield started
    for child in started:
        child.end()


HOLD = """
import sys, duckdb
connection = duckdb.connect(sys.argv[1])
print("holding", flush=True)
sys.stdin.read()
connection.close()
"""


@pytest.fixture
def holder(filled: Warehouse, children: list[Child]) -> Child:
    """A process that has the filled warehouse open."""
    child = Child(HOLD, filled.database)
    children.append(child)
    child.wait_for("holding")
    return child


class LetGoWhenWaitedFor(logging.Handler):
    """Lets a process go on as soon as the warehouse says that it waits."""

    def __init__(self, child: Child) -> None:
        super().__init__(logging.WARNING)
        self.child = child
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())
        self.child.go_on()


@pytest.fixture
def warnings_of_warehouse() -> Iterator[logging.Logger]:
    logger = logging.getLogger("harvey_pipeline.warehouse")
    before = list(logger.handlers)
    yield logger
    logger.handlers = before


# --- what a write replaces -----------------------------------------------------------------------


def test_a_query_as_a_frame_sees_a_table_that_was_never_written(warehouse: Warehouse) -> None:
    count = f"select count(*) as days, sum(total_events)::bigint as events from {DAILY}"
    assert warehouse.frame(count, tables=[DAILY]).rows() == [(0, None)]
    warehouse.write({DAILY: totals(FILLED)}, days(1, 4))
    found = warehouse.frame(count)
    assert found.schema == {"days": pl.Int64, "events": pl.Int64}
    assert found.rows() == [(4, 10)]


@pytest.mark.parametrize(
    ("written", "first", "last", "expected"),
    [
        pytest.param({2: 7}, 2, 2, {1: 1, 2: 7, 3: 3, 4: 4}, id="one-day"),
        pytest.param({2: 7, 3: 8}, 2, 3, {1: 1, 2: 7, 3: 8, 4: 4}, id="a-range"),
        pytest.param({3: 8}, 2, 3, {1: 1, 3: 8, 4: 4}, id="a-range-with-an-empty-day"),
        pytest.param({}, 2, 3, {1: 1, 4: 4}, id="an-empty-frame-empties-the-range"),
        pytest.param({9: 9}, 5, 9, {1: 1, 2: 2, 3: 3, 4: 4, 9: 9}, id="days-not-written-before"),
        pytest.param({}, 0, 9, {}, id="everything"),
    ],
)
def test_a_write_replaces_exactly_its_days(
    filled: Warehouse,
    written: dict[int, int],
    first: int,
    last: int,
    expected: dict[int, int],
) -> None:
    filled.write({DAILY: totals(written)}, days(first, last))
    assert held(filled) == expected


def test_writing_twice_leaves_the_rows_once(filled: Warehouse) -> None:
    for _ in range(2):
        filled.write({DAILY: totals({1: 1, 2: 2})}, days(1, 2))
    assert held(filled) == FILLED


def test_a_table_without_days_is_replaced_whole(warehouse: Warehouse) -> None:
    warehouse.write({WHOLE: snapshots(1, 2)}, days(1, 2))
    warehouse.write({WHOLE: snapshots(3)}, days(3, 3))
    assert snapshot_days(warehouse) == [3]


def test_an_empty_day_is_a_written_day(warehouse: Warehouse) -> None:
    """Guards against taking a day on which nothing happened for one that never ran."""
    warehouse.write({DAILY: totals({1: 1, 3: 3})}, days(1, 3))
    warehouse.write({DAILY: totals({})}, days(6, 7))
    warehouse.write({OTHER_DAILY: OTHER_DAILY.empty()}, days(9, 9))
    assert warehouse.days_written(DAILY) == {day(offset) for offset in (1, 2, 3, 6, 7)}
    assert warehouse.days_written(OTHER_DAILY) == {day(9)}
    assert warehouse.days_written(TABLES["core.dim_user"]) == set()


def test_columns_are_stored_by_name(warehouse: Warehouse) -> None:
    """Guards against inserting by position, which swaps columns of one type without a word."""
    frame = totals({1: 5}).with_columns(active_users=pl.lit(17, dtype=pl.Int64))
    warehouse.write({DAILY: frame.select(pl.all().reverse())}, days(1, 1))
    reordered = frame.select(reversed(list(DAILY.polars_schema)))
    warehouse.write({DAILY: reordered}, days(1, 1))
    assert warehouse.query(f"select total_events, active_users, vault_events from {DAILY}") == [
        (5, 17, 0)
    ]


def test_a_write_says_how_many_rows_and_shows_the_last(warehouse: Warehouse) -> None:
    plans = [totals({0: 1, 1: 1}), totals({}), totals({2: 3, 3: 4}), totals({})]
    written = warehouse.write({DAILY: Pieces(plans)}, days(0, 3))[DAILY]
    assert written.rows == 4
    assert written.sample["total_events"].to_list() == [3, 4]
    assert warehouse.write({DAILY: totals({})}, days(0, 3))[DAILY].sample.is_empty()


def test_pieces_are_planned_one_at_a_time_and_all_written(warehouse: Warehouse) -> None:
    planned: list[int] = []

    def plans() -> Iterator[pl.LazyFrame]:
        for offset in range(5):
            planned.append(offset)
            yield totals({offset: offset + 1})

    warehouse.write({DAILY: Pieces(plans())}, days(0, 4))
    assert held(warehouse) == {0: 1, 1: 2, 2: 3, 3: 4, 4: 5}
    assert planned == [0, 1, 2, 3, 4]


def test_values_come_back_as_they_were_written(warehouse: Warehouse) -> None:
    rows = pl.LazyFrame(
        [
            {
                "source": "events",
                "drop_date": None,
                "file": 'it\'s "quoted", ünd\nzwei Zeilen',
                "line_number": 2**40,
                "action": "rejected",
                "reasons": ["one, two", "'three'"],
                "record": "",
            }
        ],
        schema=TABLES["raw.quarantine"].polars_schema,
    )
    warehouse.write({TABLES["raw.quarantine"]: rows}, None)
    found = warehouse.read(TABLES["raw.quarantine"]).collect()
    assert found.schema == rows.collect_schema()
    assert found.rows() == rows.collect().rows()


# --- what a failed write leaves ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spoil", "named"),
    [
        pytest.param(
            lambda frame: frame.drop("vault_events"), "vault_events: missing", id="missing-column"
        ),
        pytest.param(
            lambda frame: frame.with_columns(surplus=1), "surplus: Int32", id="extra-column"
        ),
        pytest.param(
            lambda frame: frame.rename({"vault_events": "vault"}),
            "vault: Int64 instead of nothing",
            id="renamed-column",
        ),
        pytest.param(
            lambda frame: frame.cast({"vault_events": pl.Float64}),
            "vault_events: Float64 instead of Int64",
            id="a-type-that-duckdb-would-round",
        ),
        pytest.param(
            lambda frame: frame.with_columns(vault_events=pl.lit(None)),
            "vault_events: Null instead of Int64",
            id="a-column-of-nulls-without-a-type",
        ),
        pytest.param(
            lambda frame: frame.with_columns(date=pl.col("date").cast(pl.String)),
            "date: String instead of Date",
            id="days-as-text",
        ),
        pytest.param(
            lambda frame: pl.concat([frame, totals({8: 8})]),
            "2024-04-09, outside the days that are written (2024-04-02 to 2024-04-03)",
            id="a-row-after-the-days",
        ),
        pytest.param(
            lambda frame: pl.concat([frame, totals({0: 8})]),
            "2024-04-01, outside the days",
            id="a-row-before-the-days",
        ),
    ],
)
def test_a_frame_that_does_not_fit_is_refused_and_named(
    filled: Warehouse, spoil: Any, named: str
) -> None:
    with pytest.raises(WarehouseError) as refused:
        filled.write({DAILY: spoil(totals({1: 7, 2: 8}))}, days(1, 2))
    assert DAILY.name in str(refused.value)
    assert named in str(refused.value)
    assert held(filled) == FILLED


@pytest.mark.parametrize(
    "offset",
    [
        pytest.param(0, id="a-row-before-the-days"),
        pytest.param(3, id="a-row-after-the-days"),
    ],
)
def test_a_day_outside_is_found_in_any_piece(filled: Warehouse, offset: int) -> None:
    plans = [totals({1: 7}), totals({2: 8}), totals({offset: 9})]
    with pytest.raises(WarehouseError, match="outside the days"):
        filled.write({DAILY: Pieces(plans)}, days(1, 2))
    assert held(filled) == FILLED


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param(LookupError, id="an-error"),
        pytest.param(KeyboardInterrupt, id="an-interrupt"),
    ],
)
def test_what_goes_wrong_inside_a_plan_surfaces_as_itself(
    filled: Warehouse, kind: type[BaseException]
) -> None:
    """Guards against DuckDB's own words for it, and against an interrupt taken for a failure."""
    error = kind("no such firm")

    def plans() -> Iterator[pl.LazyFrame]:
        yield totals({1: 7})
        raise error

    with pytest.raises(kind) as raised:
        filled.write({DAILY: Pieces(plans())}, days(1, 2))
    assert raised.value is error
    assert held(filled) == FILLED
    assert filled.query("select count(*) from meta.commits") == [(1,)]


def test_a_null_where_none_may_be_is_refused_by_duckdb(filled: Warehouse) -> None:
    frame = totals({1: 7}).with_columns(total_events=pl.lit(None, dtype=pl.Int64))
    with pytest.raises(duckdb.ConstraintException, match="total_events") as raised:
        filled.write({DAILY: frame}, days(1, 1))
    assert raised.value.__cause__ is None
    assert held(filled) == FILLED


def test_of_several_tables_all_are_written_or_none(warehouse: Warehouse) -> None:
    warehouse.write({WHOLE: snapshots(1), DAILY: totals({1: 1})}, days(1, 1))
    spoiled = totals({1: 7}).drop("vault_events")
    with pytest.raises(WarehouseError, match="vault_events"):
        warehouse.write({WHOLE: snapshots(5), DAILY: spoiled}, days(1, 1))
    assert snapshot_days(warehouse) == [1]
    assert held(warehouse) == {1: 1}
    warehouse.write({WHOLE: snapshots(5), DAILY: totals({1: 7})}, days(1, 1))
    assert snapshot_days(warehouse) == [5]
    assert held(warehouse) == {1: 7}


def test_a_plan_that_fails_under_the_lock_leaves_everything(warehouse: Warehouse) -> None:
    def plan() -> Mapping[Table, Frames]:
        raise LookupError("no such firm")

    warehouse.write({WHOLE: snapshots(1)}, days(1, 1))
    with pytest.raises(LookupError, match="no such firm"):
        warehouse.write(Deferred(plan), days(1, 1))
    assert snapshot_days(warehouse) == [1]


@pytest.mark.parametrize(("other", "commits"), [(2, 2), (1, 1)], ids=["other rows", "the same"])
def test_rows_that_matter_to_no_day_are_kept_nevertheless(
    warehouse: Warehouse, other: int, commits: int
) -> None:
    """A version may end on another day beyond all days run: readers of the table see it."""

    def write(*offsets: int) -> None:
        reach = {WHOLE: lambda before, _: [days(0, 0)] if before.is_empty() else []}
        warehouse.write(Deferred(lambda: {WHOLE: snapshots(*offsets)}, reach), days(0, 0))

    write(1)
    write(other)
    assert snapshot_days(warehouse) == [other]
    assert warehouse.generation() == commits
    assert warehouse.last_commits(WHOLE) == {day(0): 1}


KILLED_WHILE_WRITING = """
import sys, time
from harvey_pipeline.warehouse.warehouse import Pieces, Warehouse
from harvey_pipeline_tests.warehouse.test_warehouse import DAILY, days, totals

def plans():
    yield totals({1: 7})
    yield totals({2: 8})
    print("writing", flush=True)
    time.sleep(60)

Warehouse(database=sys.argv[1]).write({DAILY: Pieces(plans())}, days(1, 2))
"""


@pytest.mark.long
def test_a_kill_in_the_middle_of_a_write_leaves_the_old_rows(
    filled: Warehouse, children: list[Child]
) -> None:
    child = Child(KILLED_WHILE_WRITING, filled.database)
    children.append(child)
    child.wait_for("writing")
    child.process.send_signal(signal.SIGKILL)
    assert child.process.wait() == -signal.SIGKILL
    assert held(filled) == FILLED
    filled.write({DAILY: totals({1: 7, 2: 8})}, days(1, 2))
    assert held(filled) == FILLED | {1: 7, 2: 8}


# --- the lock ------------------------------------------------------------------------------------


def test_a_locked_file_is_waited_for_and_its_holder_named(
    filled: Warehouse, holder: Child, warnings_of_warehouse: logging.Logger
) -> None:
    let_go = LetGoWhenWaitedFor(holder)
    warnings_of_warehouse.addHandler(let_go)
    filled.write({DAILY: totals({0: 2})}, days(0, 0))
    assert held(filled) == FILLED | {0: 2}
    (message,) = let_go.messages
    assert filled.database in message
    assert f"PID {holder.process.pid}" in message


def test_threads_that_open_and_close_the_file_do_not_disturb_each_other(tmp_path: Path) -> None:
    """As the sensor and the schedules, which look at the same moment."""
    impatient = Warehouse(database=str(tmp_path / "warehouse.duckdb"), lock_timeout_seconds=0)
    impatient.generation()

    def look(_: int) -> None:
        for _ in range(250):
            with impatient.connect() as connection:
                connection.execute("select 1")

    with ThreadPoolExecutor(max_workers=4) as threads:
        list(threads.map(look, range(4)))


def test_a_file_that_stays_locked_is_given_up_with_its_holder_named(
    filled: Warehouse, holder: Child
) -> None:
    impatient = Warehouse(database=filled.database, lock_timeout_seconds=0.4)
    with pytest.raises(WarehouseError, match=r"still locked after 0\.4 s") as refused:
        impatient.write({DAILY: totals({0: 2})}, days(0, 0))
    assert f"PID {holder.process.pid}" in str(refused.value)
    assert "warehouse.published.duckdb" in str(refused.value)
    holder.go_on()
    holder.process.wait()
    assert held(filled) == FILLED


def test_a_file_to_be_kept_open_is_waited_for_once(filled: Warehouse, holder: Child) -> None:
    impatient = Warehouse(database=filled.database, lock_timeout_seconds=2.0)
    with impatient.kept_open():
        for is_waited_for in (True, False):
            assert impatient.has_given_up is not is_waited_for
            started = time.monotonic()
            with pytest.raises(WarehouseError, match=r"still locked after 2 s"):
                impatient.query("select 1")
            assert (time.monotonic() - started >= 2.0) is is_waited_for
        publish_after_run(impatient, TABLES)
        holder.go_on()
        holder.process.wait()
        assert held(impatient) == FILLED
    assert not impatient.has_given_up


@pytest.mark.usefixtures("holder")
def test_publishing_that_waits_first_fails(filled: Warehouse) -> None:
    impatient = Warehouse(database=filled.database, lock_timeout_seconds=0.1)
    with impatient.kept_open(), pytest.raises(WarehouseError, match="still locked"):
        publish_after_run(impatient, TABLES)


ADD_A_DAY = """
import sys
from harvey_pipeline.warehouse.warehouse import Deferred, Warehouse
from harvey_pipeline_tests.warehouse.test_warehouse import WHOLE, days, snapshot_days, snapshots

warehouse = Warehouse(database=sys.argv[1])

def plan():
    known = snapshot_days(warehouse)
    print("planned", flush=True)
    sys.stdin.read()
    return {WHOLE: snapshots(*known, 2)}

warehouse.write(Deferred(plan), days(2, 2))
"""


def test_two_processes_that_add_to_one_table_lose_nothing(
    warehouse: Warehouse, children: list[Child], warnings_of_warehouse: logging.Logger
) -> None:
    """Guards against planning from rows that another process replaces before they are written."""
    warehouse.write({WHOLE: snapshots(1)}, days(1, 1))
    child = Child(ADD_A_DAY, warehouse.database)
    children.append(child)
    child.wait_for("planned")
    let_go = LetGoWhenWaitedFor(child)
    warnings_of_warehouse.addHandler(let_go)
    warehouse.write(Deferred(lambda: {WHOLE: snapshots(*snapshot_days(warehouse), 3)}), days(3, 3))
    assert len(let_go.messages) == 1
    assert snapshot_days(warehouse) == [1, 2, 3]


def test_a_file_that_is_no_warehouse_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "notes.duckdb"
    path.write_text("no database at all " * 1000)
    with pytest.raises(WarehouseError, match="HARVEY_WAREHOUSE") as refused:
        Warehouse(database=str(path)).write({DAILY: totals({})}, days(0, 0))
    assert str(path) in str(refused.value)
    assert path.read_text() == "no database at all " * 1000


@pytest.mark.parametrize(
    ("change", "named"),
    [
        pytest.param("add column surplus integer", "surplus INTEGER", id="a-column-too-many"),
        pytest.param("drop column vault_events", "vault_events BIGINT", id="a-column-too-few"),
        pytest.param(
            "alter vault_events set data type integer", "vault_events INTEGER", id="another-type"
        ),
    ],
)
def test_a_table_of_another_version_is_refused(filled: Warehouse, change: str, named: str) -> None:
    with duckdb.connect(filled.database) as connection:
        connection.execute(f"alter table {DAILY} {change}")
    with pytest.raises(WarehouseError, match="another version") as refused:
        filled.write({DAILY: totals({1: 7})}, days(1, 1))
    assert named in str(refused.value)
    assert filled.query(f"select sum(total_events) from {DAILY}") == [(10,)]
    with pytest.raises(Exception, match="another version"):
        filled.read(DAILY).collect()


# --- tables --------------------------------------------------------------------------------------


def test_every_table_and_column_is_described_in_duckdb(warehouse: Warehouse) -> None:
    """Guards against a description that is lost on its way, or was never written."""
    with warehouse.connect() as connection:
        warehouse.prepare(connection, TABLES.values())
    tables = dict(
        warehouse.query(
            "select concat_ws('.', schema_name, table_name), comment from duckdb_tables() "
            "where not internal and schema_name != 'meta'"
        )
    )
    assert tables == {
        name: " ".join((table.schema.__doc__ or "").split()) for name, table in TABLES.items()
    }
    columns = warehouse.query(
        "select concat_ws('.', schema_name, table_name), column_name, comment "
        "from duckdb_columns() where not internal and schema_name != 'meta'"
    )
    assert {(table, column): text for table, column, text in columns} == {
        (name, column): one.description
        for name, table in TABLES.items()
        for column, one in table.schema.columns().items()
    }
    assert all(tables.values())
    assert all(text for _, _, text in columns)


def test_columns_have_the_types_and_nulls_of_their_schema(warehouse: Warehouse) -> None:
    with warehouse.connect() as connection:
        warehouse.prepare(connection, TABLES.values())
    found = {
        (f"{schema}.{table}", column): (kind, nullable)
        for schema, table, column, kind, nullable in warehouse.query(
            "select schema_name, table_name, column_name, data_type, is_nullable "
            "from duckdb_columns()"
        )
    }
    expected = {
        ("core.user_daily_activity", "date"): ("DATE", False),
        ("core.user_daily_activity", "user_id"): ("VARCHAR", False),
        ("core.user_daily_activity", "queries"): ("BIGINT", False),
        ("core.user_daily_activity", "feedback_sum"): ("DOUBLE", False),
        ("core.user_daily_activity", "first_event_at"): ("TIMESTAMP", False),
        ("core.dim_user", "user_role"): ("VARCHAR", True),
        ("core.dim_user", "is_current"): ("BOOLEAN", False),
        ("core.dim_firms", "firm_size"): ("INTEGER", False),
        ("core.dim_firms", "arr_usd"): ("DOUBLE", False),
        ("marts.daily_user_engagement", "active_days"): ("SMALLINT", False),
        ("marts.daily_user_engagement", "power_user_score"): ("SMALLINT", False),
        ("marts.daily_user_engagement", "power_user_tier"): ("VARCHAR", False),
        ("marts.daily_user_engagement", "tenure_band"): ("VARCHAR", True),
        ("marts.daily_user_engagement", "avg_feedback_score"): ("DOUBLE", True),
        ("raw.quarantine", "reasons"): ("VARCHAR[]", False),
    }
    assert {place: found[place] for place in expected} == expected


# --- reading -------------------------------------------------------------------------------------


def test_a_table_that_was_never_written_reads_as_empty(warehouse: Warehouse) -> None:
    found = warehouse.read(ENGAGEMENT).collect()
    assert found.is_empty()
    assert dict(found.schema) == ENGAGEMENT.polars_schema


def test_reading_gives_the_days_and_columns_asked_for(filled: Warehouse) -> None:
    found = filled.read(DAILY, days(2, 3))
    assert sorted(found.collect()["total_events"]) == [2, 3]
    assert found.select("total_events", "date").collect().columns == ["total_events", "date"]
    assert found.filter(pl.col("total_events") > 2).select("date").collect().rows() == [(day(3),)]
    assert found.filter(total_events=4).collect().is_empty()
    assert found.select(pl.len()).collect().item() == 2
    assert found.head(1).collect().height == 1


def put_illegible_label(warehouse: Warehouse) -> None:
    """A row of day 2 whose label no schema knows: to read it is to fail."""
    zeros: dict[str, Any] = dict.fromkeys(ENGAGEMENT.polars_schema, 0)
    labels = {
        "power_user_tier": "Inactive User",
        "engagement_level": "Inactive User",
        "usage_pattern": "No Usage",
    }
    nulls = dict.fromkeys(
        (
            "user_role",
            "user_created_date",
            "months_since_creation",
            "tenure_band",
            "firm_id",
            "avg_feedback_score",
            "avg_documents_per_query",
            "first_activity_date",
            "last_activity_date",
            "quality_level",
        )
    )
    rows: Sequence[dict[str, Any]] = [
        zeros
        | labels
        | nulls
        | {"date": day(offset), "user_id": f"u{offset}", "is_active_today": False}
        for offset in (1, 2)
    ]
    frame = pl.LazyFrame(rows, schema=ENGAGEMENT.polars_schema)
    warehouse.write({ENGAGEMENT: frame}, days(1, 2))
    warehouse.query(
        "update marts.daily_user_engagement set power_user_tier = 'Grandmaster' where date = ?",
        [day(2)],
    )


@pytest.mark.parametrize(
    ("narrow", "users"),
    [
        pytest.param(
            lambda whole, _: whole.select("user_id"), {"u1", "u2"}, id="other-columns-alone"
        ),
        pytest.param(lambda _, first: first, {"u1"}, id="other-days-alone"),
        pytest.param(
            lambda whole, _: whole.filter(pl.col("date") <= day(1)), {"u1"}, id="other-rows-alone"
        ),
    ],
)
def test_what_is_not_asked_for_is_not_read(
    warehouse: Warehouse, narrow: Any, users: set[str]
) -> None:
    put_illegible_label(warehouse)
    whole = warehouse.read(ENGAGEMENT)
    with pytest.raises(pl.exceptions.PolarsError, match="Grandmaster"):
        whole.collect()
    plan = narrow(whole, warehouse.read(ENGAGEMENT, days(1, 1)))
    assert set(plan.collect()["user_id"]) == users


@pytest.mark.parametrize(
    "is_kept",
    [
        pytest.param(pl.col("power_user_tier") == "Inactive User", id="equal"),
        pytest.param(
            pl.col("power_user_tier").is_in(["Inactive User", "Power User"]), id="one-of-several"
        ),
        pytest.param(pl.col("power_user_tier").cast(pl.String).str.len_chars() > 3, id="as-text"),
    ],
)
def test_labels_can_be_filtered(warehouse: Warehouse, is_kept: pl.Expr) -> None:
    put_illegible_label(warehouse)
    first = warehouse.read(ENGAGEMENT, days(1, 1))
    assert first.filter(is_kept).collect()["user_id"].to_list() == ["u1"]


def test_a_range_of_days_does_not_end_before_it_starts() -> None:
    with pytest.raises(ValueError, match="2024-04-01"):
        days(1, 0)


def test_nothing_holds_the_file_after_use(filled: Warehouse, children: list[Child]) -> None:
    filled.read(DAILY).collect()
    with pytest.raises(WarehouseError):
        filled.write({DAILY: totals({2: 1})}, days(1, 1))
    child = Child(HOLD, filled.database)
    children.append(child)
    child.wait_for("holding")


def test_a_connection_that_is_still_at_work_is_closed_once_it_has_let_go(
    warehouse: Warehouse,
) -> None:
    """Guards against an error that hides the one that ended a plan early."""
    numbers = "range(200_000) one, range(200_000) two"
    with ThreadPoolExecutor(1) as elsewhere:
        with warehouse.connect() as connection:
            long = elsewhere.submit(connection.execute, f"select sum(one.range) from {numbers}")
            while not long.running():
                time.sleep(0.01)
            time.sleep(0.2)
        assert isinstance(long.exception(), duckdb.InterruptException)


def test_a_file_kept_open_is_opened_once_and_closed_at_the_end(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = []
    connect = duckdb.connect

    def count(*args: Any, **options: Any) -> duckdb.DuckDBPyConnection:
        opened.append(args)
        return connect(*args, **options)

    monkeypatch.setattr(duckdb, "connect", count)
    with warehouse.kept_open():
        for _ in range(3):
            warehouse.query("select 1")
        with warehouse.kept_open():
            warehouse.query("select 1")
        assert len(opened) == 1
        assert not can_be_locked_by_another_process(warehouse.path)
    assert can_be_locked_by_another_process(warehouse.path)


def test_what_is_known_of_partitions_is_the_same_in_a_file_kept_open(warehouse: Warehouse) -> None:
    """Ranges overlap, so that a day's last commit may be one of another range than the next."""
    writes: list[tuple[Table, DayRange, Mapping[int, int]]] = [
        (DAILY, days(1, 4), FILLED),
        (DAILY, days(2, 3), {2: 5, 3: 3}),
        (DAILY, days(3, 8), {3: 6, 8: 1}),
        (DAILY, days(1, 2), {1: 1, 2: 5}),
        (DAILY, days(1, 9), {1: 7, 9: 1}),
    ]
    with warehouse.kept_open():
        for table, some, events in writes:
            warehouse.write({table: totals(events)}, some)
            known = warehouse.state([table])
            with warehouse.connect() as connection:
                assert known == read_state(connection)
    assert warehouse.state().changes(DAILY.name) == known.changes(DAILY.name)
    assert len(set(known.changes(DAILY.name).values())) > 1


def test_a_file_kept_open_for_long_is_closed_between_uses(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harvey_pipeline.warehouse.kept_open._OPEN_SECONDS", 0.0)
    with warehouse.kept_open():
        with warehouse.connect():
            warehouse.query("select 1")
            assert not can_be_locked_by_another_process(warehouse.path)
        assert can_be_locked_by_another_process(warehouse.path)


def test_a_file_kept_open_is_closed_while_nothing_uses_it(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harvey_pipeline.warehouse.kept_open._IDLE_SECONDS", 0.1)
    with warehouse.kept_open():
        with warehouse.connect():
            time.sleep(0.4)
            assert not can_be_locked_by_another_process(warehouse.path)
        deadline = time.monotonic() + 30
        while not can_be_locked_by_another_process(warehouse.path):
            assert time.monotonic() < deadline
        assert warehouse.query("select 1") == [(1,)]


def test_an_unfinished_transaction_ends_with_its_connection_though_the_file_stays_open(
    warehouse: Warehouse,
) -> None:
    with warehouse.kept_open():
        warehouse.query("select 1")
        with pytest.raises(KeyError, match="left_over"):
            begin_and_fail(warehouse)
        made = "select count(*) from duckdb_tables() where table_name = 'left_over'"
        assert warehouse.query(made) == [(0,)]
        # Nor does it keep others from writing.
        with warehouse.connect() as connection:
            connection.execute("create table left_over as select 1")


def begin_and_fail(warehouse: Warehouse) -> None:
    with warehouse.connect() as connection:
        connection.begin()
        connection.execute("create table left_over as select 1")
        raise KeyError("left_over")


def can_be_locked_by_another_process(path: Path) -> bool:
    code = "import duckdb, sys; duckdb.connect(sys.argv[1]).close()"
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, check=False)
    return done.returncode == 0


@pytest.mark.parametrize(
    ("processors", "megabytes"),
    [(1, 192), (2, 192), (8, 768), (10, 960), (11, 1000), (64, 1000)],
)
def test_memory_grows_with_processors_between_two_bounds(processors: int, megabytes: int) -> None:
    assert memory_for(processors) == f"{megabytes}MB"


def test_duckdb_keeps_to_the_memory_that_the_warehouse_gives_it(tmp_path: Path) -> None:
    """192 MB are 183.1 MiB."""
    warehouse = Warehouse(database=str(tmp_path / "own.duckdb"), memory_limit=memory_for(2))
    found = warehouse.query("select current_setting('memory_limit')")
    assert found == [("183.1 MiB",)]
