"""How long rows are kept, and what is deleted when somebody asks for it.

A table says for how long its days are kept; nothing is deleted by itself. What was deleted is
noted by the day before which it was: a day that lies before it is computed no more, and nothing
that rests on it is, so that what was computed stays as it is.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Final

import duckdb

from harvey_pipeline.warehouse.archive import ARCHIVED, archive_folder, archived_days
from harvey_pipeline.warehouse.commits import COMPUTED, record_commits
from harvey_pipeline.warehouse.days import DayRange, last_day
from harvey_pipeline.warehouse.table import Keep, Table
from harvey_pipeline.warehouse.warehouse import Warehouse

RETAINED: Final = "meta.retained"

WITHOUT_USERS: Final = Keep(7 * 365 + 2)
"""Tables in which nobody stands are kept for seven years, whichever of them are leap years."""

_MAKE: Final = (
    f"create table if not exists {RETAINED} (table_name VARCHAR NOT NULL, before DATE NOT NULL, "
    "mondays_before DATE NOT NULL)"
)


@dataclass(frozen=True)
class Cutoff:
    """From when on a table's days are kept: all of them, and Mondays."""

    before: date
    mondays_before: date

    @classmethod
    def of(cls, keep: Keep, as_of: date) -> "Cutoff":
        """The days that are kept on a day, that one being the first of them."""
        mondays = max(keep.days, keep.mondays or 0)
        return cls(as_of - timedelta(days=keep.days - 1), as_of - timedelta(days=mondays - 1))

    def keeps(self, day: date) -> bool:
        is_monday = day.weekday() == 0
        return day >= (self.mondays_before if is_monday else self.before)

    def keeps_partition(self, table: Table, partition: date) -> bool:
        """Whether a day is kept, or any day of a month by its first one."""
        return self.keeps(last_day(partition)) if table.is_monthly else self.keeps(partition)

    def outside(self, table: Table) -> str:
        """An SQL condition: a row is not kept."""
        day = table.day_column
        if table.is_monthly:
            return f"last_day({day}) < date '{self.before}'"
        return (
            f"{day} < date '{self.before}' and not "
            f"(isodow({day}) = 1 and {day} >= date '{self.mondays_before}')"
        )


@dataclass(frozen=True)
class Expired:
    """What of a table is kept no longer: its rows, and the days (or months) of the first and last.

    `archived` are the rows of archived months among them.
    """

    table: Table
    cutoff: Cutoff
    rows: int
    archived: int
    first: date | None
    last: date | None


def keep_of(table: Table, users_days: int | None) -> Keep | None:
    """For how long a table's days are kept; None where it has none, or they are kept for ever.

    `users_days` is for how long those are kept in which people stand and that say nothing.
    """
    if table.day_column is None or table.schema_name in ("raw", "meta", "history"):
        return None
    if table.keep is not None:
        return table.keep
    if not table.persons:
        return WITHOUT_USERS
    return Keep(users_days) if users_days is not None else None


def cutoffs_of(
    tables: Iterable[Table], users_days: int | None, needed: Collection[str], as_of: date
) -> dict[Table, Cutoff]:
    """From when on the days of each table are kept, on a day.

    `needed` are the names of tables of which others read every day however old: they are kept.
    """
    return {
        table: Cutoff.of(keep, as_of)
        for table in tables
        if table.name not in needed and (keep := keep_of(table, users_days)) is not None
    }


def last_day_computed(warehouse: Warehouse, tables: Iterable[Table]) -> date | None:
    """The last day that was computed of any table by day; None where none was."""
    names = [table.name for table in tables if table.day_column and not table.is_monthly]
    state = warehouse.state()
    return max((max(found) for name in names if (found := state.computings(name))), default=None)


def find_expired(warehouse: Warehouse, cutoffs: Mapping[Table, Cutoff]) -> list[Expired]:
    """What is kept no longer, of the tables of which there is something."""
    with warehouse.connect() as connection:
        warehouse.prepare(connection, cutoffs)
        found = [_expired(connection, table, cutoff) for table, cutoff in cutoffs.items()]
    return [one for one in found if one.rows or one.archived]


def delete_expired(warehouse: Warehouse, cutoffs: Mapping[Table, Cutoff]) -> list[Expired]:
    """Delete what is kept no longer, table by table, and note from when on each is kept.

    Killed at any moment a table is done or it is not. Days that an earlier call took for expired
    and that are kept now (a period has become longer) are computed again when they are due.
    """
    done = []
    with warehouse.connect() as connection:
        warehouse.prepare(connection, cutoffs)
        connection.execute(_MAKE)
        for table, cutoff in cutoffs.items():
            files = _expired_files(connection, warehouse, table, cutoff)
            found = _expired(connection, table, cutoff)
            connection.begin()
            connection.execute(f"delete from {table} where {cutoff.outside(table)}")
            _forget_computing(connection, table, cutoff)
            for month in files:
                connection.execute(
                    f"delete from {ARCHIVED} where table_name = ? and month = ?",
                    [table.name, month],
                )
            connection.execute(f"delete from {RETAINED} where table_name = ?", [table.name])
            connection.execute(
                f"insert into {RETAINED} values (?, ?, ?)",
                [table.name, cutoff.before, cutoff.mondays_before],
            )
            if found.rows:
                # It matters to no day: what was computed from these rows stays as it is.
                record_commits(connection, [table], None)
            connection.commit()
            for file in files.values():
                file.unlink(missing_ok=True)
            if found.rows or found.archived:
                done.append(found)
    return done


def outside_days(warehouse: Warehouse) -> Mapping[str, frozenset[date]]:
    """The days of each table (of one by months, of its months) that are kept no longer.

    They reach back to the first day of which anything was ever computed.
    """
    if not warehouse.path.exists():
        return {}
    with warehouse.connect() as connection:
        try:
            rows = connection.execute(
                f"select table_name, before, mondays_before from {RETAINED}"
            ).fetchall()
            [(first,)] = connection.execute("select min(first_day) from meta.commits").fetchall()
        except duckdb.CatalogException:
            return {}
    found = {}
    for name, before, mondays_before in rows:
        cutoff = Cutoff(before, mondays_before)
        days = DayRange(first, before).days if first is not None and first <= before else []
        found[name] = frozenset(day for day in days if not cutoff.keeps(day))
    return found


def days_taken_out(warehouse: Warehouse) -> Mapping[str, frozenset[date]]:
    """The days of each table that are archived or kept no longer."""
    archived, outside = archived_days(warehouse), outside_days(warehouse)
    nothing: frozenset[date] = frozenset()
    return {
        name: archived.get(name, nothing) | outside.get(name, nothing)
        for name in archived.keys() | outside.keys()
    }


def _expired(connection: duckdb.DuckDBPyConnection, table: Table, cutoff: Cutoff) -> Expired:
    day = table.day_column
    [(rows, first, last)] = connection.execute(
        f"select count(*), min({day}), max({day}) from {table} where {cutoff.outside(table)}"
    ).fetchall()
    months = _expired_months(connection, table, cutoff)
    firsts = [*([first] if first else []), *(month for month, _, _ in months)]
    lasts = [*([last] if last else []), *(last_day(month) for month, _, _ in months)]
    archived = sum(count for _, _, count in months)
    return Expired(
        table, cutoff, rows, archived, min(firsts, default=None), max(lasts, default=None)
    )


def _expired_months(
    connection: duckdb.DuckDBPyConnection, table: Table, cutoff: Cutoff
) -> Sequence[tuple[date, str, int]]:
    """The archived months of which no day is kept: month, file and rows."""
    try:
        rows = connection.execute(
            f"select month, file, rows from {ARCHIVED} where table_name = ? order by month",
            [table.name],
        ).fetchall()
    except duckdb.CatalogException:
        return []
    return [
        (month, file, count)
        for month, file, count in rows
        if not any(cutoff.keeps(day) for day in DayRange(month, last_day(month)).days)
    ]


def _expired_files(
    connection: duckdb.DuckDBPyConnection, warehouse: Warehouse, table: Table, cutoff: Cutoff
) -> Mapping[date, Path]:
    folder = archive_folder(warehouse) / table.name
    return {month: folder / file for month, file, _ in _expired_months(connection, table, cutoff)}


def _forget_computing(connection: duckdb.DuckDBPyConnection, table: Table, cutoff: Cutoff) -> None:
    """Let days that are deleted be such as were never computed."""
    known = connection.execute(
        f"select day from {COMPUTED} where table_name = ?", [table.name]
    ).fetchall()
    gone = [day for (day,) in known if not cutoff.keeps_partition(table, day)]
    connection.execute(
        f"delete from {COMPUTED} where table_name = ? and list_contains(?::date[], day)",
        [table.name, gone],
    )
