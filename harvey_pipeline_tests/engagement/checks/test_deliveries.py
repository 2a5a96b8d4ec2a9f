"""Checks of titles and feedback, which only this subject knows."""

import dagster as dg
import pytest

from harvey_pipeline.checks.report import ERROR, WARN
from harvey_pipeline.warehouse.days import DayRange
from harvey_pipeline_tests.places import (
    EVENT_HEADER,
    FIRST,
    USERS,
    Place,
    assert_fails,
)

pytest_plugins = ["harvey_pipeline_tests.place_fixtures"]


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


def test_a_title_outside_the_known_set_warns(bare: Place) -> None:
    bare.drop("users", FIRST, [*USERS, "u4,2024-01-05,Of Counsel", "u5,2024-01-05,"])
    bare.ingest("users", DayRange(FIRST, FIRST))
    result = bare.evaluate("raw.raw_users", DayRange(FIRST, FIRST))["titles_are_known"]
    assert_fails(result, days=[FIRST], naming="u4 | Of Counsel", severity=WARN)
    assert result.metadata["failing_count"].value == 2
