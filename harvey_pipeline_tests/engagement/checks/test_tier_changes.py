"""Checks of changes of tier: their rows worked out by hand, and faults that each fail one."""

from datetime import date

import pytest

from harvey_pipeline.checks.report import WARN
from harvey_pipeline.warehouse.days import DayRange
from harvey_pipeline_tests.places import PLANS, Place, assert_fails, blank, repeat, spoil

pytest_plugins = ["harvey_pipeline_tests.place_fixtures"]

CHANGES = "marts.tier_changes"
DASHBOARD = "marts.harvey_analytics_dashboard"
DAY = date(2024, 5, 1)
COMPARED = DayRange(date(2024, 4, 29), date(2024, 5, 2))
"""The days of the warehouse of spring of which those 30 days before are there too."""

U1 = "date = '2024-05-01' and user_id = 'u1'"


def test_changes_of_a_day_are_as_worked_out_by_hand(spring: Place) -> None:
    """Up to 1 April u1 worked on 3 days, u4 on 2; from 2 April on everybody but u4 works daily.

    u1: 3 days, 15 documents, 2 types, 8 + 12 + 21 points, then 30, 150 and 2, 40 + 30 + 21.
    u2: 1 day, 1 document, 1 type, 12 points, then 30, 30 and 1, 40 + 18 + 12.
    u3: 1 day, no document, 1 type, 12 points, then 30, none and 1, 40 + 12.
    u4: 2 days, 2 documents, 1 type, 8 + 12 points, then nothing.
    """
    names = (
        "user_id, firm_id, tier_before, tier_now, direction, score_before, score_now, "
        "main_component, measure_before, measure_now"
    )
    rows = spring.warehouse.query(
        f"select {names} from {CHANGES} where date = '{DAY}' order by user_id"
    )
    days = "active_days_weight"
    assert rows == [
        ("u1", "f1", "Medium Value User", "Power User", "up", 41, 91, days, 3, 30),
        ("u2", "f1", "Inactive User", "High Value User", "up", 12, 70, days, 1, 30),
        ("u3", "f2", "Inactive User", "Medium Value User", "up", 12, 52, days, 1, 30),
        (
            *("u4", None, "Low Value User", "Inactive User", "down", 20, 0),
            *("feature_breadth_weight", 1, 0),
        ),
    ]


def test_days_of_which_30_days_before_were_not_run_have_no_rows(spring: Place) -> None:
    [(first, days)] = spring.warehouse.query(
        f"select min(date), count(distinct date) from {CHANGES}"
    )
    assert (first, days) == (COMPARED.first, 4)


FAULTS = [
    ("key_is_unique", repeat(CHANGES, U1), "u1"),
    ("required_columns_present", blank(CHANGES, "score_before", U1), "score_before"),
    ("values_within_bounds", spoil(CHANGES, "measure_before = -1", U1), "-1"),
    ("values_within_bounds", spoil(CHANGES, "direction = 'sideways'", U1), "sideways"),
    ("scores_equal_components", spoil(CHANGES, "score_now = 90", U1), "u1"),
    ("scores_equal_components", spoil(CHANGES, "score_before = 42", U1), "u1"),
    ("tiers_agree_with_scores", spoil(CHANGES, "tier_now = 'High Value User'", U1), "u1"),
    ("tiers_agree_with_scores", spoil(CHANGES, "tier_before = 'Low Value User'", U1), "u1"),
    ("direction_agrees_with_scores", spoil(CHANGES, "direction = 'down'", U1), "u1"),
    ("direction_agrees_with_scores", spoil(CHANGES, "tier_before = tier_now", U1), "u1"),
    (
        "main_component_moved_most",
        spoil(
            CHANGES,
            "main_component = 'document_volume_weight', measure_before = 15, measure_now = 150",
            U1,
        ),
        "u1",
    ),
    # 24 points by active days and 24 by documents: the first of them is the main one.
    (
        "main_component_moved_most",
        spoil(
            CHANGES,
            "active_days_weight_before = 40, document_volume_weight_before = 20, "
            "score_before = 43, main_component = 'document_volume_weight', measure_before = 5, "
            "measure_now = 150",
            U1,
        ),
        "u1",
    ),
    ("labels_agree_with_thresholds", spoil(CHANGES, "measure_before = 1", U1), "measure_before"),
    ("labels_agree_with_thresholds", spoil(CHANGES, "measure_now = 19", U1), "measure_now | 19"),
    (
        "changes_equal_dashboard",
        (f"delete from {CHANGES} where date = '{DAY}' and user_id = 'u4'",),
        "users_moved_down | 1 | 0",
    ),
    (
        "changes_equal_dashboard",
        spoil(DASHBOARD, "users_moved_up = 2", f"date = '{DAY}'"),
        "users_moved_up | 2 | 3",
    ),
]


@pytest.mark.parametrize(("check", "statements", "naming"), FAULTS)
def test_a_fault_fails_its_check_on_its_day(
    spring: Place, check: str, statements: tuple[str, ...], naming: str
) -> None:
    assert spring.failing(CHANGES, COMPARED) == []
    spring.sql(*statements)
    assert_fails(spring.evaluate(CHANGES, COMPARED)[check], days=[DAY], naming=naming)
    assert spring.evaluate(CHANGES, DayRange(COMPARED.last, COMPARED.last))[check].passed


def test_a_tie_is_fine_with_the_first_component(spring: Place) -> None:
    spring.sql(
        *spoil(
            CHANGES,
            "active_days_weight_before = 40, document_volume_weight_before = 20, "
            "score_before = 43, measure_before = 5",
            U1,
        )
    )
    assert spring.failing(CHANGES, COMPARED) == []


def test_every_check_has_a_test() -> None:
    tested = {check for check, *_ in FAULTS} | {"window_is_complete", "figures_are_current"}
    checks = {rule for check in PLANS[CHANGES].checks for rule in check.rules or (check.name,)}
    assert tested == checks


def test_a_window_that_lacks_a_day_is_named(spring: Place) -> None:
    """Of 1 May the windows begin on 3 March; a drop of then that was not run is missed."""
    for day, is_read in ((date(2024, 3, 2), False), (date(2024, 3, 3), True)):
        spring.drop("events", day, ["event_id,created,firm_id,user_id,event_type,num_docs"])
        result = spring.evaluate(CHANGES, DayRange(DAY, DAY))["window_is_complete"]
        if is_read:
            assert_fails(result, days=[DAY], naming="2024-03-03", severity=WARN)
        else:
            assert result.passed
