"""Section 4, `dim_date`: the calendar, with the federal holidays of the United States."""

from collections.abc import Iterator
from datetime import date, timedelta

from harvey_pipeline_tests.agents.oracle.facts import date_sk
from harvey_pipeline_tests.oracle.values import TableRow

MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
MONDAY, THURSDAY, SATURDAY, SUNDAY = 0, 3, 5, 6
ONE_DAY = timedelta(days=1)


def nth_weekday(year: int, month: int, weekday: int, number: int) -> date:
    """The first, second, ... Monday (or another day) of a month."""
    first = date(year, month, 1)
    return first + timedelta(days=(weekday - first.weekday()) % 7 + 7 * (number - 1))


def holidays_of(year: int) -> Iterator[tuple[date, str]]:
    """Federal holidays since 2021 (5 U.S.C. 6103), and where a weekend moves them to."""
    for day, name in (
        (date(year, 1, 1), "New Year's Day"),
        (date(year, 6, 19), "Juneteenth National Independence Day"),
        (date(year, 7, 4), "Independence Day"),
        (date(year, 11, 11), "Veterans Day"),
        (date(year, 12, 25), "Christmas Day"),
    ):
        yield day, name
        if day.weekday() == SATURDAY:
            yield day - ONE_DAY, f"{name} (observed)"
        elif day.weekday() == SUNDAY:
            yield day + ONE_DAY, f"{name} (observed)"
    yield nth_weekday(year, 1, MONDAY, 3), "Martin Luther King Jr. Day"
    yield nth_weekday(year, 2, MONDAY, 3), "Washington's Birthday"
    yield nth_weekday(year, 6, MONDAY, 1) - timedelta(days=7), "Memorial Day"
    yield nth_weekday(year, 9, MONDAY, 1), "Labor Day"
    yield nth_weekday(year, 10, MONDAY, 2), "Columbus Day"
    yield nth_weekday(year, 11, THURSDAY, 4), "Thanksgiving Day"


def dim_date_table(first: date, last: date, fiscal_start: int = 1) -> list[TableRow]:
    """From the calendar's first day to the end of the year after that of its last day.

    `fiscal_start` is the first month of the fiscal year.
    """
    # 1 January of the year after is observed in the year itself where it is a Saturday.
    holidays = {
        day: name for year in range(first.year, last.year + 3) for day, name in holidays_of(year)
    }
    table = []
    day = first
    while day <= date(last.year + 1, 12, 31):
        iso = day.isocalendar()
        period = (day.month - fiscal_start) % 12 + 1
        begins_before = fiscal_start > 1 and day.month >= fiscal_start
        table.append(
            {
                "date_sk": date_sk(day),
                "date_actual": day,
                "day_of_week": iso.weekday,
                "day_of_month": day.day,
                "day_of_year": (day - date(day.year, 1, 1)).days + 1,
                "week_of_year": iso.week,
                "iso_year": iso.year,
                "month_number": day.month,
                "month_name": MONTHS[day.month - 1],
                "quarter": (day.month + 2) // 3,
                "year": day.year,
                "is_weekend": day.weekday() in (SATURDAY, SUNDAY),
                "is_holiday": day in holidays,
                "holiday_name": holidays.get(day),
                "fiscal_year": day.year + begins_before,
                "fiscal_quarter": (period + 2) // 3,
                "fiscal_period": period,
            }
        )
        day += ONE_DAY
    return table
