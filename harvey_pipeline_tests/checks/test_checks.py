"""Every check fails for its own reason, names day and key, and passes where all is well."""

from collections.abc import Sequence
from datetime import date, timedelta

import dagster as dg
import polars as pl
import pytest
from harvey_pipeline.assets import core, marts, months, raw

from harvey_pipeline.checks import all_table_checks
from harvey_pipeline.checks.blocks import blocks_of_days
from harvey_pipeline.checks.contract import contract_of, repeated_rows
from harvey_pipeline.checks.declare import declare_checks
from harvey_pipeline.checks.report import ERROR, WARN, Check, Report
from harvey_pipeline.engagement.tables import TABLES
from harvey_pipeline.graph.partitions import range_tags
from harvey_pipeline.warehouse.days import DayRange
from harvey_pipeline_tests.places import (
    DAYS,
    EVENT_HEADER,
    FIRMS,
    FIRST,
    LAST,
    MIDDLE,
    USERS,
    Place,
    assert_fails,
    blank,
    events_of,
    repeat,
    spoil,
)

pytest_plugins = ["harvey_pipeline_tests.place_fixtures"]


# --- one fault, one check ------------------------------------------------------------------------

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


@pytest.mark.parametrize("table", [ENGAGEMENT, FIRM_USAGE, DASHBOARD])
def test_days_of_the_window_that_were_not_run_are_named(place: Place, table: str) -> None:
    place.drop("events", date(2024, 3, 31), events_of(date(2024, 3, 31)))
    place.drop("events", date(2024, 2, 15), events_of(date(2024, 2, 15)))
    result = place.evaluate(table, DayRange(LAST, LAST))["window_is_complete"]
    assert_fails(result, days=[LAST], naming=ACTIVITY, severity=WARN)
    named = str(result.metadata["examples"].value)
    assert "2024-03-31" in named
    assert ("2024-02-15" in named) == (table == DASHBOARD)


def test_the_dashboard_names_the_day_it_is_compared_with(place: Place) -> None:
    compared = LAST - timedelta(days=30)
    place.drop("events", compared, events_of(compared))
    result = place.evaluate(DASHBOARD)["window_is_complete"]
    rows = str(result.metadata["examples"].value).splitlines()
    assert_fails(result, days=[FIRST, MIDDLE, LAST], naming=SUMMARY, severity=WARN)
    assert f"| {LAST} | {ENGAGEMENT} | 1 | {compared} |" in [
        row
        for one in (place.evaluate(DASHBOARD, DayRange(LAST, LAST))["window_is_complete"],)
        for row in str(one.metadata["examples"].value).splitlines()
    ]
    assert all(ENGAGEMENT not in row for row in rows if str(FIRST) in row)


def test_days_before_history_are_not_missed(place: Place) -> None:
    assert place.evaluate(DASHBOARD)["window_is_complete"].passed


# --- dimensions ----------------------------------------------------------------------------------


def version(user: str, start: str, end: str, role: str, created: str = "2024-01-05") -> str:
    is_current = end == "9999-12-31"
    return (
        f"insert into core.dim_user values ('{user}_{start}', '{user}', '{role}', '{created}', "
        f"'{start}', '{end}', {is_current})"
    )


@pytest.mark.parametrize(
    ("check", "statements", "day", "naming"),
    [
        (
            "versions_do_not_overlap",
            (
                version("u8", "2024-01-01", "2024-03-01", "Partner"),
                version("u8", "2024-02-01", "2024-02-02", "Associate"),
                version("u8", "2024-02-20", "2024-04-01", "Partner"),
            ),
            date(2024, 2, 1),
            "u8",
        ),
        (
            "one_current_version_per_user",
            (
                version("u8", "2024-01-01", "9999-12-31", "Partner"),
                version("u8", "2024-02-01", "9999-12-31", "Associate"),
            ),
            date(2024, 1, 1),
            "u8",
        ),
        (
            "touching_versions_differ",
            (
                version("u8", "2024-01-01", "2024-01-31", "Partner"),
                version("u8", "2024-02-01", "9999-12-31", "Partner"),
            ),
            date(2024, 2, 1),
            "u8",
        ),
        (
            "key_is_unique",
            (
                version("u8", "2024-01-01", "2024-01-31", "Partner"),
                version("u8", "2024-01-01", "2024-01-31", "Partner"),
            ),
            date(2024, 1, 1),
            "u8",
        ),
        (
            "starts_before_it_ends",
            (version("u8", "2024-02-01", "2024-01-01", "Partner"),),
            date(2024, 2, 1),
            "u8",
        ),
        (
            "current_exactly_while_open",
            (
                version("u8", "2024-02-01", "2024-02-09", "Partner"),
                "update core.dim_user set is_current = true where user_id = 'u8'",
            ),
            date(2024, 2, 1),
            "u8",
        ),
        (
            "required_columns_present",
            (
                version("u8", "2024-02-01", "2024-02-09", "Partner"),
                *blank("core.dim_user", "user_created_date", "user_id = 'u8'"),
            ),
            date(2024, 2, 1),
            "user_created_date",
        ),
    ],
)
def test_a_broken_history_fails(
    place: Place, check: str, statements: tuple[str, ...], day: date, naming: str
) -> None:
    place.sql(*statements)
    result = place.evaluate("core.dim_user")[check]
    assert not result.passed
    assert result.severity == ERROR
    assert str(day) in str(result.metadata["failing_days"].value)
    assert naming in str(result.metadata["examples"].value)


def test_a_key_that_returns_after_a_gap_may_be_as_before(place: Place) -> None:
    place.sql(
        version("u8", "2024-01-01", "2024-01-31", "Partner"),
        version("u8", "2024-02-02", "9999-12-31", "Partner"),
    )
    assert all(result.passed for result in place.evaluate("core.dim_user").values())


def test_another_creation_date_warns_on_the_day_it_comes(place: Place) -> None:
    place.sql(
        version("u8", "2024-01-05", "2024-04-01", "Partner"),
        version("u8", "2024-04-02", "9999-12-31", "Partner", created="2024-01-06"),
    )
    result = place.evaluate("core.dim_user")["created_date_is_stable"]
    assert_fails(result, days=[MIDDLE], naming="u8 | 2024-01-05 | 2024-01-06", severity=WARN)
    before = place.evaluate("core.dim_user", DayRange(FIRST, FIRST))["created_date_is_stable"]
    assert before.passed


@pytest.mark.parametrize(
    ("check", "change", "naming"),
    [
        ("values_within_bounds", "firm_size = -1", "-1"),
        ("current_exactly_while_open", "is_current = false", "f2"),
        ("starts_before_it_ends", "effective_end_date = '2000-01-01'", "f2"),
    ],
)
def test_a_broken_firm_version_fails(place: Place, check: str, change: str, naming: str) -> None:
    place.sql(f"update core.dim_firms set {change} where firm_id = 'f2'")
    result = place.evaluate("core.dim_firms")[check]
    assert_fails(result, days=[date(2023, 2, 1)], naming=naming)


def test_firm_versions_are_judged_as_those_of_users(place: Place) -> None:
    place.sql(
        "insert into core.dim_firms select * replace (date '2024-01-01' as effective_start_date, "
        "date '2024-01-01' as firm_created_date) from core.dim_firms where firm_id = 'f2'"
    )
    results = place.evaluate("core.dim_firms", DayRange(FIRST, LAST))
    assert_fails(results["versions_do_not_overlap"], days=[date(2024, 1, 1)], naming="f2")
    assert "f2" in str(results["one_current_version_per_firm"].metadata["examples"].value)
    place.sql(
        "update core.dim_firms set effective_end_date = '2023-12-31', is_current = false, "
        "firm_created_date = '2024-01-01' "
        "where firm_id = 'f2' and effective_start_date < '2024-01-01'"
    )
    again = place.evaluate("core.dim_firms", DayRange(FIRST, LAST))
    assert again["versions_do_not_overlap"].passed
    assert_fails(again["touching_versions_differ"], days=[date(2024, 1, 1)], naming="f2")


# --- deliveries ----------------------------------------------------------------------------------


def many_users(count: int) -> list[str]:
    return ["id,created,title", *(f"u{number},2024-01-05,Partner" for number in range(count))]


def test_a_shrunken_snapshot_is_an_error(bare: Place) -> None:
    bare.drop("users", FIRST, many_users(10))
    bare.drop("users", MIDDLE, many_users(7))
    bare.drop("users", LAST, many_users(9))
    bare.ingest("users")
    results = bare.evaluate("raw.raw_users")
    failed = results["snapshot_is_not_shrunken"]
    assert_fails(failed, days=[MIDDLE], naming="2024-04-02 | drop | 7")
    assert results["rows_are_conserved"].passed


def test_a_shrunken_snapshot_of_firms_is_an_error(bare: Place) -> None:
    header = FIRMS[0]
    bare.drop("firms", FIRST, [header, *(f"f{number},2023-01-01,5,90" for number in range(10))])
    bare.drop("firms", MIDDLE, [header, "f1,2023-01-01,5,90"])
    bare.ingest("firms", DayRange(FIRST, MIDDLE))
    failed = bare.evaluate("raw.raw_firms", DayRange(FIRST, MIDDLE))["snapshot_is_not_shrunken"]
    assert_fails(failed, days=[MIDDLE], naming="drop | 1")


def test_a_missing_drop_warns(bare: Place) -> None:
    bare.drop("users", FIRST, USERS)
    bare.drop("users", LAST, USERS)
    bare.ingest("users")
    result = bare.evaluate("raw.raw_users")["drop_has_arrived"]
    assert_fails(result, days=[MIDDLE], naming="2024-04-02", severity=WARN)


def test_a_bulk_export_counts_as_arrived(bare: Place) -> None:
    bare.landing.mkdir()
    (bare.landing / "users.csv").write_text("\n".join(USERS) + "\n")
    bare.ingest("users")
    assert all(result.passed for result in bare.evaluate("raw.raw_users").values())


@pytest.mark.parametrize(
    ("change", "naming"),
    [("rows_rejected = 5", "| 5 |"), ("rows_accepted = 2", "| 2 |"), ("rows_read = 9", "| 9 |")],
)
def test_rows_that_do_not_add_up_are_an_error(place: Place, change: str, naming: str) -> None:
    place.sql(f"update raw.drops set {change} where source = 'users' and drop_date = '2024-04-02'")
    assert_fails(
        place.evaluate("raw.raw_users")["rows_are_conserved"], days=[MIDDLE], naming=naming
    )


def test_a_row_lost_from_quarantine_is_an_error(bare: Place) -> None:
    bare.drop("events", FIRST, [*events_of(FIRST), "x,2024-04-01,f1,,VAULT,1,5"])
    bare.ingest("events", DayRange(FIRST, FIRST))
    days = DayRange(FIRST, FIRST)
    assert bare.evaluate("raw.raw_events", days)["rows_are_conserved"].passed
    bare.sql("delete from raw.quarantine")
    failed = bare.evaluate("raw.raw_events", days)["rows_are_conserved"]
    assert_fails(failed, days=[FIRST], naming="| 5 | 4 | 0 | 1 | 4 | 0 | 0 |")


def test_a_row_lost_from_the_raw_store_is_an_error(place: Place) -> None:
    [path] = (place.root / "raw" / "raw_events").glob("2024-04-02-*.parquet")
    pl.read_parquet(path).head(3).write_parquet(path)
    failed = place.evaluate("raw.raw_events")["rows_are_conserved"]
    assert_fails(failed, days=[MIDDLE], naming="| 3 |")


@pytest.mark.parametrize(
    ("table", "check", "changes", "naming"),
    [
        ("raw_users", "key_is_unique", (pl.lit("u1").alias("user_id"),), "u1"),
        ("raw_users", "values_within_bounds", (pl.lit(0, pl.Int64).alias("line_number"),), "0"),
        (
            "raw_users",
            "required_columns_present",
            (pl.lit(None, pl.Datetime("us")).alias("created_at"),),
            "created_at",
        ),
        ("raw_firms", "key_is_unique", (pl.lit("f1").alias("firm_id"),), "f1"),
        ("raw_firms", "values_within_bounds", (pl.lit(-1.0).alias("arr_usd"),), "arr_usd | -1.0"),
        (
            "raw_firms",
            "required_columns_present",
            (pl.lit(None, pl.Int32).alias("firm_size"),),
            "firm_size",
        ),
        ("raw_events", "key_is_unique", (pl.lit(2, pl.Int64).alias("line_number"),), "| 2 |"),
        (
            "raw_events",
            "required_columns_present",
            (pl.lit(None, pl.String).alias("user_id"),),
            "user_id",
        ),
        (
            "raw_events",
            "values_within_bounds",
            (pl.lit(7.0).alias("feedback_score"),),
            "feedback_score | 7.0",
        ),
        (
            "raw_events",
            "event_not_after_drop",
            (pl.lit(LAST).alias("event_date"),),
            "2024-04-02 | 2",
        ),
    ],
)
def test_stored_rows_that_break_their_contract_fail(
    place: Place, table: str, check: str, changes: tuple[pl.Expr, ...], naming: str
) -> None:
    place.rewrite_raw(table, MIDDLE, *changes)
    assert_fails(place.evaluate(f"raw.{table}")[check], days=[MIDDLE], naming=naming)


def users_with_bad(total: int, bad: int, line: str) -> list[str]:
    return [*many_users(total - bad), *([line] * bad)]


@pytest.mark.parametrize(
    ("bad", "severity"), [(0, None), (1, None), (2, WARN), (4, WARN), (5, ERROR)]
)
def test_missing_identifiers_warn_from_2_and_fail_from_5_percent(
    bare: Place, bad: int, severity: dg.AssetCheckSeverity | None
) -> None:
    bare.drop("users", FIRST, users_with_bad(100, bad, ",2024-01-05,Partner"))
    bare.ingest("users", DayRange(FIRST, FIRST))
    result = bare.evaluate("raw.raw_users", DayRange(FIRST, FIRST))["identifiers_are_delivered"]
    if severity is None:
        assert result.passed
    else:
        assert_fails(result, days=[FIRST], naming=f"| 100 | {bad} | {bad}.00", severity=severity)
        assert "missing_id" in str(result.metadata["records"].value)


@pytest.mark.parametrize(("bad", "severity"), [(4, None), (5, WARN), (9, WARN), (10, ERROR)])
@pytest.mark.parametrize("score", ["", "6", "n/a"])
def test_bad_feedback_warns_from_5_and_fails_from_10_percent(
    bare: Place, bad: int, severity: dg.AssetCheckSeverity | None, score: str
) -> None:
    lines = [
        f"e{number},{FIRST} 09:00:00,f1,u1,VAULT,1,{score if number < bad else 5}"
        for number in range(100)
    ]
    bare.drop("events", FIRST, [EVENT_HEADER, *lines])
    bare.ingest("events", DayRange(FIRST, FIRST))
    result = bare.evaluate("raw.raw_events", DayRange(FIRST, FIRST))["feedback_is_delivered"]
    if severity is None:
        assert result.passed
    else:
        assert_fails(result, days=[FIRST], naming=f"| 100 | {bad} | {bad}.00", severity=severity)


def test_rejected_rows_warn_from_2_percent(bare: Place) -> None:
    line = f"x,{FIRST} 09:00:00,f1,u1,ORACLE,1,5"
    lines = [f"e{number},{FIRST} 09:00:00,f1,u1,VAULT,1,5" for number in range(98)]
    bare.drop("events", FIRST, [EVENT_HEADER, *lines, line, line])
    bare.ingest("events", DayRange(FIRST, FIRST))
    result = bare.evaluate("raw.raw_events", DayRange(FIRST, FIRST))["few_rows_are_rejected"]
    assert_fails(result, days=[FIRST], naming="| 100 | 2 | 2.00 |", severity=WARN)
    assert "unknown_event_type" in str(result.metadata["records"].value)
    firms = [f"f{number},2023-01-01,5,90" for number in range(9)]
    bare.drop("firms", FIRST, [FIRMS[0], *firms, "f9,2023-01-01,many,90"])
    bare.ingest("firms", DayRange(FIRST, FIRST))
    result = bare.evaluate("raw.raw_firms", DayRange(FIRST, FIRST))["few_rows_are_rejected"]
    assert_fails(result, days=[FIRST], naming="| 10 | 1 | 10.00 |", severity=WARN)


@pytest.mark.parametrize("created", ["", "soon", "2024-04-05", "2022-12-31"])
def test_an_implausible_timestamp_warns(bare: Place, created: str) -> None:
    bare.drop("events", FIRST, [*events_of(FIRST), f"x,{created},f1,u9,VAULT,1,5"])
    bare.ingest("events", DayRange(FIRST, FIRST))
    result = bare.evaluate("raw.raw_events", DayRange(FIRST, FIRST))["timestamps_are_plausible"]
    assert_fails(result, days=[FIRST], naming="u9", severity=WARN)


def test_a_moment_still_to_come_warns(place: Place) -> None:
    ahead = pl.lit(date(2199, 1, 1)).cast(pl.Datetime("us")).alias("created_at")
    place.rewrite_raw("raw_events", MIDDLE, ahead)
    result = place.evaluate("raw.raw_events")["timestamps_are_plausible"]
    assert_fails(result, days=[MIDDLE], naming="2199-01-01", severity=WARN)


def test_bulk_records_without_a_day_warn_in_every_run(bare: Place) -> None:
    bare.landing.mkdir()
    (bare.landing / "users.csv").write_text("\n".join([*USERS, "u9,soon,Partner"]) + "\n")
    bare.ingest("users", DayRange(LAST, LAST))
    result = bare.evaluate("raw.raw_users", DayRange(LAST, LAST))["timestamps_are_plausible"]
    assert not result.passed
    assert result.metadata["failing_count"].value == 1
    assert "u9" in str(result.metadata["examples"].value)


def test_an_event_that_is_later_than_a_day_warns(bare: Place) -> None:
    late = "x,2024-04-01 09:00:00,f1,u9,VAULT,1,5"
    bare.drop("events", LAST, [*events_of(LAST), late])
    bare.ingest("events")
    result = bare.evaluate("raw.raw_events")["events_arrive_within_a_day"]
    assert_fails(result, days=[LAST], naming="too_late", severity=WARN)


def test_a_stored_event_that_is_later_than_a_day_warns(place: Place) -> None:
    place.rewrite_raw("raw_events", LAST, pl.lit(FIRST).alias("event_date"))
    result = place.evaluate("raw.raw_events")["events_arrive_within_a_day"]
    assert_fails(result, days=[LAST], naming="u1", severity=WARN)


def test_an_event_of_the_day_before_is_in_time(bare: Place) -> None:
    bare.drop("events", FIRST, events_of(FIRST))
    bare.drop("events", MIDDLE, [*events_of(MIDDLE), "x,2024-04-01 09:00:00,f1,u1,VAULT,1,5"])
    bare.ingest("events", DayRange(FIRST, MIDDLE))
    results = bare.evaluate("raw.raw_events", DayRange(FIRST, MIDDLE))
    assert [name for name, result in results.items() if not result.passed] == []


def test_the_same_event_id_in_one_drop_warns(bare: Place) -> None:
    bare.drop("events", FIRST, [*events_of(FIRST), events_of(FIRST)[1]])
    bare.ingest("events", DayRange(FIRST, FIRST))
    result = bare.evaluate("raw.raw_events", DayRange(FIRST, FIRST))["event_ids_are_unique"]
    assert_fails(result, days=[FIRST], naming="duplicate_event_id", severity=WARN)


@pytest.mark.parametrize("days", [DayRange(FIRST, MIDDLE), DayRange(MIDDLE, MIDDLE)])
def test_an_event_id_that_an_earlier_drop_delivered_warns(bare: Place, days: DayRange) -> None:
    bare.drop("events", FIRST, events_of(FIRST))
    bare.drop("events", MIDDLE, [*events_of(MIDDLE), events_of(FIRST)[1]])
    bare.ingest("events", DayRange(FIRST, MIDDLE))
    result = bare.evaluate("raw.raw_events", days)["event_ids_are_unique"]
    assert_fails(result, days=[MIDDLE], naming="2024-04-01-a", severity=WARN)
    assert result.metadata["failing_count"].value == 1


def test_one_event_id_on_two_stored_rows_of_a_drop_is_an_error(place: Place) -> None:
    place.rewrite_raw("raw_events", MIDDLE, pl.lit("same").alias("event_id"))
    result = place.evaluate("raw.raw_events")["event_ids_are_unique"]
    assert_fails(result, days=[MIDDLE], naming="same", severity=ERROR)


def without_id(lines: Sequence[str]) -> list[str]:
    return [line.partition(",")[2] for line in lines]


@pytest.mark.parametrize("days", [DayRange(FIRST, MIDDLE), DayRange(MIDDLE, MIDDLE)])
def test_events_without_id_that_are_alike_warn(bare: Place, days: DayRange) -> None:
    first, second = without_id(events_of(FIRST)), without_id(events_of(MIDDLE))
    bare.drop("events", FIRST, first)
    alike = [second[1], second[1], first[2]]
    almost = second[1].replace(",3,5", ",3,4")
    bare.drop("events", MIDDLE, [*second, *alike, almost])
    bare.ingest("events", DayRange(FIRST, MIDDLE))
    result = bare.evaluate("raw.raw_events", days)["events_without_id_differ"]
    assert_fails(result, days=[MIDDLE], naming="u1", severity=WARN)
    assert result.metadata["failing_count"].value == 3


def test_a_title_outside_the_known_set_warns(bare: Place) -> None:
    bare.drop("users", FIRST, [*USERS, "u4,2024-01-05,Of Counsel", "u5,2024-01-05,"])
    bare.ingest("users", DayRange(FIRST, FIRST))
    result = bare.evaluate("raw.raw_users", DayRange(FIRST, FIRST))["titles_are_known"]
    assert_fails(result, days=[FIRST], naming="u4 | Of Counsel", severity=WARN)
    assert result.metadata["failing_count"].value == 2


@pytest.mark.parametrize(
    ("source", "table", "lines"),
    [
        ("users", "raw.raw_users", [*USERS, "u1,2024-01-05,Associate"]),
        ("firms", "raw.raw_firms", [*FIRMS, "f1,2023-01-01,11,600"]),
    ],
)
def test_two_rows_of_one_key_in_a_snapshot_warn(
    bare: Place, source: str, table: str, lines: Sequence[str]
) -> None:
    bare.drop(source, FIRST, lines)
    bare.ingest(source, DayRange(FIRST, FIRST))
    result = bare.evaluate(table, DayRange(FIRST, FIRST))["one_row_per_key_and_day"]
    assert_fails(result, days=[FIRST], naming="superseded", severity=WARN)


def test_volume_is_compared_with_the_same_weekdays(bare: Place) -> None:
    monday = date(2024, 4, 1)
    sizes = {0: 90, 7: 10, 14: 11, 21: 12, 28: 10, 35: 4}
    for offset, size in sizes.items():
        bare.drop("users", monday + timedelta(days=offset), many_users(size))
    bare.drop("users", monday + timedelta(days=34), many_users(1))
    bare.ingest("users", DayRange(monday, monday + timedelta(days=35)))
    days = DayRange(monday + timedelta(days=28), monday + timedelta(days=35))
    result = bare.evaluate("raw.raw_users", days)["volume_is_usual"]
    assert_fails(result, days=[days.last], naming="| 4 | 10.50 |", severity=WARN)
    assert result.metadata["days_with_a_day_to_compare"].value == 2


def test_events_redelivered_late_are_summed_once_on_both_sides(bare: Place) -> None:
    bare.drop("users", FIRST, USERS)
    bare.drop("firms", FIRST, FIRMS)
    bare.drop("events", FIRST, events_of(FIRST))
    late = f"late,{FIRST} 23:59:59,f1,u1,VAULT,7,5"
    bare.drop("events", MIDDLE, [*events_of(MIDDLE), events_of(FIRST)[1], late])
    days = DayRange(FIRST, MIDDLE)
    assert bare.run(days).success
    assert bare.evaluate(ACTIVITY, days)["activity_equals_events"].passed
    bare.sql(f"update {ACTIVITY} set documents = documents + 3 where date = '{FIRST}'")
    result = bare.evaluate(ACTIVITY, days)["activity_equals_events"]
    assert_fails(result, days=[FIRST], naming="documents | 13 | 22")


def test_rows_of_a_bulk_export_are_conserved_day_by_day(bare: Place) -> None:
    bare.landing.mkdir()
    lines = [*events_of(FIRST), *events_of(LAST)[1:], f"x,{LAST},f1,,VAULT,1,", "y,soon,f1,u1,,1,"]
    (bare.landing / "events.csv").write_text("\n".join(lines) + "\n")
    bare.ingest("events")
    assert bare.evaluate("raw.raw_events")["rows_are_conserved"].passed
    bare.sql(f"delete from raw.quarantine where drop_date = '{LAST}'")
    result = bare.evaluate("raw.raw_events")["rows_are_conserved"]
    assert_fails(result, days=[LAST], naming=str(LAST))


# --- days and runs -------------------------------------------------------------------------------


@pytest.mark.parametrize("table", [checks.table for checks in all_table_checks()])
def test_a_sane_table_passes_over_a_range_a_day_and_without_days(place: Place, table: str) -> None:
    partitions = 1 if TABLES[table].is_monthly else 3
    for days, count in ((DAYS, partitions), (DayRange(LAST, LAST), 1), (None, partitions)):
        results = place.evaluate(table, days)
        assert [name for name, result in results.items() if not result.passed] == []
        assert {result.metadata["evaluated_days"].value for result in results.values()} == {count}


@pytest.mark.parametrize("table", [checks.table for checks in all_table_checks()])
def test_nothing_passes_for_a_day_that_was_never_run(place: Place, table: str) -> None:
    never = date(2024, 5, 1)
    for result in place.evaluate(table, DayRange(never, never)).values():
        assert not result.passed
        assert result.metadata["days_never_run"].value == [str(never)]


@pytest.mark.parametrize("table", [checks.table for checks in all_table_checks()])
def test_nothing_passes_in_a_warehouse_without_days(bare: Place, table: str) -> None:
    bare.landing.mkdir()
    for result in bare.evaluate(table, None).values():
        assert not result.passed
        assert result.description == "No day of this table was ever run."


def test_an_empty_day_that_was_run_passes(bare: Place) -> None:
    bare.landing.mkdir()
    bare.drop("events", FIRST, [EVENT_HEADER])
    days = DayRange(FIRST, FIRST)
    assert bare.run(days).success
    for table in (ACTIVITY, ENGAGEMENT, SUMMARY, DASHBOARD):
        results = bare.evaluate(table, days)
        assert [name for name, result in results.items() if not result.passed] == []


def test_a_blocking_failure_stops_what_is_downstream_in_the_same_run(bare: Place) -> None:
    for day, count in ((FIRST, 10), (MIDDLE, 3)):
        bare.drop("users", day, many_users(count))
        bare.drop("firms", day, FIRMS)
        bare.drop("events", day, events_of(day))
    result = bare.run(DayRange(FIRST, MIDDLE))
    assert not result.success
    assert "snapshot_is_not_shrunken" in result.failed_checks
    assert result.steps("STEP_FAILURE") == {"raw__raw_users_checks"}
    started = result.steps("STEP_START")
    stopped = {
        "core__dim_user",
        "marts__daily_user_engagement",
        "marts__harvey_analytics_dashboard",
        "marts__usage_by_segment",
    }
    assert not started & stopped
    assert result.steps("STEP_SUCCESS") >= {"core__dim_firms", "marts__daily_event_summary"}


def test_a_warning_stops_nothing(bare: Place) -> None:
    bare.drop("users", FIRST, [*USERS, "u4,2024-01-05,Of Counsel"])
    bare.drop("firms", FIRST, FIRMS)
    bare.drop("events", FIRST, events_of(FIRST))
    result = bare.run(DayRange(FIRST, FIRST))
    assert result.failed_checks == ["titles_are_known"]
    assert result.success


@pytest.mark.parametrize(
    ("tags", "failing", "evaluated"),
    [
        ({"dagster/partition": "2024-04-02"}, ["2024-04-02"], 1),
        ({"dagster/partition": "2024-04-03"}, None, 1),
        (range_tags(DAYS), ["2024-04-02"], 3),
        ({}, ["2024-04-02"], 3),
    ],
)
def test_checks_run_alone_take_their_days_from_the_run(
    place: Place, tags: dict[str, str], failing: list[str] | None, evaluated: int
) -> None:
    place.sql(*spoil(SUMMARY, "vault_events = 9", DAY))
    [checks] = [one for one in all_table_checks() if one.table == SUMMARY]
    definitions = dg.Definitions(
        asset_checks=[declare_checks(checks)],
        jobs=[dg.define_asset_job("checks", dg.AssetSelection.all_asset_checks())],
        resources={"warehouse": place.warehouse, "raw_store": place.raw_store},
    )
    result = definitions.resolve_job_def("checks").execute_in_process(
        instance=dg.DagsterInstance.ephemeral(tempdir=str(place.root)),
        tags=tags,
        raise_on_error=False,
    )
    [found] = [
        one
        for one in result.get_asset_check_evaluations()
        if one.check_name == "events_add_up_by_type"
    ]
    assert found.metadata["evaluated_days"].value == evaluated
    assert found.passed == (failing is None)
    if failing is not None:
        assert found.metadata["failing_days"].value == failing


def test_an_exception_is_not_swallowed(place: Place) -> None:
    place.sql(f"drop table {SUMMARY}", f"create table {SUMMARY} (date date)")
    with pytest.raises(Exception, match="was made by another version"):
        place.evaluate(SUMMARY)


def test_a_check_that_is_not_evaluated_is_an_error() -> None:
    report = Report(SUMMARY, [Check("holds", "It holds.")], [FIRST])
    with pytest.raises(ValueError, match=r"holds of marts\.daily_event_summary was not evaluated"):
        list(report.results())


def test_every_asset_with_a_table_has_its_contract_checked() -> None:
    assets = {
        ".".join(key.path)
        for definition in dg.load_assets_from_modules([raw, core, marts, months])
        if isinstance(definition, dg.AssetsDefinition)
        for key in definition.keys
    }
    checked = {checks.table: {one.name for one in checks.checks} for checks in all_table_checks()}
    assert assets <= set(checked)
    for table, names in checked.items():
        assert names >= {check.name for check in contract_of(table).checks}


def test_the_contract_has_a_check_for_every_rule_of_the_schema() -> None:
    assert [check.name for check in contract_of(SUMMARY).checks] == [
        "key_is_unique",
        "required_columns_present",
        "events_add_up_by_type",
        "values_within_bounds",
    ]
    assert all(check.is_blocking for check in contract_of(SUMMARY).checks)


# --- parts ---------------------------------------------------------------------------------------


def test_blocks_hold_whole_days_and_lose_none() -> None:
    days = [FIRST + timedelta(days=offset) for offset in range(5)]
    rows = dict(zip(days, (3, 4, 9, 0, 2), strict=True))
    assert list(blocks_of_days(days, rows, block_rows=8)) == [
        DayRange(days[0], days[1]),
        DayRange(days[2], days[2]),
        DayRange(days[3], days[4]),
    ]
    assert list(blocks_of_days([], rows)) == []


def test_repeated_rows_are_told_by_the_whole_key() -> None:
    rows = pl.DataFrame({"a": [1, 1, 2, 1], "b": ["x", "y", "x", "x"]})
    assert repeated_rows(rows, ["a", "b"]).rows() == [(1, "x"), (1, "x")]
    assert repeated_rows(rows, ["b"]).height == 3
    assert repeated_rows(rows.head(0), ["a"]).is_empty()


def test_failing_days_and_examples_are_few_but_the_count_is_whole() -> None:
    report = Report(SUMMARY, [Check("holds", "It holds.")], [FIRST])
    days = [FIRST + timedelta(days=offset) for offset in range(40)]
    for day in days:
        report.add("holds", pl.DataFrame({"date": [day] * 3, "key": ["k"] * 3}))
    [result] = report.results()
    assert result.metadata["failing_count"].value == 120
    assert result.metadata["failing_day_count"].value == 40
    assert len(result.metadata["failing_days"].value) == 20  # type: ignore[arg-type]
    assert str(result.metadata["examples"].value).count("| k |") == 3
