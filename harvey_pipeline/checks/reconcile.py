"""Sums of one table against those of another, figure by figure."""

from collections.abc import Sequence
from datetime import date

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
