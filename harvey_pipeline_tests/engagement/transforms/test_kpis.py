"""Event totals and dashboard: hand-worked figures, every edge, and what is read for them."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from math import fsum
from random import Random
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.io.plugins import register_io_source

from harvey_pipeline.engagement.tables import TABLES
from harvey_pipeline.engagement.tables.labels import POWER_USER_TIERS
from harvey_pipeline.engagement.tables.marts import DailyEventSummary, HarveyAnalyticsDashboard
from harvey_pipeline.engagement.transforms.kpis import (
    build_dashboard,
    growth_trend,
    summarise_events,
    usage_volume_category,
    usual_volume,
)
from harvey_pipeline_tests.engagement.transforms.usages import DAY, days_before, usage

POWER, HIGH, MEDIUM, LOW, INACTIVE = POWER_USER_TIERS


COMPARED = days_before(30)


def value_of(expression: pl.Expr) -> Any:
    return pl.select(expression).item()


# --- the day's events -----------------------------------------------------------------------------


def event_totals(
    activity: Sequence[dict[str, Any]],
    covered: Sequence[date] = (DAY,),
    days: Sequence[date] = (DAY,),
) -> pl.DataFrame:
    """`daily_event_summary` of the days, checked against its schema."""
    rows = summarise_events(
        pl.LazyFrame(activity, schema=TABLES["core.user_daily_activity"].polars_schema),
        covered,
        days,
    ).collect()
    assert dict(rows.schema) == TABLES["marts.daily_event_summary"].polars_schema
    DailyEventSummary.validate(rows)
    return rows


def test_every_column_of_a_days_events_is_as_worked_out_by_hand() -> None:
    activity = [
        usage("u1", "a", assistant=2, vault=1, documents=6, scores=[4.5, 2]),
        usage("u1", "b", assistant=1, documents=2, scores=[3.25]),
        usage("u2", "b", assistant=0, workflow=3, documents=3, scores=[4, 5]),
        usage("u3", "b", assistant=1, vault=1),
        usage("u4", "c", on=days_before(1), assistant=9, documents=9, scores=[1]),
        usage("u5", "d", on=days_before(-1), assistant=9, documents=9, scores=[1]),
    ]

    assert event_totals(activity).rows(named=True) == [
        {
            "date": DAY,
            "is_covered": True,
            "is_volume_usual": None,
            "total_events": 9,
            "active_users": 3,
            "active_firms": 2,
            "total_documents": 11,
            "avg_feedback_score": 3.75,
            "assistant_events": 4,
            "vault_events": 2,
            "workflow_events": 3,
            "scored_events": 5,
            "high_satisfaction_events": 3,
            "low_satisfaction_events": 1,
        }
    ]


def test_a_day_without_events_is_a_row_of_zeros_without_an_average() -> None:
    zeros = (0,) * 4
    assert event_totals([]).rows() == [(DAY, True, None, *zeros, None, *zeros, 0, 0)]


def test_days_without_events_stand_in_order_between_the_others() -> None:
    days = [days_before(back) for back in (3, 2, 1, 0)]
    rows = event_totals([usage(on=days[3]), usage(on=days[1])], [], days)

    assert rows["date"].to_list() == days
    assert rows["total_events"].to_list() == [0, 1, 0, 1]


def test_a_day_is_covered_if_it_is_among_the_covered_days() -> None:
    days = [days_before(1), DAY]
    rows = event_totals([usage(on=days_before(1))], [DAY, days_before(-5)], days)

    assert rows.select("date", "is_covered").rows() == [(days_before(1), False), (DAY, True)]


WEEKS = [days_before(7 * weeks) for weeks in range(10)]
"""The day, and the days of its weekday before it, the latest first: the last is 63 days before."""


def volume(events: Mapping[date, int], covered: Sequence[date], day: date = DAY) -> bool | None:
    """`is_volume_usual` of a day with so many events on each of some days."""
    activity = [usage(on=one, assistant=count) for one, count in events.items() if count]
    [row] = event_totals(activity, covered, [day]).rows(named=True)
    usual: bool | None = row["is_volume_usual"]
    return usual


@pytest.mark.parametrize(
    ("events", "usual"),
    [
        # 10 and 20 lie in the middle of 30, 10, 20, 1: the median is 15.
        pytest.param(15, True, id="the-median-itself"),
        pytest.param(8, True, id="above-half-of-it"),
        pytest.param(7, False, id="below-half-of-it"),
        pytest.param(30, True, id="just-double-of-it"),
        pytest.param(31, False, id="above-double-of-it"),
        pytest.param(0, False, id="none-at-all"),
    ],
)
def test_a_volume_is_usual_from_half_to_double_the_median(events: int, usual: bool) -> None:
    before = dict(zip(WEEKS[1:5], (30, 10, 20, 1), strict=True))
    assert volume({DAY: events, **before}, WEEKS) is usual


def test_just_half_the_median_is_usual() -> None:
    """5 and 7 lie in the middle: the median is 6."""
    before = dict(zip(WEEKS[1:5], (7, 9, 5, 0), strict=True))
    assert volume({DAY: 3, **before}, WEEKS) is True
    assert volume({DAY: 2, **before}, WEEKS) is False


def test_half_of_a_median_between_two_numbers_is_compared_exactly() -> None:
    """5 and 6 lie in the middle: the median is 5.5, half of it 2.75, double of it 11."""
    before = dict(zip(WEEKS[1:5], (5, 6, 6, 1), strict=True))
    verdicts = {events: volume({DAY: events, **before}, WEEKS) for events in (2, 3, 11, 12)}
    assert verdicts == {2: False, 3: True, 11: True, 12: False}


def test_only_the_four_latest_covered_days_count() -> None:
    """The latest two are not covered; of those before, the four latest have 10 events each."""
    covered = [DAY, *WEEKS[3:]]
    events = dict.fromkeys(WEEKS[1:3], 100) | dict.fromkeys(WEEKS[3:7], 10) | {WEEKS[7]: 1000}
    assert volume({DAY: 20, **events}, covered) is True
    assert volume({DAY: 21, **events}, covered) is False


def test_the_days_reach_back_56_days_and_no_further() -> None:
    """The fourth covered one lies 56 days before, then 63."""
    events = {DAY: 100, **dict.fromkeys(WEEKS[1:], 100)}
    assert volume(events, [DAY, *WEEKS[5:9]]) is True
    assert volume(events, [DAY, *WEEKS[6:10]]) is None


def test_other_weekdays_say_nothing() -> None:
    others = [days_before(back) for back in range(1, 57) if back % 7]
    assert len(others) == 48
    assert volume(dict.fromkeys([DAY, *others], 10), [DAY, *others, *WEEKS[1:4]]) is None
    assert volume(dict.fromkeys([DAY, *others], 10), [DAY, *others, *WEEKS[1:5]]) is False


def test_covered_days_without_events_say_that_none_are_usual() -> None:
    assert volume({DAY: 1}, WEEKS) is False
    assert volume({}, WEEKS) is True


def test_the_volume_of_a_day_that_is_not_covered_is_not_usual() -> None:
    """A late event may have come nevertheless."""
    before = dict.fromkeys(WEEKS[1:5], 1)
    assert volume({DAY: 1, **before}, WEEKS[1:]) is False
    assert volume({DAY: 1}, []) is False


def test_each_day_of_a_range_has_its_own_weekdays() -> None:
    days = [days_before(back) for back in range(64, -1, -1)]
    rows = event_totals([usage(on=day, assistant=day.weekday() + 1) for day in days], days, days)

    assert rows["is_volume_usual"].to_list() == [None] * 28 + [True] * 37


def test_what_is_usual_is_told_in_events() -> None:
    """5 and 6 lie in the middle; the day itself, and one that is not covered, do not count."""
    rows = pl.DataFrame(
        [
            event_summary(WEEKS[0], total_events=99),
            event_summary(WEEKS[1], total_events=99, is_covered=False),
            *(
                event_summary(day, total_events=count)
                for day, count in zip(WEEKS[2:6], (5, 6, 6, 1), strict=True)
            ),
        ],
        schema=TABLES["marts.daily_event_summary"].polars_schema,
    )
    assert usual_volume(rows, DAY) == 5.5
    assert usual_volume(rows, WEEKS[1]) == 5.5
    assert usual_volume(rows, WEEKS[2]) is None


def test_a_user_of_several_firms_is_one_user() -> None:
    row = event_totals([usage(firm_id="a"), usage(firm_id="b")]).row(0, named=True)

    assert (row["active_users"], row["active_firms"], row["total_events"]) == (1, 2, 2)


def test_scores_add_up_without_rounding() -> None:
    rows = event_totals([usage(f"u{user}", scores=[1.1]) for user in range(3)])

    assert 1.1 + 1.1 + 1.1 != 3.3
    assert rows["avg_feedback_score"].to_list() == [1.1]


def test_events_without_a_score_leave_the_average_unknown() -> None:
    row = event_totals([usage(assistant=3)]).row(0, named=True)

    assert row["avg_feedback_score"] is None
    assert row["scored_events"] == 0


def test_no_days_give_no_rows() -> None:
    assert event_totals([usage()], days=[]).is_empty()


# --- the dashboard --------------------------------------------------------------------------------


def event_summary(on: date = DAY, *, is_covered: bool = True, **figures: Any) -> dict[str, Any]:
    """One row of `daily_event_summary`: zeros, unless told."""
    schema = TABLES["marts.daily_event_summary"].polars_schema
    zeros = {name: 0 for name, dtype in schema.items() if dtype == pl.Int64}
    return {**zeros, "date": on, "is_covered": is_covered, **figures}


def inactive_user(user_id: str, on: date = DAY, tier: str = INACTIVE) -> dict[str, Any]:
    """One row of `daily_user_engagement`: a user without activity, of any tier."""
    return {
        "date": on,
        "user_id": user_id,
        "total_queries": 0,
        "active_days": 0,
        "unique_event_types": 0,
        "is_active_today": False,
        "power_user_score": 0,
        "power_user_tier": tier,
    }


def active_user(
    user_id: str,
    on: date = DAY,
    *,
    last_active: date | None = None,
    tier: str = INACTIVE,
    score: int = 12,
    queries: int = 1,
    active_days: int = 1,
    event_types: int = 1,
    feedback: float | None = None,
    created: date | None = None,
) -> dict[str, Any]:
    """One row of `daily_user_engagement`: a user last active on the day, unless told."""
    return {
        "date": on,
        "user_id": user_id,
        "user_created_date": created,
        "total_queries": queries,
        "active_days": active_days,
        "unique_event_types": event_types,
        "avg_feedback_score": feedback,
        "last_activity_date": last_active or on,
        "is_active_today": last_active in (None, on),
        "power_user_score": score,
        "power_user_tier": tier,
    }


def firm(
    firm_id: str,
    on: date = DAY,
    *,
    active_users: int = 0,
    feedback: float | None = None,
    adoption: float | None = None,
    health: str = "Critical",
) -> dict[str, Any]:
    """One row of `daily_firm_usage_summary`: an inactive firm, unless told."""
    return {
        "date": on,
        "firm_id": firm_id,
        "active_users": active_users,
        "avg_feedback_score": feedback,
        "daily_adoption_rate": adoption,
        "firm_health_status": health,
    }


def covered_days(last: date = DAY, days: int = 60) -> list[dict[str, Any]]:
    """Empty but covered days, the last one included."""
    return [event_summary(days_before(back, last)) for back in range(days)]


def dashboard(
    users: Sequence[dict[str, Any]] = (),
    *,
    events: Sequence[dict[str, Any]] | None = None,
    firms: Sequence[dict[str, Any]] = (),
    days: Sequence[date] = (DAY,),
) -> pl.DataFrame:
    """The dashboard of the days; they and the 59 days before each are covered, unless told."""
    if events is None:
        events = covered_days(days[-1], 59 + len(days))
    rows = build_dashboard(
        pl.LazyFrame(events, schema=TABLES["marts.daily_event_summary"].polars_schema),
        pl.LazyFrame(users, schema=TABLES["marts.daily_user_engagement"].polars_schema),
        pl.LazyFrame(firms, schema=TABLES["marts.daily_firm_usage_summary"].polars_schema),
        days,
    ).collect()
    assert dict(rows.schema) == TABLES["marts.harvey_analytics_dashboard"].polars_schema
    return rows


def only_row(rows: pl.DataFrame) -> dict[str, Any]:
    return rows.row(0, named=True)


def test_every_column_of_the_dashboard_is_as_worked_out_by_hand() -> None:
    of_day = event_summary(
        is_volume_usual=True,
        total_events=8,
        active_users=2,
        active_firms=2,
        total_documents=20,
        avg_feedback_score=3.5,
        assistant_events=4,
        vault_events=2,
        workflow_events=2,
        scored_events=5,
        high_satisfaction_events=3,
        low_satisfaction_events=1,
    )
    users = [
        active_user(
            "u1",
            tier=POWER,
            score=94,
            queries=40,
            active_days=20,
            event_types=3,
            feedback=4.5,
            created=days_before(29),
        ),
        active_user(
            "u2",
            tier=HIGH,
            score=60,
            queries=10,
            active_days=10,
            event_types=2,
            feedback=3.0,
            created=days_before(30),
        ),
        active_user("u3", last_active=days_before(6), tier=LOW, score=20, queries=3, active_days=2),
        active_user("u4", last_active=days_before(7), feedback=4.5, created=DAY),
        inactive_user("u5") | {"user_created_date": DAY},
        active_user(
            "u6",
            last_active=days_before(29),
            tier=MEDIUM,
            score=51,
            queries=6,
            event_types=2,
            created=date(2020, 2, 29),
        ),
        inactive_user("u1", COMPARED, POWER),
        inactive_user("u2", COMPARED, LOW),
        inactive_user("u3", COMPARED, MEDIUM),
        inactive_user("u5", COMPARED, INACTIVE),
        inactive_user("u6", COMPARED, POWER),
        inactive_user("u7", COMPARED, POWER),
    ]
    firms = [
        firm("a", active_users=2, feedback=4.0, adoption=50.0, health="Excellent"),
        firm("b", active_users=1, health="Fair"),
        firm("c", active_users=1, feedback=3.0, adoption=120.0, health="Good"),
        firm("d", adoption=0.0),
        firm("e", adoption=0.0),
        firm("f", adoption=0.0, health="Needs Attention"),
    ]
    rows = dashboard(users, events=[*covered_days(days_before(1), 59), of_day], firms=firms)

    HarveyAnalyticsDashboard.validate(rows)
    assert rows.rows(named=True) == [
        {
            "date": DAY,
            "is_covered": True,
            "is_volume_usual": True,
            "total_events": 8,
            "active_users": 2,
            "active_firms": 2,
            "total_documents": 20,
            "avg_feedback_score": 3.5,
            "assistant_events": 4,
            "vault_events": 2,
            "workflow_events": 2,
            "scored_events": 5,
            "high_satisfaction_events": 3,
            "low_satisfaction_events": 1,
            "assistant_percent": 50.0,
            "vault_percent": 25.0,
            "workflow_percent": 25.0,
            "high_satisfaction_rate": 60.0,
            "low_satisfaction_rate": 20.0,
            "events_per_user": 4.0,
            "documents_per_user": 10.0,
            "documents_per_event": 2.5,
            "dau": 2,
            "wau": 3,
            "mau": 5,
            "stickiness": 40.0,
            "power_users": 1,
            "high_value_users": 1,
            "medium_value_users": 1,
            "low_value_users": 1,
            "inactive_users": 2,
            "power_user_rate": 20.0,
            "avg_power_score": 47.4,
            "avg_queries_per_user": 12.0,
            "avg_active_days_per_user": 6.8,
            "avg_user_feedback": 4.0,
            "feature_adoption_rate": 60.0,
            "avg_firm_feedback": 3.5,
            "avg_firm_adoption_rate": 85.0,
            "excellent_firms": 1,
            "good_firms": 1,
            "fair_firms": 1,
            "needs_attention_firms": 1,
            "critical_firms": 2,
            "new_users": 2,
            "returning_users": 3,
            "power_user_retention": 100 / 3,
            "users_moved_up": 1,
            "users_moved_down": 2,
            "growth_trend": "Insufficient Data",
            "usage_volume_category": "Minimal Usage",
        }
    ]


def test_a_day_without_anything_counts_zero_and_averages_nothing() -> None:
    rows = dashboard()

    HarveyAnalyticsDashboard.validate(rows)
    row = only_row(rows)
    counts = {name for name, dtype in rows.schema.items() if dtype == pl.Int64}
    averages = {name for name, dtype in rows.schema.items() if dtype == pl.Float64}
    assert {row[name] for name in counts} == {0}
    assert {row[name] for name in averages} == {None}
    assert row["growth_trend"] == "Insufficient Data"
    assert row["usage_volume_category"] == "Minimal Usage"


def test_inactive_users_only_leave_the_averages_unknown() -> None:
    row = only_row(dashboard([inactive_user("u1"), inactive_user("u2")]))

    assert (row["mau"], row["inactive_users"]) == (0, 2)
    names = ("stickiness", "power_user_rate", "avg_power_score", "feature_adoption_rate")
    assert [row[name] for name in names] == [None] * 4
    assert row["avg_user_feedback"] is None


@pytest.mark.parametrize(
    ("last_active", "counts"),
    [
        pytest.param(DAY, (1, 1, 1), id="active-on-the-day-is-daily"),
        pytest.param(days_before(1), (0, 1, 1), id="active-the-day-before-is-weekly"),
        pytest.param(days_before(6), (0, 1, 1), id="active-6-days-before-is-weekly"),
        pytest.param(days_before(7), (0, 0, 1), id="active-7-days-before-is-monthly"),
        pytest.param(days_before(29), (0, 0, 1), id="active-29-days-before-is-monthly"),
    ],
)
def test_active_users_by_last_activity(last_active: date, counts: tuple[int, int, int]) -> None:
    row = only_row(dashboard([active_user("u1", last_active=last_active)]))

    assert (row["dau"], row["wau"], row["mau"]) == counts


def test_a_user_last_active_30_days_before_is_active_no_more() -> None:
    row = only_row(dashboard([inactive_user("u1"), active_user("u1", on=COMPARED)]))

    assert (row["dau"], row["wau"], row["mau"]) == (0, 0, 0)


@pytest.mark.parametrize(
    ("created", "new_users"),
    [
        pytest.param(DAY, 1, id="created-on-the-day-is-new"),
        pytest.param(days_before(29), 1, id="created-29-days-before-is-new"),
        pytest.param(days_before(30), 0, id="created-30-days-before-is-returning"),
        pytest.param(days_before(-1), 0, id="created-after-the-day-is-returning"),
        pytest.param(None, 0, id="unknown-creation-is-returning"),
    ],
)
def test_new_users_by_creation(created: date | None, new_users: int) -> None:
    row = only_row(dashboard([active_user("u1", created=created)]))

    assert (row["new_users"], row["returning_users"]) == (new_users, 1 - new_users)


@pytest.mark.parametrize(
    ("event_types", "rate"),
    [
        pytest.param(1, 50.0, id="one-type-adopts-nothing"),
        pytest.param(2, 100.0, id="two-types-adopt"),
        pytest.param(3, 100.0, id="three-types-adopt"),
    ],
)
def test_feature_adoption(event_types: int, rate: float) -> None:
    users = [active_user("u1", event_types=event_types), active_user("u2", event_types=2)]

    assert only_row(dashboard(users))["feature_adoption_rate"] == rate


def test_means_of_users_weigh_every_active_user_alike_and_no_inactive_one() -> None:
    users = [
        active_user("u1", queries=7, active_days=5, score=51, feedback=5.0),
        active_user("u2", queries=2, active_days=2, score=20),
        inactive_user("u3"),
    ]
    row = only_row(dashboard(users))

    assert row["avg_queries_per_user"] == 4.5
    assert row["avg_active_days_per_user"] == 3.5
    assert row["avg_power_score"] == 35.5
    assert row["avg_user_feedback"] == 5.0


def test_means_add_up_exactly_before_they_are_rounded() -> None:
    ratios = [9 / 9, 10 / 9, 13 / 9, 18 / 9, 25 / 9]
    users = [active_user(f"u{place}", feedback=ratio) for place, ratio in enumerate(ratios)]
    firms = [
        firm(f"f{place}", active_users=1, feedback=ratio, adoption=ratio)
        for place, ratio in enumerate(ratios)
    ]
    row = only_row(dashboard(users, firms=firms))

    assert sum(ratios) != fsum(ratios)
    assert row["avg_user_feedback"] == fsum(ratios) / 5
    assert row["avg_firm_feedback"] == fsum(ratios) / 5
    assert row["avg_firm_adoption_rate"] == fsum(ratios) / 5


def test_means_of_firms_leave_out_firms_that_are_inactive_on_the_day() -> None:
    firms = [
        firm("a", active_users=1, feedback=2.0, adoption=30.0),
        firm("b", active_users=5, feedback=3.0, adoption=10.0),
        firm("c", active_users=0, adoption=0.0),
    ]
    row = only_row(dashboard(firms=firms))

    assert row["avg_firm_feedback"] == 2.5
    assert row["avg_firm_adoption_rate"] == 20.0


def test_no_firm_active_on_the_day_leaves_the_means_unknown() -> None:
    row = only_row(dashboard(firms=[firm("a", adoption=0.0, health="Good")]))

    assert row["avg_firm_feedback"] is None
    assert row["avg_firm_adoption_rate"] is None
    assert row["good_firms"] == 1


@pytest.mark.parametrize(
    ("figures", "rates"),
    [
        pytest.param(
            {"scored_events": 4, "high_satisfaction_events": 4}, (100.0, 0.0), id="all-are-high"
        ),
        pytest.param(
            {"scored_events": 8, "high_satisfaction_events": 1, "low_satisfaction_events": 2},
            (12.5, 25.0),
            id="some-are-high-and-some-low",
        ),
        pytest.param({"scored_events": 4}, (0.0, 0.0), id="none-is-high-or-low"),
        pytest.param({"scored_events": 0}, (None, None), id="nothing-was-scored"),
    ],
)
def test_satisfaction_is_a_share_of_scored_events(
    figures: dict[str, Any], rates: tuple[float | None, float | None]
) -> None:
    row = only_row(dashboard(events=[event_summary(total_events=20, **figures)]))

    assert (row["high_satisfaction_rate"], row["low_satisfaction_rate"]) == rates


@pytest.mark.parametrize(
    ("before", "now", "retention"),
    [
        pytest.param(["u1", "u2"], ["u1", "u2"], 100.0, id="all-stay"),
        pytest.param(["u1", "u2", "u3", "u4"], ["u1", "u5"], 25.0, id="one-of-four-stays"),
        pytest.param(["u1"], ["u2"], 0.0, id="none-stays"),
        pytest.param([], ["u1"], None, id="none-before-leaves-it-unknown"),
        pytest.param(["u1", "u2"], [], 0.0, id="all-have-left"),
    ],
)
def test_power_user_retention(before: list[str], now: list[str], retention: float | None) -> None:
    users = [inactive_user(user_id, COMPARED, POWER) for user_id in before]
    users += [inactive_user(user_id, DAY, POWER) for user_id in now]

    assert only_row(dashboard(users))["power_user_retention"] == retention


def test_retention_keeps_only_those_who_are_power_users_on_both_days() -> None:
    users = [
        inactive_user("u1", COMPARED, POWER),
        inactive_user("u1", DAY, HIGH),
        inactive_user("u2", COMPARED, HIGH),
        inactive_user("u2", DAY, POWER),
    ]

    assert only_row(dashboard(users))["power_user_retention"] == 0.0


@pytest.mark.parametrize(
    ("before", "now", "moved"),
    [
        pytest.param(HIGH, POWER, (1, 0), id="high-to-power-is-up"),
        pytest.param(MEDIUM, HIGH, (1, 0), id="medium-to-high-is-up"),
        pytest.param(LOW, MEDIUM, (1, 0), id="low-to-medium-is-up"),
        pytest.param(INACTIVE, LOW, (1, 0), id="inactive-to-low-is-up"),
        pytest.param(INACTIVE, POWER, (1, 0), id="inactive-to-power-is-up-once"),
        pytest.param(POWER, HIGH, (0, 1), id="power-to-high-is-down"),
        pytest.param(HIGH, MEDIUM, (0, 1), id="high-to-medium-is-down"),
        pytest.param(MEDIUM, LOW, (0, 1), id="medium-to-low-is-down"),
        pytest.param(LOW, INACTIVE, (0, 1), id="low-to-inactive-is-down"),
        pytest.param(POWER, POWER, (0, 0), id="the-same-is-neither"),
        pytest.param(None, POWER, (0, 0), id="no-row-before-is-neither"),
        pytest.param(POWER, None, (0, 0), id="no-row-on-the-day-is-neither"),
    ],
)
def test_users_moved(before: str | None, now: str | None, moved: tuple[int, int]) -> None:
    rows = [
        inactive_user("u1", on, tier)
        for on, tier in ((COMPARED, before), (DAY, now))
        if tier is not None
    ]
    row = only_row(dashboard(rows))

    assert (row["users_moved_up"], row["users_moved_down"]) == moved


@pytest.mark.parametrize(
    "other_day",
    [
        pytest.param(days_before(29), id="not-with-29-days-before"),
        pytest.param(days_before(31), id="not-with-31-days-before"),
    ],
)
def test_a_day_is_compared_with_30_days_before_only(other_day: date) -> None:
    row = only_row(dashboard([inactive_user("u1", other_day, POWER), inactive_user("u1")]))

    assert row["power_user_retention"] is None
    assert (row["users_moved_up"], row["users_moved_down"]) == (0, 0)
    assert row["growth_trend"] == "Insufficient Data"


def test_a_range_of_more_than_30_days_compares_its_days_with_one_another() -> None:
    days = [days_before(back) for back in range(34, -1, -1)]
    users = [
        inactive_user("u1", day, POWER if place < 2 else LOW) for place, day in enumerate(days)
    ]
    rows = dashboard(users, days=days)

    assert rows["date"].to_list() == days
    assert rows["users_moved_down"].to_list() == [0] * 30 + [1, 1, 0, 0, 0]
    assert rows["power_user_retention"].to_list() == [None] * 30 + [0.0, 0.0, None, None, None]


@pytest.mark.parametrize(
    ("now", "before", "kept", "trend"),
    [
        pytest.param(1101, 1000, 700, "Strong Growth", id="above-10-percent-is-strong"),
        pytest.param(1100, 1000, 700, "Strong Growth", id="10-percent-and-70-kept-is-strong"),
        pytest.param(1100, 1000, 701, "Strong Growth", id="above-70-kept-is-strong"),
        pytest.param(1100, 1000, 699, "Growing", id="below-70-kept-is-growing"),
        pytest.param(1099, 1000, 999, "Growing", id="below-10-percent-is-growing"),
        pytest.param(33, 30, 21, "Strong Growth", id="33-of-30-with-21-kept-is-strong"),
        pytest.param(1021, 1000, 0, "Growing", id="above-2-percent-is-growing"),
        pytest.param(1020, 1000, 0, "Growing", id="2-percent-is-growing"),
        pytest.param(1019, 1000, 999, "Stable", id="below-2-percent-is-stable"),
        pytest.param(1000, 1000, 0, "Stable", id="no-change-is-stable"),
        pytest.param(981, 1000, 0, "Stable", id="loss-below-2-percent-is-stable"),
        pytest.param(980, 1000, 980, "Declining", id="loss-of-2-percent-is-declining"),
        pytest.param(979, 1000, 979, "Declining", id="loss-above-2-percent-is-declining"),
        pytest.param(801, 1000, 801, "Declining", id="loss-below-20-percent-is-declining"),
        pytest.param(800, 1000, 800, "Critical Decline", id="loss-of-20-percent-is-critical"),
        pytest.param(799, 1000, 799, "Critical Decline", id="loss-above-20-percent-is-critical"),
        pytest.param(0, 20, 0, "Critical Decline", id="loss-of-all-is-critical"),
        pytest.param(21, 20, 20, "Stable", id="one-more-than-20-is-stable-though-5-percent"),
        pytest.param(19, 20, 19, "Stable", id="one-less-than-20-is-stable-though-5-percent"),
        pytest.param(22, 20, 14, "Strong Growth", id="two-more-than-20-are-10-percent"),
        pytest.param(18, 20, 18, "Declining", id="two-less-than-20-are-10-percent"),
        pytest.param(99, 19, 19, "Insufficient Data", id="19-before-are-too-few"),
        pytest.param(18, 19, 18, "Insufficient Data", id="19-before-are-too-few-for-stable-too"),
        pytest.param(5, 0, 0, "Insufficient Data", id="none-before-is-insufficient"),
    ],
)
def test_growth_trend(now: int, before: int, kept: int, trend: str) -> None:
    expression = growth_trend(pl.lit(now), pl.lit(before), pl.lit(kept), pl.lit(True))

    assert value_of(expression) == trend


def test_growth_trend_is_insufficient_without_history() -> None:
    expression = growth_trend(pl.lit(110), pl.lit(100), pl.lit(100), pl.lit(False))

    assert value_of(expression) == "Insufficient Data"


def test_growth_trend_reads_the_power_users_of_both_days() -> None:
    users = [inactive_user(f"u{user}", COMPARED, POWER) for user in range(20)]
    users += [inactive_user(f"u{user}", DAY, POWER) for user in range(6, 28)]
    row = only_row(dashboard(users))

    assert (row["power_users"], row["power_user_retention"]) == (22, 70.0)
    assert row["growth_trend"] == "Strong Growth"


@pytest.mark.parametrize(
    ("uncovered", "trend"),
    [
        pytest.param(DAY, "Insufficient Data", id="the-day-itself-is-needed"),
        pytest.param(days_before(30), "Insufficient Data", id="the-day-compared-with-is-needed"),
        pytest.param(days_before(59), "Insufficient Data", id="59-days-before-is-needed"),
        pytest.param(days_before(60), "Stable", id="60-days-before-is-not-needed"),
    ],
)
def test_growth_trend_needs_both_windows_covered(uncovered: date, trend: str) -> None:
    users = [inactive_user(f"u{one}", on, POWER) for one in range(20) for on in (COMPARED, DAY)]
    events = covered_days(days=61)
    for row in events:
        row["is_covered"] = row["date"] != uncovered

    assert only_row(dashboard(users, events=events))["growth_trend"] == trend


def test_growth_trend_needs_a_row_for_every_day_of_both_windows() -> None:
    users = [inactive_user(f"u{one}", on, POWER) for one in range(20) for on in (COMPARED, DAY)]

    rows = dashboard(users, events=covered_days(days=59))
    assert only_row(rows)["growth_trend"] == "Insufficient Data"
    rows = dashboard(users, events=covered_days(days=60))
    assert only_row(rows)["growth_trend"] == "Stable"


@pytest.mark.parametrize(
    ("events", "category"),
    [
        pytest.param(10_001, "High Volume", id="above-10000-is-high"),
        pytest.param(10_000, "High Volume", id="10000-is-high"),
        pytest.param(9_999, "Medium Volume", id="below-10000-is-medium"),
        pytest.param(5_001, "Medium Volume", id="above-5000-is-medium"),
        pytest.param(5_000, "Medium Volume", id="5000-is-medium"),
        pytest.param(4_999, "Low Volume", id="below-5000-is-low"),
        pytest.param(1_001, "Low Volume", id="above-1000-is-low"),
        pytest.param(1_000, "Low Volume", id="1000-is-low"),
        pytest.param(999, "Minimal Usage", id="below-1000-is-minimal"),
        pytest.param(0, "Minimal Usage", id="nothing-is-minimal"),
    ],
)
def test_usage_volume_category(events: int, category: str) -> None:
    assert value_of(usage_volume_category(pl.lit(events))) == category


def test_only_the_days_asked_for_have_rows() -> None:
    days = [days_before(1), DAY]
    users = [active_user("u1", day) for day in (days_before(2), *days, days_before(-1))]
    firms = [firm("a", day, active_users=1, adoption=9.0) for day in (days_before(2), *days)]
    rows = dashboard(users, firms=firms, days=days)

    assert rows.select("date", "dau", "critical_firms").rows() == [
        (days_before(1), 1, 1),
        (DAY, 1, 1),
    ]


def test_no_days_give_an_empty_dashboard() -> None:
    tables = ("daily_event_summary", "daily_user_engagement", "daily_firm_usage_summary")
    events, engagement, firms = (TABLES[f"marts.{name}"].empty() for name in tables)
    rows = build_dashboard(events, engagement, firms, []).collect()

    assert rows.is_empty()
    assert dict(rows.schema) == TABLES["marts.harvey_analytics_dashboard"].polars_schema


def test_a_day_that_was_never_summarised_has_no_row() -> None:
    """Dagster widens a backfill to days that nobody has run; they must not fail it."""
    rows = dashboard(events=covered_days(days_before(1)), days=[days_before(1), DAY])
    assert rows["date"].to_list() == [days_before(1)]
    assert dashboard(events=covered_days(days_before(1)), days=[DAY]).is_empty()


def test_one_day_reads_the_users_of_that_day_and_of_30_days_before() -> None:
    table = TABLES["marts.daily_user_engagement"]
    users = pl.DataFrame(
        [inactive_user("u1", days_before(back)) for back in range(-5, 70)],
        schema=table.polars_schema,
    )
    days_read: set[date] = set()

    def scan(
        columns: list[str] | None,
        predicate: pl.Expr | None,
        _rows: int | None,
        _batch_size: int | None,
    ) -> Iterator[pl.DataFrame]:
        assert columns is not None
        assert predicate is not None
        assert "usage_pattern" not in columns
        rows = users.filter(predicate)
        days_read.update(rows["date"])
        yield rows.select(columns)

    engagement = register_io_source(scan, schema=table.polars_schema, is_pure=True)
    events = pl.LazyFrame(covered_days(), schema=TABLES["marts.daily_event_summary"].polars_schema)
    firms = TABLES["marts.daily_firm_usage_summary"].empty()
    build_dashboard(events, engagement, firms, [DAY]).collect()

    assert days_read == {DAY, COMPARED}


RANGE = [days_before(back) for back in range(35, -1, -1)]
"""More than 30 days, so that some are compared with others of the range."""

few_examples = settings(max_examples=20, deadline=None)
"""Each example runs a whole transform, some of them once for every day."""


@st.composite
def users_of_many_days(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Rows of users from 30 days before `RANGE` to its end, one per key."""
    keys = st.tuples(st.integers(0, 65), st.sampled_from(["u1", "u2", "u3"]))
    rows = []
    for back, user_id in draw(st.lists(keys, max_size=60, unique=True)):
        on, tier = days_before(back), draw(st.sampled_from(POWER_USER_TIERS))
        feedback = draw(st.none() | st.fractions(1, 5, max_denominator=99).map(float))
        rows.append(
            inactive_user(user_id, on, tier)
            if draw(st.booleans())
            else active_user(user_id, on, tier=tier, feedback=feedback, queries=back + 1)
        )
    return rows


@st.composite
def firms_of_many_days(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Rows of firms on the days of `RANGE`, one per key."""
    keys = st.tuples(st.integers(0, 35), st.sampled_from(["a", "b", "c", "d"]))
    ratios = st.none() | st.fractions(1, 5, max_denominator=99).map(float)
    return [
        firm(
            firm_id,
            days_before(back),
            active_users=draw(st.integers(0, 1)),
            feedback=draw(ratios),
            adoption=draw(ratios),
        )
        for back, firm_id in draw(st.lists(keys, max_size=60, unique=True))
    ]


@few_examples
@given(users=users_of_many_days(), firms=firms_of_many_days())
@pytest.mark.long
def test_a_range_at_once_is_the_same_as_day_by_day(
    users: list[dict[str, Any]], firms: list[dict[str, Any]]
) -> None:
    events = covered_days(days=80)
    by_day = [dashboard(users, events=events, firms=firms, days=[day]) for day in RANGE]

    at_once = dashboard(users, events=events, firms=firms, days=RANGE)
    assert at_once.equals(pl.concat(by_day))


@few_examples
@given(users=users_of_many_days(), firms=firms_of_many_days(), random=st.randoms())
def test_the_order_of_rows_does_not_matter(
    users: list[dict[str, Any]], firms: list[dict[str, Any]], random: Random
) -> None:
    in_order = dashboard(users, firms=firms, days=RANGE)
    random.shuffle(users)
    random.shuffle(firms)

    assert dashboard(users, firms=firms, days=RANGE).equals(in_order)
