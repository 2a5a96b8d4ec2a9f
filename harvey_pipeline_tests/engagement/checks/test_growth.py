"""Checks of growth and of calendar months: each fails for its own reason, and names whom and when.

Every fault here makes just the check fail that it is about, and those that cannot but follow.
That the tables pass before is said by the tests of sane ones, here and in `checks/test_declare.py`.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from itertools import product
from typing import Final

import dagster as dg
import pytest

from harvey_pipeline.checks.report import ERROR, WARN
from harvey_pipeline.warehouse.days import DayRange
from harvey_pipeline_tests.places import (
    DAYS,
    EVENT_HEADER,
    FIRST,
    LAST,
    MIDDLE,
    PLANS,
    Place,
    assert_fails,
    blank,
    events_of,
    repeat,
    spoil,
)

pytest_plugins = ["harvey_pipeline_tests.place_fixtures"]

ACTIVITY = "core.user_daily_activity"
BEGUN = "core.first_activity"
SEGMENTS = "marts.usage_by_segment"
GROWTH = "marts.growth_accounting"
ACTIVE = "marts.active_usage"
CURVE = "marts.power_curve"
USERS = "months.user_engagement"
FIRMS = "months.firm_usage_summary"
COHORTS = "months.retention_cohorts"

DAILY = (BEGUN, SEGMENTS, GROWTH, ACTIVE, CURVE)
MONTHLY = (USERS, FIRMS, COHORTS)

MARCH, APRIL, MAY = date(2024, 3, 1), date(2024, 4, 1), date(2024, 5, 1)
SPRING = DayRange(MARCH, MAY)

DAY = "date = '2024-04-02'"
U1, U2, U3 = (f"user_id = 'u{number}'" for number in (1, 2, 3))
F1, F2 = (f"firm_id = 'f{number}'" for number in (1, 2))


@dataclass(frozen=True)
class Fault:
    """What spoils a table, the check that must fail of it, and those that fail with it.

    Findings are about `day`; they name `naming`.
    """

    table: str
    check: str
    statements: tuple[str, ...]
    naming: str
    also: tuple[str, ...] = ()
    day: date | None = MIDDLE
    severity: dg.AssetCheckSeverity = ERROR

    def __str__(self) -> str:
        return f"{self.table}-{self.check}-{self.naming}"

    def assert_found(self, place: Place, days: DayRange | None) -> None:
        results = place.evaluate(self.table, days)
        failing = {name for name, result in results.items() if not result.passed}
        assert failing == {self.check, *self.also}
        assert_fails(
            results[self.check],
            days=[] if self.day is None else [self.day],
            naming=self.naming,
            severity=self.severity,
        )


def never_computed(table: str) -> list[str]:
    """Take from the warehouse's record that a table was ever computed."""
    return [
        f"delete from meta.{name} where table_name = '{table}'" for name in ("commits", "computed")
    ]


def nobody(grain: str = "user", segment: str = "user_role", value: str = "'Nobody'") -> str:
    """A part of a day in which nothing is counted, as SQL that adds it."""
    counts = ("dau", "wau", "mau", "active", "previous_active", "new", "retained", "resurrected")
    zeros = ", ".join(f"0 as {name}" for name in (*counts, "churned"))
    return (
        f"insert into {SEGMENTS} by name select date '{MIDDLE}' as date, '{grain}' as grain, "
        f"'{segment}' as segment, {value} as segment_value, {zeros}"
    )


def parts_and_whole(table: str, change: str) -> tuple[str, ...]:
    """The same change to the associates, who are one user, and to the whole of users."""
    return (
        *spoil(SEGMENTS, change, f"{DAY} and segment_value = 'Associate'"),
        *spoil(table, change, f"{DAY} and grain = 'user'"),
    )


PARTNER = f"{DAY} and segment_value = 'Partner'"
ENTRY_LEVEL = f"{DAY} and segment_value = 'Entry Level'"
USER = f"{DAY} and grain = 'user'"
POINT = f"{DAY} and window_days = 7 and active_days"

DAILY_FAULTS = [
    # first activity
    Fault(
        BEGUN,
        "key_is_unique",
        repeat(BEGUN, "entity_id = 'u2'"),
        "2024-04-01 | user | u2",
        (),
        FIRST,
    ),
    Fault(
        BEGUN,
        "required_columns_present",
        blank(BEGUN, "entity_id", "entity_id = 'u2'"),
        "entity_id",
        ("first_activity_is_first",),
        FIRST,
    ),
    Fault(
        BEGUN,
        "required_columns_present",
        blank(BEGUN, "first_activity_date", "entity_id = 'f2'"),
        "f2 | first_activity_date",
        ("first_activity_is_first",),
        None,
    ),
    Fault(
        BEGUN,
        "values_within_bounds",
        spoil(BEGUN, "grain = 'team'", "entity_id = 'u2'"),
        "team",
        ("first_activity_is_first",),
        FIRST,
    ),
    Fault(
        BEGUN,
        "first_activity_is_first",
        (f"delete from {BEGUN} where entity_id = 'f2'",),
        "2024-04-01 | firm | f2",
        (),
        FIRST,
    ),
    Fault(
        BEGUN,
        "first_activity_is_first",
        spoil(BEGUN, "first_activity_date = '2024-04-03'", "entity_id = 'u2'"),
        "2024-04-01 | user | u2 | 2024-04-03",
        (),
        FIRST,
    ),
    Fault(
        BEGUN,
        "first_activity_is_first",
        spoil(BEGUN, "first_activity_date = '2024-05-09'", "entity_id = 'u2'"),
        "2024-04-01 | user | u2",
        (),
        FIRST,
    ),
    Fault(
        BEGUN,
        "first_activity_is_first",
        (f"insert into {BEGUN} values ('user', 'u9', '2024-04-02')",),
        "2024-04-02 | user | u9 | 2024-04-02",
    ),
    Fault(
        BEGUN,
        "first_activity_is_first",
        (f"delete from {ACTIVITY} where date = '2024-04-01' and user_id = 'u2'",),
        "2024-04-02 | user | u2 | 2024-04-01",
    ),
    # usage by segment
    Fault(
        SEGMENTS, "key_is_unique", (nobody(), nobody()), "2024-04-02 | user | user_role | Nobody"
    ),
    Fault(
        SEGMENTS,
        "key_is_unique",
        (nobody(value="null"), nobody(value="null")),
        "2024-04-02 | user | user_role |  |",
    ),
    Fault(
        SEGMENTS,
        "required_columns_present",
        (nobody(), *blank(SEGMENTS, "dau", "segment_value = 'Nobody'")),
        "Nobody | dau",
    ),
    Fault(SEGMENTS, "values_within_bounds", spoil(SEGMENTS, "stickiness = 120", PARTNER), "120"),
    Fault(SEGMENTS, "values_within_bounds", (nobody(grain="team"),), "team"),
    Fault(
        SEGMENTS,
        "values_within_bounds",
        (nobody(segment="shoe_size"),),
        "shoe_size",
    ),
    Fault(SEGMENTS, "segment_belongs_to_grain", (nobody("user", "arr_tier"),), "user | arr_tier"),
    Fault(SEGMENTS, "segment_belongs_to_grain", (nobody("firm", "user_role"),), "firm | user_role"),
    Fault(SEGMENTS, "actives_nest", spoil(SEGMENTS, "wau = 0", PARTNER), "Partner"),
    Fault(
        SEGMENTS,
        "active_is_new_retained_or_resurrected",
        spoil(SEGMENTS, "retained = 1", PARTNER),
        "Partner",
    ),
    Fault(
        SEGMENTS,
        "change_is_gains_less_losses",
        spoil(SEGMENTS, "churned = 1", PARTNER),
        "Partner",
    ),
    Fault(
        SEGMENTS,
        "segments_sum_to_whole",
        spoil(SEGMENTS, "dau = 0", PARTNER),
        "user | user_role | dau | 3 | 2",
    ),
    Fault(
        SEGMENTS,
        "segments_sum_to_whole",
        spoil(SEGMENTS, "new = 0, resurrected = 1", PARTNER),
        "user | user_role | new | 3 | 2",
    ),
    Fault(
        SEGMENTS,
        "segments_sum_to_whole",
        spoil(SEGMENTS, "mau = 2", ENTRY_LEVEL),
        "firm | arr_tier | mau | 2 | 3",
    ),
    Fault(
        SEGMENTS,
        "segments_sum_to_whole",
        spoil(SEGMENTS, "previous_active = 1, churned = 1", ENTRY_LEVEL),
        "firm | arr_tier | previous_active | 0 | 1",
    ),
    Fault(
        SEGMENTS,
        "segments_sum_to_whole",
        (f"delete from {SEGMENTS} where {ENTRY_LEVEL}",),
        "firm | arr_tier | dau | 2 | 1",
    ),
    Fault(
        SEGMENTS,
        "segments_sum_to_whole",
        (f"delete from {SEGMENTS} where {DAY}",),
        "firm | arr_tier | dau | 2 | 0",
    ),
    # growth accounting
    Fault(GROWTH, "key_is_unique", repeat(GROWTH, USER), "2024-04-02 | user"),
    Fault(
        GROWTH,
        "required_columns_present",
        blank(GROWTH, "churned", USER),
        "churned",
        ("segments_sum_to_growth",),
    ),
    Fault(GROWTH, "values_within_bounds", spoil(GROWTH, "growth_rate = -150", USER), "-150"),
    Fault(
        GROWTH,
        "active_is_new_retained_or_resurrected",
        parts_and_whole(GROWTH, "retained = retained + 1"),
        "2024-04-02 | user",
    ),
    Fault(
        GROWTH,
        "change_is_gains_less_losses",
        parts_and_whole(GROWTH, "churned = churned + 1"),
        "2024-04-02 | user",
    ),
    Fault(
        GROWTH,
        "history_is_short_by_coverage",
        spoil(GROWTH, "is_history_short = false", USER),
        "2024-04-02 | user | False | 2024-04-01",
    ),
    Fault(
        GROWTH,
        "history_is_short_by_coverage",
        parts_and_whole(GROWTH, "new = new - 1, resurrected = resurrected + 1"),
        "2024-04-02 | user | True | 2024-04-01 | 1",
    ),
    Fault(
        GROWTH,
        "segments_sum_to_growth",
        spoil(GROWTH, "churned = 1, previous_active = 1", USER),
        "user | user_role | previous_active | 0 | 1",
    ),
    Fault(
        GROWTH,
        "segments_sum_to_growth",
        (f"delete from {SEGMENTS} where {ENTRY_LEVEL}",),
        "firm | arr_tier | active | 1 | 2",
    ),
    Fault(
        GROWTH,
        "segments_sum_to_growth",
        (f"delete from {GROWTH} where {USER}",),
        "user | user_role | active | 3",
    ),
    # active usage
    Fault(ACTIVE, "key_is_unique", repeat(ACTIVE, USER), "2024-04-02 | user"),
    Fault(
        ACTIVE,
        "required_columns_present",
        blank(ACTIVE, "mau", USER),
        "mau",
        ("segments_sum_to_active",),
    ),
    Fault(ACTIVE, "values_within_bounds", spoil(ACTIVE, "stickiness = 101", USER), "101"),
    Fault(ACTIVE, "actives_nest", parts_and_whole(ACTIVE, "wau = wau + 1"), "2024-04-02 | user"),
    Fault(
        ACTIVE,
        "segments_sum_to_active",
        spoil(ACTIVE, "mau = 4", USER),
        "user | user_role | mau | 3 | 4",
    ),
    Fault(
        ACTIVE,
        "segments_sum_to_active",
        (f"delete from {ACTIVE} where {DAY}",),
        "firm | arr_tier | dau | 2",
    ),
    # power curve
    Fault(
        CURVE,
        "key_is_unique",
        repeat(CURVE, f"{POINT} = 5"),
        "2024-04-02 | 7 | 5",
        ("curve_equals_activity",),
    ),
    Fault(
        CURVE,
        "required_columns_present",
        blank(CURVE, "users", f"{POINT} = 5"),
        "5 | users",
    ),
    Fault(
        CURVE, "values_within_bounds", spoil(CURVE, "users_percent = 101", f"{POINT} = 2"), "101"
    ),
    Fault(
        CURVE,
        "values_within_bounds",
        spoil(CURVE, "window_days = 14", f"{DAY} and window_days = 28"),
        "window_days | 14",
        ("curve_equals_activity", "active_days_within_window"),
    ),
    Fault(
        CURVE,
        "active_days_within_window",
        spoil(CURVE, "active_days = 8", f"{POINT} = 7"),
        "2024-04-02 | 7 | 8",
    ),
    Fault(
        CURVE,
        "curve_equals_activity",
        spoil(CURVE, "users = 4", f"{POINT} = 2"),
        "2024-04-02 | 7 | user_days | 6 | 8",
    ),
    Fault(
        CURVE,
        "curve_equals_activity",
        (f"delete from {CURVE} where {DAY}",),
        "2024-04-02 | 7 | user_days | 6",
    ),
]


@pytest.mark.parametrize("fault", DAILY_FAULTS, ids=str)
def test_a_fault_of_a_day_fails_its_check(place: Place, fault: Fault) -> None:
    place.sql(*fault.statements)
    fault.assert_found(place, DAYS)


@pytest.mark.parametrize(
    "fault",
    [
        fault
        for fault in DAILY_FAULTS
        if fault.table != BEGUN and fault.check.startswith(("key", "segments", "curve"))
    ],
    ids=str,
)
def test_a_fault_of_another_day_is_not_found(place: Place, fault: Fault) -> None:
    place.sql(*fault.statements)
    assert place.failing(fault.table, DayRange(LAST, LAST)) == []


def scored(weight: str, value: int, score: int) -> tuple[str, ...]:
    """Another weight for the first user, with the score that goes with it."""
    return spoil(USERS, f"{weight} = {value}, power_user_score = {score}", U1)


def of_april(
    table: str,
    check: str,
    statements: tuple[str, ...],
    naming: str,
    also: tuple[str, ...] = (),
    severity: dg.AssetCheckSeverity = ERROR,
) -> Fault:
    return Fault(table, check, statements, naming, also, APRIL, severity)


MONTH_FAULTS = [
    # users
    of_april(USERS, "key_is_unique", spoil(USERS, "user_id = 'u1'", U2), "2024-04-01 | u1"),
    of_april(USERS, "required_columns_present", blank(USERS, "firm_id", U2), "u2 | firm_id"),
    of_april(
        USERS, "required_columns_present", blank(USERS, "engagement_level", U2), "engagement_level"
    ),
    of_april(USERS, "values_within_bounds", spoil(USERS, "avg_feedback_score = 6", U2), "u2 | avg"),
    of_april(
        USERS, "values_within_bounds", spoil(USERS, "power_user_tier = 'Super User'", U2), "Super"
    ),
    of_april(USERS, "values_within_bounds", spoil(USERS, "engagement_level = 'huge'", U2), "huge"),
    of_april(
        USERS,
        "last_active_date_in_month",
        spoil(USERS, "last_active_date = '2024-03-31'", U2),
        "2024-04-01 | u2",
    ),
    of_april(
        USERS,
        "queries_add_up_by_type",
        (
            *spoil(USERS, "num_vault_queries = num_vault_queries - 1", U1),
            *spoil(USERS, "num_vault_queries = num_vault_queries + 1", U2),
        ),
        "2024-04-01 | u2",
    ),
    of_april(
        USERS,
        "score_equals_components",
        spoil(USERS, "power_user_score = 40", U1),
        "2024-04-01 | u1",
    ),
    of_april(
        USERS,
        "tier_agrees_with_score",
        spoil(USERS, "power_user_tier = 'Power User'", U1),
        "2024-04-01 | u1",
    ),
    of_april(
        USERS,
        "engagement_score_equals_ranks",
        spoil(USERS, "engagement_score = engagement_score + 0.000001", U2),
        "2024-04-01 | u2",
    ),
    *(
        of_april(
            USERS,
            "level_agrees_with_rank",
            spoil(USERS, f"engagement_level = '{level}'", user),
            f"2024-04-01 | {name}",
        )
        for level, user, name in (
            ("medium", U1, "u1"),
            ("high", U2, "u2"),
            ("low", U2, "u2"),
            ("medium", U3, "u3"),
        )
    ),
    of_april(
        USERS,
        "power_users_are_high_and_broad",
        spoil(USERS, "is_power_user = true, unique_event_types = 2", U2),
        "2024-04-01 | u2",
        ("labels_agree_with_thresholds", "power_users_were_active_before"),
    ),
    of_april(
        USERS,
        "power_users_were_active_before",
        spoil(USERS, "is_power_user = not is_power_user", U1),
        "2024-04-01 | u1",
    ),
    of_april(
        USERS,
        "power_users_are_high_and_broad",
        spoil(
            USERS,
            "is_power_user = true, unique_event_types = 1, feature_breadth_weight = 40, "
            "power_user_score = 32, power_user_tier = 'Low Value User'",
            U1,
        ),
        "2024-04-01 | u1",
        ("power_users_were_active_before",),
    ),
    *(
        of_april(
            USERS,
            "labels_agree_with_thresholds",
            scored(weight, value, score),
            f"2024-04-01 | u1 | {weight} | {value}",
        )
        for weight, value, score in (
            ("active_days_weight", 60, 57),
            ("document_volume_weight", 60, 47),
            ("feature_breadth_weight", 100, 50),
        )
    ),
    *(
        of_april(
            USERS,
            "totals_equal_activity",
            spoil(USERS, change, U1),
            f"2024-04-01 | {figure}",
        )
        for change, figure in (
            ("num_docs = 17", "num_docs | 18 | 20"),
            (
                "num_queries = 7, num_vault_queries = num_vault_queries + 1",
                "num_queries | 12 | 13",
            ),
            (
                "num_assistant_queries = 2, num_workflow_queries = 1",
                "num_assistant_queries | 6 | 5",
            ),
        )
    ),
    of_april(
        USERS,
        "totals_equal_activity",
        (f"delete from {USERS} where {U3}",),
        "2024-04-01 | active_users | 3 | 2",
    ),
    of_april(
        USERS,
        "totals_equal_activity",
        (f"delete from {USERS}",),
        "2024-04-01 | active_users | 3 |",
    ),
    # firms
    of_april(
        FIRMS,
        "key_is_unique",
        spoil(FIRMS, "firm_id = 'f1'", F2),
        "2024-04-01 | f1",
    ),
    of_april(
        FIRMS,
        "required_columns_present",
        blank(FIRMS, "num_active_days", F1),
        "f1 | num_active_days",
    ),
    of_april(FIRMS, "values_within_bounds", spoil(FIRMS, "seat_utilization = -1", F1), "-1"),
    of_april(FIRMS, "values_within_bounds", spoil(FIRMS, "num_active_days = 32", F1), "32"),
    of_april(
        FIRMS,
        "queries_add_up_by_type",
        (
            *spoil(FIRMS, "num_vault_queries = num_vault_queries - 1", F1),
            *spoil(FIRMS, "num_vault_queries = num_vault_queries + 1", F2),
        ),
        "2024-04-01 | f1",
    ),
    of_april(
        FIRMS,
        "totals_equal_activity",
        spoil(FIRMS, "num_active_users = 1", F1),
        "2024-04-01 | active_users | 3 | 2",
    ),
    of_april(
        FIRMS,
        "totals_equal_activity",
        (f"delete from {FIRMS}",),
        "2024-04-01 | num_queries | 12 |",
    ),
    of_april(
        FIRMS,
        "active_users_within_seats",
        spoil(FIRMS, "firm_size = 1", F1),
        "2024-04-01 | f1 | 1 | 2",
        severity=WARN,
    ),
]


@pytest.mark.parametrize("fault", MONTH_FAULTS, ids=str)
def test_a_fault_of_a_month_fails_its_check(place: Place, fault: Fault) -> None:
    place.sql(*fault.statements)
    fault.assert_found(place, DAYS)
    fault.assert_found(place, None)


def cell(grain: str, cohort: date, months_since: int) -> str:
    return f"grain = '{grain}' and cohort_month = '{cohort}' and months_since = {months_since}"


OPEN_CELL = cell("user", MARCH, 2)
RETURNED = cell("user", MARCH, 1)
STARTED = cell("user", APRIL, 0)

COHORT_FAULTS = [
    # The contract names the month of the cohort, sums name the month of activity.
    Fault(COHORTS, "key_is_unique", repeat(COHORTS, OPEN_CELL), "2024-03-01 | user | 2", (), MARCH),
    Fault(
        COHORTS,
        "required_columns_present",
        blank(COHORTS, "is_complete", OPEN_CELL),
        "is_complete",
        ("cohorts_equal_first_activity",),
        MARCH,
    ),
    Fault(
        COHORTS,
        "values_within_bounds",
        spoil(COHORTS, "retention_rate = 101", RETURNED),
        "101",
        (),
        MARCH,
    ),
    Fault(
        COHORTS,
        "values_within_bounds",
        spoil(COHORTS, "grain = 'team'", OPEN_CELL),
        "team",
        ("cohorts_equal_first_activity",),
        MARCH,
    ),
    Fault(
        COHORTS,
        "months_start_on_their_first",
        spoil(COHORTS, "cohort_month = '2024-03-02'", OPEN_CELL),
        "2024-03-02 | user | 2",
        ("cohorts_equal_first_activity",),
        date(2024, 3, 2),
    ),
    Fault(
        COHORTS,
        "months_start_on_their_first",
        spoil(COHORTS, "activity_month = '2024-05-02'", OPEN_CELL),
        "2024-03-01 | user | 2",
        ("cohorts_equal_first_activity",),
        MARCH,
    ),
    Fault(
        COHORTS,
        "activity_month_follows_cohort",
        spoil(COHORTS, "months_since = 14", OPEN_CELL),
        "2024-03-01 | user | 14",
        (),
        MARCH,
    ),
    Fault(
        COHORTS,
        "incomplete_cells_are_null",
        spoil(COHORTS, "retained = 1", OPEN_CELL),
        "2024-03-01 | user | 2",
        (),
        MARCH,
    ),
    Fault(
        COHORTS,
        "incomplete_cells_are_null",
        spoil(COHORTS, "retention_rate = 50", OPEN_CELL),
        "2024-03-01 | user | 2",
        (),
        MARCH,
    ),
    Fault(
        COHORTS,
        "incomplete_cells_are_null",
        spoil(COHORTS, "retained = null", RETURNED),
        "2024-03-01 | user | 1",
        ("retained_sum_to_active",),
        MARCH,
    ),
    Fault(
        COHORTS,
        "retained_within_cohort",
        spoil(COHORTS, "retained = 3", RETURNED),
        "2024-03-01 | user | 1",
        ("retained_sum_to_active",),
        MARCH,
    ),
    Fault(
        COHORTS,
        "cohort_is_active_in_its_month",
        (*spoil(COHORTS, "retained = 1", STARTED), *spoil(COHORTS, "retained = 2", RETURNED)),
        "2024-04-01 | user | 0",
        (),
        APRIL,
    ),
    Fault(
        COHORTS,
        "cohorts_equal_first_activity",
        spoil(COHORTS, "cohort_size = 3", RETURNED),
        "2024-04-01 | user | 2024-03-01 | cohort_size | 2 | 3",
        (),
        APRIL,
    ),
    Fault(
        COHORTS,
        "cohorts_equal_first_activity",
        spoil(COHORTS, "is_first_month = false", RETURNED),
        "2024-04-01 | user | 2024-03-01 | is_first_month | true | false",
        (),
        APRIL,
    ),
    Fault(
        COHORTS,
        "cohorts_equal_first_activity",
        (f"delete from {COHORTS} where {OPEN_CELL}",),
        "2024-05-01 | user | 2024-03-01 | cohort_size | 2",
        (),
        MAY,
    ),
    Fault(
        COHORTS,
        "cohorts_equal_first_activity",
        (f"insert into {BEGUN} values ('user', 'u9', '2024-05-01')",),
        "2024-05-01 | user | 2024-05-01 | cohort_size | 1",
        (),
        MAY,
    ),
    Fault(
        COHORTS,
        "retained_sum_to_active",
        spoil(COHORTS, "retained = 2", RETURNED),
        "2024-04-01 | user | retained | 3 | 4",
        (),
        APRIL,
    ),
    Fault(
        COHORTS,
        "retained_sum_to_active",
        (f"delete from {FIRMS} where activity_month = '2024-04-01' and firm_id = 'f1'",),
        "2024-04-01 | firm | retained | 1 | 2",
        (),
        APRIL,
    ),
    Fault(
        COHORTS,
        "retained_sum_to_active",
        (f"delete from {USERS} where activity_month = '2024-03-01'",),
        "2024-03-01 | user | retained |",
        (),
        MARCH,
    ),
]


@pytest.mark.parametrize("fault", COHORT_FAULTS, ids=str)
def test_a_fault_of_a_cohort_fails_its_check(spring: Place, fault: Fault) -> None:
    spring.sql(*fault.statements)
    fault.assert_found(spring, SPRING)


def test_a_month_that_does_not_start_on_its_first_fails(spring: Place) -> None:
    for table, others in (
        (USERS, {"last_active_date_in_month", "totals_equal_activity"}),
        (FIRMS, {"totals_equal_activity"}),
    ):
        spring.sql(*spoil(table, "activity_month = '2024-04-02'", "activity_month = '2024-04-01'"))
        for days in (SPRING, None):
            results = spring.evaluate(table, days)
            found = results["month_starts_on_its_first"]
            assert_fails(found, days=[MIDDLE], naming="2024-04-02")
            failing = {name for name, result in results.items() if not result.passed}
            assert failing == {"month_starts_on_its_first", *others}


# --- windows -------------------------------------------------------------------------------------


def note_run(table: str, first: date, last: date | None = None) -> str:
    """The record that some days, or months, of a table are written."""
    return (
        f"insert into meta.commits select max(generation) + 1, '{table}', '{first}', "
        f"'{last or first}', now()::timestamp from meta.commits"
    )


def test_segments_name_every_earlier_day_of_history_that_was_not_run(place: Place) -> None:
    long_ago, lately = date(2023, 6, 1), date(2024, 3, 1)
    place.drop("events", long_ago, events_of(long_ago))
    result = place.evaluate(SEGMENTS)["window_is_complete"]
    named = f"{BEGUN} | 1 | {long_ago}"
    assert_fails(result, days=[FIRST, MIDDLE, LAST], naming=named, severity=WARN)
    assert ACTIVITY not in str(result.metadata["examples"].value)
    place.drop("events", lately, events_of(lately))
    result = place.evaluate(SEGMENTS, DayRange(LAST, LAST))["window_is_complete"]
    named = f"{BEGUN} | 2 | {long_ago}, {lately}"
    assert_fails(result, days=[LAST], naming=named, severity=WARN)
    assert f"{ACTIVITY} | 1 | {lately}" in str(result.metadata["examples"].value)


def test_segments_name_a_day_whose_first_activity_alone_was_not_run(place: Place) -> None:
    day = FIRST - timedelta(days=1)
    place.drop("events", day, events_of(day))
    place.sql(note_run(ACTIVITY, day))
    result = place.evaluate(SEGMENTS)["window_is_complete"]
    assert_fails(result, days=[FIRST, MIDDLE, LAST], naming=f"{BEGUN} | 1 | {day}", severity=WARN)
    assert ACTIVITY not in str(result.metadata["examples"].value)
    place.sql(note_run(BEGUN, day))
    assert place.evaluate(SEGMENTS)["window_is_complete"].passed


@pytest.mark.parametrize(("days_before", "is_in_window"), [(55, True), (56, False)])
def test_segments_read_56_days_of_activity(
    place: Place, days_before: int, is_in_window: bool
) -> None:
    day = LAST - timedelta(days=days_before)
    place.drop("events", day, events_of(day))
    place.sql(note_run(BEGUN, day))
    failing = place.failing(SEGMENTS, DayRange(LAST, LAST))
    assert failing == (["window_is_complete"] if is_in_window else [])


def test_the_curve_names_days_of_28_that_were_not_run(place: Place) -> None:
    day = FIRST - timedelta(days=27)
    place.drop("events", day, events_of(day))
    result = place.evaluate(CURVE)["window_is_complete"]
    assert_fails(result, days=[FIRST], naming=f"{ACTIVITY} | 1 | {day}", severity=WARN)
    assert place.failing(CURVE) == ["window_is_complete"]
    assert place.failing(CURVE, DayRange(MIDDLE, LAST)) == []


@pytest.mark.parametrize(
    ("day", "users", "firms"),
    [
        (date(2024, 4, 4), True, True),
        (date(2024, 4, 30), True, True),
        (date(2024, 3, 31), True, False),
        (date(2024, 3, 1), True, False),
        (date(2024, 2, 29), False, False),
        (date(2024, 5, 1), False, False),
    ],
)
def test_months_name_days_of_theirs_that_were_not_run(
    place: Place, day: date, users: bool, firms: bool
) -> None:
    place.drop("events", day, events_of(day))
    for table, is_named in ((USERS, users), (FIRMS, firms)):
        assert place.failing(table) == (["window_is_complete"] if is_named else [])
        if is_named:
            result = place.evaluate(table)["window_is_complete"]
            naming = f"{APRIL} | {ACTIVITY} | 1 | {day}"
            assert_fails(result, days=[APRIL], naming=naming, severity=WARN)


def test_only_the_months_that_read_a_day_miss_it(spring: Place) -> None:
    day = date(2024, 4, 10)
    spring.sql(
        *never_computed(ACTIVITY),
        note_run(ACTIVITY, date(2024, 3, 30), day - timedelta(days=1)),
        note_run(ACTIVITY, day + timedelta(days=1), date(2024, 5, 2)),
    )
    users = spring.evaluate(USERS, SPRING)["window_is_complete"]
    assert_fails(users, days=[APRIL, MAY], naming=f"{ACTIVITY} | 1 | {day}", severity=WARN)
    firms = spring.evaluate(FIRMS, SPRING)["window_is_complete"]
    assert_fails(firms, days=[APRIL], naming=f"{ACTIVITY} | 1 | {day}", severity=WARN)


def test_growth_is_compared_with_itself_28_days_before(place: Place) -> None:
    place.sql(
        f"insert into {GROWTH} select * replace (date - 28 as date, 0 as active, 0 as new) "
        f"from {GROWTH}"
    )
    assert place.failing(GROWTH) == []
    place.sql(f"update {GROWTH} set active = 2 where date = '2024-03-05' and grain = 'user'")
    result = place.evaluate(GROWTH)["previous_active_were_active"]
    assert_fails(result, days=[MIDDLE], naming="2024-04-02 | user | 0 | 2", severity=WARN)
    assert place.failing(GROWTH) == ["previous_active_were_active"]
    assert place.failing(GROWTH, DayRange(LAST, LAST)) == []


def test_growth_of_a_day_follows_that_of_28_days_before(spring: Place) -> None:
    day = date(2024, 4, 27)
    assert spring.evaluate(GROWTH, DayRange(day, day))["previous_active_were_active"].passed
    spring.sql(f"update {GROWTH} set active = 7 where date = '2024-03-30' and grain = 'user'")
    result = spring.evaluate(GROWTH, DayRange(day, day))["previous_active_were_active"]
    assert_fails(result, days=[day], naming="2024-04-27 | user | 2 | 7", severity=WARN)


def test_history_is_long_enough_once_a_day_55_days_before_is_covered(spring: Place) -> None:
    day = date(2024, 5, 2)
    spring.sql("update raw.drops set drop_date = '2024-03-08' where drop_date = '2024-03-30'")
    assert_fails(
        spring.evaluate(GROWTH, DayRange(day, day))["history_is_short_by_coverage"],
        days=[day],
        naming=f"{day} | user | True | 2024-03-08",
    )
    spring.sql("update raw.drops set drop_date = '2024-03-09' where drop_date = '2024-03-08'")
    assert spring.evaluate(GROWTH, DayRange(day, day))["history_is_short_by_coverage"].passed


# --- days, months and runs -----------------------------------------------------------------------


@pytest.mark.parametrize("table", [*DAILY, *MONTHLY])
def test_three_months_pass(spring: Place, table: str) -> None:
    partitions = 3 if table in MONTHLY else 34
    for days in (DayRange(date(2024, 3, 30), date(2024, 5, 2)), None):
        results = spring.evaluate(table, days)
        assert [name for name, result in results.items() if not result.passed] == []
        counted = {result.metadata["evaluated_days"].value for result in results.values()}
        assert counted == {partitions}


ANY_MONTH_FAULTS = [
    (USERS, "engagement_score_equals_ranks", f"update {USERS} set engagement_score = 0.77"),
    (USERS, "labels_agree_with_thresholds", f"update {USERS} set active_days_weight = 80"),
    (USERS, "totals_equal_activity", f"update {USERS} set num_docs = 5"),
    (FIRMS, "values_within_bounds", f"update {FIRMS} set num_active_days = 40"),
    (FIRMS, "totals_equal_activity", f"update {FIRMS} set num_docs = 5"),
    (FIRMS, "active_users_within_seats", f"update {FIRMS} set firm_size = 0"),
    (COHORTS, "cohorts_equal_first_activity", f"update {COHORTS} set cohort_size = 9"),
]


@pytest.mark.parametrize(("table", "check", "statement"), ANY_MONTH_FAULTS)
def test_only_the_months_asked_for_are_named(
    spring: Place, table: str, check: str, statement: str
) -> None:
    spring.sql(statement)
    for days, months in (
        (DayRange(MARCH, MARCH), [MARCH]),
        (DayRange(date(2024, 4, 17), date(2024, 4, 18)), [APRIL]),
        (DayRange(date(2024, 3, 30), date(2024, 4, 2)), [MARCH, APRIL]),
        (SPRING, [MARCH, APRIL, MAY]),
        (None, [MARCH, APRIL, MAY]),
    ):
        result = spring.evaluate(table, days)[check]
        assert not result.passed, days
        assert result.metadata["failing_days"].value == [str(month) for month in months]
        assert result.metadata["evaluated_days"].value == len(months)


def test_the_retained_are_summed_in_the_months_asked_for_that_are_over(spring: Place) -> None:
    spring.sql(f"update {COHORTS} set retained = 0 where is_complete")
    for days, months in (
        (SPRING, [MARCH, APRIL]),
        (DayRange(APRIL, MAY), [APRIL]),
        (None, [MARCH, APRIL]),
    ):
        result = spring.evaluate(COHORTS, days)["retained_sum_to_active"]
        assert_fails(result, days=months, naming="| retained |")
    assert spring.evaluate(COHORTS, DayRange(MAY, MAY))["retained_sum_to_active"].passed


@pytest.mark.parametrize("table", MONTHLY)
@pytest.mark.parametrize("days", [DayRange(MARCH, APRIL), DayRange(APRIL, MAY)])
def test_no_check_passes_for_months_of_which_one_was_never_run(
    place: Place, table: str, days: DayRange
) -> None:
    never = MARCH if days.first == MARCH else MAY
    for result in place.evaluate(table, days).values():
        assert not result.passed
        assert result.severity == WARN or result.metadata["failing_count"].value
        assert result.metadata["days_never_run"].value == [str(never)]


@pytest.mark.parametrize("table", [*DAILY, *MONTHLY])
def test_no_check_passes_for_a_table_that_was_never_written(place: Place, table: str) -> None:
    place.sql(f"drop table {table}", *never_computed(table))
    for result in place.evaluate(table).values():
        assert not result.passed
        assert result.metadata["days_never_run"].value


@pytest.mark.parametrize(
    ("table", "lost", "check"),
    [
        (BEGUN, ACTIVITY, "first_activity_is_first"),
        (BEGUN, BEGUN, "first_activity_is_first"),
        (SEGMENTS, ACTIVITY, "segments_sum_to_whole"),
        (SEGMENTS, BEGUN, "segments_sum_to_whole"),
        (SEGMENTS, SEGMENTS, "segments_sum_to_whole"),
        (GROWTH, SEGMENTS, "segments_sum_to_growth"),
        (GROWTH, GROWTH, "segments_sum_to_growth"),
        (ACTIVE, SEGMENTS, "segments_sum_to_active"),
        (ACTIVE, ACTIVE, "segments_sum_to_active"),
        (CURVE, ACTIVITY, "curve_equals_activity"),
        (CURVE, CURVE, "curve_equals_activity"),
        (USERS, ACTIVITY, "totals_equal_activity"),
        (USERS, USERS, "totals_equal_activity"),
        (FIRMS, ACTIVITY, "totals_equal_activity"),
        (FIRMS, FIRMS, "totals_equal_activity"),
        (COHORTS, BEGUN, "cohorts_equal_first_activity"),
    ],
)
def test_a_table_that_is_lost_is_found_missing(
    place: Place, table: str, lost: str, check: str
) -> None:
    place.sql(f"drop table {lost}")
    for days in (DAYS, None):
        result = place.evaluate(table, days)[check]
        assert not result.passed
        assert result.severity == ERROR


def test_cohorts_without_the_months_of_their_members_fail(spring: Place) -> None:
    spring.sql(f"drop table {USERS}")
    result = spring.evaluate(COHORTS, SPRING)["retained_sum_to_active"]
    assert_fails(result, days=[MARCH, APRIL], naming="user | retained |")


@pytest.mark.long
def test_days_and_months_without_any_activity_pass(bare: Place) -> None:
    bare.drop("events", FIRST, [EVENT_HEADER])
    days = DayRange(FIRST, FIRST)
    assert bare.run(days).success
    for table in (BEGUN, SEGMENTS, GROWTH, ACTIVE, CURVE, *MONTHLY):
        for asked in (days, None):
            assert bare.failing(table, asked) == []


def test_an_error_of_a_month_fails_its_run(place: Place) -> None:
    place.sql(f"update {ACTIVITY} set vault_queries = vault_queries + 1 where {U1}")
    runs = place.run_months(DAYS)
    assert not runs.success
    assert "queries_add_up_by_type" in runs.failed_checks
    assert "months__retention_cohorts" not in runs.steps("STEP_START")


# --- what takes a second look to find ------------------------------------------------------------


@pytest.mark.parametrize("days", [SPRING, None], ids=["months", "all"])
@pytest.mark.parametrize("where", ["true", "activity_month = '2024-04-01'"])
def test_cohorts_without_cells_of_a_month_fail(
    spring: Place, where: str, days: DayRange | None
) -> None:
    spring.sql(f"delete from {COHORTS} where {where}")
    failing = spring.failing(COHORTS, days)
    assert failing == ["cohorts_equal_first_activity", "retained_sum_to_active"]


def test_cells_of_a_month_that_is_over_are_complete(spring: Place) -> None:
    spring.sql(
        f"update {COHORTS} set is_complete = false, retained = null, retention_rate = null "
        "where activity_month = '2024-04-01'"
    )
    assert spring.failing(COHORTS, SPRING) != []


def test_a_window_without_any_user_has_points_without_users(place: Place) -> None:
    place.sql(f"delete from {ACTIVITY}", f"update {CURVE} set users = 0, users_percent = null")
    assert place.failing(CURVE) == []
    place.sql(f"delete from {CURVE}")
    assert place.failing(CURVE) == ["curve_equals_activity"]


@pytest.mark.parametrize("table", [USERS, FIRMS])
def test_a_month_between_others_that_was_never_run_is_no_difference(
    spring: Place, table: str
) -> None:
    spring.sql(
        f"delete from {table} where activity_month = '2024-04-01'",
        *never_computed(table),
        note_run(table, MARCH),
        note_run(table, MAY),
    )
    assert spring.failing(table, None) == []


@pytest.mark.parametrize("days", [DAYS, None], ids=["days", "all"])
def test_a_first_activity_on_a_day_without_activity_fails(
    place: Place, days: DayRange | None
) -> None:
    place.sql(f"update {BEGUN} set first_activity_date = '2023-01-01'")
    assert place.failing(BEGUN, days) == ["first_activity_is_first"]


@pytest.mark.parametrize(
    "change",
    [
        "wau = 5, mau = 5",
        "active = 5, retained = 4, previous_active = 4",
    ],
)
def test_wrong_windows_of_users_fail(place: Place, change: str) -> None:
    """The last day of a run is counted anew."""
    place.sql(*spoil(SEGMENTS, change, PARTNER))
    assert place.failing(SEGMENTS, DayRange(FIRST, MIDDLE)) == ["segments_sum_to_whole"]


def test_users_on_another_number_of_days_fail(place: Place) -> None:
    place.sql(
        *spoil(CURVE, "users = 0", f"{POINT} = 2"), *spoil(CURVE, "users = 6", f"{POINT} = 1")
    )
    assert place.failing(CURVE, DayRange(FIRST, MIDDLE)) == ["curve_equals_activity"]


def test_a_curve_without_its_empty_points_fails(place: Place) -> None:
    place.sql(f"delete from {CURVE} where users = 0")
    assert place.failing(CURVE) != []


def test_every_check_has_a_test() -> None:
    tested = {
        (fault.table, fault.check) for fault in (*DAILY_FAULTS, *MONTH_FAULTS, *COHORT_FAULTS)
    }
    elsewhere: Final = {
        *product((SEGMENTS, CURVE, USERS, FIRMS), ("window_is_complete", "figures_are_current")),
        (USERS, "month_starts_on_its_first"),
        (FIRMS, "month_starts_on_its_first"),
        (GROWTH, "previous_active_were_active"),
    }
    checks = {
        (name, rule)
        for name, plan in PLANS.items()
        if name in (*DAILY, *MONTHLY)
        for check in plan.checks
        for rule in check.rules or (check.name,)
    }
    assert tested | elsewhere == checks
