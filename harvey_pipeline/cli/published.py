"""The published copy, read by commands that show a subject's figures; a run never locks it."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

from harvey_pipeline.cli.app import UnusableError

if TYPE_CHECKING:
    import duckdb

    from harvey_pipeline.settings import Settings

Row = Mapping[str, Any]


def open_published(
    settings: "Settings", schema: str, nothing_run: str
) -> "duckdb.DuckDBPyConnection":
    """A read-only connection to the copy, for a subject whose tables are in this schema.

    Raises:
        UnusableError: There is no copy, or it has nothing of the subject: says `nothing_run`.
    """
    import duckdb

    from harvey_pipeline.warehouse.warehouse import published_path

    path = published_path(settings.warehouse)
    if not path.exists():
        raise UnusableError(nothing_run)
    connection = duckdb.connect(str(path), read_only=True)
    there = connection.execute(
        "select count(*) from information_schema.tables where table_schema = ?", [schema]
    ).fetchall()
    if not there[0][0]:
        connection.close()
        raise UnusableError(nothing_run)
    return connection


def rows_of(
    connection: "duckdb.DuckDBPyConnection",
    query: str,
    parameters: Sequence[Any] | dict[str, Any] = (),
) -> list[Row]:
    """What a query gives, each row by column; parameters by position or by name."""
    given = parameters if isinstance(parameters, dict) else list(parameters)
    return list(connection.sql(query, params=given).pl().iter_rows(named=True))


def read_day(text: str | None, default: date, option: str = "--day") -> date:
    """The day that an option names.

    Raises:
        UnusableError: It is no day.
    """
    if text is None:
        return default
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise UnusableError(f"{option} is {text!r}; give a day as YYYY-MM-DD.") from None
