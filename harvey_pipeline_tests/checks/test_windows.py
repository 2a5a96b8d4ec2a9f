"""Days of a window that were not run are named, and so are figures that are out of date."""

from datetime import date, timedelta

import pytest

from harvey_pipeline.checks.report import WARN
from harvey_pipeline.warehouse.days import DayRange
from harvey_pipeline_tests.places import (
    FIRMS,
    FIRST,
    LAST,
    MIDDLE,
    PLANS,
    USERS,
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


@pytest.mark.long
def test_days_before_history_are_not_missed(place: Place) -> None:
    assert place.evaluate(DASHBOARD)["window_is_complete"].passed


# --- figures that something has overtaken --------------------------------------------------------

APRIL = [date(2024, 4, day) for day in range(1, 5)]
WINDOWED = [
    name
    for name, plan in PLANS.items()
    if "figures_are_current" in {check.name for check in plan.checks}
]


def deliver(place: Place, day: date, *late: str) -> None:
    place.drop("users", day, USERS)
    place.drop("firms", day, FIRMS)
    place.drop("events", day, [*events_of(day), *late])


def stale(place: Place, days: DayRange) -> list[str]:
    """The windowed tables of which a partition is out of date."""
    return [
        name for name in WINDOWED if not place.evaluate(name, days)["figures_are_current"].passed
    ]


def test_every_table_with_a_window_is_watched() -> None:
    assert WINDOWED == [
        ACTIVITY,
        ENGAGEMENT,
        FIRM_USAGE,
        "marts.daily_event_summary",
        DASHBOARD,
        "marts.tier_changes",
        "marts.usage_by_segment",
        "marts.power_curve",
        "marts.data_quality_daily",
        "months.user_engagement",
        "months.firm_usage_summary",
    ]


@pytest.mark.long
def test_range_after_range_names_the_day_before_and_what_rests_on_it(bare: Place) -> None:
    """The drop of 3 April brings an event of the 2nd, whose day was computed without it."""
    for day in APRIL[:2]:
        deliver(bare, day)
    assert bare.run(DayRange(APRIL[0], APRIL[1])).failed_checks == []
    deliver(bare, APRIL[2], f"late,{APRIL[1]} 23:00:00,f1,u1,VAULT,1,5")
    deliver(bare, APRIL[3])
    runs = bare.run(DayRange(APRIL[2], APRIL[3]))
    assert runs.success
    assert set(runs.failed_checks) == {"figures_are_current"}
    days = DayRange(APRIL[2], APRIL[3])
    activity = bare.evaluate(ACTIVITY, days)["figures_are_current"]
    naming = "| 2024-04-02 | raw.raw_events of 2024-04-03 changed after it |"
    assert_fails(activity, days=[APRIL[1]], naming=naming, severity=WARN)
    assert activity.description == (
        "1 day is stale (2024-04-02), the first because raw.raw_events of 2024-04-03 changed "
        "after it. They are due: harvey run computes them again."
    )
    engagement = bare.evaluate(ENGAGEMENT, days)["figures_are_current"]
    naming = f"| 2024-04-02 | {ACTIVITY} of 2024-04-02 is due |"
    assert_fails(engagement, days=APRIL[1:], naming=naming, severity=WARN)
    assert engagement.description == (
        "3 days are stale (2024-04-02, 2024-04-03, 2024-04-04), the first because "
        "core.user_daily_activity of 2024-04-02 is due. They are due: harvey run computes them "
        "again."
    )
    # What is told of a drop rests on no other one.
    assert stale(bare, days) == [name for name in WINDOWED if name != "marts.data_quality_daily"]
    assert bare.run(DayRange(APRIL[1], APRIL[3])).failed_checks == []
    assert stale(bare, DayRange(APRIL[0], APRIL[3])) == []


@pytest.mark.long
def test_a_day_that_is_corrected_makes_the_later_windows_stale(spring: Place) -> None:
    day = date(2024, 4, 29)
    deliver(spring, day, f"more,{day} 10:00:00,f1,u1,VAULT,1,5")
    assert spring.run_days(DayRange(day - timedelta(days=1), day)).success
    days = DayRange(day, date(2024, 5, 2))
    later = [date(2024, 4, 30), date(2024, 5, 1), date(2024, 5, 2)]
    result = spring.evaluate(ENGAGEMENT, days)["figures_are_current"]
    naming = f"| 2024-04-30 | {ACTIVITY} of 2024-04-29 changed after it |"
    assert_fails(result, days=later, naming=naming, severity=WARN)
    assert str(result.description).startswith(
        "3 days are stale (2024-04-30, 2024-05-01, 2024-05-02), the first because "
        f"{ACTIVITY} of 2024-04-29 changed after it. "
    )
    months = spring.evaluate("months.user_engagement", days)["figures_are_current"]
    naming = f"| 2024-04-01 | {ACTIVITY} of 2024-04-29 changed after it |"
    assert_fails(months, days=[date(2024, 4, 1), date(2024, 5, 1)], naming=naming, severity=WARN)
    assert str(months.description).startswith("2 months are stale (2024-04-01, 2024-05-01), ")


@pytest.mark.long
def test_day_by_day_as_the_daily_schedule_runs_nothing_is_stale(bare: Place) -> None:
    for before, day in zip(APRIL[:1] + APRIL, APRIL, strict=False):
        deliver(bare, day, f"late-{day},{before} 23:00:00,f1,u1,VAULT,1,5")
        runs = bare.run(DayRange(before, day))
        assert runs.success
        assert runs.failed_checks == []
    assert stale(bare, DayRange(APRIL[0], APRIL[3])) == []
