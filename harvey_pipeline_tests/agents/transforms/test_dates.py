"""The days of the calendar."""

from datetime import date
from typing import Any

import pytest

from harvey_pipeline.agents.transforms.dates import describe_dates, last_day_described


def described(day: date, country: str = "US", month: int = 1) -> dict[str, Any]:
    days = describe_dates(date(2021, 1, 1), date(2024, 1, 1), country, month).collect()
    [row] = [row for row in days.iter_rows(named=True) if row["date_actual"] == day]
    return row


@pytest.mark.parametrize(
    ("day", "week", "year"),
    [
        (date(2024, 12, 29), 52, 2024),
        (date(2024, 12, 30), 1, 2025),
        (date(2021, 1, 1), 53, 2020),
        (date(2021, 1, 4), 1, 2021),
    ],
)
def test_iso_weeks_belong_to_a_year(day: date, week: int, year: int) -> None:
    row = described(day)
    assert (row["week_of_year"], row["iso_year"]) == (week, year)


@pytest.mark.parametrize(
    ("day", "month", "fiscal"),
    [
        (date(2024, 12, 30), 7, (2025, 2, 6)),
        (date(2024, 6, 30), 7, (2024, 4, 12)),
        (date(2024, 7, 1), 7, (2025, 1, 1)),
        (date(2024, 12, 30), 1, (2024, 4, 12)),
        (date(2024, 1, 1), 1, (2024, 1, 1)),
        (date(2024, 11, 30), 12, (2024, 4, 12)),
        (date(2024, 12, 1), 12, (2025, 1, 1)),
    ],
)
def test_fiscal_years_end_in_their_year(
    day: date, month: int, fiscal: tuple[int, int, int]
) -> None:
    row = described(day, month=month)
    assert (row["fiscal_year"], row["fiscal_quarter"], row["fiscal_period"]) == fiscal


def test_a_holiday_on_a_sunday_is_observed_on_monday() -> None:
    sunday, monday, tuesday = (described(date(2021, 7, day)) for day in (4, 5, 6))
    assert (sunday["is_holiday"], sunday["holiday_name"]) == (True, "Independence Day")
    assert monday["is_holiday"]
    assert monday["holiday_name"] == "Independence Day (observed)"
    assert (tuesday["is_holiday"], tuesday["holiday_name"]) == (False, None)


def test_holidays_are_those_of_the_country_and_its_subdivision() -> None:
    unity, chavez = date(2024, 10, 3), date(2024, 3, 31)
    assert described(unity, "DE")["is_holiday"]
    assert not described(unity)["is_holiday"]
    assert described(chavez, "US-CA")["is_holiday"]
    assert not described(chavez)["is_holiday"]


@pytest.mark.parametrize("country", ["XX", "US-QQ"])
def test_holidays_that_nobody_knows_are_refused(country: str) -> None:
    with pytest.raises(ValueError, match=f"holidays of {country} are not known .* HARVEY_HOLIDAY"):
        described(date(2024, 1, 1), country)


def test_a_leap_day_in_full() -> None:
    row = described(date(2024, 2, 29))
    assert row == {
        "date_sk": 20240229,
        "date_actual": date(2024, 2, 29),
        "day_of_week": 4,
        "day_of_month": 29,
        "day_of_year": 60,
        "week_of_year": 9,
        "iso_year": 2024,
        "month_number": 2,
        "month_name": "February",
        "quarter": 1,
        "year": 2024,
        "is_weekend": False,
        "is_holiday": False,
        "holiday_name": None,
        "fiscal_year": 2024,
        "fiscal_quarter": 1,
        "fiscal_period": 2,
    }
    assert described(date(2024, 3, 2))["is_weekend"]
    assert not described(date(2024, 3, 1))["is_weekend"]


def test_an_open_calendar_ends_with_the_last_day_run() -> None:
    days, written = [date(2024, 1, 2)], {date(2024, 1, 1), date(2024, 1, 5)}
    assert last_day_described(days, written, None) == date(2024, 1, 5)
    assert last_day_described(days, written, date(2024, 3, 1)) == date(2024, 3, 1)
    assert last_day_described(days, set(), None) == date(2024, 1, 2)
