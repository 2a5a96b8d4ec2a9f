"""A person's rows taken out of the warehouse: out of its tables, its archive and its free blocks.

Which rows are a person's follows from `Table.persons`. What rests on them is made due by the
commits that are noted; computing it anew is up to a run.
"""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final

import duckdb
import polars as pl

from harvey_pipeline.warehouse.archive import ARCHIVED
from harvey_pipeline.warehouse.commits import COMPUTED, record_commits
from harvey_pipeline.warehouse.days import DayRange
from harvey_pipeline.warehouse.table import Table
from harvey_pipeline.warehouse.warehouse import Warehouse, WarehouseError, quoted

SHORTEST_TEXT: Final = 12
"""Characters of the shortest text that is taken for a person's own words."""

_UNTOUCHED: Final = ("raw", "meta")
"""Schemas of which the rows are no tables of persons: the raw layer has files of its own."""

_NAMES: Final = ("_id", "_sk", "_key", "_code", "_hash", "_domain", "_version")
"""End the names of columns in which no words stand."""

_NAMES_OF_THINGS: Final = ("agent", "app", "kind", "model", "provider", "purpose", "tier")
"""Names of columns of which the values are anybody's, be it that one person alone has them."""

_COMPOSED: Final = "_sk"
"""Ends the name of a column in which more may follow the id, behind a bar."""


@dataclass(frozen=True)
class Mentions:
    """How many rows of a table are a person's, and how many of others name one."""

    own: int
    others: int


def present_tables(connection: duckdb.DuckDBPyConnection, tables: Iterable[Table]) -> list[Table]:
    """Those of some tables that the warehouse has, but for the raw layer's."""
    there = {
        name
        for (name,) in connection.execute(
            "select schema_name || '.' || table_name from duckdb_tables() "
            "where database_name = current_database()"
        ).fetchall()
    }
    return [
        table for table in tables if table.name in there and table.schema_name not in _UNTOUCHED
    ]


def count_mentions(
    connection: duckdb.DuckDBPyConnection, tables: Iterable[Table], persons: Sequence[str]
) -> dict[str, Mentions]:
    """By table how many rows hold one of these ids or addresses; tables with none are left out."""
    found = {}
    for table in present_tables(connection, tables):
        if not table.persons:
            continue
        own = _is_own(table)
        others = f"not coalesce({own}, false) and ({_names_others(table)})"
        [counts] = connection.execute(
            f"select count(*) filter ({own}), count(*) filter ({others}) from {table}",
            {"persons": list(persons)},
        ).fetchall()
        if any(counts):
            found[table.name] = Mentions(*counts)
    return found


def words_of_persons(
    connection: duckdb.DuckDBPyConnection, tables: Iterable[Table], persons: Sequence[str]
) -> dict[str, list[str]]:
    """What only these people's rows say, by schema: their words, and what was made of them.

    Texts that a row of somebody else has in the same column are nobody's own, and short ones say
    nothing.
    """
    words: dict[str, set[str]] = {}
    for table in present_tables(connection, tables):
        if not table.persons:
            continue
        for column, is_list in _text_columns(table):
            value = f'unnest("{column}")' if is_list else f'"{column}"'
            own = f"coalesce({_is_own(table)}, false)"
            rows = connection.execute(
                f"select text from (select {value} as text from {table} where {own}) "
                f"where length(text) >= {SHORTEST_TEXT} "
                f"except select {value} from {table} where not {own}",
                {"persons": list(persons)},
            ).fetchall()
            words.setdefault(table.schema_name, set()).update(text for (text,) in rows)
    return {schema: sorted(found) for schema, found in words.items() if found}


def erase_rows(
    connection: duckdb.DuckDBPyConnection,
    tables: Iterable[Table],
    persons: Sequence[str],
    words: Mapping[str, Sequence[str]],
) -> dict[str, int]:
    """Delete people's rows, blank them in others', and delete sums that repeat their words.

    Of a table that says what is blanked, the rows stay without that.

    Such sums are those of their schema; they count as never computed then. Notes, within the
    transaction, which days of which tables changed by it.

    Returns:
        The number of rows that were deleted or changed, by table.
    """
    changed: dict[str, int] = {}
    for table in present_tables(connection, tables):
        count = 0
        if table.persons:
            given = {"persons": list(persons)}
            blank = ", ".join(f'"{column}" = null' for column in table.blanked)
            statement = f"update {table} set {blank}" if blank else f"delete from {table}"
            count += _change(connection, table, f"{statement} where {{0}}", _is_own(table), given)
            for column in table.persons[1:]:
                statement = f'update {table} set "{column}" = {_blank(table, column)} where {{0}}'
                count += _change(connection, table, statement, _holds_any(column), given)
        elif table.day_column is not None and (repeats := _repeats(table)):
            given = {"words": [*words.get(table.schema_name, ()), *persons]}
            connection.execute(
                f"delete from {COMPUTED} where table_name = $name and day in "
                f"(select {table.day_column} from {table} where {repeats})",
                {**given, "name": table.name},
            )
            statement = f"delete from {table} where {{0}}"
            count += _change(connection, table, statement, repeats, given)
        if count:
            changed[table.name] = count
    return changed


def erase_archived(
    connection: duckdb.DuckDBPyConnection,
    warehouse: Path,
    tables: Mapping[str, Table],
    persons: Sequence[str],
) -> dict[str, int]:
    """Rewrite the archived months that hold people's rows, and note how many rows are left.

    May be repeated: a file that was rewritten before a kill is found by its number of rows.

    Returns:
        The number of rows that were taken out, by table.
    """
    changed: dict[str, int] = {}
    for name, month, file, rows in _archived(connection, warehouse):
        table = tables.get(name)
        if table is None or not table.persons or not file.exists():
            continue
        found = pl.read_parquet(file, glob=False)
        left = without_persons(found, table, persons)
        if not left.equals(found):
            unfinished = file.with_suffix(".unfinished")
            left.write_parquet(unfinished)
            unfinished.replace(file)
        if left.height != rows or not left.equals(found):
            connection.execute(
                f"update {ARCHIVED} set rows = ? where table_name = ? and month = ?",
                [left.height, name, month],
            )
            changed[name] = changed.get(name, 0) + max(rows - left.height, 1)
    return changed


def count_archived(
    connection: duckdb.DuckDBPyConnection,
    warehouse: Path,
    tables: Mapping[str, Table],
    persons: Sequence[str],
) -> dict[str, int]:
    """By table how many rows of archived months are these people's, or name one."""
    counts: dict[str, int] = {}
    for name, _, file, _ in _archived(connection, warehouse):
        table = tables.get(name)
        if table is None or not table.persons or not file.exists():
            continue
        named = pl.any_horizontal(_is_any(column, persons) for column in table.persons)
        rows = pl.scan_parquet(file, glob=False).filter(named).select(pl.len()).collect().item()
        if rows:
            counts[name] = counts.get(name, 0) + rows
    return counts


def without_persons(rows: pl.DataFrame, table: Table, persons: Sequence[str]) -> pl.DataFrame:
    """Rows of a table without those of some people, who are blank in those of others."""
    own, *others = table.persons
    return rows.filter(~_is_any(own, persons)).with_columns(
        pl.when(~_is_any(name, persons))
        .then(name)
        .otherwise(None if table.schema.columns()[name].nullable else pl.lit(""))
        .alias(name)
        for name in others
    )


def remove_left_over(connection: duckdb.DuckDBPyConnection, warehouse: Path) -> None:
    """Remove what killed commands have left of the warehouse and its archive beside them."""
    for path in warehouse.parent.glob(f"{warehouse.stem}.restored.next.duckdb*"):
        path.unlink(missing_ok=True)
    named = {file for _, _, file, _ in _archived(connection, warehouse)}
    archive = warehouse.with_name(f"{warehouse.stem}.archive")
    for path in [*archive.rglob("*.parquet"), *archive.rglob("*.unfinished")]:
        if path not in named:
            path.unlink(missing_ok=True)


def _is_any(column: str, persons: Sequence[str]) -> pl.Expr:
    values = pl.col(column)
    if column.endswith(_COMPOSED):
        values = values.str.split("|").list.first()
    return values.is_in(list(persons)).fill_null(value=False)


def rewrite_file(warehouse: Warehouse, connection: duckdb.DuckDBPyConnection) -> None:
    """Replace the warehouse's file by a copy, in which nothing stands that was deleted.

    The connection is the only one to the file, and is closed. Other processes find the file locked
    until the copy has taken its place; a kill leaves the one or the other.

    Raises:
        WarehouseError: The copy says something else than the file; nothing has changed then.
    """
    path = warehouse.path
    rewritten = path.with_name(f"{path.stem}.rewritten.duckdb")
    log = path.with_name(f"{path.name}.wal")
    _remove(rewritten)
    try:
        connection.execute("force checkpoint")
        [(name,)] = connection.execute("select current_database()").fetchall()
        connection.execute(f"attach {quoted(rewritten)} as rewritten")
        try:
            _copy(connection, str(name))
            connection.execute("checkpoint rewritten")
        finally:
            connection.execute("detach rewritten")
        # Whoever opens the path from now on finds the new file, and that it is locked.
        with duckdb.connect(str(rewritten)):
            if log.exists():
                raise WarehouseError(
                    f"{log} is there although all was written; nothing was replaced. Run again."
                )
            rewritten.replace(path)
            connection.close()
    except BaseException:
        _remove(rewritten)
        raise
    _sync(path.parent)


def _copy(connection: duckdb.DuckDBPyConnection, name: str) -> None:
    """Copy all tables and views of a database, and compare how many rows there are of each."""
    connection.execute(f'copy from database "{name}" to rewritten')
    counts = []
    for database in (name, "rewritten"):
        tables = connection.execute(
            "select schema_name, table_name from duckdb_tables() where database_name = ? "
            "and not internal order by all",
            [database],
        ).fetchall()
        counts.append(
            [
                (
                    schema,
                    table,
                    connection.execute(
                        f'select count(*) from "{database}"."{schema}"."{table}"'
                    ).fetchall(),
                )
                for schema, table in tables
            ]
        )
        counts[-1] += connection.execute(
            "select schema_name, view_name from duckdb_views() where database_name = ? "
            "and not internal order by all",
            [database],
        ).fetchall()
    if counts[0] != counts[1]:
        raise WarehouseError(
            "the copy of the warehouse does not hold what it does; nothing was replaced. Run again."
        )


def _remove(path: Path) -> None:
    for one in (path, path.with_name(f"{path.name}.wal")):
        one.unlink(missing_ok=True)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _change(
    connection: duckdb.DuckDBPyConnection,
    table: Table,
    statement: str,
    condition: str,
    parameters: Mapping[str, Any],
) -> int:
    """Change the rows for which a condition holds, note their days, and return their number."""
    day = table.day_column or "null::date"
    found = connection.execute(
        f"select {day}, count(*) from {table} where {condition} group by 1 having count(*) > 0",
        dict(parameters),
    ).fetchall()
    if not found:
        return 0
    connection.execute(statement.format(condition), dict(parameters))
    for days in _days_of(connection, table, [one for one, _ in found]):
        record_commits(connection, [table], days)
    return sum(count for _, count in found)


def _days_of(
    connection: duckdb.DuckDBPyConnection, table: Table, days: Sequence[date | None]
) -> Iterator[DayRange | None]:
    """The ranges of days of a change; of a table without days all that were ever computed."""
    if table.day_column is not None:
        yield from table.ranges(day for day in days if day is not None)
        return
    [(first, last)] = connection.execute(
        "select min(first_day), max(last_day) from meta.commits"
    ).fetchall()
    yield DayRange(first, last) if first is not None else None


def _is_own(table: Table) -> str:
    """An SQL condition: the row is that of one of `$persons`."""
    return f"({table.persons_if}) and {_holds_any(table.persons[0])}"


def _names_others(table: Table) -> str:
    return " or ".join(map(_holds_any, table.persons[1:])) or "false"


def _holds_any(column: str) -> str:
    value = f"split_part(\"{column}\", '|', 1)" if column.endswith(_COMPOSED) else f'"{column}"'
    return f"list_contains($persons, {value})"


def _blank(table: Table, column: str) -> str:
    return "null" if table.schema.columns()[column].nullable else "''"


def _text_columns(table: Table) -> list[tuple[str, bool]]:
    """The columns of text that is no name of anything, each with whether it is a list."""
    found: list[tuple[str, bool]] = []
    for name, dtype in table.polars_schema.items():
        if name in (*table.persons, *_NAMES_OF_THINGS) or name.endswith(_NAMES):
            continue
        if dtype == pl.String():
            found.append((name, False))
        elif dtype == pl.List(pl.String()):
            found.append((name, True))
    return found


def _repeats(table: Table) -> str:
    """An SQL condition: the row repeats one of `$words`; empty for a table without texts."""
    conditions = [
        f'list_has_any("{name}", $words)' if is_list else f'list_contains($words, "{name}")'
        for name, is_list in _text_columns(table)
    ]
    return " or ".join(conditions)


def _archived(
    connection: duckdb.DuckDBPyConnection, warehouse: Path
) -> list[tuple[str, date, Path, int]]:
    """The archived months: table, month, file and number of rows."""
    # A query that fails would end the transaction, and all that was done in it.
    is_there = connection.execute(
        "select 1 from duckdb_tables() where database_name = current_database() "
        "and schema_name || '.' || table_name = ?",
        [ARCHIVED],
    ).fetchall()
    if not is_there:
        return []
    found = connection.execute(
        f"select table_name, month, file, rows from {ARCHIVED} order by all"
    ).fetchall()
    folder = warehouse.with_name(f"{warehouse.stem}.archive")
    return [(name, month, folder / name / file, rows) for name, month, file, rows in found]
