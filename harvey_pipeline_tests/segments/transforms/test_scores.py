"""Scores by user and day: hand-worked figures, every threshold, ties, tenants, and a reference."""

from collections.abc import Sequence
from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harvey_pipeline.segments.transforms import access_windows
from harvey_pipeline_tests.segments.transforms.accesses import (
    DAY,
    OPEN_END,
    Rows,
    access,
    days_before,
    days_from,
    employee,
    score_of,
    scores,
    sign_in,
    user,
)
from harvey_pipeline_tests.segments.transforms.scores_reference import expected_scores

NO_ACCESS = {
    "date": DAY,
    "user_id": "u1",
    "tenant_id": "unknown",
    "user_created_date": date(2023, 1, 1),
    # 2023-01-01 to 2024-06-03: 365 days to the end of the year, and 31 + 29 + 31 + 30 + 31 + 2.
    "days_known": 519,
    "total_accesses": 0,
    "accesses_30d": 0,
    "active_days": 0,
    "active_weeks": 0,
    "unique_apps": 0,
    "earnest_apps": 0,
    "apps_on_offer": 3,
    "accesses_per_week": 0.0,
    "active_seconds": 0,
    "avg_session_minutes": None,
    "last_access_days_ago": None,
    "top_app": None,
    "top_app_accesses": 0,
    "busiest_day_accesses": 0,
    "auth_successes": 0,
    "auth_failures": 0,
    "auth_success_rate": None,
    "device_count": 0,
    "location_diversity": 0,
    "observed_days": 90,
    "frequency_score": 0.0,
    "diversity_score": 0.0,
    "recency_score": 0.0,
    "consistency_score": 0.0,
    "depth_score": 0.0,
    "engagement_score": 0.0,
    "score_30d": 0.0,
    "score_30_60d": 0.0,
    "score_60_90d": 0.0,
    "tenant_active_users": 0,
    "percentile": None,
    "trend": "stable",
}


def one(accesses: Sequence[dict[str, Any]], *args: Any, **options: Any) -> dict[str, Any]:
    """The row of the only user."""
    return score_of(scores(accesses, *args, **options))


def test_a_user_without_any_access() -> None:
    assert one([], [user()]) == NO_ACCESS


def test_every_figure_by_hand() -> None:
    """Three days: yesterday, 40 days and 75 days before."""
    rows = [
        access(1, 25, 3000, devices=["d1"], locations=["l1", "l2"]),
        access(1, 2, 700, app="slack", auth_successes=2, devices=["d1", "d2"]),
        sign_in(1, auth_successes=1, auth_failures=1, locations=["l1"]),
        access(40, 10, 1800, app="slack", auth_successes=10),
        access(75, 3, 100),
        access(75, 1, 120, app="slack", tenant_id="t2", auth_successes=1),
    ]
    assert one(rows, [user()]) == NO_ACCESS | {
        # t1 has 40 accesses, t2 one.
        "tenant_id": "t1",
        "total_accesses": 41,
        "accesses_30d": 27,
        "active_days": 3,
        "active_weeks": 3,
        "unique_apps": 2,
        # slack: 3 days, 700 + 1,800 + 120 seconds; assistant: 2 days only.
        "earnest_apps": 1,
        "apps_on_offer": 3,
        "accesses_per_week": 41 * 7 / 90,
        "active_seconds": 5720,
        "avg_session_minutes": 5720 / 180,
        "last_access_days_ago": 1,
        "top_app": "assistant",
        "top_app_accesses": 28,
        "busiest_day_accesses": 27,
        "auth_successes": 14,
        "auth_failures": 1,
        "auth_success_rate": 1400 / 15,
        "device_count": 2,
        "location_diversity": 2,
        # 20 (of 27) + 10 + 4 = 34 of 500.
        "frequency_score": 0.068,
        # 1 of 3.
        "diversity_score": 0.3333,
        "recency_score": 1.0,
        # 3 of 48 days: 0.0625.
        "consistency_score": 0.0625,
        # 5,720 / 3 / 3,600 = 0.52963.
        "depth_score": 0.5296,
        # 30 x 680 + 20 x 3333 + 20 x 10000 + 15 x 625 + 15 x 5296 = 375,875 millionths.
        "engagement_score": 0.375875,
        # 20 x 90 / 15,000 = 0.12; 2 of 3 apps; 1; 1 of 16 days; 3,700 seconds are over an hour:
        # 30 x 1200 + 20 x 6667 + 20 x 10000 + 15 x 625 + 15 x 10000 = 528,715.
        "score_30d": 0.528715,
        # 10 x 90 / 15,000 = 0.06; 1 of 3; 10 days before day 30: (30 - 10) / 29 = 0.68966; 1 of
        # 16; 0.5: 30 x 600 + 20 x 3333 + 20 x 6897 + 15 x 625 + 15 x 5000 = 306,975.
        "score_30_60d": 0.306975,
        # 4 accesses: 0.024; no app has 200 seconds; 15 days before day 60: 15 / 29 = 0.51724; 1 of
        # 16; 220 / 3,600 = 0.06111: 30 x 240 + 20 x 5172 + 15 x 625 + 15 x 611 = 129,180.
        "score_60_90d": 0.12918,
        "tenant_active_users": 1,
        "percentile": 0.0,
        # 0.528715 - (0.306975 + 0.12918) / 2 = 0.31.
        "trend": "increasing",
    }


@pytest.mark.parametrize(
    ("accesses", "frequency"),
    [(1, 0.002), (19, 0.038), (20, 0.04), (21, 0.04), (500, 0.04)],
)
def test_a_day_counts_at_most_20_accesses(accesses: int, frequency: float) -> None:
    # Of two apps, so that the day counts and not the app.
    rows = [access(0, accesses - 1), access(0, 1, app="slack")] if accesses > 1 else [access(0)]
    row = one(rows)
    assert (row["frequency_score"], row["total_accesses"]) == (frequency, accesses)


@pytest.mark.parametrize(
    ("days", "accesses", "frequency"),
    [(25, 20, 1.0), (26, 20, 1.0), (25, 19, 0.95), (90, 5, 0.9)],
)
def test_500_accesses_are_a_frequency_of_one(days: int, accesses: int, frequency: float) -> None:
    assert one([access(ago, accesses) for ago in range(days)])["frequency_score"] == frequency


@pytest.mark.parametrize(
    ("ago", "recency"),
    [
        (0, 1.0),
        (1, 1.0),
        (2, 0.9655),  # 28 / 29 = 0.96552
        (15, 0.5172),  # 15 / 29 = 0.51724
        (28, 0.069),  # 2 / 29 = 0.06897
        (29, 0.0345),  # 1 / 29 = 0.03448
        (30, 0.0),
        (89, 0.0),
    ],
)
def test_recency_falls_over_a_month(ago: int, recency: float) -> None:
    row = one([access(ago)])
    assert (row["recency_score"], row["last_access_days_ago"]) == (recency, ago)


@pytest.mark.parametrize(
    ("agos", "consistency", "weeks"),
    [
        ([0, 1, 2], 0.0625, 1),  # 3 of 48
        ([0, 1, 2, 3], 0.0833, 1),  # 4 of 48 = 0.08333
        (range(7), 0.0833, 1),  # no more than 4 of a week
        ([6, 7], 0.0417, 2),  # 2 of 48 = 0.041667, in two weeks
        ([83], 0.0208, 1),  # 1 of 48 = 0.020833, the first day of the twelfth week
        ([84], 0.0, 0),  # before the twelve weeks
        (range(90), 1.0, 12),
        ([7 * week + day for week in range(12) for day in range(4)], 1.0, 12),
        ([7 * week + 6 for week in range(12)], 0.25, 12),
    ],
)
def test_consistency_over_weeks(agos: Sequence[int], consistency: float, weeks: int) -> None:
    row = one([access(ago) for ago in agos])
    assert (row["consistency_score"], row["active_weeks"]) == (consistency, weeks)
    assert row["active_days"] == len(agos)


@pytest.mark.parametrize(
    ("seconds", "depth"),
    [
        ([3600], 1.0),
        ([3599], 0.9997),  # 0.99972
        ([3420], 0.95),
        ([9], 0.0025),
        ([54], 0.015),
        ([3], 0.0008),  # 0.00083
        ([1], 0.0003),  # 0.00028
        ([1800, 5400], 1.0),
        ([7200, 0, 0, 0], 0.5),
        ([0], 0.0),
    ],
)
def test_depth_is_the_mean_time_of_a_day(seconds: Sequence[int], depth: float) -> None:
    rows = [access(ago, seconds=of_day) for ago, of_day in enumerate(seconds)]
    assert one(rows)["depth_score"] == depth


@pytest.mark.parametrize(("seconds", "depth"), [(26, 0.0001), (27, 0.0002)])
def test_a_quotient_is_rounded_half_up(seconds: int, depth: float) -> None:
    """27 seconds on 50 days: 27 / 180,000 = 0.00015, half way."""
    rows = [access(ago, seconds=0 if ago else seconds) for ago in range(50)]
    assert one(rows)["depth_score"] == depth


def test_a_day_has_at_most_12_hours() -> None:
    rows = [access(0, seconds=30_000), access(0, seconds=13_201, app="slack"), access(1)]
    assert one(rows)["active_seconds"] == 43_200 + 120
    rows = [access(0, seconds=30_000), access(0, seconds=13_199, app="slack"), access(1)]
    assert one(rows)["active_seconds"] == 43_199 + 120


@pytest.mark.parametrize(
    ("agos", "seconds", "earnest"),
    [
        ([0, 1, 2], 200, 1),
        ([0, 44, 89], 200, 1),
        ([0, 1], 300, 0),  # two days
        ([0, 1, 90], 300, 0),  # the third is out of the window
        ([0, 1, 2], 199, 0),  # 597 seconds
        ([0, 1, 2, 3], 150, 1),  # 600 seconds
    ],
)
def test_an_app_is_used_in_earnest(agos: Sequence[int], seconds: int, earnest: int) -> None:
    row = one([access(ago, seconds=seconds) for ago in agos])
    assert (row["unique_apps"], row["earnest_apps"]) == (1, earnest)
    assert row["diversity_score"] == (0.3333 if earnest else 0.0)


def test_days_of_an_app_in_two_tenants_are_one_day() -> None:
    rows = [access(ago, 1, 150, tenant_id=tenant) for ago in (0, 1) for tenant in ("t1", "t2")]
    row = one(rows)
    assert (row["active_days"], row["total_accesses"], row["earnest_apps"]) == (2, 4, 0)
    assert one([*rows, access(2, 1, 0)])["earnest_apps"] == 1


@pytest.mark.parametrize(("seconds", "score"), [(199, 0), (200, 1)])
def test_200_seconds_on_a_day_are_earnest_in_a_third(seconds: int, score: int) -> None:
    row = one([access(30, seconds=seconds)])
    # 1 x 90 / 15,000 = 0.006; recency 1; 1 of 16 days; 199 / 3,600 = 0.05528, 200: 0.05556.
    depth = round(seconds / 0.36)
    expected = 30 * 60 + 20 * 3333 * score + 20 * 10_000 + 15 * 625 + 15 * depth
    assert row["score_30_60d"] == expected / 1_000_000
    assert row["score_30d"] == row["score_60_90d"] == 0


@pytest.mark.parametrize(
    ("ago", "third"),
    [
        (0, "score_30d"),
        (29, "score_30d"),
        (30, "score_30_60d"),
        (59, "score_30_60d"),
        (60, "score_60_90d"),
        (89, "score_60_90d"),
        (90, None),
    ],
)
def test_thirds_of_the_window(ago: int, third: str | None) -> None:
    row = one([access(ago)], [user()])
    thirds = ("score_30d", "score_30_60d", "score_60_90d")
    assert [name for name in thirds if row[name] > 0] == ([third] if third else [])
    assert row["accesses_30d"] == (1 if ago < 30 else 0)
    assert row["total_accesses"] == (1 if third else 0)


@pytest.mark.parametrize(("ago", "steady"), [(27, 1), (28, 0), (57, 1), (58, 0), (87, 1), (88, 0)])
def test_a_third_has_four_weeks(ago: int, steady: int) -> None:
    row = one([access(ago, seconds=0)])
    since = ago % 30
    name = ("score_30d", "score_30_60d", "score_60_90d")[ago // 30]
    expected = 30 * 60 + 20 * round(10_000 * (30 - since) / 29) + 15 * 625 * steady
    assert row[name] == expected / 1_000_000


@pytest.mark.parametrize(("apps", "offered"), [(1, 3), (3, 3), (4, 4), (15, 15), (16, 15)])
def test_apps_on_offer(apps: int, offered: int) -> None:
    """Distinct apps of all users of the tenant, never fewer than 3 or more than 15."""
    rows = [access(89, app=f"a{number}", user_id=f"u{number % 2}") for number in range(apps)]
    elsewhere = [
        access(89, app="other", tenant_id="t2", user_id="x"),
        access(90, app="gone", user_id="u0"),
        access(0, 0, 0, app="failed", auth_failures=1, user_id="u0"),
        sign_in(0, user_id="u0"),
    ]
    found = scores([*rows, *elsewhere])
    assert score_of(found, "u0")["apps_on_offer"] == offered
    assert score_of(found, "x")["apps_on_offer"] == 3


def test_diversity_is_at_most_one() -> None:
    """An employee of another tenant than the one whose apps are used."""
    rows = [access(ago, seconds=600, app=f"a{app}") for ago in range(3) for app in range(5)]
    row = one(rows, [], [employee("elsewhere")])
    assert (row["apps_on_offer"], row["earnest_apps"], row["diversity_score"]) == (3, 5, 1.0)


def test_breadth_without_depth_is_nothing() -> None:
    """Twenty apps opened once, as a spike: diversity 0, and little depth."""
    row = one([access(0, 1, 120, app=f"a{number}") for number in range(20)])
    assert (row["unique_apps"], row["earnest_apps"], row["diversity_score"]) == (20, 0, 0.0)


@pytest.mark.parametrize(
    ("rows", "top", "number"),
    [
        ([access(0, 2, app="b"), access(0, 2, app="a"), access(0, 1, app="c")], "a", 2),
        ([access(0, 1, app="a"), access(9, 1, app="b"), access(8, 1, app="b")], "b", 2),
        ([access(0, 1, app="a"), access(90, 9, app="b")], "a", 1),
        ([access(0, 1, app="workflow"), access(0, 1, app="zoom")], "workflow", 1),
        (
            [access(0, 1, app="a", tenant_id="t2"), access(0, 1, app="a"), access(0, 1, app="b")],
            "a",
            2,
        ),
    ],
)
def test_top_app(rows: Rows, top: str, number: int) -> None:
    row = one(rows)
    assert (row["top_app"], row["top_app_accesses"]) == (top, number)


def test_distinct_devices_and_locations_of_the_window() -> None:
    rows = [
        access(0, devices=["a", "b"], locations=["x"]),
        access(0, app="slack", devices=["b"], locations=["x", "y"]),
        sign_in(89, devices=["c"]),
        sign_in(90, devices=["d"], locations=["z"]),
        access(0, user_id="u2", devices=["a", "e"]),
    ]
    row = score_of(scores(rows))
    assert (row["device_count"], row["location_diversity"]) == (3, 2)


def test_sign_ins_alone_are_no_access() -> None:
    row = one([sign_in(3, auth_successes=3, auth_failures=1)])
    assert row == NO_ACCESS | {
        "tenant_id": "t1",
        "user_created_date": None,
        "days_known": 3,
        "auth_successes": 3,
        "auth_failures": 1,
        "auth_success_rate": 75.0,
        "trend": None,
    }


class TestTenant:
    def test_an_employee_s_own_comes_first(self) -> None:
        assert one([access(0, 9)], [], [employee("mine")])["tenant_id"] == "mine"

    @pytest.mark.parametrize(
        ("versions", "tenant"),
        [
            ([employee(None)], "t1"),
            ([employee("mine", start=days_before(-1))], "t1"),
            ([employee("mine", start=DAY)], "mine"),
            ([employee("mine", end=days_before(50))], "mine"),  # the latest one, though departed
            ([employee("old", end=days_before(1)), employee("mine", start=DAY)], "mine"),
            ([employee("old", end=days_before(1)), employee(None, start=DAY)], "t1"),
            ([employee("mine", "another")], "t1"),
        ],
    )
    def test_is_that_of_the_version_of_the_day(self, versions: Rows, tenant: str) -> None:
        assert one([access(0)], [], versions)["tenant_id"] == tenant

    @pytest.mark.parametrize(
        ("rows", "tenant"),
        [
            ([access(1, 2, tenant_id="b"), access(0, 1, tenant_id="a")], "b"),
            ([access(1, 2, tenant_id="b"), access(0, 2, tenant_id="c")], "c"),  # the later one
            ([access(0, 2, tenant_id="c"), access(0, 2, tenant_id="b")], "b"),  # the smaller one
            ([access(90, 9, tenant_id="b"), access(89, 1, tenant_id="a")], "a"),
            ([access(5, 1, tenant_id="a"), sign_in(0, tenant_id="b")], "a"),
            # Accesses tie; a sign-in is no day of access.
            (
                [
                    access(5, tenant_id="a"),
                    sign_in(0, tenant_id="a"),
                    access(4, tenant_id="b"),
                ],
                "b",
            ),
            ([sign_in(5, tenant_id="a"), sign_in(4, tenant_id="b")], "b"),
            ([sign_in(5, tenant_id="b"), sign_in(5, tenant_id="a")], "a"),
            ([access(364, 1, tenant_id="a")], "a"),
            ([access(365, 1, tenant_id="a")], "unknown"),
            ([access(200, 9, tenant_id="b"), access(100, 1, tenant_id="a")], "a"),
            ([access(100, 9, tenant_id="b"), sign_in(99, tenant_id="a")], "a"),
            ([], "unknown"),
        ],
    )
    def test_is_the_one_used_most_or_last(self, rows: Rows, tenant: str) -> None:
        assert one(rows, [user()])["tenant_id"] == tenant

    def test_is_forgotten_after_a_year(self) -> None:
        days = [DAY, days_before(-1)]
        found = scores([access(364)], [user(created=days_before(10))], days=days)
        assert [(row["tenant_id"], row["days_known"]) for row in found] == [
            ("t1", 364),
            ("unknown", 11),
        ]


@pytest.mark.parametrize(
    ("rows", "created", "known"),
    [
        ([], days_before(0), 0),
        ([], days_before(10), 10),
        ([access(20)], days_before(10), 20),
        ([access(5)], days_before(10), 10),
        ([sign_in(20)], days_before(10), 20),
        ([access(364)], days_before(10), 364),
        ([access(365), access(30)], days_before(10), 30),
        ([access(365)], days_before(1000), 1000),
    ],
)
def test_days_known(rows: Rows, created: date, known: int) -> None:
    assert one(rows, [user(created=created, start=days_before(10))])["days_known"] == known


def test_attributes_are_those_of_the_day() -> None:
    versions = [
        user(created=date(2022, 1, 1), end=days_before(1)),
        user(created=date(2022, 2, 2), start=DAY),
    ]
    days = [days_before(1), DAY]
    created = [row["user_created_date"] for row in scores([], versions, days=days)]
    assert created == [date(2022, 1, 1), date(2022, 2, 2)]


@pytest.mark.parametrize(
    ("rows", "versions", "is_there"),
    [
        ([], [user(end=DAY)], True),
        ([], [user(end=days_before(1))], False),
        ([], [user(start=days_before(-1))], False),
        ([], [user(start=DAY)], True),
        ([access(89)], [user(end=days_before(1))], True),
        ([access(90)], [user(end=days_before(1))], False),
        ([sign_in(89)], [], True),
        ([sign_in(90)], [], False),
        ([access(-1)], [], False),
        ([], [], False),
    ],
)
def test_who_has_a_row(rows: Rows, versions: Rows, is_there: bool) -> None:
    assert bool(scores(rows, versions)) == is_there


def test_an_employee_who_is_no_user_has_no_row() -> None:
    assert scores([], [], [employee("t1")]) == []


def test_observed_days_are_those_covered_in_the_window() -> None:
    covered = [days_before(ago) for ago in (-1, 0, 1, 89, 90)]
    assert one([], [user()], covered=covered)["observed_days"] == 3


class TestTrend:
    """By s = `score_30d` and the thirds before, all of accesses without seconds."""

    @staticmethod
    def trend(*agos: int, **options: Any) -> Any:
        return one([access(ago, seconds=0) for ago in agos], [user()], **options)["trend"]

    @pytest.mark.parametrize(
        ("agos", "trend"),
        [
            ((0, 30, 60), "stable"),
            ((0, 30), "increasing"),  # 0.211175 of the one third is lacking: half of it is 0.1056
            ((30, 60), "decreasing"),
            # Of 19 days (11 / 29 = 0.3793): 1,800 + 75,860 + 9,375 = 87,035 millionths.
            ((0, 30, 79), "stable"),
        ],
    )
    def test_is_judged_against_the_mean_of_the_two_before(
        self, agos: Sequence[int], trend: str
    ) -> None:
        assert self.trend(*agos) == trend

    @pytest.mark.parametrize(("accesses", "trend"), [(1, "increasing"), (2, "stable")])
    def test_rises_from_a_tenth_on(self, accesses: int, trend: str) -> None:
        """200,000 + 1,800 + 9,375 against half of 200,000 + 2 x (1,800 + 9,375), and of 0."""
        rows = [access(0, 1, 0), access(30, 1, 0), access(31, accesses, 0)]
        assert one(rows, [user()])["trend"] == trend

    @pytest.mark.parametrize(("seconds", "trend"), [(198, "decreasing"), (197, "stable")])
    def test_falls_from_a_tenth_on(self, seconds: int, trend: str) -> None:
        """Four apps on a day of each third: only the second third's 200 seconds are in earnest.

        Depths are 2,211, 2,222 and (4 x 198) 2,200 ten-thousandths: the mean of the two before is
        that of the latest. So the thirds differ by half of a diversity of 1: 0.1.
        """
        rows = [
            access(ago, 1, of_app, app=f"a{app}")
            for ago, of_app in ((0, 199), (30, 200), (60, 198))
            for app in range(4)
        ]
        rows[-1]["active_seconds"] = seconds
        assert one(rows, [user()])["trend"] == trend

    @pytest.mark.parametrize(("covered", "is_known"), [(79, False), (80, True)])
    def test_needs_80_covered_days(self, covered: int, is_known: bool) -> None:
        days = [days_before(ago) for ago in range(covered)]
        assert (self.trend(0, covered=days) is not None) == is_known

    @pytest.mark.parametrize(("known", "is_known"), [(89, False), (90, True)])
    def test_needs_90_days(self, known: int, is_known: bool) -> None:
        row = one([access(0)], [user(created=days_before(known), start=days_before(known))])
        assert (row["trend"] is not None) == is_known


class TestPercentile:
    @staticmethod
    def percentiles(*accesses: int, tenants: Sequence[str] = ()) -> list[Any]:
        rows = [
            access(0, number, user_id=f"u{place}", tenant_id=tenants[place] if tenants else "t1")
            for place, number in enumerate(accesses)
        ]
        return [row["percentile"] for row in scores(rows)]

    def test_of_a_single_user_is_0(self) -> None:
        assert self.percentiles(5) == [0.0]

    def test_ties_share_the_lowest_rank(self) -> None:
        # 20 accesses a day count at most, so that the last two are equal.
        assert self.percentiles(1, 5, 1, 20, 21) == [0.0, 50.0, 0.0, 75.0, 75.0]

    def test_is_not_rounded(self) -> None:
        assert self.percentiles(1, 2, 3, 4) == [0.0, 100 / 3, 200 / 3, 100.0]

    def test_is_of_the_tenant(self) -> None:
        assert self.percentiles(1, 2, 3, 4, tenants=["a", "b", "a", "b"]) == [0, 0, 100, 100]

    def test_idle_users_are_not_ranked(self) -> None:
        rows = [access(0), access(0, 2, user_id="u2"), sign_in(0, user_id="u3")]
        found = scores(rows, [user("u4")], [employee("t1", "u4")])
        assert [row["percentile"] for row in found] == [0.0, 100.0, None, None]
        assert [row["tenant_active_users"] for row in found] == [2, 2, 2, 2]
        assert {row["tenant_id"] for row in found} == {"t1"}


def test_busiest_day_leaves_the_window() -> None:
    """Over more than two windows: a day of 9, and then of 3 every 50 days."""
    rows = [access(0, 9), *(access(-ago, 3) for ago in range(50, 250, 50))]
    days = days_from(DAY, 250)
    found = [row["busiest_day_accesses"] for row in scores(rows, days=days)]
    assert found == [9] * 90 + [3] * 160


def test_no_days_no_rows() -> None:
    assert scores([access(0)], [user()], days=[], covered=[]) == []


# Days at which something enters, leaves or passes on, and some between.
_AGOS = [-3, -2, -1, 0, 1, 2, 5, 6, 7, 13, 27, 28, 29, 30, 31, 57, 58, 59, 60, 61]
_AGOS += [82, 83, 84, 87, 88, 89, 90, 91, 200, 361, 362, 363, 364, 365, 366]

_USES = st.builds(
    lambda ago, app, used, name, tenant, events, texts: access(
        ago,
        *((0, 0) if app == "sign_in" else used),
        app=app,
        user_id=name,
        tenant_id=tenant,
        auth_successes=events[0],
        auth_failures=events[1],
        devices=texts[:1],
        locations=texts,
    ),
    st.sampled_from(_AGOS),
    st.sampled_from(["assistant", "vault", "slack", "sign_in"]),
    st.sampled_from([(0, 0), (1, 0), (1, 120), (2, 200), (19, 599), (20, 600), (21, 50_000)]),
    st.sampled_from(["a", "b", "c"]),
    st.sampled_from(["t1", "t1", "t2"]),
    st.tuples(st.integers(0, 2), st.integers(0, 1)),
    st.lists(st.sampled_from(["x", "y", "z"]), max_size=2, unique=True),
)
_HISTORIES = st.lists(
    _USES,
    max_size=40,
    unique_by=lambda row: (row["date"], row["tenant_id"], row["user_id"], row["app"]),
)
_USERS = st.lists(
    st.builds(
        user,
        st.sampled_from(["a", "b", "d"]),
        st.sampled_from([days_before(ago) for ago in (89, 90, 91, 300, 1000)]),
        st.sampled_from([days_before(ago) for ago in (-2, -1, 0, 89)]),
        st.sampled_from([OPEN_END, days_before(-2), days_before(0)]),
    ),
    max_size=3,
    unique_by=lambda row: (row["user_id"], row["effective_start_date"]),
)
_EMPLOYEES = st.lists(
    st.builds(
        employee,
        st.sampled_from(["t2", "t3", None]),
        st.sampled_from(["a", "c"]),
        st.sampled_from([days_before(ago) for ago in (-1, 0, 50)]),
    ),
    max_size=3,
    unique_by=lambda row: (row["user_id"], row["effective_start_date"]),
)


@settings(max_examples=20, deadline=None)
@given(
    history=_HISTORIES,
    users=_USERS,
    employees=_EMPLOYEES,
    uncovered=st.sets(st.integers(-3, 92), max_size=14),
)
def test_a_range_is_what_the_reference_says_of_each_day(
    history: Rows, users: Rows, employees: Rows, uncovered: set[int]
) -> None:
    days = days_from(days_before(1), 4)
    covered = [days_before(ago) for ago in range(-3, 95) if ago not in uncovered]
    found = scores(history, users, employees, covered=covered, days=days)
    assert found == [
        row for day in days for row in expected_scores(history, users, employees, covered, day)
    ]


def _long_history() -> Rows:
    """Three users over 150 days, by a fixed rule without a period: gaps, two tenants, texts."""
    rows = []
    for ago in range(-60, 90):
        for place, name in enumerate("abc"):
            chance = (ago * 7919 + place * 104_729) % 97
            if chance % 3 == place:
                app = ("assistant", "slack", "sign_in")[chance % 5 % 3]
                used = (0, 0) if app == "sign_in" else (chance % 26 + 1, chance * 11)
                rows.append(
                    access(
                        ago,
                        *used,
                        app=app,
                        user_id=name,
                        tenant_id=f"t{chance % 2}",
                        auth_successes=chance % 4,
                        devices=[f"d{chance % 7}"],
                    )
                )
    return rows


@pytest.mark.parametrize(("chunk", "read"), [(180, 8), (7, 3), (3, 1)])
def test_a_long_range_in_pieces_of_any_length(
    monkeypatch: pytest.MonkeyPatch, chunk: int, read: int
) -> None:
    monkeypatch.setattr(access_windows, "_CHUNK_DAYS", chunk)
    monkeypatch.setattr(access_windows, "_READ_DAYS", read)
    history, users = _long_history(), [user("a"), user("d", start=days_before(-5))]
    days = days_from(days_before(-1), 100 if chunk == 180 else 10)
    covered = days_from(days_before(89), 200)
    found = scores(history, users, covered=covered, days=days)
    assert found == [
        row for day in days for row in expected_scores(history, users, [], covered, day)
    ]


_COMPONENTS = ("frequency", "diversity", "recency", "consistency", "depth")


@settings(max_examples=10, deadline=None)
@given(history=_HISTORIES, more=st.integers(1, 30), seconds=st.integers(1, 5000))
def test_components_rise_with_what_they_measure(history: Rows, more: int, seconds: int) -> None:
    """More accesses and seconds on the same days and apps lower nothing."""
    mine = [row for row in history if row["user_id"] == "a" and row["accesses"]]
    if not mine:
        return
    raised = [
        row
        | {"accesses": row["accesses"] + more, "active_seconds": row["active_seconds"] + seconds}
        if row["accesses"]
        else row
        for row in history
    ]
    # The tenant stays, whatever has most accesses.
    of_tenant = [employee("t1", "a")]
    before, after = (scores(rows, [user("a")], of_tenant) for rows in (history, raised))
    first, second = (score_of(rows, "a") for rows in (before, after))
    for component in _COMPONENTS:
        assert second[f"{component}_score"] >= first[f"{component}_score"]
    assert second["engagement_score"] >= first["engagement_score"]


@settings(max_examples=10, deadline=None)
@given(history=_HISTORIES, ago=st.integers(0, 89), number=st.integers(1, 2000))
def test_a_spike_of_one_day_buys_little(history: Rows, ago: int, number: int) -> None:
    """At most 20 of 500 accesses, and one day of 48."""
    spike = access(ago, number, 60 * number, app="spike", user_id="a", tenant_id="t1")
    before = score_of(scores(history, [user("a")]), "a")
    after = score_of(scores([*history, spike], [user("a")]), "a")
    assert after["frequency_score"] - before["frequency_score"] <= 20 / 500 + 1e-12
    # Both are rounded to 4 decimals.
    assert after["consistency_score"] - before["consistency_score"] <= 1 / 48 + 1e-4


@settings(max_examples=10, deadline=None)
@given(history=_HISTORIES, other=_HISTORIES)
def test_a_score_depends_on_others_only_by_the_apps_on_offer(history: Rows, other: Rows) -> None:
    mine = [row for row in history if row["user_id"] == "a"]
    theirs = [row for row in other if row["user_id"] != "a"]
    alone = score_of(scores(mine, [user("a")]), "a")
    among = score_of(scores([*mine, *theirs], [user("a")]), "a")
    shared = {"apps_on_offer", "tenant_active_users", "percentile"}
    if alone["apps_on_offer"] != among["apps_on_offer"]:
        shared |= {"diversity_score", "engagement_score", "trend"}
        shared |= {"score_30d", "score_30_60d", "score_60_90d"}
    assert {name for name in alone if alone[name] != among[name]} <= shared
