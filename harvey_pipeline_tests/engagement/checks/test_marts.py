"""Checks of activity and the daily marts: each fails for its own reason, and names day and key."""

from collections.abc import Sequence
from datetime import date

import pytest

from harvey_pipeline.checks import blocks
from harvey_pipeline.checks.report import WARN
from harvey_pipeline.warehouse.days import DayRange
from harvey_pipeline_tests.places import (
    EVENT_HEADER,
    FIRMS,
    FIRST,
    LAST,
    MIDDLE,
    SOURCES,
    USERS,
    Place,
    assert_fails,
    blank,
    repeat,
    spoil,
)

pytest_plugins = ["harvey_pipeline_tests.place_fixtures"]

ACTIVITY = "core.user_daily_activity"
ENGAGEMENT = "marts.daily_user_engagement"
FIRM_USAGE = "marts.daily_firm_usage_summary"
SUMMARY = "marts.daily_event_summary"
DASHBOARD = "marts.harvey_analytics_dashboard"
U1 = "date = '2024-04-02' and user_id = 'u1'"
F1 = "date = '2024-04-02' and firm_id = 'f1'"
DAY = "date = '2024-04-02'"


FAULTS: list[tuple[str, str, tuple[str, ...], str]] = [
    # activity
    (ACTIVITY, "key_is_unique", repeat(ACTIVITY, U1), "u1"),
    (ACTIVITY, "required_columns_present", blank(ACTIVITY, "documents", U1), "documents"),
    (ACTIVITY, "values_within_bounds", spoil(ACTIVITY, "documents = -1", U1), "-1"),
    (ACTIVITY, "queries_add_up_by_type", spoil(ACTIVITY, "queries = 7", U1), "u1"),
    (ACTIVITY, "scored_events_within_queries", spoil(ACTIVITY, "feedback_count = 9", U1), "u1"),
    (
        ACTIVITY,
        "events_on_their_date",
        spoil(ACTIVITY, "last_event_at = last_event_at + interval 1 day", U1),
        "u1",
    ),
    (ACTIVITY, "activity_equals_events", spoil(ACTIVITY, "documents = 99", U1), "documents | 6"),
    (ACTIVITY, "activity_equals_events", (f"delete from {ACTIVITY} where {DAY}",), "queries | 4"),
    # engagement
    (ENGAGEMENT, "key_is_unique", repeat(ENGAGEMENT, U1), "u1"),
    (
        ENGAGEMENT,
        "required_columns_present",
        blank(ENGAGEMENT, "power_user_tier", U1),
        "power_user_tier",
    ),
    (ENGAGEMENT, "values_within_bounds", spoil(ENGAGEMENT, "power_user_score = 120", U1), "120"),
    (
        ENGAGEMENT,
        "values_within_bounds",
        spoil(ENGAGEMENT, "power_user_tier = 'Super User'", U1),
        "Super User",
    ),
    (
        ENGAGEMENT,
        "score_equals_components",
        spoil(ENGAGEMENT, "power_user_score = power_user_score - 1", U1),
        "u1",
    ),
    (
        ENGAGEMENT,
        "tier_agrees_with_score",
        spoil(ENGAGEMENT, "power_user_tier = 'Power User'", U1),
        "u1",
    ),
    (
        ENGAGEMENT,
        "level_agrees_with_thresholds",
        spoil(ENGAGEMENT, "engagement_level = 'High Frequency User'", U1),
        "u1",
    ),
    (ENGAGEMENT, "queries_add_up_by_type", spoil(ENGAGEMENT, "vault_queries = 50", U1), "u1"),
    (ENGAGEMENT, "activity_is_whole", spoil(ENGAGEMENT, "firm_count = 0", U1), "u1"),
    (
        ENGAGEMENT,
        "activity_within_window",
        spoil(ENGAGEMENT, "first_activity_date = '2024-03-03'", U1),
        "u1",
    ),
    *(
        (ENGAGEMENT, "labels_agree_with_thresholds", spoil(ENGAGEMENT, change, U1), label)
        for label, change in {
            "active_days_weight": "active_days_weight = 100",
            "document_volume_weight": "document_volume_weight = 100",
            "feature_breadth_weight": "feature_breadth_weight = 100",
            "usage_pattern": "usage_pattern = 'No Usage'",
            "quality_level": "quality_level = 'Needs Improvement'",
            "tenure_band": "tenure_band = '12+ months'",
        }.items()
    ),
    (
        ENGAGEMENT,
        "totals_equal_activity",
        spoil(ENGAGEMENT, "total_documents_processed = 17", U1),
        "total_documents_processed | 12",
    ),
    (
        ENGAGEMENT,
        "totals_equal_activity",
        spoil(ENGAGEMENT, "is_active_today = false", U1),
        "active_users | 3 | 2",
    ),
    # firms
    (FIRM_USAGE, "key_is_unique", repeat(FIRM_USAGE, F1), "f1"),
    (
        FIRM_USAGE,
        "required_columns_present",
        blank(FIRM_USAGE, "firm_health_status", F1),
        "firm_health_status",
    ),
    (FIRM_USAGE, "values_within_bounds", spoil(FIRM_USAGE, "adoption_rate_30d = -5", F1), "-5"),
    (FIRM_USAGE, "queries_add_up_by_type", spoil(FIRM_USAGE, "vault_queries = 50", F1), "f1"),
    (FIRM_USAGE, "day_within_window", spoil(FIRM_USAGE, "total_queries_30d = 1", F1), "f1"),
    (
        FIRM_USAGE,
        "adoption_level_agrees_with_rate",
        spoil(FIRM_USAGE, "adoption_level = 'High Adoption'", F1),
        "f1",
    ),
    (
        FIRM_USAGE,
        "window_pattern_agrees_with_queries",
        spoil(FIRM_USAGE, "firm_usage_pattern_30d = 'No Usage'", F1),
        "f1",
    ),
    *(
        (FIRM_USAGE, "labels_agree_with_thresholds", spoil(FIRM_USAGE, change, F1), label)
        for label, change in {
            "firm_usage_pattern": "firm_usage_pattern = 'No Usage'",
            "firm_health_status": "firm_health_status = 'Excellent'",
            "firm_maturity_stage": "firm_maturity_stage = 'New'",
            "firm_size_category": "firm_size_category = 'Large Firm'",
            "arr_tier": "arr_tier = 'High Value'",
        }.items()
    ),
    (
        FIRM_USAGE,
        "totals_equal_activity",
        spoil(FIRM_USAGE, "total_queries_30d = 60", F1),
        "total_queries_30d | 8 | 62",
    ),
    (
        FIRM_USAGE,
        "totals_equal_activity",
        spoil(FIRM_USAGE, "active_users = 1", F1),
        "active_users | 3 | 2",
    ),
    # daily event summary
    (SUMMARY, "key_is_unique", repeat(SUMMARY, DAY), "2024-04-02"),
    (SUMMARY, "required_columns_present", blank(SUMMARY, "total_events", DAY), "total_events"),
    (SUMMARY, "values_within_bounds", spoil(SUMMARY, "avg_feedback_score = 6", DAY), "6.0"),
    (SUMMARY, "events_add_up_by_type", spoil(SUMMARY, "vault_events = 9", DAY), "2024-04-02"),
    (
        SUMMARY,
        "summary_equals_activity",
        spoil(SUMMARY, "total_documents = 7", DAY),
        "total_documents | 6 | 7",
    ),
    (
        SUMMARY,
        "summary_equals_activity",
        spoil(SUMMARY, "active_firms = 7", DAY),
        "active_firms | 2 | 7",
    ),
    (
        SUMMARY,
        "summary_equals_activity",
        spoil(SUMMARY, "avg_feedback_score = 4", DAY),
        "avg_feedback_score | 1400 | 1600",
    ),
    (
        SUMMARY,
        "summary_equals_activity",
        spoil(SUMMARY, "is_covered = false", DAY),
        "is_covered | true | false",
    ),
    (
        SUMMARY,
        "summary_equals_activity",
        spoil(SUMMARY, "is_volume_usual = true", DAY),
        "is_volume_usual |  | true",
    ),
    (
        SUMMARY,
        "uncovered_days_are_not_usual",
        spoil(SUMMARY, "is_covered = false", DAY),
        "2024-04-02",
    ),
    (SUMMARY, "summary_equals_activity", (f"delete from {SUMMARY} where {DAY}",), "total_events"),
    # dashboard
    (DASHBOARD, "key_is_unique", repeat(DASHBOARD, DAY), "2024-04-02"),
    (DASHBOARD, "required_columns_present", blank(DASHBOARD, "mau", DAY), "mau"),
    (DASHBOARD, "values_within_bounds", spoil(DASHBOARD, "stickiness = 101", DAY), "101"),
    (DASHBOARD, "events_add_up_by_type", spoil(DASHBOARD, "vault_events = 9", DAY), "2024-04-02"),
    (
        DASHBOARD,
        "percentages_sum_to_100",
        spoil(DASHBOARD, "vault_percent = 30", DAY),
        "2024-04-02",
    ),
    (DASHBOARD, "users_nest", spoil(DASHBOARD, "wau = 1", DAY), "2024-04-02"),
    (
        DASHBOARD,
        "users_split_into_new_and_returning",
        spoil(DASHBOARD, "new_users = 3", DAY),
        "2024-04-02",
    ),
    (
        DASHBOARD,
        "dau_equals_active_users",
        spoil(DASHBOARD, "active_users = 2", DAY),
        "2024-04-02",
    ),
    (
        DASHBOARD,
        "uncovered_days_are_not_usual",
        spoil(DASHBOARD, "is_covered = false, is_volume_usual = true", DAY),
        "2024-04-02",
    ),
    (
        DASHBOARD,
        "dashboard_equals_summary",
        spoil(DASHBOARD, "total_events = 5", DAY),
        "total_events | 4 | 5",
    ),
    (
        DASHBOARD,
        "dashboard_equals_marts",
        spoil(DASHBOARD, "power_users = 2", DAY),
        "power_users | 0 | 2",
    ),
    (
        DASHBOARD,
        "dashboard_equals_marts",
        spoil(DASHBOARD, "good_firms = 9", DAY),
        "good_firms",
    ),
    (
        DASHBOARD,
        "dashboard_equals_marts",
        (f"delete from {DASHBOARD} where {DAY}",),
        "mau | 3",
    ),
]


@pytest.mark.parametrize(("table", "check", "statements", "naming"), FAULTS)
def test_a_fault_fails_its_check_on_its_day(
    place: Place, table: str, check: str, statements: tuple[str, ...], naming: str
) -> None:
    place.sql(*statements)
    assert_fails(place.evaluate(table)[check], days=[MIDDLE], naming=naming)


@pytest.mark.parametrize(
    ("table", "check", "statements", "naming"),
    [fault for fault in FAULTS if fault[1] in ("key_is_unique", "totals_equal_activity")],
)
def test_other_days_do_not_fail(
    place: Place,
    table: str,
    check: str,
    statements: tuple[str, ...],
    naming: str,  # noqa: ARG001
) -> None:
    place.sql(*statements)
    assert place.evaluate(table, DayRange(LAST, LAST))[check].passed


WARNINGS: list[tuple[str, str, tuple[str, ...], Sequence[date], str]] = [
    (
        ENGAGEMENT,
        "users_exist_by_their_events",
        ("delete from core.dim_user where user_id = 'u3'",),
        [FIRST, MIDDLE, LAST],
        "u3 | 1",
    ),
    (
        ENGAGEMENT,
        "users_exist_by_their_events",
        ("update core.dim_user set effective_start_date = '2024-04-02' where user_id = 'u2'",),
        [FIRST],
        "u2 | 1 | 2024-04-02",
    ),
    (
        ENGAGEMENT,
        "events_not_older_than_account",
        (
            "update core.dim_user set user_created_date = '2024-04-03', "
            "effective_start_date = '2024-04-03' where user_id = 'u2'",
        ),
        [FIRST, MIDDLE],
        "u2 | 1 | 2024-04-03",
    ),
    (
        ENGAGEMENT,
        "users_belong_to_one_firm",
        spoil(ENGAGEMENT, "firm_count = 2", U1),
        [MIDDLE],
        "u1 | f1 | 2",
    ),
    (
        FIRM_USAGE,
        "firms_exist_by_their_events",
        ("delete from core.dim_firms where firm_id = 'f1'",),
        [FIRST, MIDDLE, LAST],
        "f1 | 3",
    ),
    (
        FIRM_USAGE,
        "events_not_older_than_firm",
        (
            "update core.dim_firms set firm_created_date = '2024-04-02', "
            "effective_start_date = '2024-04-02' where firm_id = 'f2'",
        ),
        [FIRST],
        "f2 | 1 | 2024-04-02",
    ),
    (
        FIRM_USAGE,
        "active_users_within_seats",
        spoil(FIRM_USAGE, "firm_size = 1", F1),
        [MIDDLE],
        "f1 | 1 | 2 | 2",
    ),
]


@pytest.mark.parametrize(("table", "check", "statements", "days", "naming"), WARNINGS)
def test_a_doubt_warns(
    place: Place,
    table: str,
    check: str,
    statements: tuple[str, ...],
    days: Sequence[date],
    naming: str,
) -> None:
    place.sql(*statements)
    assert_fails(place.evaluate(table)[check], days=days, naming=naming, severity=WARN)


@pytest.mark.parametrize(
    ("day", "found"),
    [pytest.param(LAST, True, id="the-last"), pytest.param(MIDDLE, False, id="another")],
)
def test_the_pattern_of_the_window_is_that_of_the_activity_on_the_last_day(
    place: Place, day: date, found: bool
) -> None:
    """Each type of event comes once a day for f1: all three are equal, and never lead alone."""
    place.sql(
        f"update {FIRM_USAGE} set firm_usage_pattern_30d = 'Mixed Usage' "
        f"where date = '{day}' and firm_id = 'f1' and total_queries_30d > total_queries"
    )
    result = place.evaluate(FIRM_USAGE)["window_pattern_equals_activity"]
    assert result.passed is not found
    if found:
        assert_fails(result, days=[LAST], naming="f1 | Mixed Usage | Balanced Usage")


def test_a_firm_that_is_silent_in_the_window_has_no_usage_by_its_activity(place: Place) -> None:
    place.sql(f"delete from {ACTIVITY} where firm_id = 'f2'")
    result = place.evaluate(FIRM_USAGE)["window_pattern_equals_activity"]
    assert_fails(result, days=[LAST], naming="f2 | Assistant-Focused | No Usage")


SATURDAYS = [date(2024, 3, 30), *(date(2024, 4, day) for day in (6, 13, 20, 27))]
"""Four events each; to the last of them the four others say what is usual."""


@pytest.mark.parametrize(
    ("statement", "figure"),
    [
        pytest.param(f"update {SUMMARY} set is_volume_usual = false", "true | false", id="flag"),
        pytest.param(
            f"update {ACTIVITY} set queries = 9 where date in ('2024-04-06', '2024-04-13') "
            "and user_id = 'u1'",
            # The median of 4, 11, 11, 4 is 7.5, of which 4 are more than half.
            None,
            id="median-between-two",
        ),
        pytest.param(
            f"update {ACTIVITY} set queries = 90 where date in ('2024-04-06', '2024-04-13') "
            "and user_id = 'u1'",
            "false | true",
            id="median-far-above",
        ),
        pytest.param(
            "update raw.drops set is_observed = false where drop_date = '2024-03-30'",
            " | true",
            id="three-covered-days",
        ),
        pytest.param(
            "update raw.drops set is_observed = false where drop_date = '2024-04-27' "
            "and source = 'events'",
            "false | true",
            id="not-covered",
        ),
    ],
)
def test_a_usual_volume_is_told_by_activity_and_ledger(
    spring: Place, statement: str, figure: str | None
) -> None:
    last = SATURDAYS[-1]
    days = DayRange(last, last)
    assert spring.evaluate(SUMMARY, days)["summary_equals_activity"].passed
    spring.sql(statement)
    result = spring.evaluate(SUMMARY, days)["summary_equals_activity"]
    if figure is None:
        assert result.passed
    else:
        assert_fails(result, days=[last], naming=f"is_volume_usual | {figure}")


@pytest.mark.long
def test_an_empty_day_that_was_run_passes(bare: Place) -> None:
    bare.landing.mkdir()
    bare.drop("events", FIRST, [EVENT_HEADER])
    days = DayRange(FIRST, FIRST)
    assert bare.run(days).success
    for table in (ACTIVITY, ENGAGEMENT, SUMMARY, DASHBOARD):
        results = bare.evaluate(table, days)
        assert [name for name, result in results.items() if not result.passed] == []


UP_TO_FIRMS = (
    *(source.table.name for source in SOURCES.values()),
    *("core.dim_user", "core.dim_firms"),
    *(ACTIVITY, ENGAGEMENT, FIRM_USAGE),
)


@pytest.mark.parametrize(
    ("first", "second"),
    [pytest.param("7", "007", id="zeros before"), pytest.param("101", "101.0", id=".0 after")],
)
def test_ids_that_differ_in_their_writing_alone_warn(bare: Place, first: str, second: str) -> None:
    """The dimension writes them in one way, events in the other: two users, two firms."""
    bare.drop("users", FIRST, [USERS[0], f"{first},2024-01-05,Partner"])
    bare.drop("firms", FIRST, [FIRMS[0], f"{first},2023-01-01,5,90"])
    event = f"e1,{FIRST} 09:00:00,{second},{second},VAULT,1,5"
    bare.drop("events", FIRST, [EVENT_HEADER, event])
    days = DayRange(FIRST, FIRST)
    assert bare.run_tables(days, *UP_TO_FIRMS).success
    ids = sorted((first, second))
    for table, key in ((ENGAGEMENT, "user_id"), (FIRM_USAGE, "firm_id")):
        result = bare.evaluate(table, days)["ids_are_written_alike"]
        assert_fails(result, days=[FIRST], naming=f"| {second} |", severity=WARN)
        assert result.metadata["failing_count"].value == 2
        assert result.description == (
            f"2 rows on 1 of 1 day, last 2024-04-01; for example date 2024-04-01, {key} {ids[0]}. "
            "Ask the senders to write ids alike: these count as different ones."
        )


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param("70", "7", id="zeros after"),
        pytest.param("0", "00.5", id="another number"),
        pytest.param("u7", "u07", id="zeros within"),
    ],
)
def test_other_ids_are_different_ones(bare: Place, first: str, second: str) -> None:
    bare.drop("users", FIRST, [USERS[0], f"{first},2024-01-05,Partner"])
    bare.drop("firms", FIRST, [FIRMS[0], f"{first},2023-01-01,5,90"])
    event = f"e1,{FIRST} 09:00:00,{second},{second},VAULT,1,5"
    bare.drop("events", FIRST, [EVENT_HEADER, event])
    days = DayRange(FIRST, FIRST)
    assert bare.run_tables(days, *UP_TO_FIRMS).success
    for table in (ENGAGEMENT, FIRM_USAGE):
        assert bare.evaluate(table, days)["ids_are_written_alike"].passed


@pytest.mark.parametrize(
    "block_bytes", [pytest.param(0, id="a-day"), pytest.param(2**20, id="all")]
)
def test_what_is_found_is_the_same_in_blocks_of_any_size(
    place: Place, monkeypatch: pytest.MonkeyPatch, block_bytes: int
) -> None:
    """Faults of single days, and two writings of an id that share no day."""
    monkeypatch.setattr(blocks, "BLOCK_BYTES", block_bytes)
    place.sql(
        f"update {ENGAGEMENT} set active_days_weight = 60 where date >= '{MIDDLE}'",
        f"update {ENGAGEMENT} set firm_count = 2 where user_id = 'u1'",
        f"update {ENGAGEMENT} set power_user_score = 120 where date = '{LAST}' and user_id = 'u2'",
        f"delete from {ENGAGEMENT} where date > '{FIRST}' and user_id = 'u1'",
        f"update {ENGAGEMENT} set user_id = '0u1' where date = '{LAST}' and user_id = 'u3'",
    )
    results = place.evaluate(ENGAGEMENT)
    found = {
        "labels_agree_with_thresholds": (4, [MIDDLE, LAST]),
        "users_belong_to_one_firm": (1, [FIRST]),
        "values_within_bounds": (1, [LAST]),
        "ids_are_written_alike": (2, [FIRST, LAST]),
    }
    for name, (count, days) in found.items():
        assert not results[name].passed
        assert results[name].metadata["failing_count"].value == count
        assert results[name].metadata["failing_days"].value == [str(day) for day in days]
