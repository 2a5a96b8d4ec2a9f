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


@pytest.mark.parametrize(
    ("rows", "bad", "severity"),
    [
        pytest.param(49, 30, None, id="30 of 49"),
        pytest.param(50, 2, None, id="2 of 50"),
        pytest.param(50, 3, WARN, id="3 of 50"),
        pytest.param(50, 5, ERROR, id="5 of 50"),
    ],
)
def test_feedback_is_judged_from_50_rows_on(
    bare: Place, rows: int, bad: int, severity: dg.AssetCheckSeverity | None
) -> None:
    lines = [
        f"e{number},{FIRST} 09:00:00,f1,u1,VAULT,1,{'' if number < bad else 5}"
        for number in range(rows)
    ]
    bare.drop("events", FIRST, [EVENT_HEADER, *lines])
    days = DayRange(FIRST, FIRST)
    bare.ingest("events", days)
    result = bare.evaluate("raw.raw_events", days)["feedback_is_delivered"]
    if severity is None:
        assert result.passed
        return
    assert_fails(result, days=[FIRST], naming=f"| {rows} | {bad} |", severity=severity)
    assert result.description == (
        f"events/2024-04-01.csv: {bad} of {rows} rows ({100 * bad / rows:.0f} %) are bad, mostly "
        "missing_feedback_score (first: line 2). Look at the records in raw.quarantine and have "
        "the file corrected."
    )


def test_a_title_outside_the_known_set_warns(bare: Place) -> None:
    bare.drop("users", FIRST, [*USERS, "u4,2024-01-05,Of Counsel", "u5,2024-01-05,"])
    bare.ingest("users", DayRange(FIRST, FIRST))
    result = bare.evaluate("raw.raw_users", DayRange(FIRST, FIRST))["titles_are_known"]
    assert_fails(result, days=[FIRST], naming="u4 | Of Counsel", severity=WARN)
    assert result.metadata["failing_count"].value == 2
