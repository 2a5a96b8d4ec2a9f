"""Holiday periods, by month and day."""

from collections.abc import Sequence
from datetime import date

MonthDay = tuple[int, int]
"""A month and a day of it."""

Holiday = tuple[MonthDay, MonthDay]
"""First and last day of a holiday period; it runs across New Year where the first is the later."""


def is_holiday(day: date, holidays: Sequence[Holiday]) -> bool:
    """Whether a day lies in one of some holiday periods, their first and last days included."""
    at = (day.month, day.day)
    return any(
        first <= at <= last if first <= last else at >= first or at <= last
        for first, last in holidays
    )
