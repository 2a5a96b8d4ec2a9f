"""Who is about to leave, and when that is no sign."""

from datetime import date, timedelta
from typing import Any

import pytest

from harvey_pipeline_tests.segments.transforms.weeks import (
    MONDAY,
    Row,
    casual,
    only,
    score,
    segmented,
    silent,
    tenant,
)

FOUR_WEEKS, EIGHT_WEEKS = timedelta(days=28), timedelta(days=56)


def thirds(latest: float, middle: float, earliest: float, **changes: Any) -> Row:
    scores = {"score_30d": latest, "score_30_60d": middle, "score_60_90d": earliest}
    return score(**scores | changes)


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        # 0.3 x 0.700001 is 0.21: only the fall from above 0.7 to below 0.3 makes this one high.
        pytest.param(thirds(0.299999, 0.700001, 0.700001), "high", id="collapsed"),
        pytest.param(thirds(0.3, 0.700001, 0.700001), "medium", id="collapsed-not-below-0.3"),
        pytest.param(thirds(0.299999, 0.7, 0.700001), "medium", id="one-third-not-above-0.7"),
        pytest.param(thirds(0.299999, 0.700001, 0.7), "medium", id="other-third-not-above-0.7"),
        pytest.param(thirds(0.075, 0.2, 0.3), "high", id="three-tenths-of-a-quarter"),
        pytest.param(thirds(0.075001, 0.2, 0.3), "medium", id="more-than-three-tenths"),
        pytest.param(thirds(0.15, 0.2, 0.3), "medium", id="six-tenths"),
        pytest.param(thirds(0.150001, 0.2, 0.3), "very_low", id="more-than-six-tenths"),
        pytest.param(thirds(0.0, 0.2, 0.299999), "very_low", id="little-to-fall-from"),
        pytest.param(thirds(0.0, 0.0, 0.0, last_access_days_ago=30), "medium", id="dormant"),
        pytest.param(thirds(0.4, 0.5, 0.5, trend="decreasing"), "low", id="decreasing"),
        pytest.param(thirds(0.4, 0.5, 0.5, trend=None), "very_low", id="unknown-trend"),
        pytest.param(casual(), "low", id="proposed-casual"),
        pytest.param(score(), "very_low", id="regular"),
        pytest.param(silent(), None, id="no-access"),
        pytest.param(silent(trend="decreasing"), None, id="no-access-decreasing"),
    ],
)
def test_risk_by_the_first_rule_that_holds(row: Row, expected: str | None) -> None:
    found = only([row])
    assert (found["churn_risk"], found["is_churn_suppressed"]) == (expected, False)


HIGH = thirds(0.1, 0.8, 0.8)
MEDIUM = thirds(0.21, 0.5, 0.5)
"""b is 0.5: more than 0.15, at most 0.3."""

YEARS_END = ((12, 20), (1, 6))
SPRING = ((3, 4), (3, 11))


@pytest.mark.parametrize(
    ("day", "is_suppressed"),
    [
        pytest.param(date(2024, 12, 16), False, id="before"),
        pytest.param(date(2021, 12, 20), True, id="first-day"),
        pytest.param(date(2024, 12, 30), True, id="old-year"),
        pytest.param(date(2025, 1, 6), True, id="last-day"),
        pytest.param(date(2025, 1, 13), False, id="after"),
        pytest.param(date(2024, 2, 26), False, id="before-spring"),
        pytest.param(date(2024, 3, 4), True, id="first-day-of-spring"),
        pytest.param(date(2024, 3, 11), True, id="last-day-of-spring"),
        pytest.param(date(2024, 3, 18), False, id="after-spring"),
    ],
)
@pytest.mark.parametrize(("row", "risk"), [(HIGH, "high"), (MEDIUM, "medium")])
def test_holidays_suppress_risks(row: Row, risk: str, day: date, is_suppressed: bool) -> None:
    (found,) = segmented([row | {"date": day}], days=[day], holidays=[YEARS_END, SPRING])
    expected = ("low", True) if is_suppressed else (risk, False)
    assert (found["churn_risk"], found["is_churn_suppressed"]) == expected


@pytest.mark.parametrize("row", [score(), casual(), silent()])
def test_holidays_leave_other_risks_alone(row: Row) -> None:
    day = date(2024, 12, 23)
    (found,) = segmented([row | {"date": day}], days=[day])
    assert found["churn_risk"] == only([row])["churn_risk"]
    assert not found["is_churn_suppressed"]


def test_without_holidays_nothing_is_suppressed() -> None:
    day = date(2024, 12, 23)
    (found,) = segmented([HIGH | {"date": day}], days=[day], holidays=())
    assert found["churn_risk"] == "high"


def means(now: float | None, four: float | None, eight: float | None, **changes: Any) -> list[Row]:
    """A tenant's means of 30 days now, four and eight weeks before."""
    return [
        tenant(mean_score_30d=now, **changes),
        tenant(date=MONDAY - FOUR_WEEKS, mean_score_30d=four),
        tenant(date=MONDAY - EIGHT_WEEKS, mean_score_30d=eight),
    ]


@pytest.mark.parametrize(
    ("tenants", "is_suppressed"),
    [
        # 0.84 of the mean before; half of that of b = 0.5 is 0.21.
        pytest.param(means(0.42, 0.5, 0.5), True, id="dip"),
        pytest.param(means(0.42, 0.6, 0.4), True, id="dip-of-the-mean-of-both"),
        pytest.param(means(0.425, 0.5, 0.5), False, id="0.85-is-no-dip"),
        # t x b / 2 is a little above 0.21 then.
        pytest.param(means(0.4248, 0.5, 0.5), False, id="a-dip-that-the-user-exceeds"),
        pytest.param(means(0.42, 0.5, None), True, id="without-eight-weeks-before"),
        pytest.param(means(0.42, None, 0.5), True, id="without-four-weeks-before"),
        pytest.param(means(0.42, None, None), False, id="without-both"),
        pytest.param(means(0.42, 0.5, 0.5)[:2], True, id="no-row-eight-weeks-before"),
        pytest.param(means(0.42, 0.5, 0.5)[:1], False, id="no-rows-before"),
        pytest.param(means(0.0, 0.0, 0.0), False, id="means-of-nothing"),
        pytest.param(means(0.42, 0.5, 0.5, active_users=5), True, id="five-active-users"),
        pytest.param(means(0.42, 0.5, 0.5, active_users=4), False, id="four-active-users"),
        pytest.param(means(None, 0.5, 0.5), False, id="nobody-active"),
        pytest.param(means(0.42, 0.5, 0.5)[1:], False, id="no-row-now"),
        pytest.param([], False, id="no-tenants"),
    ],
)
def test_a_dip_that_the_user_shares_is_no_sign(tenants: list[Row], is_suppressed: bool) -> None:
    found = only([MEDIUM], tenants)
    expected = ("low", True) if is_suppressed else ("medium", False)
    assert (found["churn_risk"], found["is_churn_suppressed"]) == expected


@pytest.mark.parametrize(("latest", "risk"), [(0.21, "low"), (0.209999, "medium")])
def test_a_user_shares_a_dip_who_kept_half_of_what_it_left(latest: float, risk: str) -> None:
    row = thirds(latest, 0.5, 0.5)
    assert only([row], means(0.42, 0.5, 0.5))["churn_risk"] == risk


def test_means_of_other_weeks_and_tenants_do_not_count() -> None:
    tenants = [
        tenant(mean_score_30d=0.42),
        tenant(date=MONDAY - timedelta(days=21), mean_score_30d=0.5),
        tenant(date=MONDAY - timedelta(days=63), mean_score_30d=0.5),
        tenant(date=MONDAY - FOUR_WEEKS, tenant_id="t2", mean_score_30d=0.5),
    ]
    assert only([MEDIUM], tenants)["churn_risk"] == "medium"
