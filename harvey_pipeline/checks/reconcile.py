"""Sums of one table against those of another, figure by figure."""

from collections.abc import Sequence
from datetime import date

import duckdb
import polars as pl


def differences(
    expected: pl.DataFrame, found: pl.DataFrame, key: Sequence[str] = ("date",)
) -> pl.DataFrame:
    """One row per key and figure that differ: what is expected, and what is found.

    Figures are the columns of `expected` beside the key. A row that only one side has differs.
    """
    figures = [name for name in expected.columns if name not in key]
    both = expected.join(
        found.select(*key, *(pl.col(name).alias(f"found_{name}") for name in figures)),
        on=list(key),
        how="full",
        coalesce=True,
    )
    return pl.concat(
        both.filter(pl.col(name).ne_missing(pl.col(f"found_{name}"))).select(
            *key,
            figure=pl.lit(name),
            expected=pl.col(name).cast(pl.String),
            found=pl.col(f"found_{name}").cast(pl.String),
        )
        for name in figures
    ).sort(*key, maintain_order=True)


def with_every_day(sums: pl.DataFrame, days: Sequence[date]) -> pl.DataFrame:
    """One row per day, zeros where there was nothing to sum."""
    calendar = pl.DataFrame({"date": days}, schema={"date": pl.Date})
    return calendar.join(sums, on="date", how="left").fill_null(0)


def window_sums(
    connection: duckdb.DuckDBPyConnection, days: Sequence[date], window_days: int, sums: str
) -> pl.DataFrame:
    """Sums of `core.user_daily_activity` over the trailing window of each day, one row a day.

    Args:
        connection: An open warehouse.
        days: The days that the windows end on.
        window_days: Length of a window.
        sums: The figures as SQL: names with the columns that they sum.
    """
    figures = [part.strip().split(" as ") for part in sums.split(",")]
    if not days:
        names = {name: pl.Int64 for _, name in figures}
        return pl.DataFrame(schema={"date": pl.Date, **names})
    daily = ", ".join(f"sum({column}) as {name}" for column, name in figures)
    totals = ", ".join(f"coalesce(sum(daily.{name}), 0)::bigint as {name}" for _, name in figures)
    totals_by_day: pl.DataFrame = connection.sql(
        f"with daily as (select date, {daily} from core.user_daily_activity "
        f"where date between date '{days[0]}' - {window_days - 1} and date '{days[-1]}' "
        "group by date), "
        f"ends as (select unnest(generate_series(date '{days[0]}', date '{days[-1]}', "
        "interval 1 day))::date as date) "
        f"select ends.date, {totals} from ends left join daily "
        f"on daily.date between ends.date - {window_days - 1} and ends.date group by all"
    ).pl()
    return totals_by_day
