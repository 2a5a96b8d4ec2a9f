"""Ids that are probably the same and yet written in two ways."""

from typing import Final

import polars as pl

from harvey_pipeline.checks.report import WARN, Check

IDS_WRITTEN_ALIKE: Final = Check(
    "ids_are_written_alike",
    "No two ids differ by `.0` at their end or zeros at their beginning only.",
    WARN,
    advice="Ask the senders to write ids alike: these count as different ones.",
)


def written_unlike(rows: pl.DataFrame, day: str, column: str) -> pl.DataFrame:
    """One row per id that differs from another one in its writing only, with the first `day`."""
    ids = rows.group_by(column).agg(pl.col(day).min())
    plain = pl.col(column).str.replace(r"\.0$", "").str.replace("^0+(.)", "$1")
    return ids.filter(plain.is_duplicated()).select(day, column).sort(column)
