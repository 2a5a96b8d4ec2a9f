"""By how much a tenant is above or below its usual, and scores without that."""

from collections.abc import Mapping
from datetime import date, timedelta
from fractions import Fraction

import polars as pl
import pytest

from harvey_pipeline.segments.transforms.seasons import (
    DAYS_READ,
    adjust,
    index_seasons,
    is_index_at_a_bound,
)
from harvey_pipeline_tests.segments.transforms.weeks import MONDAY, tenant, tenant_frame

Means = Mapping[int, float | None]
"""Mean scores by how many weeks before MONDAY they are."""


def steady(first: int, last: int, mean: float = 0.5) -> dict[int, float | None]:
    """One and the same mean from so many weeks before MONDAY to so many."""
    return dict.fromkeys(range(last, first + 1), mean)


def indexed(means: Means, monday: date = MONDAY) -> pl.DataFrame:
    rows = [
        tenant(date=MONDAY - timedelta(weeks=weeks), mean_score=mean)
        for weeks, mean in means.items()
    ]
    return index_seasons(tenant_frame(rows), [monday]).collect()


def index(means: Means) -> Fraction:
    ((_, _, numerator, denominator),) = indexed(means).rows()
    return Fraction(numerator, denominator)


YEAR = DAYS_READ // 7


def test_the_week_of_a_year_before_against_the_year_around_it() -> None:
    # 53 Mondays, one of which is the week itself: 0.45 x 53 / (52 x 0.5 + 0.45).
    means = steady(YEAR, 1) | {0: 0.9, 52: 0.45}
    assert index(means) == Fraction(2385, 2645)


def test_the_year_before_does_not_need_a_mean_of_now() -> None:
    assert index(steady(YEAR, 1) | {0: None, 52: 0.45}) == Fraction(2385, 2645)


def test_steady_growth_is_no_season() -> None:
    growing = {weeks: 0.6 - weeks / 250 for weeks in range(YEAR + 1)}
    assert index(growing) == 1


@pytest.mark.parametrize(
    ("mean", "expected"),
    [
        pytest.param(0.3, Fraction(4, 5), id="lowest"),
        pytest.param(0.9, Fraction(5, 4), id="highest"),
    ],
)
def test_a_season_is_bounded(mean: float, expected: Fraction) -> None:
    found = indexed(steady(YEAR, 0) | {52: mean})
    assert Fraction(*found.row(0)[2:]) == expected
    assert found.select(is_index_at_a_bound()).item() is True


def test_a_season_within_its_bounds_is_at_none() -> None:
    found = indexed(steady(YEAR, 0) | {52: 0.45})
    assert found.select(is_index_at_a_bound()).item() is False


@pytest.mark.parametrize(
    ("last", "expected"),
    [
        # Counted from the week of a year before on, 27 Mondays less those that are missing.
        pytest.param(27, Fraction(45 * 26, 45 + 25 * 50), id="26-are-enough"),
        pytest.param(28, Fraction(1), id="25-are-too-few"),
    ],
)
def test_a_year_needs_half_of_its_mondays(last: int, expected: Fraction) -> None:
    means = steady(52 + 13, last) | {0: 0.1, 52: 0.45}
    assert index(means) == expected


def test_a_week_of_half_filled_windows_does_not_count() -> None:
    # Without a mean 91 days before it, the week of a year before counts as none.
    means = steady(YEAR, 14) | {0: 0.1, 52: 0.3}
    assert index(means) == Fraction(4, 5)
    assert index(means | {52 + 13: None}) == 1


def test_the_year_goes_before_the_quarter() -> None:
    assert index(steady(YEAR, 1) | {0: 0.45}) == 1
    assert index(steady(40, 1) | {0: 0.45}) == Fraction(9, 10)


@pytest.mark.parametrize(
    ("mean", "expected"),
    [
        pytest.param(0.45, Fraction(9, 10), id="dip"),
        pytest.param(0.3, Fraction(4, 5), id="deep-dip"),
        pytest.param(0.5, Fraction(1), id="as-usual"),
        pytest.param(0.6, Fraction(1), id="growth-is-no-season"),
        pytest.param(None, Fraction(1), id="nobody-active"),
    ],
)
def test_without_a_year_now_against_the_quarter_before(
    mean: float | None, expected: Fraction
) -> None:
    assert index(steady(26, 1) | {0: mean}) == expected


@pytest.mark.parametrize(
    ("first", "expected"),
    [
        pytest.param(8 + 13, Fraction(9, 10), id="8-are-enough"),
        pytest.param(7 + 13, Fraction(1), id="7-are-too-few"),
    ],
)
def test_a_quarter_needs_eight_of_its_mondays(first: int, expected: Fraction) -> None:
    assert index(steady(first, 1) | {0: 0.45}) == expected


def test_now_counts_only_where_there_was_a_mean_a_quarter_before() -> None:
    assert index(steady(26, 1) | {0: 0.45, 13: None}) == 1


def test_a_monday_before_the_quarter_does_not_count() -> None:
    assert index(steady(27, 1) | {0: 0.45, 14: 0.9}) == Fraction(9, 10)
    assert index(steady(26, 1) | {0: 0.45, 13: 0.9}) == Fraction(45 * 13, 90 + 12 * 50)


def test_means_of_nothing_are_no_season() -> None:
    assert index(steady(YEAR, 0, 0.0)) == 1


def test_other_days_and_other_tenants_do_not_count() -> None:
    rows = [tenant(date=MONDAY - timedelta(weeks=weeks)) for weeks in range(1, 27)]
    rows += [tenant(mean_score=0.45), tenant(tenant_id="t2", mean_score=0.1)]
    rows += [tenant(date=MONDAY - timedelta(weeks=2, days=1), mean_score=0.1)]
    found = index_seasons(tenant_frame(rows), [MONDAY]).sort("tenant_id").collect()
    assert [Fraction(*row[2:]) for row in found.rows()] == [Fraction(9, 10), Fraction(1)]


def test_no_tenants_have_no_index() -> None:
    assert index_seasons(tenant_frame([]), [MONDAY]).collect().is_empty()


@pytest.mark.parametrize(
    ("score", "numerator", "denominator", "expected"),
    [
        pytest.param(2, 4, 5, 3, id="2.5-is-rounded-up"),
        pytest.param(6, 5, 4, 5, id="4.8"),
        pytest.param(5, 10, 9, 5, id="4.5-is-rounded-up"),
        pytest.param(3, 5, 4, 2, id="2.4"),
        pytest.param(800_000, 4, 5, 1_000_000, id="a-whole"),
        pytest.param(800_001, 4, 5, 1_000_000, id="no-more-than-a-whole"),
        pytest.param(0, 4, 5, 0, id="nothing"),
        pytest.param(999_999, 53 * 10**12, 53 * 10**12, 999_999, id="large-sums"),
        pytest.param(123_456, None, None, 123_456, id="without-an-index"),
    ],
)
def test_adjusted_scores_are_exact(
    score: int, numerator: int | None, denominator: int | None, expected: int
) -> None:
    frame = pl.DataFrame(
        {"score": [score], "index_numerator": [numerator], "index_denominator": [denominator]},
        schema_overrides=dict.fromkeys(["index_numerator", "index_denominator"], pl.Int64),
    )
    assert frame.select(adjust(pl.col("score"))).item() == expected
