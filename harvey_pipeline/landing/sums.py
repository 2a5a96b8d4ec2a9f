"""Sums of events that can be made of a few rows at a time, wherever these are, and merged."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Protocol

import polars as pl

from harvey_pipeline.landing.repeats import first_deliveries
from harvey_pipeline.landing.source import EVENT_DATE, Source, drops_of
from harvey_pipeline.warehouse.days import DayRange, is_dated


@dataclass(frozen=True)
class EventSums:
    """What is summed of the events of a source, by their `date` and whatever else.

    However rows are divided, and in whichever groups and order their sums are merged: the outcome
    is the same to the last bit, but for the order of its rows and of lists that stand for sets. So
    nothing is added up that is no whole number, and what is not known of a part, like a mean, is
    made of the sums of all.

    Args:
        table: The name of the table that is made of them.
        source: Whose events they are.
        partial: Makes sums of rows of the raw table; each row counts.
        merge: Makes of sums of several sets of rows, one after the other, those of all.
    """

    table: str
    source: Source
    partial: Callable[[pl.LazyFrame], pl.LazyFrame]
    merge: Callable[[pl.LazyFrame], pl.LazyFrame]

    def of_drops(self, rows: pl.LazyFrame) -> pl.LazyFrame:
        """The sums of rows of several drops, of which each event counts once."""
        return self.partial(first_deliveries(self.source, rows))


class SumsOfDays(Protocol):
    """Sums of the events of a window of days, for any of these days."""

    def of(self, days: DayRange) -> pl.LazyFrame:
        """The sums of the events dated on some days, each counted once, in no order."""

    def count_events(self) -> Mapping[date, int]:
        """About how many events each date has: repeats count too."""


@dataclass(frozen=True)
class SumsOfRows:
    """Sums made of some rows of the raw table where they are asked for, by one query.

    `rows` are those of every drop that may hold events of the days that are asked for.
    """

    sums: EventSums
    rows: pl.LazyFrame

    def of(self, days: DayRange) -> pl.LazyFrame:
        """The sums of the events dated on some days, each counted once, in no order."""
        drops = drops_of(self.sums.source, days)
        is_wanted = is_dated(drops.first, drops.last, "drop_date") & is_dated(
            days.first, days.last, EVENT_DATE
        )
        return self.sums.of_drops(self.rows.filter(is_wanted))

    def count_events(self) -> Mapping[date, int]:
        """About how many events each date has: repeats count too."""
        return dict(count_by_date(self.rows).collect(engine="streaming").iter_rows())


@dataclass(frozen=True)
class SumsOfDrops:
    """Sums made of the rows of just those drops that may hold events of the days asked for.

    A scan of the files of all drops opens each of them, whichever days are asked for.

    Args:
        sums: What is summed.
        drops: All drops that there are rows of.
        read: The rows of some of them.
    """

    sums: EventSums
    drops: DayRange
    read: Callable[[DayRange], pl.LazyFrame]

    def of(self, days: DayRange) -> pl.LazyFrame:
        """The sums of the events dated on some days, each counted once, in no order."""
        drops = drops_of(self.sums.source, days)
        return SumsOfRows(self.sums, self.read(drops)).of(days)

    def count_events(self) -> Mapping[date, int]:
        """About how many events each date has: repeats count too."""
        return SumsOfRows(self.sums, self.read(self.drops)).count_events()


def count_by_date(rows: pl.LazyFrame) -> pl.LazyFrame:
    """How many rows of the raw table each date has."""
    return rows.group_by(EVENT_DATE).len()


def add_up(
    sums: pl.LazyFrame,
    key: Sequence[str],
    *,
    first: Sequence[str] = (),
    last: Sequence[str] = (),
) -> pl.LazyFrame:
    """Sums by a key, merged: of `first` the least value, of `last` the greatest, else the sum."""
    merged = sums.group_by(key).agg(
        pl.exclude(*key, *first, *last).sum(),
        *(pl.col(name).min() for name in first),
        *(pl.col(name).max() for name in last),
    )
    return merged.select(sums.collect_schema().names())
