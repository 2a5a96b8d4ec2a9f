"""Two groups compared: intervals and p-values of a difference of means, or of shares.

All are two-sided, at 95 %, and by the normal distribution.
"""

import math
from dataclasses import dataclass
from typing import Final

import polars as pl

Z_95: Final = 1.959963984540054
"""The standard normal distribution's 97.5th percentile."""


@dataclass(frozen=True)
class Interval:
    """Both ends of a confidence interval."""

    low: pl.Expr
    high: pl.Expr


def wilson_interval(successes: pl.Expr, size: pl.Expr) -> Interval:
    """Wilson's score interval of a share, without continuity correction, within 0 to 1.

    Wilson, "Probable inference, the law of succession, and statistical inference", 1927. The size
    is above 0.
    """
    squared = Z_95**2
    failures = size - successes
    spread = Z_95 * (squared + 4.0 * successes * failures / size).sqrt()
    middle = 2.0 * successes + squared
    whole = 2.0 * (size + squared)
    # Of no success the lower end is 0, and of no failure the upper one 1, whatever is rounded.
    low = pl.when(successes == 0).then(0.0).otherwise((middle - spread) / whole)
    high = pl.when(failures == 0).then(1.0).otherwise((middle + spread) / whole)
    return Interval(low, high)


def newcombe_interval(
    successes: pl.Expr, size: pl.Expr, other_successes: pl.Expr, other_size: pl.Expr
) -> Interval:
    """The interval of a share less another one, from Wilson's interval of each.

    Method 10 of Newcombe, "Interval estimation for the difference between independent
    proportions", Statistics in Medicine 17, 1998. Both sizes are above 0.
    """
    share, other_share = successes / size, other_successes / other_size
    own = wilson_interval(successes, size)
    other = wilson_interval(other_successes, other_size)
    below = ((share - own.low) ** 2 + (other.high - other_share) ** 2).sqrt()
    above = ((own.high - share) ** 2 + (other_share - other.low) ** 2).sqrt()
    difference = share - other_share
    return Interval(difference - below, difference + above)


def welch_error(
    variance: pl.Expr, size: pl.Expr, other_variance: pl.Expr, other_size: pl.Expr
) -> pl.Expr:
    """The standard error of a difference of means whose groups may vary differently.

    Welch, "The significance of the difference between two means when the population variances are
    unequal", 1938. Variances are those with n - 1.
    """
    return (variance / size + other_variance / other_size).sqrt()


def pooled_error(
    successes: pl.Expr, size: pl.Expr, other_successes: pl.Expr, other_size: pl.Expr
) -> pl.Expr:
    """The standard error of a difference of shares, should both groups have the same one."""
    together, all_successes = size + other_size, successes + other_successes
    varying = all_successes * (together - all_successes) / (together * together)
    return (varying * (1 / size + 1 / other_size)).sqrt()


def normal_interval(difference: pl.Expr, error: pl.Expr) -> Interval:
    """The interval of a difference by its standard error; null where that is 0."""
    known = _above_zero(error)
    return Interval(difference - Z_95 * known, difference + Z_95 * known)


def normal_p_value(difference: pl.Expr, error: pl.Expr) -> pl.Expr:
    """How likely a difference as far from 0 is, should there be none; null where the error is 0."""
    return (difference / _above_zero(error)).map_batches(_two_sided, return_dtype=pl.Float64)


def _above_zero(error: pl.Expr) -> pl.Expr:
    return pl.when(error > 0).then(error)


def _two_sided(scores: pl.Series) -> pl.Series:
    """erfc(abs(z) / sqrt 2), one by one: there is no such expression."""
    tails = [None if z is None else math.erfc(abs(z) / math.sqrt(2)) for z in scores]
    return pl.Series(scores.name, tails, dtype=pl.Float64)
