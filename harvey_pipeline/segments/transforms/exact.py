"""Quotients in whole numbers, so that ranks and thresholds do not depend on floating point."""

from typing import Final

import polars as pl

MILLION: Final = 1_000_000


def divide_half_up(numerator: pl.Expr, denominator: pl.Expr | int, scale: int = 1) -> pl.Expr:
    """scale x numerator / denominator of whole numbers >= 0, rounded half up to a whole number.

    Null where the denominator is 0.
    """
    below = denominator if isinstance(denominator, pl.Expr) else pl.lit(denominator)
    doubled = 2 * scale * numerator + below
    return pl.when(below > 0).then(doubled // (2 * below))


def from_millionths(name: str) -> pl.Expr:
    """A column of whole millionths as a number, the nearest there is."""
    # polars multiplies by the reciprocal of a constant; rounding divides.
    return (pl.col(name) / MILLION).round(6).alias(name)
