"""Days of a window that were not run are named, and so are figures that are out of date."""

from datetime import date, timedelta

import pytest

from harvey_pipeline.checks.report import WARN
from harvey_pipeline.warehouse.days import DayRange
from harvey_pipeline_tests.places import (
    FIRST,
    LAST,
    MIDDLE,
    Place,
    assert_fails,
    events_of,
)

pytest_plugins = ["harvey_pipeline_tests.place_fixtures"]

ACTIVITY = "core.user_daily_activity"

ENGAGEMENT = "marts.daily_user_engagement"

FIRM_USAGE = "marts.daily_firm_usage_summary"

SUMMARY = "marts.daily_event_summary"

DASHBOARD = "marts.harvey_analytics_dashboard"


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
