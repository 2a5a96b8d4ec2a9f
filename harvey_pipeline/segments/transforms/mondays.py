"""Mondays: the days on which the weekly tables have rows."""

from collections.abc import Iterable
from datetime import date, timedelta


def mondays_of(days: Iterable[date]) -> list[date]:
    """The Mondays among some days."""
    return [day for day in days if day.weekday() == 0]


def mondays_until(last: date, weeks: int) -> list[date]:
    """A Monday and so many before it, ascending."""
    return [last - timedelta(weeks=week) for week in range(weeks, -1, -1)]


def mondays_read(day: date, before: int) -> list[date]:
    """Of so many days before a Monday, and itself, the Mondays; no other day rests on any."""
    if day.weekday() != 0:
        return []
    return mondays_of(day - timedelta(days=ago) for ago in range(before, -1, -1))
