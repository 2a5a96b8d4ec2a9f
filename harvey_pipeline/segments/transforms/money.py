"""Amounts in whole millionths of a USD: sums are exact, in whichever order rows come."""

from typing import Final

import polars as pl

from harvey_pipeline.segments.transforms.exact import MILLION

_MOST: Final = 1e24
"""Millionths beyond which an amount counts as this one; so many of them can still be added up."""


def in_millionths(column: str) -> pl.Expr:
    """An amount, or another number, to the nearest millionth, half up; null where it is null."""
    nearest = (pl.col(column) * MILLION + 0.5).floor()
    return nearest.clip(-_MOST, _MOST).cast(pl.Int128)


def whole(number: int | pl.Expr) -> pl.Expr:
    """A whole number that products of amounts fit in."""
    return number.cast(pl.Int128) if isinstance(number, pl.Expr) else pl.lit(number, pl.Int128)


def from_whole_millionths(millionths: pl.Expr) -> pl.Expr:
    """Whole millionths as a number, the nearest there is."""
    # polars multiplies by the reciprocal of a constant; rounding divides.
    return (millionths.cast(pl.Float64) / MILLION).round(6)
