"""Sums of events against activity, where drops repeat events."""

import pytest

from harvey_pipeline.warehouse.days import DayRange
from harvey_pipeline_tests.places import (
    FIRMS,
    FIRST,
    MIDDLE,
    USERS,
    Place,
    assert_fails,
    events_of,
)

pytest_plugins = ["harvey_pipeline_tests.place_fixtures"]

ACTIVITY = "core.user_daily_activity"


@pytest.mark.long
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
