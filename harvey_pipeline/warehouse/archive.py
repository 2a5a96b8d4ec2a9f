"""Months of tables that are taken out of the warehouse into Parquet files, and brought back.

A month is archived by one transaction that takes its rows out and notes where they are; before it
the files are written, read back and compared. Killed at any moment a month is archived or it is
not, and a file that nothing notes is written anew.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Final

import duckdb

from harvey_pipeline.warehouse.commits import digest_of, record_commits
from harvey_pipeline.warehouse.days import DayRange, last_day
from harvey_pipeline.warehouse.table import Table
from harvey_pipeline.warehouse.warehouse import Warehouse, WarehouseError, quoted

ARCHIVED: Final = "meta.archived"

_MAKE: Final = (
    f"create table if not exists {ARCHIVED} (table_name VARCHAR NOT NULL, month DATE NOT NULL, "
    "rows BIGINT NOT NULL, file VARCHAR NOT NULL)"
)


def archived_days(warehouse: Warehouse) -> Mapping[str, frozenset[date]]:
    """The days of each table that are archived."""
    if not warehouse.path.exists():
        return {}
    with warehouse.connect() as connection:
        months = _archived_months(connection)
    return {
        name: frozenset(day for month in found for day in DayRange(month, last_day(month)).days)
        for name, found in months.items()
    }


def months_to_archive(warehouse: Warehouse, tables: Sequence[Table], before: date) -> list[date]:
    """The months that end before a day, have days in one of the tables, and are not archived."""
    written = {day.replace(day=1) for table in tables for day in warehouse.days_written(table)}
    with warehouse.connect() as connection:
        archived = _archived_months(connection)
    known = set.intersection(*(archived.get(table.name, set()) for table in tables))
    return sorted(month for month in written - known if last_day(month) < before)


def archive_month(warehouse: Warehouse, tables: Sequence[Table], month: date) -> int:
    """Take a month of some tables out of the warehouse; return how many rows that are.

    Raises:
        WarehouseError: A file that was written says something else than its table; nothing has
            changed then.
    """
    days = DayRange(month, last_day(month))
    with warehouse.connect() as connection:
        warehouse.prepare(connection, tables)
        connection.execute(_MAKE)
        known = _archived_months(connection)
        todo = [table for table in tables if month not in known.get(table.name, ())]
        rows = {
            table: _write(connection, table, days, _file(warehouse, table, month)) for table in todo
        }
        connection.begin()
        for table, count in rows.items():
            connection.execute(f"delete from {table} where {table.within(days)}")
            connection.execute(
                f"insert into {ARCHIVED} values (?, ?, ?, ?)",
                [table.name, month, count, str(_file(warehouse, table, month).name)],
            )
            # It matters to no day: what was computed from these rows stays as it is.
            record_commits(connection, [table], None)
        connection.commit()
    return sum(rows.values())


def restore_month(warehouse: Warehouse, tables: Sequence[Table], month: date) -> int:
    """Bring an archived month of some tables back; return how many rows that are.

    Raises:
        WarehouseError: The month is not archived, or its file is gone or is not as it was written.
    """
    days = DayRange(month, last_day(month))
    with warehouse.connect() as connection:
        known = _archived_months(connection)
        todo = [table for table in tables if month in known.get(table.name, ())]
        if not todo:
            raise WarehouseError(f"{month:%Y-%m} is not archived; {_listed(known)}.")
        connection.begin()
        restored = 0
        files: dict[Table, Path] = {}
        for table in todo:
            file = files[table] = _noted_file(connection, warehouse, table, month)
            restored += _read_back(connection, table, days, file)
            connection.execute(
                f"delete from {ARCHIVED} where table_name = ? and month = ?", [table.name, month]
            )
            record_commits(connection, [table], None)
        connection.commit()
    for file in files.values():
        file.unlink(missing_ok=True)
    return restored


def _archived_months(connection: duckdb.DuckDBPyConnection) -> dict[str, set[date]]:
    found: dict[str, set[date]] = {}
    try:
        rows = connection.execute(f"select table_name, month from {ARCHIVED}").fetchall()
    except duckdb.CatalogException:
        return {}
    for name, month in rows:
        found.setdefault(name, set()).add(month)
    return found


def _listed(known: Mapping[str, set[date]]) -> str:
    months = sorted({month for found in known.values() for month in found})
    return f"archived are {', '.join(f'{one:%Y-%m}' for one in months)}" if months else "none is"


def _noted_file(
    connection: duckdb.DuckDBPyConnection, warehouse: Warehouse, table: Table, month: date
) -> Path:
    """Where an archived month is: a warehouse that was restored may name it otherwise."""
    [(name,)] = connection.execute(
        f"select file from {ARCHIVED} where table_name = ? and month = ?", [table.name, month]
    ).fetchall()
    return _file(warehouse, table, month).with_name(name)


def _file(warehouse: Warehouse, table: Table, month: date) -> Path:
    return archive_folder(warehouse) / table.name / f"{month:%Y-%m}.parquet"


def archive_folder(warehouse: Warehouse) -> Path:
    """Where the archived months of a warehouse are, in a folder for each table."""
    return warehouse.path.with_name(f"{warehouse.path.stem}.archive")


def _write(connection: duckdb.DuckDBPyConnection, table: Table, days: DayRange, file: Path) -> int:
    """Write a month's rows into a file, read it back and compare; return their number."""
    file.parent.mkdir(parents=True, exist_ok=True)
    unfinished = file.with_suffix(".unfinished")
    connection.execute(
        f"copy (select * from {table} where {table.within(days)} order by all) "
        f"to {quoted(unfinished)} (format parquet)"
    )
    held = _digest(connection, table, f"{table} where {table.within(days)}")
    if _digest(connection, table, _rows_of(unfinished)) != held:
        raise WarehouseError(
            f"{unfinished} does not hold what {table} does of {days}. Nothing was taken out; look "
            f"whether the disk is sound, then archive again."
        )
    unfinished.replace(file)
    return held[0]


def _read_back(
    connection: duckdb.DuckDBPyConnection, table: Table, days: DayRange, file: Path
) -> int:
    if not file.exists():
        raise WarehouseError(f"{file} is gone. Bring it back from a copy, then restore again.")
    held = _digest(connection, table, _rows_of(file))
    [(rows,)] = connection.execute(
        f"select rows from {ARCHIVED} where table_name = ? and month = ?", [table.name, days.first]
    ).fetchall()
    if held[0] != rows:
        raise WarehouseError(f"{file} holds {held[0]:,} rows, and {rows:,} were archived.")
    connection.execute(f"insert into {table} by name select * from {_rows_of(file)}")
    return int(rows)


def _rows_of(file: Path) -> str:
    return f"read_parquet({quoted(file)})"


def _digest(
    connection: duckdb.DuckDBPyConnection, table: Table, rows: str
) -> tuple[int, int | None]:
    """The number of rows and the sum of their hashes."""
    [(count, hashes)] = connection.execute(f"select {digest_of(table)} from {rows}").fetchall()
    return count, hashes
