"""Rows of single tenants (or kinds, or segments) beside the same rows of all of them together."""

import polars as pl

from harvey_pipeline.segments.tables.labels import ALL


def with_all(rows: pl.LazyFrame, column: str) -> pl.LazyFrame:
    """Every row by its own value of a text column, and once more as `all`.

    Rows without a value are in `all` only, and so are those whose own value is that word: they
    could not be told from the whole.
    """
    own = rows.filter(pl.col(column) != ALL)
    return pl.concat([own, rows.with_columns(pl.lit(ALL).alias(column))])


def percent(part: pl.Expr, whole: pl.Expr) -> pl.Expr:
    """100 x part / whole of whole numbers; null where the whole is 0 or null."""
    return pl.when(whole > 0).then(100 * part / whole)
