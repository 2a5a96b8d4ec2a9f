"""Intervals and p-values, against published examples and worked by hand."""

import math

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harvey_pipeline.segments.transforms.statistics import (
    Interval,
    newcombe_interval,
    normal_interval,
    normal_p_value,
    pooled_error,
    welch_error,
    wilson_interval,
)

NAMES = ("first", "second", "third", "fourth")


def columns(*values: float | None) -> tuple[pl.DataFrame, list[pl.Expr]]:
    """One row of some numbers, and each of them as an expression."""
    names = NAMES[: len(values)]
    frame = pl.DataFrame({name: [value] for name, value in zip(names, values, strict=True)})
    return frame.cast(pl.Float64), [pl.col(name) for name in names]


def ends(frame: pl.DataFrame, interval: Interval) -> tuple[float | None, float | None]:
    low, high = frame.select(low=interval.low, high=interval.high).row(0)
    return low, high


def wilson(successes: int, size: int) -> tuple[float | None, float | None]:
    frame, given_ones = columns(successes, size)
    return ends(frame, wilson_interval(*given_ones))


def newcombe(successes: int, size: int, other: int, other_size: int) -> list[float]:
    frame, given_ones = columns(successes, size, other, other_size)
    return [one for one in ends(frame, newcombe_interval(*given_ones)) if one is not None]


@pytest.mark.parametrize(
    ("successes", "size", "low", "high"),
    [
        # Newcombe, "Two-sided confidence intervals for the single proportion", 1998, method 3.
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
        (20, 20, 0.8389, 1.0),
    ],
)
def test_published_intervals_of_a_share(successes: int, size: int, low: float, high: float) -> None:
    assert wilson(successes, size) == pytest.approx((low, high), abs=5e-5)


def test_no_success_and_no_failure_reach_the_ends_exactly() -> None:
    for size in range(1, 60):
        assert wilson(0, size)[0] == 0.0
        assert wilson(size, size)[1] == 1.0


@pytest.mark.parametrize(
    ("shares", "low", "high"),
    [
        # Newcombe, "Interval estimation for the difference", 1998, table II, method 10.
        ((56, 70, 48, 80), 0.0524, 0.3339),
        ((9, 10, 3, 10), 0.1705, 0.8090),
        ((6, 7, 2, 7), 0.0582, 0.8062),
        ((5, 56, 0, 29), -0.0381, 0.1926),
        ((0, 10, 0, 20), -0.1611, 0.2775),
        ((0, 10, 0, 10), -0.2775, 0.2775),
        ((10, 10, 0, 20), 0.6791, 1.0),
        ((10, 10, 0, 10), 0.6075, 1.0),
    ],
)
def test_published_intervals_of_a_difference_of_shares(
    shares: tuple[int, int, int, int], low: float, high: float
) -> None:
    assert newcombe(*shares) == pytest.approx([low, high], abs=5e-5)


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 300).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))),
    st.integers(1, 300).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))),
)
def test_an_interval_holds_the_difference_and_turns_with_the_groups(
    one: tuple[int, int], other: tuple[int, int]
) -> None:
    low, high = newcombe(*one, *other)
    difference = one[0] / one[1] - other[0] / other[1]
    assert -1 - 1e-12 <= low <= difference + 1e-12
    assert difference - 1e-12 <= high <= 1 + 1e-12
    assert newcombe(*other, *one) == pytest.approx([-high, -low], abs=1e-12)


def test_means_by_hand() -> None:
    """1, 2, 3, 4 against 2, 4, 6: means 2.5 and 4, variances 5/3 and 4.

    The error is sqrt(5/12 + 4/3) = sqrt 1.75, z = -1.5 / 1.3228757 = -1.1338934; beyond it lie
    2 x 0.1284190 of the normal distribution.
    """
    frame, given_ones = columns(5 / 3, 4, 4, 3)
    error = frame.select(welch_error(*given_ones)).item()
    assert error == pytest.approx(math.sqrt(1.75), rel=1e-14)
    told, (difference, its_error) = columns(-1.5, error)
    half = 1.959963984540054 * math.sqrt(1.75)
    assert ends(told, normal_interval(difference, its_error)) == pytest.approx(
        (-1.5 - half, -1.5 + half), rel=1e-14
    )
    p = told.select(normal_p_value(difference, its_error)).item()
    assert p == pytest.approx(0.256839, abs=5e-6)


def test_shares_by_hand() -> None:
    """56 of 70 against 48 of 80: together 104 of 150.

    The error is sqrt(104/150 x 46/150 x (1/70 + 1/80)) = sqrt(0.2126222 x 0.0267857) = 0.0754668,
    z = 0.2 / 0.0754668 = 2.65017; beyond it lie 2 x 0.004022 of the normal distribution.
    """
    frame, given_ones = columns(56, 70, 48, 80)
    error = frame.select(pooled_error(*given_ones)).item()
    assert error == pytest.approx(0.0754668, abs=1e-7)
    told, (difference, its_error) = columns(0.2, error)
    p = told.select(normal_p_value(difference, its_error)).item()
    assert p == pytest.approx(0.008045, abs=2e-6)


@pytest.mark.parametrize(
    ("score", "p"),
    [(0.0, 1.0), (1.0, 0.3173105), (1.959963984540054, 0.05), (-1.959963984540054, 0.05)],
)
def test_p_is_what_lies_beyond_on_both_sides(score: float, p: float) -> None:
    frame, (difference, error) = columns(score * 0.5, 0.5)
    assert frame.select(normal_p_value(difference, error)).item() == pytest.approx(p, abs=1e-7)


@pytest.mark.parametrize("error", [0.0, None])
def test_without_an_error_nothing_is_told(error: float | None) -> None:
    frame, (difference, its_error) = columns(0.3, error)
    assert ends(frame, normal_interval(difference, its_error)) == (None, None)
    assert frame.select(normal_p_value(difference, its_error)).item() is None


@pytest.mark.parametrize(("successes", "error"), [(0, 0.0), (10, 0.0)])
def test_shares_of_nobody_or_all_have_no_error(successes: int, error: float) -> None:
    frame, given_ones = columns(successes, 10, successes, 10)
    assert frame.select(pooled_error(*given_ones)).item() == error
