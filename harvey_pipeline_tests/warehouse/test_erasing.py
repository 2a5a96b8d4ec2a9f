"""People's rows out of tables, archive and free blocks of the warehouse's file."""

import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import dataframely as dy
import duckdb
import polars as pl
import pytest

from harvey_pipeline.warehouse import columns as c
from harvey_pipeline.warehouse.archive import archive_month, restore_month
from harvey_pipeline.warehouse.days import DayRange
from harvey_pipeline.warehouse.erasing import (
    Mentions,
    count_archived,
    count_mentions,
    erase_archived,
    erase_rows,
    rewrite_file,
    words_of_persons,
)
from harvey_pipeline.warehouse.publishing import publish
from harvey_pipeline.warehouse.table import Table
from harvey_pipeline.warehouse.warehouse import Warehouse, WarehouseError, published_path

FIRST, SECOND = date(2024, 4, 1), date(2024, 4, 2)
APRIL = DayRange(FIRST, SECOND)


class Visits(dy.Schema):
    """One row per (`date`, `user_id`)."""

    date = c.day("Day.", key=True)
    user_id = c.text("User.", key=True)
    guide_id = c.text("Who led.", nullable=True)
    host = c.text("Who let in.")
    said = c.text("What was said.", nullable=True)


class Members(dy.Schema):
    """One row per (`grain`, `entity_id`): users and halls may have the same id."""

    grain = c.text("user or hall.", key=True)
    entity_id = c.text("User or hall.", key=True)


class Sayings(dy.Schema):
    """One row per `date`: what was said most."""

    date = c.day("Day.", key=True)
    said = c.text("What was said most.", nullable=True)
    visits = c.count("Visits.")


class Halls(dy.Schema):
    """One row per `hall`."""

    hall = c.text("Name.", key=True)


VISITS = Table("museum.visits", Visits, "date", persons=("user_id", "guide_id", "host"))
MEMBERS = Table("museum.members", Members, persons=("entity_id",), persons_if="grain = 'user'")
SAYINGS = Table("museum.sayings", Sayings, "date")
HALLS = Table("museum.halls", Halls)
TABLES = {table.name: table for table in (VISITS, MEMBERS, SAYINGS, HALLS)}

OWN_WORDS = "I came for the dinosaurs"
COMMON = "what a fine afternoon"


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    found = Warehouse(database=str(tmp_path / "w.duckdb"))
    visits = pl.DataFrame(
        {
            "date": [FIRST, FIRST, SECOND, SECOND],
            "user_id": ["u1", "u2", "u2", "u12"],
            "guide_id": ["u2", "u1", None, "u3"],
            "host": ["u3", "u3", "u1", "u3"],
            "said": [OWN_WORDS, COMMON, "nothing at all, today", None],
        }
    )
    members = pl.DataFrame({"grain": ["user", "hall", "user"], "entity_id": ["u1", "u1", "u2"]})
    sayings = pl.DataFrame(
        {"date": [FIRST, SECOND], "said": [OWN_WORDS, COMMON], "visits": [2, 2]},
        schema_overrides={"visits": pl.Int64},
    )
    halls = pl.DataFrame({"hall": [OWN_WORDS]})
    found.write({VISITS: visits.lazy(), SAYINGS: sayings.lazy()}, APRIL)
    found.write({MEMBERS: members.lazy(), HALLS: halls.lazy()}, APRIL)
    return found


def can_be_opened_elsewhere(path: Path) -> bool:
    """Whether another process can open a file to write."""
    code = f"import duckdb; duckdb.connect({str(path)!r})"
    return subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == 0


@pytest.fixture
def connection(warehouse: Warehouse) -> Iterator[duckdb.DuckDBPyConnection]:
    with warehouse.connect() as opened:
        yield opened


def test_rows_are_counted_with_those_that_name_somebody(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    assert count_mentions(connection, TABLES.values(), ["u1"]) == {
        "museum.visits": Mentions(1, 2),
        "museum.members": Mentions(1, 0),
    }
    assert count_mentions(connection, TABLES.values(), ["u"]) == {}


def test_words_are_those_that_nobody_else_said(connection: duckdb.DuckDBPyConnection) -> None:
    assert words_of_persons(connection, TABLES.values(), ["u1"]) == {"museum": [OWN_WORDS]}


def test_own_rows_go_and_others_are_kept_without_the_name(
    warehouse: Warehouse, connection: duckdb.DuckDBPyConnection
) -> None:
    before = warehouse.generation()
    connection.begin()
    erased = erase_rows(connection, TABLES.values(), ["u1"], {"museum": [OWN_WORDS]})
    connection.commit()
    assert erased == {"museum.visits": 3, "museum.members": 1, "museum.sayings": 1}
    assert connection.execute(f"select * from {VISITS} order by date, user_id").fetchall() == [
        (FIRST, "u2", None, "u3", COMMON),
        (SECOND, "u12", "u3", "u3", None),
        (SECOND, "u2", None, "", "nothing at all, today"),
    ]
    assert connection.execute(f"select * from {MEMBERS} order by all").fetchall() == [
        ("hall", "u1"),
        ("user", "u2"),
    ]
    # A sum that repeats the words is computed anew; a table that is no sum of days is not touched.
    assert connection.execute(f"select date, said from {SAYINGS}").fetchall() == [(SECOND, COMMON)]
    assert connection.execute(f"select * from {HALLS}").fetchall() == [(OWN_WORDS,)]
    state = warehouse.state()
    assert {day for day, at in state.changes(VISITS.name).items() if at > before} == {FIRST, SECOND}
    assert {day for day, at in state.changes(SAYINGS.name).items() if at > before} == {FIRST}
    assert set(state.computings(SAYINGS.name)) == {SECOND}
    assert {day for day, at in state.changes(MEMBERS.name).items() if at > before} == {
        FIRST,
        SECOND,
    }
    assert all(at <= before for at in state.changes(HALLS.name).values())


def test_where_nobody_stands_nothing_is_noted(
    warehouse: Warehouse, connection: duckdb.DuckDBPyConnection
) -> None:
    before = warehouse.generation()
    assert erase_rows(connection, TABLES.values(), ["u"], {}) == {}
    assert warehouse.generation() == before


def test_archived_months_are_rewritten_and_can_be_brought_back(
    warehouse: Warehouse, connection: duckdb.DuckDBPyConnection
) -> None:
    assert archive_month(warehouse, [VISITS], FIRST) == 4
    arguments = (connection, warehouse.path, TABLES, ["u1"])
    assert count_archived(*arguments) == {"museum.visits": 3}
    assert set(erase_archived(*arguments)) == {"museum.visits"}
    assert erase_archived(*arguments) == count_archived(*arguments) == {}
    assert restore_month(warehouse, [VISITS], FIRST) == 3
    assert connection.execute(f"select count(*) from {VISITS}").fetchall() == [(3,)]


def test_no_byte_of_what_was_deleted_is_left_in_the_file_and_its_copies(
    warehouse: Warehouse,
) -> None:
    publish(warehouse, TABLES)
    copy = published_path(warehouse.path)
    assert OWN_WORDS.encode() in warehouse.path.read_bytes()
    assert OWN_WORDS.encode() in copy.read_bytes()
    with warehouse.connect() as connection:
        connection.execute(f"create view museum.fine as select * from {SAYINGS}")
        connection.execute(f"delete from {HALLS}")
        connection.begin()
        erase_rows(connection, TABLES.values(), ["u1"], {"museum": [OWN_WORDS]})
        connection.commit()
        rewrite_file(warehouse, connection)
    publish(warehouse, TABLES, is_afresh=True)
    left = sorted(path.name for path in warehouse.path.parent.iterdir() if path.is_file())
    assert left == ["w.duckdb", "w.published.duckdb"]
    for path in (warehouse.path, copy):
        assert OWN_WORDS.encode() not in path.read_bytes()
    with warehouse.connect() as connection:
        assert connection.execute("select said from museum.fine").fetchall() == [(COMMON,)]
        [(comment,)] = connection.execute(
            "select comment from duckdb_columns() where table_name = 'visits' "
            "and column_name = 'guide_id' and database_name = current_database()"
        ).fetchall()
        assert comment == "Who led."
        # What is written afterwards is written as ever.
        warehouse.write({HALLS: pl.LazyFrame({"hall": ["west"]})}, APRIL)
        assert connection.execute(f"select * from {HALLS}").fetchall() == [("west",)]


def test_another_process_finds_the_file_locked_until_the_copy_has_its_name(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[bool] = []
    replace = Path.replace

    def look_and_replace(self: Path, target: Path) -> Path:
        seen.append(can_be_opened_elsewhere(warehouse.path))
        done = replace(self, target)
        seen.append(can_be_opened_elsewhere(warehouse.path))
        return done

    monkeypatch.setattr(Path, "replace", look_and_replace)
    with warehouse.connect() as connection:
        rewrite_file(warehouse, connection)
    assert seen == [False, False]
    assert can_be_opened_elsewhere(warehouse.path)


def test_a_copy_that_lacks_something_is_refused(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    from harvey_pipeline.warehouse import erasing

    copy = erasing._copy

    def copy_badly(connection: duckdb.DuckDBPyConnection, name: str) -> None:
        copy(connection, name)
        raise WarehouseError("the copy of the warehouse does not hold what it does")

    monkeypatch.setattr(erasing, "_copy", copy_badly)
    before = warehouse.path.read_bytes()
    with (
        warehouse.connect() as connection,
        pytest.raises(WarehouseError, match="does not hold"),
    ):
        rewrite_file(warehouse, connection)
    assert [one.name for one in warehouse.path.parent.iterdir()] == ["w.duckdb"]
    assert len(warehouse.path.read_bytes()) >= len(before)
