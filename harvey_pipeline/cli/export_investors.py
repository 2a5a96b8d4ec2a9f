"""`harvey export-investors`: the figures of some days with their definitions, and of no person."""

import io
from collections.abc import Mapping
from datetime import date, timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from harvey_pipeline.cli.app import OK, Debug, UnusableError, WarehouseFile, refuse_address
from harvey_pipeline.cli.conversation_figures import choose_day, number, open_conversations
from harvey_pipeline.cli.pages import Section, html_of, write_file
from harvey_pipeline.cli.published import read_day, rows_of
from harvey_pipeline.cli.show import output, say

if TYPE_CHECKING:
    import duckdb
    import polars as pl

_DAYS: Final = 90
"""Days of an export of which no first one is given."""

_LEAST_USERS: Final = 5
"""Groups of fewer are left blank: a figure of theirs may tell of a person."""

_PERIODS: Final = ("day_1", "day_7", "day_30", "week_1", "week_2")
_TOP_USE_CASES: Final = (1, 2, 3)
_TABLES: Final[Mapping[str, str]] = {
    "pmf_dashboard": "date",
    "activation_funnel": "date, cohort::varchar",
    "retention": f"date, list_position({list(_PERIODS)}, period::varchar)",
}
"""What is exported, and its order."""


class Format(StrEnum):
    """The forms of an export."""

    CSV = "csv"
    PARQUET = "parquet"
    HTML = "html"


def export_investors(
    first: Annotated[
        str | None,
        typer.Option("--from", metavar="DAY", help="First day; else 89 days before the last."),
    ] = None,
    last: Annotated[
        str | None, typer.Option("--to", metavar="DAY", help="Last day; else the last one run.")
    ] = None,
    form: Annotated[
        Format, typer.Option("--format", help="A file for each table, or one page.")
    ] = Format.CSV,
    out: Annotated[str, typer.Option(metavar="DIR", help="Where to write.")] = "reports",
    warehouse: WarehouseFile = None,
    debug: Debug = False,
) -> int:
    """Write dashboard, funnel and retention with their definitions; small groups are blank."""
    from harvey_pipeline.settings import read_settings

    refuse_address("--out", out)
    settings = read_settings()
    with open_conversations(settings) as connection:
        end = read_day(last, choose_day(connection, None, settings), "--to")
        start = read_day(first, end - timedelta(days=_DAYS - 1), "--from")
        if start > end:
            raise UnusableError(f"--from ({start}) lies after --to ({end}).")
        frames = {name: _read(connection, name, start, end) for name in _TABLES}
        definitions = _definitions(connection)
        use_cases = _small_use_cases(connection, start, end)
    if frames["pmf_dashboard"].is_empty():
        raise UnusableError(f"none of the days {start} to {end} was run; choose others.")
    frames = {
        "pmf_dashboard": _without_small_groups(frames["pmf_dashboard"], use_cases),
        "activation_funnel": _blank_where_few(frames["activation_funnel"], "total_users"),
        "retention": _blank_where_few(frames["retention"], "cohort_size"),
    }
    path = Path(out) / f"investors-{start}-{end}"
    if form is Format.HTML:
        path = path.with_name(f"{path.name}.html")
        write_file(path, _page(frames, definitions, start, end).encode())
    else:
        for name, frame in (*frames.items(), ("definitions", definitions)):
            write_file(path / f"{name}.{form.value}", _packed(frame, form))
    say(output(), f"Figures of {start} to {end} are in {path}.")
    return OK


# --- what is read --------------------------------------------------------------------------------


def _read(
    connection: "duckdb.DuckDBPyConnection", name: str, first: date, last: date
) -> "pl.DataFrame":
    """A table's rows of some days, labels as text."""
    import polars as pl

    frame: pl.DataFrame = connection.sql(
        f"select * from conversations.{name} where date between ? and ? order by {_TABLES[name]}",
        params=[first, last],
    ).pl()
    labels = [column for column, kind in frame.schema.items() if kind in (pl.Enum, pl.Categorical)]
    return frame.with_columns(pl.col(labels).cast(pl.String))


def _definitions(connection: "duckdb.DuckDBPyConnection") -> "pl.DataFrame":
    """One row per table and figure: what the figure is."""
    frame: pl.DataFrame = connection.sql(
        'select table_name as "table", column_name as figure, comment as definition '
        "from duckdb_columns() where schema_name = 'conversations' "
        "and list_contains(?, table_name) order by list_position(?, table_name), column_index",
        params=[list(_TABLES), list(_TABLES)],
    ).pl()
    return frame


def _small_use_cases(
    connection: "duckdb.DuckDBPyConnection", first: date, last: date
) -> set[tuple[date, str]]:
    rows = rows_of(
        connection,
        "select date, use_case from conversations.use_cases where date between ? and ? "
        "and users < ?",
        [first, last, _LEAST_USERS],
    )
    return {(row["date"], row["use_case"]) for row in rows}


# --- small groups --------------------------------------------------------------------------------


def _blank_where_few(frame: "pl.DataFrame", size: str) -> "pl.DataFrame":
    """The table without any figure of the rows whose group has fewer than 5 users."""
    import polars as pl

    keys = ("date", "cohort", "period")
    figures = [name for name in frame.columns if name not in keys]
    is_shown = pl.col(size) >= _LEAST_USERS
    return frame.with_columns(pl.when(is_shown).then(name).alias(name) for name in figures)


def _without_small_groups(
    frame: "pl.DataFrame", use_cases: set[tuple[date, str]]
) -> "pl.DataFrame":
    """The dashboard without figures of use cases and cohorts of fewer than 5 users."""
    import polars as pl

    few = pl.DataFrame(
        list(use_cases), {"date": pl.Date, "use_case": pl.String}, orient="row"
    ).with_columns(is_small=pl.lit(value=True))
    blank = [pl.when(pl.col("new_users") >= _LEAST_USERS).then("new_users").alias("new_users")]
    for period in _PERIODS:
        is_shown = pl.col(f"{period}_users") >= _LEAST_USERS
        names = (f"{period}_{what}" for what in ("users", "retained", "retention"))
        blank += [pl.when(is_shown).then(name).alias(name) for name in names]
    shown = frame.with_columns(blank)
    for place in _TOP_USE_CASES:
        name = f"top_use_case_{place}"
        of_place = few.rename({"use_case": name})
        is_shown = pl.col("is_small").is_null()
        shown = (
            shown.join(of_place, on=["date", name], how="left", maintain_order="left")
            .with_columns(
                pl.when(is_shown).then(one).alias(one) for one in (name, f"{name}_percent")
            )
            .drop("is_small")
        )
    return shown


# --- what is written -----------------------------------------------------------------------------


def _packed(frame: "pl.DataFrame", form: Format) -> bytes:
    body = io.BytesIO()
    if form is Format.PARQUET:
        frame.write_parquet(body)
    else:
        frame.write_csv(body)
    return body.getvalue()


def _page(
    frames: Mapping[str, "pl.DataFrame"], definitions: "pl.DataFrame", first: date, last: date
) -> str:
    """Of each table its figures by name, the last day's beside the definition, then all rows."""
    import polars as pl

    sections = []
    for name, frame in frames.items():
        title = name.replace("_", " ").capitalize()
        told = definitions.filter(pl.col("table") == name).select("figure", "definition").rows()
        sections.append(Section(f"{title}: definitions", ("figure", "definition"), told))
        rows = [[_shown(value) for value in row] for row in frame.iter_rows()]
        note = f"Blank: not known yet, or of fewer than {_LEAST_USERS} users."
        sections.append(Section(title, frame.columns, rows, note))
    return html_of(f"Product-market fit, {first} to {last}", sections)


def _shown(value: Any) -> str:
    if value is None:
        return ""
    return (
        number(value)
        if isinstance(value, int | float) and not isinstance(value, bool)
        else str(value)
    )
