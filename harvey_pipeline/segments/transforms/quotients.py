"""Quotients in double precision that differ from no other division of the same numbers."""

import polars as pl


def divide_once(numerator: pl.Expr, denominator: pl.Expr) -> pl.Expr:
    """Numerator / denominator; null where the denominator is 0 or one of the two is null.

    By one value for all rows polars does not divide but multiplies by its inverse, which is off by
    the last bit for some. So the denominator is made a value of each row.
    """
    part = numerator.cast(pl.Float64)
    base = denominator.cast(pl.Float64) + part * 0
    return pl.when(base != 0).then(part / base)
