"""How sure a segment is, who called the user what, and what is worth a model's opinion."""

import hashlib
from datetime import date, timedelta

import pytest

from harvey_pipeline_tests.segments.transforms.weeks import (
    MONDAY,
    WEEK,
    Row,
    casual,
    label,
    only,
    power,
    score,
    segmented,
    silent,
    tenant,
    weekly,
)


def small(**changes: object) -> Row:
    """A row of a tenant of four, without a rank that counts."""
    return score(tenant_active_users=4, percentile=0.0, **changes)


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        pytest.param(power(), 1.0, id="power-far-from-its-bounds"),
        pytest.param(power(engagement_score=0.7), 0.85, id="power-0.05-by-score"),
        pytest.param(power(percentile=80.0), 0.85, id="power-0.05-by-rank"),
        pytest.param(power(engagement_score=0.66, percentile=76.0), 0.73, id="power-0.01-by-both"),
        pytest.param(casual(engagement_score=0.2), 0.85, id="casual-0.05-by-score"),
        pytest.param(casual(percentile=22.0), 0.79, id="casual-0.03-by-rank"),
        pytest.param(score(), 1.0, id="regular-in-the-middle"),
        # min(max(0.02, 0.01), max(0.38, 0.49)), and 0.3 x 0.2.
        pytest.param(score(engagement_score=0.63, percentile=74.0), 0.76, id="regular-near-power"),
        # min(max(0.38, 0.49), max(0.02, 0.01)).
        pytest.param(score(engagement_score=0.27, percentile=26.0), 0.76, id="regular-near-casual"),
        pytest.param(score(engagement_score=0.9, percentile=70.0), 0.85, id="regular-by-rank"),
        pytest.param(score(engagement_score=0.1, percentile=30.0), 0.85, id="regular-by-low-rank"),
        pytest.param(small(engagement_score=0.63), 0.76, id="regular-of-a-small-tenant"),
        pytest.param(small(engagement_score=0.7), 0.85, id="power-of-a-small-tenant"),
        pytest.param(small(engagement_score=0.22), 0.79, id="casual-of-a-small-tenant"),
        # Evidence of 45 / 90 x 5 / 10.
        pytest.param(score(observed_days=45, total_accesses=5), 0.85, id="little-evidence"),
        pytest.param(score(observed_days=90, total_accesses=9), 0.98, id="nine-accesses"),
        pytest.param(silent(), 1.0, id="no-access"),
        pytest.param(silent(observed_days=45), 0.9, id="no-access-half-observed"),
    ],
)
def test_confidence_by_distance_and_evidence(row: Row, expected: float) -> None:
    assert only([row])["confidence"] == pytest.approx(expected, abs=1e-12)


def test_no_separation_where_the_week_says_another_segment() -> None:
    assert only(weekly(["regular"] * 3 + ["power"]))["confidence"] == pytest.approx(0.7)
    silent_now = only([*weekly(["regular"] * 3 + ["power"])[:3], silent()])
    assert (silent_now["segment"], silent_now["proposed_segment"]) == ("regular", "casual")
    assert silent_now["confidence"] == pytest.approx(0.7)


@pytest.mark.parametrize(("observed_days", "needs_review"), [(45, False), (44, True)])
def test_low_confidence_needs_a_review(observed_days: int, needs_review: bool) -> None:
    # 0.5 + 0.2 x 45 / 90 is 0.6.
    found = only(weekly(["regular"] * 3 + ["power"], observed_days=observed_days))
    assert found["needs_review"] is needs_review


def test_gaming_leaves_little_confidence_and_no_more_than_there_is() -> None:
    found = only([score(total_accesses=100, busiest_day_accesses=50)])
    assert (found["confidence"], found["needs_review"]) == (0.35, True)


# --- labels --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        pytest.param([], None, id="none"),
        pytest.param([label()], "power", id="one"),
        pytest.param([label(label="review")], None, id="a-review-is-no-label"),
        pytest.param(
            [label(label="casual", date=MONDAY - WEEK), label(label="review")],
            "casual",
            id="a-review-does-not-hide-one",
        ),
        pytest.param(
            [label(label="casual", date=MONDAY - WEEK), label(label="regular")],
            "regular",
            id="the-latest",
        ),
        pytest.param(
            [label(label="casual", labelled_by="m2"), label(label="regular", labelled_by="m1")],
            "regular",
            id="of-a-day-the-smallest-name",
        ),
        pytest.param(
            [label(label="casual", labelled_by=""), label(label="regular", labelled_by="m1")],
            "casual",
            id="of-a-day-no-name-first",
        ),
        pytest.param([label(date=MONDAY - timedelta(days=89))], "power", id="first-day"),
        pytest.param([label(date=MONDAY - timedelta(days=90))], None, id="too-early"),
        pytest.param([label(date=MONDAY + timedelta(days=1))], None, id="too-late"),
        pytest.param([label(user_id="u2")], None, id="of-another"),
    ],
)
def test_the_latest_label_of_the_window(labels: list[Row], expected: str | None) -> None:
    found = only([score()], labels=labels)
    assert (found["manager_label"], found["segment"]) == (expected, "regular")


def test_a_label_counts_for_every_monday_of_its_window() -> None:
    mondays = [MONDAY, MONDAY + WEEK]
    rows = [score(date=day) for day in mondays]
    days = [MONDAY + timedelta(days=offset) for offset in range(8)]
    labels = [label(label="casual"), label(label="power", date=MONDAY + WEEK)]
    found = segmented(rows, labels=labels, days=days)
    assert [row["manager_label"] for row in found] == ["casual", "power"]


# --- reasons for a model -------------------------------------------------------------------------


def is_to_refresh(user: str) -> bool:
    """Whether MONDAY is the Monday of thirteen on which a user is looked at anew."""
    weeks = (MONDAY - date(1970, 1, 5)).days // 7
    return (weeks + int(hashlib.sha256(user.encode()).hexdigest()[:8], 16)) % 13 == 0


USER_TO_REFRESH = next(filter(is_to_refresh, (f"u{number}" for number in range(100))))


def reasons(*rows: Row, **given: list[Row]) -> list[str]:
    found: list[str] = only(rows, **given)["llm_reasons"]
    return found


@pytest.mark.parametrize(
    ("engagement_score", "is_near"),
    [
        (0.629999, False),
        (0.63, True),
        (0.65, True),
        (0.67, True),
        (0.670001, False),
        (0.229999, False),
        (0.23, True),
        (0.27, True),
        (0.270001, False),
    ],
)
def test_near_a_boundary(engagement_score: float, is_near: bool) -> None:
    found = reasons(score(engagement_score=engagement_score))
    assert found == ["near_boundary"] * is_near


def test_nearness_is_by_the_adjusted_score() -> None:
    means = [tenant(date=MONDAY - WEEK * back) for back in range(1, 23)]
    # 0.585 / 0.9 is 0.65.
    row = score(engagement_score=0.585)
    assert reasons(row, tenants=[*means, tenant(mean_score=0.45)]) == ["near_boundary"]
    assert reasons(row) == []


def test_nobody_is_near_without_an_access() -> None:
    assert reasons(silent(engagement_score=0.25)) == []


@pytest.mark.parametrize(
    ("before", "now", "has_moved"),
    [
        (0.3, 0.45, False),
        (0.3, 0.450001, True),
        (0.6, 0.45, False),
        (0.6, 0.449999, True),
    ],
)
def test_a_score_that_moved(before: float, now: float, has_moved: bool) -> None:
    rows = [score(date=MONDAY - WEEK, engagement_score=before), score(engagement_score=now)]
    assert reasons(*rows) == ["score_moved"] * has_moved


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param(
            {"score_30d": 0.1, "score_30_60d": 0.8, "score_60_90d": 0.8}, id="high-churn-risk"
        ),
        pytest.param(
            {"score_30d": 0.8, "score_30_60d": 0.2, "score_60_90d": 0.2}, id="rapid-growth"
        ),
        pytest.param({"total_accesses": 100, "busiest_day_accesses": 50}, id="gaming"),
    ],
)
def test_anomalies(changes: Row) -> None:
    assert reasons(score(**changes)) == ["anomaly"]


def test_a_medium_risk_is_no_anomaly() -> None:
    assert reasons(score(score_30d=0.25, score_30_60d=0.5, score_60_90d=0.5)) == []


def test_power_users_by_their_published_segment() -> None:
    assert reasons(power()) == ["power"]
    assert reasons(*weekly(["power"] * 3 + ["regular"])) == ["score_moved", "power"]
    assert reasons(*weekly(["regular"] * 3 + ["power"])) == ["score_moved"]


@pytest.mark.parametrize(
    ("labels", "is_flagged"),
    [
        ([label(label="review", date=MONDAY - timedelta(days=6))], True),
        ([label(label="review", date=MONDAY - timedelta(days=7))], False),
        ([label(label="review"), label(label="power", labelled_by="a")], True),
        ([label(label="power")], False),
        ([label(label="review", user_id="u2")], False),
    ],
)
def test_flagged_by_a_review_of_the_week(labels: list[Row], is_flagged: bool) -> None:
    assert reasons(score(), labels=labels) == ["flagged"] * is_flagged


def test_every_user_is_refreshed_once_in_thirteen_weeks() -> None:
    mondays = [MONDAY + WEEK * week for week in range(26)]
    days = [MONDAY + timedelta(days=offset) for offset in range(26 * 7)]
    users = [f"u{number}" for number in range(8)]
    rows = [score(user_id=user, date=day) for user in users for day in mondays]
    refreshed = [
        (row["user_id"], mondays.index(row["date"]))
        for row in segmented(rows, days=days)
        if "refresh" in row["llm_reasons"]
    ]
    assert len(refreshed) == 2 * len(users)
    for user in users:
        first, second = (week for one, week in refreshed if one == user)
        assert second - first == 13


def test_reasons_stand_in_their_order() -> None:
    rows = weekly(["power"] * 3 + [None], user_id=USER_TO_REFRESH)
    now = score(
        user_id=USER_TO_REFRESH,
        engagement_score=0.65,
        total_accesses=100,
        busiest_day_accesses=50,
    )
    labels = [label(user_id=USER_TO_REFRESH, label="review")]
    assert reasons(*rows, now, labels=labels) == [
        "near_boundary",
        "score_moved",
        "anomaly",
        "power",
        "refresh",
        "flagged",
    ]
