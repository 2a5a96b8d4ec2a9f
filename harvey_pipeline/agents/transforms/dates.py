"""The days of the calendar: ISO weeks, holidays, fiscal years."""

from datetime import date

import polars as pl

from harvey_pipeline.agents.tables import TABLES
from harvey_pipeline.agents.tables.labels import MONTH_NAMES
from harvey_pipeline.agents.transforms.facts import date_key
from harvey_pipeline.warehouse.days import DayRange


def describe_dates(first: date, last: date, country: str, fiscal_month: int) -> pl.LazyFrame:
    """`dim_date` from the first day to 31 December of the year after that of the last.

    Args:
        first: First day of the calendar.
        last: Last day of the calendar.
        country: Country, or country and subdivision (`US-CA`), whose public holidays count.
        fiscal_month: First month of the fiscal year.

    Raises:
        ValueError: The holidays of the country, or of the subdivision, are not known.
    """
    days = DayRange(first, date(last.year + 1, 12, 31)).days
    named = _holidays(country, days[0], days[-1])
    at = pl.col("date_actual").dt
    month = at.month().cast(pl.Int16)
    period = (month - fiscal_month) % 12 + 1
    # The year in which it ends: the next one from its first month on, unless that is January.
    ends_next_year = (month >= fiscal_month) & (fiscal_month > 1)
    return (
        pl.LazyFrame({"date_actual": days}, schema={"date_actual": pl.Date})
        .join(named, on="date_actual", how="left", maintain_order="left")
        .select(
            date_sk=date_key("date_actual"),
            date_actual="date_actual",
            day_of_week=at.weekday().cast(pl.Int16),
            day_of_month=at.day().cast(pl.Int16),
            day_of_year=at.ordinal_day().cast(pl.Int16),
            week_of_year=at.week().cast(pl.Int16),
            iso_year=at.iso_year().cast(pl.Int16),
            month_number=month,
            month_name=pl.lit(pl.Series(MONTH_NAMES, dtype=pl.Enum(MONTH_NAMES))).gather(month - 1),
            quarter=at.quarter().cast(pl.Int16),
            year=at.year().cast(pl.Int16),
            is_weekend=at.weekday() >= 6,
            is_holiday=pl.col("holiday_name").is_not_null(),
            holiday_name="holiday_name",
            fiscal_year=(at.year() + ends_next_year.cast(pl.Int32)).cast(pl.Int16),
            fiscal_quarter=((period - 1) // 3 + 1).cast(pl.Int16),
            fiscal_period=period.cast(pl.Int16),
        )
        .select(list(TABLES["dim_date"].polars_schema))
    )


def _holidays(country: str, first: date, last: date) -> pl.LazyFrame:
    """The public holidays from the first to the last day, observed days among them, by name."""
    # It takes long to import, and no other table needs it.
    import holidays

    code, _, subdivision = country.partition("-")
    years = range(first.year, last.year + 1)
    try:
        found = holidays.country_holidays(code, subdiv=subdivision or None, years=years)
    except NotImplementedError as error:
        raise ValueError(
            f"the public holidays of {country} are not known ({error}); give another country, or "
            "none of its subdivisions, in HARVEY_HOLIDAY_COUNTRY"
        ) from error
    named = {day: name for day, name in found.items() if first <= day <= last}
    return pl.LazyFrame(
        {"date_actual": list(named), "holiday_name": list(named.values())},
        schema={"date_actual": pl.Date, "holiday_name": pl.String},
    )


def last_day_described(days: list[date], written: set[date], calendar_end: date | None) -> date:
    """The calendar's last day; of a calendar that is open, the last day run."""
    return calendar_end or max({*days, *written})
