"""The weekly segment of each user, and what follows from it."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

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

# --- what a Monday says by itself ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("engagement_score", "percentile", "active_users", "expected"),
    [
        pytest.param(0.650001, 75.000001, 10, "power", id="above-both-bounds"),
        pytest.param(0.65, 90.0, 10, "regular", id="score-at-the-upper-bound"),
        pytest.param(0.9, 75.0, 10, "regular", id="rank-at-the-upper-bound"),
        pytest.param(0.9, 75.00000000000001, 10, "regular", id="rank-at-it-but-for-last-bits"),
        pytest.param(0.249999, 24.999999, 10, "casual", id="below-both-bounds"),
        pytest.param(0.25, 5.0, 10, "regular", id="score-at-the-lower-bound"),
        pytest.param(0.1, 25.0, 10, "regular", id="rank-at-the-lower-bound"),
        pytest.param(0.1, 24.999999999999996, 10, "regular", id="rank-at-it-but-for-last-bits"),
        pytest.param(0.9, 5.0, 10, "regular", id="high-score-low-rank"),
        pytest.param(0.1, 95.0, 10, "regular", id="low-score-high-rank"),
        pytest.param(0.650001, 0.0, 4, "power", id="small-tenant-has-no-ranks"),
        pytest.param(0.65, 100.0, 4, "regular", id="small-tenant-at-the-upper-bound"),
        pytest.param(0.249999, 100.0, 4, "casual", id="small-tenant-below"),
        pytest.param(0.25, 0.0, 4, "regular", id="small-tenant-at-the-lower-bound"),
        pytest.param(0.9, 0.0, 5, "regular", id="five-active-users-are-ranked"),
        pytest.param(0.9, 0.0, 1, "power", id="tenant-of-one"),
    ],
)
def test_score_and_rank_propose_a_segment(
    engagement_score: float, percentile: float, active_users: int, expected: str
) -> None:
    row = score(
        engagement_score=engagement_score,
        percentile=percentile,
        tenant_active_users=active_users,
    )
    found = only([row])
    assert (found["proposed_segment"], found["segment"]) == (expected, expected)


@pytest.mark.parametrize("active_users", [0, 3, 10])
def test_without_an_access_casual(active_users: int) -> None:
    found = only([silent(tenant_active_users=active_users)])
    assert (found["segment"], found["percentile"]) == ("casual", None)


def test_the_adjusted_score_counts_and_both_scores_are_told() -> None:
    # Nine Mondays of 0.5 count, and 0.45 is nine tenths of them: 0.6 / 0.9.
    means = [tenant(date=MONDAY - WEEK * back) for back in range(1, 23)]
    row = score(engagement_score=0.6, percentile=90.0)
    found = only([row], [*means, tenant(mean_score=0.45)])
    told = found["proposed_segment"], found["engagement_score"], found["adjusted_score"]
    assert told == ("power", 0.6, 0.666667)
    assert only([row], [*means, tenant()])["proposed_segment"] == "regular"


def test_the_index_is_that_of_the_users_own_tenant() -> None:
    means = [tenant(date=MONDAY - WEEK * back) for back in range(1, 23)]
    row = score(engagement_score=0.6, percentile=90.0, tenant_id="t2")
    found = only([row], [*means, tenant(mean_score=0.45)])
    assert found["adjusted_score"] == 0.6


# --- from week to week ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("history", "segment", "previous", "status"),
    [
        pytest.param(["regular"], "regular", None, "stable", id="first-monday"),
        pytest.param(["regular"] * 4, "regular", "regular", "stable", id="as-before"),
        pytest.param(["power"] * 3 + ["regular"], "power", "power", "watch", id="lower-once"),
        pytest.param(
            ["power"] * 3 + ["regular"] * 2, "power", "power", "at_risk", id="lower-twice"
        ),
        pytest.param(
            ["power"] * 3 + ["casual", "regular"], "power", "power", "at_risk", id="lower-variously"
        ),
        pytest.param(
            ["power"] * 3 + ["regular"] * 3, "regular", "power", "stable", id="lower-three-times"
        ),
        pytest.param(["casual"] * 3 + ["power"], "casual", "casual", "watch", id="higher-once"),
        pytest.param(
            ["casual"] * 3 + ["regular", "power"], "casual", "casual", "rising", id="higher-twice"
        ),
        pytest.param(
            ["regular"] * 3 + ["power", "casual"], "regular", "regular", "watch", id="up-and-down"
        ),
        pytest.param(
            ["regular"] * 3 + ["casual", "power"], "regular", "regular", "watch", id="down-and-up"
        ),
        pytest.param(
            ["power"] * 3 + [None, "regular"], "power", None, "watch", id="lower-after-a-gap"
        ),
    ],
)
def test_segments_move(
    history: list[str | None], segment: str, previous: str | None, status: str
) -> None:
    found = only(weekly(history))
    told = found["segment"], found["previous_segment"], found["transition_status"]
    assert told == (segment, previous, status)
    assert found["is_changed"] == (previous is not None and previous != segment)


def test_power_is_never_told_without_an_access_however_settled() -> None:
    rows = [*weekly(["power"] * 4)[:3], silent()]
    found = only(rows)
    told = found["segment"], found["previous_segment"], found["proposed_segment"]
    assert told == ("casual", "power", "casual")
    assert found["is_changed"]


def test_scores_change_from_week_to_week() -> None:
    before = score(date=MONDAY - WEEK, engagement_score=0.7)
    assert only([before, score(engagement_score=0.4)])["score_change_7d"] == -0.3
    earlier = score(date=MONDAY - 2 * WEEK)
    assert only([earlier, score()])["score_change_7d"] is None


def test_mass_changes_are_held_back_and_let_through_by_acceptance() -> None:
    users = [
        one | {"user_id": f"u{number:02}"}
        for number in range(20)
        for one in weekly(["regular"] * 5 + ["power"] * 3)
    ]
    held = segmented(users)
    assert {(row["segment"], row["is_held_back"]) for row in held} == {("regular", True)}
    assert {row["transition_status"] for row in held} == {"rising"}
    through = segmented(users, accepted={MONDAY})
    assert {(row["segment"], row["is_changed"]) for row in through} == {("power", True)}
    early = segmented(users, first_day=MONDAY - timedelta(days=95))
    assert {(row["segment"], row["is_held_back"]) for row in early} == {("power", False)}


def test_a_change_that_is_let_through_after_four_weeks_is_one_of_that_week() -> None:
    # Settled as power from four weeks before MONDAY on.
    users = [
        one | {"user_id": f"u{number:02}"}
        for number in range(20)
        for one in weekly(["regular"] * 10 + ["power"] * 7)
    ]
    told = {
        (row["previous_segment"], row["segment"], row["is_changed"], row["is_held_back"])
        for row in segmented(users)
    }
    assert told == {("regular", "power", True, False)}


# --- the table -----------------------------------------------------------------------------------


def test_rows_are_of_mondays_and_of_users_with_a_score() -> None:
    rows = [
        score(user_id=user, date=MONDAY + timedelta(days=offset))
        for user in ("u2", "u1")
        for offset in range(-7, 8)
    ]
    days = [MONDAY + timedelta(days=offset) for offset in range(-3, 8)]
    found = segmented([*rows, score(user_id="gone", date=MONDAY - WEEK)], days=days)
    expected = [(day, user) for day in (MONDAY, MONDAY + WEEK) for user in ("u1", "u2")]
    assert [(row["date"], row["user_id"]) for row in found] == expected


def test_no_monday_no_rows() -> None:
    assert segmented([score()], days=[MONDAY + timedelta(days=1)]) == []


def test_no_scores_no_rows() -> None:
    assert segmented([]) == []
    assert segmented([score(date=MONDAY - WEEK)]) == []


def test_many_mondays_at_once_are_as_each_by_itself() -> None:
    histories: list[Sequence[str | None]] = [
        ["regular"] * 8 + ["power"] * 6 + ["casual"] * 8,
        [None, "casual"] * 8 + ["power"] * 6,
        ["power"] * 22,
    ]
    rows = [
        one | {"user_id": f"u{number}"}
        for number, history in enumerate(histories)
        for one in weekly(history)
    ]
    tenants = [
        tenant(date=MONDAY - WEEK * back, mean_score=0.5 + back % 5 / 20) for back in range(45)
    ]
    labels = [label(date=MONDAY - WEEK * back, user_id="u1") for back in (1, 3)]
    days = [MONDAY - timedelta(days=offset) for offset in range(42, -1, -1)]
    together = segmented(rows, tenants, labels, days)
    one_by_one = [row for day in days for row in segmented(rows, tenants, labels, [day])]
    assert together == one_by_one
    assert len({row["date"] for row in together}) == 7


def test_what_is_older_than_what_is_read_does_not_count() -> None:
    history = ["casual"] * 8 + ["power", "regular"] * 8 + ["power"]
    rows = weekly(history)
    read = [row for row in rows if row["date"] >= MONDAY - timedelta(days=112)]
    assert only(rows) == only(read)


# --- behaviour -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("days_ago", "is_dormant"),
    [(0, False), (29, False), (30, True), (89, True), (None, True)],
)
def test_dormant_without_an_access_in_thirty_days(days_ago: int | None, is_dormant: bool) -> None:
    assert only([score(last_access_days_ago=days_ago)])["is_dormant"] is is_dormant


@pytest.mark.parametrize(
    ("changes", "is_rapid"),
    [
        ({}, True),
        ({"score_30d": 0.7}, False),
        ({"score_30_60d": 0.3}, False),
        ({"score_60_90d": 0.3}, False),
        ({"days_known": 89}, False),
        ({"observed_days": 79}, False),
    ],
)
def test_rapid_growth(changes: Row, is_rapid: bool) -> None:
    scores = {"score_30d": 0.700001, "score_30_60d": 0.299999, "score_60_90d": 0.299999}
    row = score(**scores | {"days_known": 90, "observed_days": 80} | changes)
    assert only([row])["is_rapid_growth"] is is_rapid


@pytest.mark.parametrize(
    ("changes", "is_suspected"),
    [
        pytest.param({"accesses_30d": 100, "total_accesses": 120}, True, id="ten-times-the-rate"),
        pytest.param({"accesses_30d": 100, "total_accesses": 121}, False, id="less-than-that"),
        pytest.param({"accesses_30d": 99, "total_accesses": 100}, False, id="99-accesses"),
        pytest.param({"accesses_30d": 100, "total_accesses": 100}, False, id="none-before"),
        pytest.param(
            {"accesses_30d": 100, "total_accesses": 120, "observed_days": 80},
            True,
            id="80-days-observed",
        ),
        pytest.param(
            {"accesses_30d": 100, "total_accesses": 120, "observed_days": 79},
            False,
            id="79-days-observed",
        ),
        pytest.param(
            {"unique_apps": 5, "earnest_apps": 2, "avg_session_minutes": 4.99},
            True,
            id="many-apps-opened",
        ),
        pytest.param(
            {"unique_apps": 5, "earnest_apps": 2, "avg_session_minutes": 5.0},
            False,
            id="and-used",
        ),
        pytest.param(
            {"unique_apps": 6, "earnest_apps": 3, "avg_session_minutes": 1.0},
            False,
            id="half-in-earnest",
        ),
        pytest.param(
            {"unique_apps": 4, "earnest_apps": 0, "avg_session_minutes": 1.0},
            False,
            id="four-apps-are-not-many",
        ),
        pytest.param({"total_accesses": 100, "busiest_day_accesses": 50}, True, id="half-a-day"),
        pytest.param({"total_accesses": 100, "busiest_day_accesses": 49}, False, id="less-a-day"),
        pytest.param({"total_accesses": 99, "busiest_day_accesses": 99}, False, id="few-in-all"),
    ],
)
def test_gaming(changes: Row, is_suspected: bool) -> None:
    found = only([score(**changes)])
    assert found["is_gaming_suspected"] is is_suspected
    assert (found["confidence"] == 0.35) is is_suspected


# --- sub-segments --------------------------------------------------------------------------------

RAPID = {"score_30d": 0.8, "score_30_60d": 0.2, "score_60_90d": 0.2}
LEAVING = {"score_30d": 0.1, "score_30_60d": 0.8, "score_60_90d": 0.8}


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        pytest.param(silent(auth_successes=1, days_known=5), "Sign-in Only", id="signs-in"),
        pytest.param(silent(auth_failures=1, days_known=29), "New", id="failed-sign-ins"),
        pytest.param(score(auth_successes=1, days_known=29), "New", id="signs-in-and-uses"),
        pytest.param(power(days_known=29, last_access_days_ago=30), "New", id="new-and-dormant"),
        pytest.param(power(days_known=30, last_access_days_ago=30), "Dormant", id="dormant"),
        pytest.param(power(**LEAVING, last_access_days_ago=30), "Dormant", id="dormant-at-risk"),
        pytest.param(power(**LEAVING), "At-risk Churn", id="at-risk"),
        pytest.param(casual(**RAPID, trend="decreasing"), "Rapid Growth", id="grows"),
        pytest.param(
            power(top_app_accesses=63, earnest_apps=3), "Single-tool Expert", id="70-percent"
        ),
        pytest.param(
            power(top_app_accesses=62, earnest_apps=3), "Multi-tool Specialist", id="three-apps"
        ),
        pytest.param(power(top_app_accesses=62, earnest_apps=2), "Power Generalist", id="two-apps"),
        pytest.param(
            score(consistency_score=0.5, top_app_accesses=90), "Steady Regular", id="steady"
        ),
        pytest.param(
            score(consistency_score=0.4999, top_app_accesses=63),
            "Single-tool Expert",
            id="regular-expert",
        ),
        pytest.param(
            score(consistency_score=0.4999, top_app_accesses=62),
            "Intermittent Regular",
            id="intermittent",
        ),
        pytest.param(casual(trend="decreasing"), "Fading", id="fading"),
        pytest.param(casual(trend=None), "Occasional", id="unknown-trend"),
        pytest.param(casual(top_app_accesses=90), "Occasional", id="occasional"),
    ],
)
def test_sub_segments_by_the_first_that_holds(row: Row, expected: str) -> None:
    assert only([row])["sub_segment"] == expected


def test_sub_segments_are_of_the_published_segment() -> None:
    rows = weekly(["power"] * 3 + ["casual"], earnest_apps=3, trend="decreasing")
    assert only(rows)["sub_segment"] == "Multi-tool Specialist"


def test_a_suppressed_risk_is_no_sub_segment() -> None:
    christmas = date(2024, 12, 23)
    (found,) = segmented([power(**LEAVING, date=christmas)], days=[christmas])
    assert (found["churn_risk"], found["sub_segment"]) == ("low", "Power Generalist")


def test_what_the_scores_say_is_handed_on() -> None:
    expected: dict[str, Any] = {
        "tenant_id": "t9",
        "engagement_score": 0.123457,
        "percentile": 100 / 3,
        "trend": "increasing",
    }
    found = only([score(**expected)])
    assert {name: found[name] for name in expected} == expected
