"""Checks of dimensions: versions that overlap, touch or depart without certainty."""

from dataclasses import replace
from datetime import date

import polars as pl
import pytest

from harvey_pipeline.checks.dimensions import (
    keys_with_many_versions,
    opened_in_month,
    reasons_of_versions,
)
from harvey_pipeline.checks.report import ERROR, WARN
from harvey_pipeline.warehouse.days import DayRange
from harvey_pipeline_tests.places import (
    FIRMS,
    FIRST,
    LAST,
    MIDDLE,
    Place,
    assert_fails,
    blank,
    events_of,
    many_users,
)
from harvey_pipeline_tests.tiny import SHELF_HISTORY

pytest_plugins = ["harvey_pipeline_tests.place_fixtures"]


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


def test_why_versions_began_in_a_month_is_told() -> None:
    """Hand-made: two attributes, of which none, one or both change."""
    dimension = replace(SHELF_HISTORY, shows={name: pl.col(name) for name in ("room", "owner")})
    april = [
        ("old", "2024-03-01", "2024-03-31", "hall", None),
        ("old", "2024-04-01", "2024-04-05", "attic", None),
        ("old", "2024-04-06", "2024-04-10", "hall", "Ann"),
        ("old", "2024-04-12", "9999-12-31", "hall", "Ann"),
        ("new", "2024-04-30", "9999-12-31", "hall", "Bob"),
        ("still", "2024-03-01", "2024-03-02", "hall", None),
        ("still", "2024-03-03", "2024-04-30", "attic", None),
        ("still", "2024-05-01", "9999-12-31", "hall", None),
        *(("restless", f"2024-04-0{n}", f"2024-04-0{n}", f"r{n}", None) for n in range(1, 7)),
        *(("busy", f"2024-04-0{n}", f"2024-04-0{n}", f"r{n}", None) for n in range(1, 6)),
    ]
    columns = ("shelf_id", "effective_start_date", "effective_end_date", "room", "owner")
    versions = pl.DataFrame(april, schema=columns, orient="row").with_columns(
        pl.col("effective_start_date", "effective_end_date").str.to_date()
    )
    opened = opened_in_month(
        dimension, versions.sample(fraction=1, shuffle=True), date(2024, 4, 30)
    )
    assert opened.height == 15
    assert reasons_of_versions(dimension, opened).rows() == [
        ("the first of its key", 3),
        ("the key came back", 1),
        ("other room", 11),
        ("other owner", 1),
    ]
    assert keys_with_many_versions(dimension, opened).rows() == [("restless", 6)]
    assert opened_in_month(dimension, versions, date(2024, 4, 5))["shelf_id"].n_unique() == 3


def test_an_evaluation_tells_of_the_versions_of_its_last_month(place: Place) -> None:
    place.sql(
        version("u8", "2024-01-05", "2024-04-01", "Partner"),
        version("u8", "2024-04-02", "9999-12-31", "Associate"),
    )
    metadata = place.evaluate("core.dim_user")["touching_versions_differ"].metadata
    assert metadata["month_of_versions"].value == "2024-04"
    assert "| other user_role | 1 |" in str(metadata["reasons_of_versions"].value)
    assert metadata["keys_with_many_versions"].value == 0


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


DIMENSIONS = ("raw.raw_users", "raw.raw_firms", "core.dim_user", "core.dim_firms")

BROKEN = {
    "a field too many": "u9,2024-01-05,Partner,of,the firm",
    "no id": ",2024-01-05,Partner",
}


@pytest.mark.parametrize("record", BROKEN.values(), ids=list(BROKEN))
def test_a_departure_beside_a_record_without_a_key_is_uncertain(bare: Place, record: str) -> None:
    """u9 may be the one of the record, and yet its version closes."""
    days = DayRange(FIRST, MIDDLE)
    for day, lines in ((FIRST, many_users(10)), (MIDDLE, [*many_users(9), record])):
        bare.drop("users", day, lines)
        bare.drop("firms", day, FIRMS)
        bare.drop("events", day, events_of(day))
    assert bare.run_tables(days, *DIMENSIONS).success
    assert bare.warehouse.query("select user_id from core.dim_user where not is_current") == [
        ("u9",)
    ]
    result = bare.evaluate("core.dim_user", days)["departures_are_certain"]
    assert_fails(result, days=[MIDDLE], naming="| 1 | u9 |", severity=WARN)
    assert result.description == (
        "users/2024-04-02.csv: 1 record without a readable key (first: line 11) while 1 version "
        "closes: u9. Have the snapshot corrected and run its day again."
    )
    before = bare.evaluate("core.dim_user", DayRange(FIRST, FIRST))["departures_are_certain"]
    assert before.passed
    assert bare.evaluate("core.dim_firms", days)["departures_are_certain"].passed


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param(many_users(9), id="a departure alone"),
        pytest.param([*many_users(10), BROKEN["no id"]], id="a record without a key alone"),
        pytest.param(
            [*many_users(9), "u9,never,Partner", BROKEN["no id"]],
            id="a rejected record that shows its key",
        ),
        pytest.param(
            [*many_users(9), "u9,2024-01-05,Associate", BROKEN["no id"]],
            id="a version that another one follows",
        ),
    ],
)
def test_a_departure_is_certain_otherwise(bare: Place, lines: list[str]) -> None:
    days = DayRange(FIRST, MIDDLE)
    bare.drop("users", FIRST, many_users(10))
    bare.drop("users", MIDDLE, lines)
    bare.drop("firms", FIRST, FIRMS)
    bare.drop("events", FIRST, events_of(FIRST))
    assert bare.run_tables(days, *DIMENSIONS).success
    assert bare.evaluate("core.dim_user", days)["departures_are_certain"].passed
