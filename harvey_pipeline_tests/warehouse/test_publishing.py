"""The published copy: it equals the warehouse, disturbs no reader, and survives every kill."""

import os
import shutil
import signal
import stat
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest

from harvey_pipeline.history import OPEN_END
from harvey_pipeline.warehouse.publishing import Publication, publish
from harvey_pipeline.warehouse.warehouse import Warehouse, WarehouseError
from harvey_pipeline_tests.warehouse.test_warehouse import (
    DAILY,
    HOLD,
    TABLES,
    WHOLE,
    Child,
    day,
    days,
    snapshots,
    totals,
)

DIMENSION = TABLES["core.dim_user"]


def users(*names: str) -> pl.LazyFrame:
    """Rows of `core.dim_user`."""
    return pl.LazyFrame(
        [
            {
                "user_dim_key": f"{name}_20240101",
                "user_id": name,
                "user_role": None,
                "user_created_date": date(2024, 1, 1),
                "effective_start_date": date(2024, 1, 1),
                "effective_end_date": OPEN_END,
                "is_current": True,
            }
            for name in names
        ],
        schema=DIMENSION.polars_schema,
    )


@pytest.fixture(scope="module")
def unpublished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a warehouse of ten days and one user."""
    folder = tmp_path_factory.mktemp("unpublished")
    made = Warehouse(database=str(folder / "warehouse.duckdb"))
    made.write({DAILY: totals(dict.fromkeys(range(10), 1))}, days(0, 9))
    made.write({DIMENSION: users("u1"), WHOLE: snapshots(0)}, days(0, 9))
    return folder


@pytest.fixture(scope="module")
def published_twice(unpublished: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder after two more commits, so that both of the published files had their turn."""
    folder = tmp_path_factory.mktemp("published") / "twice"
    shutil.copytree(unpublished, folder)
    made = Warehouse(database=str(folder / "warehouse.duckdb"))
    publish(made, TABLES)
    for turn in (1, 2):
        made.write({DAILY: totals({0: 10 * turn})}, days(0, 0))
        publish(made, TABLES)
    return folder


@pytest.fixture
def warehouse(tmp_path: Path, unpublished: Path) -> Warehouse:
    """A warehouse that was never published, unless the test asks for `published` too."""
    shutil.copytree(unpublished, tmp_path, dirs_exist_ok=True)
    return Warehouse(database=str(tmp_path / "warehouse.duckdb"))


@pytest.fixture
def published(tmp_path: Path, published_twice: Path, warehouse: Warehouse) -> Path:
    """The published file, beside the warehouse and with the other file standing by."""
    shutil.copytree(published_twice, tmp_path, dirs_exist_ok=True)
    return beside(warehouse, "published")


@pytest.fixture
def children() -> Iterator[list[Child]]:
    started: list[Child] = []
    yield started
    for child in started:
        child.end()


def beside(warehouse: Warehouse, role: str) -> Path:
    return warehouse.path.with_name(f"warehouse.{role}.duckdb")


def rows_of(path: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table in the published schemas of a file."""
    with duckdb.connect(str(path), read_only=True) as connection:
        names = connection.execute(
            "select concat_ws('.', schema_name, table_name) from duckdb_tables() "
            "where schema_name in ('core', 'marts', 'months')"
        ).fetchall()
        return {
            name: connection.execute(f"select * from {name} order by all").fetchall()
            for (name,) in names
        }


def totals_in(path: Path) -> dict[int, int]:
    with duckdb.connect(str(path), read_only=True) as connection:
        return dict(
            connection.execute(
                f"select date - date '{day(0)}', total_events from {DAILY} order by 1"
            ).fetchall()
        )


def assert_in_step(warehouse: Warehouse, publication: Publication) -> None:
    assert publication.path == beside(warehouse, "published")
    assert rows_of(publication.path) == rows_of(warehouse.path)


def names_left(warehouse: Warehouse) -> set[str]:
    return {path.name for path in warehouse.path.parent.iterdir()}


# --- what is published ---------------------------------------------------------------------------


def test_after_every_commit_the_published_tables_are_the_warehouses(warehouse: Warehouse) -> None:
    """Guards against a file that, when its turn comes, lacks what the other one received."""
    assert_in_step(warehouse, publish(warehouse, TABLES))
    commits: list[Callable[[], object]] = [
        lambda: warehouse.write({DAILY: totals({3: 30})}, days(3, 3)),
        lambda: warehouse.write({DIMENSION: users("u1", "u2")}, days(4, 4)),
        lambda: warehouse.write({DAILY: totals({4: 40, 5: 50})}, days(4, 5)),
        lambda: warehouse.write({DAILY: totals({})}, days(5, 5)),
        lambda: warehouse.write({DIMENSION: users("u2")}, days(5, 5)),
        lambda: warehouse.write({DAILY: totals({10: 100, 11: 110})}, days(10, 11)),
    ]
    forms = []
    for commit in commits:
        commit()
        publication = publish(warehouse, TABLES)
        assert_in_step(warehouse, publication)
        forms.append(publication.form)
    assert forms == ["fresh"] + ["incremental"] * 5


def test_commits_between_two_publications_all_arrive(warehouse: Warehouse, published: Path) -> None:
    """Guards against merging days that overlap, lie apart or within one another wrongly."""
    for first, last in [(2, 5), (3, 3), (7, 8), (0, 0), (8, 9), (3, 3)]:
        events = {offset: 1000 + first + offset for offset in range(first, last + 1)}
        warehouse.write({DAILY: totals(events)}, days(first, last))
    warehouse.write({DIMENSION: users("u3")}, days(0, 0))
    warehouse.write({DIMENSION: users("u3", "u4")}, days(0, 0))
    publication = publish(warehouse, TABLES)
    assert publication.form == "incremental"
    assert_in_step(warehouse, publication)
    assert totals_in(published)[6] == 1


def test_a_table_that_is_new_is_published(warehouse: Warehouse, published: Path) -> None:
    table = TABLES["marts.daily_firm_usage_summary"]
    warehouse.write({table: table.empty()}, days(0, 0))
    publication = publish(warehouse, TABLES)
    assert table.name in rows_of(published)
    assert_in_step(warehouse, publication)


def test_nothing_new_is_nothing_done(warehouse: Warehouse, published: Path) -> None:
    before = published.stat()
    publication = publish(warehouse, TABLES)
    after = published.stat()
    assert publication.form == "unchanged"
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_one_changed_day_is_all_that_is_copied(warehouse: Warehouse, published: Path) -> None:
    """A mark in the file whose turn is next stays, for its day did not change."""
    standby = beside(warehouse, "standby")
    standby.chmod(0o644)
    with duckdb.connect(str(standby)) as connection:
        connection.execute(f"update {DAILY} set total_events = 777 where date = ?", [day(7)])
    warehouse.write({DAILY: totals({8: 80})}, days(8, 8))
    assert publish(warehouse, TABLES).form == "incremental"
    # Day 0 is what the standby had missed when the other file got it.
    expected = dict.fromkeys(range(10), 1) | {0: 20, 7: 777, 8: 80}
    assert totals_in(published) == expected


def test_many_changed_days_are_copied_afresh(warehouse: Warehouse, published: Path) -> None:
    warehouse.write({DAILY: totals(dict.fromkeys(range(20), 5))}, days(0, 19))
    publication = publish(warehouse, TABLES)
    assert publication.form == "fresh"
    assert_in_step(warehouse, publication)
    assert totals_in(published) == dict.fromkeys(range(20), 5)


def test_a_warehouse_begun_anew_is_published_anew(warehouse: Warehouse, published: Path) -> None:
    """Guards against taking another warehouse's commit for this one's because of its number."""
    generation = publish(warehouse, TABLES).generation
    warehouse.path.unlink()
    for number in range(generation):
        warehouse.write({DAILY: totals({0: 99 - generation + number + 1})}, days(0, 0))
    publication = publish(warehouse, TABLES)
    assert (publication.generation, publication.form) == (generation, "fresh")
    assert totals_in(published) == {0: 99}
    # Nor does the file standing by, of an earlier number, belong to this warehouse.
    beside(warehouse, "published").replace(beside(warehouse, "standby"))
    assert_in_step(warehouse, publish(warehouse, TABLES))


def test_a_warehouse_put_back_to_an_earlier_state_is_published(
    warehouse: Warehouse, published: Path, tmp_path: Path
) -> None:
    shutil.copyfile(warehouse.path, tmp_path / "saved")
    for turn in (1, 2):
        warehouse.write({DAILY: totals({turn: 60})}, days(turn, turn))
        publish(warehouse, TABLES)
    shutil.copyfile(tmp_path / "saved", warehouse.path)
    warehouse.write({DAILY: totals({9: 90})}, days(9, 9))
    assert_in_step(warehouse, publish(warehouse, TABLES))
    assert totals_in(published) == dict.fromkeys(range(10), 1) | {0: 20, 9: 90}


def test_a_warehouse_without_any_commit_is_published_too(tmp_path: Path) -> None:
    warehouse = Warehouse(database=str(tmp_path / "warehouse.duckdb"))
    assert publish(warehouse, TABLES).form == "fresh"
    assert publish(warehouse, TABLES).form == "unchanged"
    assert rows_of(beside(warehouse, "published")) == {}


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(False, id="copied-afresh"),
        pytest.param(True, id="caught-up"),
    ],
)
def test_what_else_is_in_the_published_file(warehouse: Warehouse, change: bool) -> None:
    """Raw and history stay inside; descriptions and types go along; nobody can write."""
    publish(warehouse, TABLES)
    if change:
        for turn in (1, 2):
            warehouse.write({DAILY: totals({turn: 1}), WHOLE: snapshots(turn)}, days(turn, turn))
            form = publish(warehouse, TABLES).form
        assert form == "incremental"
    path = beside(warehouse, "published")
    with duckdb.connect(str(path), read_only=True) as connection:
        schemas = connection.execute(
            "select distinct schema_name from duckdb_tables() order by 1"
        ).fetchall()
        ((described,),) = connection.execute(
            f"select comment from duckdb_tables() where table_name = '{DAILY.own_name}'"
        ).fetchall()
        comments = dict(
            connection.execute(
                "select column_name, comment from duckdb_columns() "
                f"where table_name = '{DAILY.own_name}'"
            ).fetchall()
        )
        types = dict(row[:2] for row in connection.execute(f"describe {DAILY}").fetchall())
    assert schemas == [("core",), ("marts",), ("meta",)]
    assert described == DAILY.description
    assert comments["total_events"] == "Events dated `date`."
    assert types["date"] == "DATE"
    assert stat.S_IMODE(path.stat().st_mode) == 0o444


# --- readers -------------------------------------------------------------------------------------

READ = f"""
import sys, duckdb
connection = duckdb.connect(sys.argv[1], read_only=True)
started = connection.cursor()
started.execute("select total_events from {DAILY} order by date")
first = started.fetchone()
print("reading", flush=True)
sys.stdin.read()
rest = started.fetchall()
again = connection.execute("select total_events from {DAILY} order by date").fetchall()
assert [first, *rest] == again, (first, rest, again)
print(sum(total for total, in again), flush=True)
"""


@pytest.mark.parametrize(
    "commits",
    [
        pytest.param(1, id="one-commit"),
        pytest.param(2, id="two-commits-so-that-its-file-had-its-turn"),
        pytest.param(3, id="three-commits"),
    ],
)
def test_a_reader_in_another_process_is_not_disturbed_and_does_not_disturb(
    warehouse: Warehouse, published: Path, children: list[Child], commits: int
) -> None:
    reader = Child(READ, str(published))
    children.append(reader)
    reader.wait_for("reading")
    for turn in range(1, commits + 1):
        warehouse.write({DAILY: totals({turn: 1000})}, days(turn, turn))
        assert_in_step(warehouse, publish(warehouse, TABLES))
    assert sum(totals_in(published).values()) == 20 + 9 + 999 * commits
    reader.go_on()
    reader.wait_for(str(20 + 9))
    assert reader.process.wait() == 0


def test_a_reader_in_the_same_process_keeps_what_it_opened(
    warehouse: Warehouse, published: Path
) -> None:
    """Guards against writing to a file that this process reads: DuckDB's lock would not tell."""
    reader = duckdb.connect(str(published), read_only=True)
    forms = []
    try:
        for turn in (1, 2, 3):
            warehouse.write({DAILY: totals({turn: 1000})}, days(turn, turn))
            forms.append(publish(warehouse, TABLES).form)
            total = reader.execute(f"select sum(total_events) from {DAILY}").fetchall()
            assert total == [(20 + 9,)]
    finally:
        reader.close()
    assert "fresh" in forms
    assert rows_of(published) == rows_of(warehouse.path)


QUERY = f"""
import sys, duckdb
with duckdb.connect(sys.argv[1], read_only=True) as connection:
    print(connection.execute("select sum(total_events) from {DAILY}").fetchone()[0], flush=True)
"""


def test_the_published_file_can_be_read_while_the_warehouse_is_written(
    warehouse: Warehouse, published: Path, children: list[Child]
) -> None:
    with warehouse.connect() as connection:
        connection.begin()
        connection.execute(f"delete from {DAILY}")
        reader = Child(QUERY, str(published))
        children.append(reader)
        reader.wait_for(str(20 + 9))
        connection.rollback()


def test_a_second_publisher_touches_nothing_while_the_first_is_at_work(
    warehouse: Warehouse, published: Path, children: list[Child]
) -> None:
    """Guards against clearing away the copy that another process is just making."""
    first = Child(HOLD, warehouse.database)
    children.append(first)
    first.wait_for("holding")
    in_the_making, on_its_way = beside(warehouse, "next"), beside(warehouse, "retiring")
    in_the_making.write_text("a copy in the making")
    os.link(published, on_its_way)
    impatient = Warehouse(database=warehouse.database, lock_timeout_seconds=0)
    with pytest.raises(WarehouseError, match="still locked"):
        publish(impatient, TABLES)
    assert in_the_making.exists()
    assert on_its_way.exists()


# --- kills ---------------------------------------------------------------------------------------


class Killed(BaseException):
    """Stands for a kill where nothing is left to clean up."""


def kill_at(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, *, after: bool) -> None:
    original = getattr(owner, name)

    def killed(*arguments: Any, **named: Any) -> None:
        if after:
            original(*arguments, **named)
        raise Killed

    monkeypatch.setattr(owner, name, killed)


@pytest.mark.long
@pytest.mark.parametrize(
    ("owner", "name", "after", "is_new_already"),
    [
        pytest.param(os, "link", False, False, id="before-the-second-name"),
        pytest.param(os, "link", True, False, id="two-names-and-a-standby"),
        pytest.param(Path, "replace", False, False, id="before-the-swap"),
        pytest.param(Path, "replace", True, True, id="swapped-and-no-standby"),
        pytest.param(Path, "rename", False, True, id="before-the-last-step"),
        pytest.param(Path, "rename", True, True, id="after-the-last-step"),
    ],
)
def test_a_kill_while_files_change_places_is_recovered_from(
    warehouse: Warehouse,
    published: Path,
    monkeypatch: pytest.MonkeyPatch,
    owner: Any,
    name: str,
    after: bool,
    is_new_already: bool,
) -> None:
    warehouse.write({DAILY: totals({1: 1000})}, days(1, 1))
    with monkeypatch.context() as patched:
        kill_at(patched, owner, name, after=after)
        with pytest.raises(Killed):
            publish(warehouse, TABLES)
    assert totals_in(published)[1] == (1000 if is_new_already else 1)
    for turn in (2, 3):
        assert_in_step(warehouse, publish(warehouse, TABLES))
        warehouse.write({DAILY: totals({turn: 1000})}, days(turn, turn))
    publication = publish(warehouse, TABLES)
    assert publication.form == "incremental"
    assert_in_step(warehouse, publication)
    assert names_left(warehouse) == {
        "warehouse.duckdb",
        "warehouse.published.duckdb",
        "warehouse.standby.duckdb",
    }


@pytest.mark.parametrize("was_published", [True, False])
@pytest.mark.parametrize("has_log", [True, False])
def test_half_a_copy_is_cleared_away(
    warehouse: Warehouse, was_published: bool, has_log: bool
) -> None:
    """Guards against a log that is left behind and taken for that of the next copy."""
    if was_published:
        publish(warehouse, TABLES)
        warehouse.write({DAILY: totals({1: 1000})}, days(1, 1))
    half = beside(warehouse, "next")
    shutil.copyfile(warehouse.path, half)
    if has_log:
        with duckdb.connect(str(half)) as connection:
            connection.execute("pragma disable_checkpoint_on_shutdown")
            connection.execute(f"delete from {DAILY}")
        assert half.with_name(f"{half.name}.wal").stat().st_size > 0
    publication = publish(warehouse, TABLES)
    assert publication.form == "fresh"
    assert_in_step(warehouse, publication)
    assert not [name for name in names_left(warehouse) if ".next." in name]


KILLED_WHILE_CATCHING_UP = """
import os, signal, sys
from harvey_pipeline.definitions import SUBJECTS, tables_of
from harvey_pipeline.warehouse import publishing
from harvey_pipeline.warehouse.warehouse import Warehouse

stamp = publishing._stamp

def stamp_and_be_killed(connection, commit):
    stamp(connection, commit)
    if sys.argv[2] == "committed":
        connection.commit()
    print("stamped", flush=True)
    os.kill(os.getpid(), signal.SIGKILL)

publishing._stamp = stamp_and_be_killed
publishing.publish(Warehouse(database=sys.argv[1]), tables_of(SUBJECTS))
"""


@pytest.mark.long
@pytest.mark.parametrize(
    "moment",
    [
        pytest.param("open", id="before-it-commits"),
        pytest.param("committed", id="with-its-log-not-yet-folded-in"),
    ],
)
def test_a_kill_while_the_standby_catches_up_is_recovered_from(
    warehouse: Warehouse, published: Path, children: list[Child], moment: str
) -> None:
    """Guards against swapping in a file whose last commit is still in a log beside it."""
    warehouse.write({DAILY: totals({1: 1000})}, days(1, 1))
    child = Child(KILLED_WHILE_CATCHING_UP, warehouse.database, moment)
    children.append(child)
    child.wait_for("stamped")
    assert child.process.wait() == -signal.SIGKILL
    log = beside(warehouse, "standby").with_name("warehouse.standby.duckdb.wal")
    if moment == "committed":
        assert log.stat().st_size > 0
    assert totals_in(published)[1] == 1
    publication = publish(warehouse, TABLES)
    assert publication.form == "incremental"
    assert_in_step(warehouse, publication)
    assert not log.exists()
    warehouse.write({DAILY: totals({2: 1000})}, days(2, 2))
    assert_in_step(warehouse, publish(warehouse, TABLES))
