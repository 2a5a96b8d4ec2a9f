"""Percentages of whole numbers."""

import polars as pl


def percent(part: pl.Expr, whole: pl.Expr) -> pl.Expr:
    """100 x part / whole in double precision; null where the whole is 0."""
    return quotient(100 * part, whole)


def quotient(part: pl.Expr, whole: pl.Expr) -> pl.Expr:
    """Part / whole in double precision; null where the whole is 0.

    By one value for all rows polars does not divide but multiplies by its inverse, which is off by
    the last bit for some. So the denominator is made a value of each row.
    """
    above = part.cast(pl.Float64)
    below = whole.cast(pl.Float64) + above * 0
    return pl.when(below != 0).then(above / below)
