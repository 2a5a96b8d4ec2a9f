"""History out of snapshots, for any dimension: SCD type 2 versions that no order can change.

Beside each dimension stand two small tables that record what was observed and nothing else:

- snapshots, one row per observed day: `day` and `form` ("drop": a full snapshot, so absence is a
  departure; "bulk": nothing departs);
- intervals, one row per (key, `first_day`): on every observed day from `first_day` to `last_day`
  the key showed exactly this, and it showed something else, or nothing, on the observed days
  next to them. `is_sighting` marks days on which only rejected rows showed the key: it is
  present, its attributes are not known from there, and the attribute columns are null.

Both say the same whatever the order and grouping in which days were taken in, and the dimension is
a pure function of the two. That is why order cannot matter.
"""

from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Final

import dataframely as dy
import polars as pl

from harvey_pipeline.warehouse import columns as c
from harvey_pipeline.warehouse.days import DayRange, blocks_of_rows
from harvey_pipeline.warehouse.table import Table

OPEN_END: Final = date(9999, 12, 31)
"""`effective_end_date` of a version that is still valid."""

FORMS: Final = ("drop", "bulk")

_BLOCK_ROWS: Final = 1 << 18
"""Snapshot rows held at a time; a single day is never cut, however long it is."""


class Snapshots(dy.Schema):
    """One row per observed day whose snapshot a dimension has taken in."""

    day = c.day("Observed day.", key=True)
    form = c.text("drop (full snapshot, so absence is departure) or bulk.")


@dataclass(frozen=True, eq=False)
class Dimension:
    """A type 2 dimension and what it is made of.

    Args:
        entity: What a key stands for, in one word.
        table: The dimension's table.
        source: Name of the snapshot source that shows it.
        key: The natural key's columns.
        shows: Each tracked attribute, as an expression over the source's raw table.
        created_date: The attribute, a date or a moment, that says since when a key exists; None
            where there is none.
        surrogate_key: Column of the version's own key.
    """

    entity: str
    table: Table
    source: str
    key: tuple[str, ...]
    shows: Mapping[str, pl.Expr]
    created_date: str | None
    surrogate_key: str

    @property
    def attributes(self) -> tuple[str, ...]:
        return tuple(self.shows)

    @property
    def showing(self) -> list[str]:
        """What a snapshot says of a key on one day."""
        return [*self.attributes, "is_sighting"]

    @property
    def interval_columns(self) -> list[str]:
        return [*self.key, "first_day", "last_day", "is_sighting", *self.attributes]

    @property
    def version_columns(self) -> list[str]:
        return [
            self.surrogate_key,
            *self.key,
            *self.attributes,
            "effective_start_date",
            "effective_end_date",
            "is_current",
        ]

    @cached_property
    def snapshots(self) -> Table:
        """Which days were observed, and in which form."""
        return Table(f"history.{self.entity}_snapshots", Snapshots)

    @cached_property
    def intervals(self) -> Table:
        """What those days showed of each key."""
        columns = self.table.schema.columns()
        key = ", ".join(f"`{name}`" for name in (*self.key, "first_day"))
        fields = {
            "__doc__": f"One row per ({key}): a run of observed days with the same showing.",
            **{name: columns[name] for name in self.key},
            "first_day": c.day("First observed day of the run.", key=True),
            "last_day": c.day("Last observed day of the run."),
            "is_sighting": c.flag(
                "Seen only by rejected rows: present, attributes not known from here."
            ),
            **{name: _shown(columns[name]) for name in self.attributes},
        }
        schema = type(f"{self.entity.title()}Intervals", (dy.Schema,), fields)
        return Table(f"history.{self.entity}_intervals", schema, persons=self.table.persons)

    def show(self, raw: pl.LazyFrame) -> pl.LazyFrame:
        """One row per (`day`, key) of the source's raw rows, sightings included."""
        return raw.select(pl.col("drop_date").alias("day"), *self.key, "is_sighting", **self.shows)


def _shown(column: dy.Column) -> dy.Column:
    """A dimension's attribute as a snapshot shows it: of a sighting it is not known."""
    shown = copy(column)
    shown.nullable = True
    return shown


def take_in_snapshots(
    dimension: Dimension,
    intervals: pl.DataFrame,
    snapshots: pl.DataFrame,
    shown: pl.LazyFrame,
    observed: pl.DataFrame,
    first: date,
    last: date,
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Replace what is known of the days from first to last; return intervals and snapshots.

    Days of the range that are in `observed` show what `shown` says; the others count as not
    observed, even if they were before. Cost grows with the rows shown and the intervals held;
    memory with the intervals and one block of rows.

    Args:
        dimension: Whose history it is.
        intervals: One row per (key, `first_day`), as the last call returned it.
        snapshots: One row per observed day, as the last call returned it.
        shown: At most one row per (`day`, key): the attributes and `is_sighting`; what a sighting
            says of attributes is not kept. Rows of days that are not in `observed` are left out.
        observed: One row per observed day of the range: `day` and `form`.
        first: First day of the range.
        last: Last day of the range, inclusive.

    Returns:
        The new intervals, ordered by key and `first_day`, and the new snapshots, ordered by day.

    Raises:
        ValueError: If the range ends before it starts; if an observed day lies outside it, is
            repeated, or has an unknown form; if intervals of a key come to overlap, as they do
            where a key is shown twice on one day.
    """
    _require_range(observed, first, last)
    in_range = pl.col("day").is_between(first, last)
    snapshots = pl.concat([snapshots.filter(~in_range), observed.select(snapshots.columns)]).sort(
        "day"
    )
    days = snapshots["day"]
    intervals = _cut_range(intervals, days, first, last).select(dimension.interval_columns)
    blocks = list(_blocks_of_days(shown, sorted(observed["day"])))
    if not blocks:
        return _merge_neighbours(dimension, intervals, days), snapshots
    for block in blocks:
        rows = (
            _shown_on(shown, block)
            .select(
                "day",
                *dimension.key,
                "is_sighting",
                *(pl.when(~pl.col("is_sighting")).then(name) for name in dimension.attributes),
            )
            .collect(engine="streaming")
        )
        runs = _find_runs(dimension, rows, days)
        intervals = _merge_neighbours(dimension, pl.concat([intervals, runs]), days)
        # Else they are held until the next block is read.
        del rows, runs
    return intervals, snapshots


def derive_versions(
    dimension: Dimension,
    intervals: pl.DataFrame | pl.LazyFrame,
    snapshots: pl.DataFrame | pl.LazyFrame,
) -> pl.LazyFrame:
    """One row per (key, `effective_start_date`), ordered so: the dimension's table.

    Args:
        dimension: Whose versions to derive.
        intervals: As `take_in_snapshots` returns them.
        snapshots: As `take_in_snapshots` returns them.
    """
    day_after = pl.col("version_end") + pl.duration(days=1)
    starts = pl.col("first_day")
    if dimension.created_date is not None:
        # Life before the earliest snapshot is not on record, so a key that it shows is taken to
        # have been as it is since its creation.
        is_first = starts == pl.col("earliest_day")
        starts = (
            pl.when(is_first)
            .then(pl.min_horizontal("first_day", pl.col(dimension.created_date).cast(pl.Date)))
            .otherwise(starts)
        )
    continues = (
        _unchanged(dimension.key)
        & day_after.shift(1).eq_missing(pl.col("first_day"))
        & _unchanged(dimension.attributes)
    )
    return (
        intervals.lazy()
        .join(
            _next_departure_days(snapshots.lazy()), left_on="last_day", right_on="day", how="left"
        )
        .sort(*dimension.key, "first_day")
        .with_columns(version_end=_last_valid_day(dimension))
        .pipe(_carry_attributes_into_sightings, dimension)
        .with_columns(is_start=~continues)
        .with_columns(version_end=_last_of_each_run("version_end"))
        .filter("is_start")
        .with_columns(
            effective_start_date=starts,
            effective_end_date=pl.col("version_end"),
            is_current=pl.col("version_end") == OPEN_END,
        )
        .with_columns(
            pl.concat_str(
                *dimension.key,
                pl.col("effective_start_date").dt.strftime("%Y%m%d"),
                separator="_",
            ).alias(dimension.surrogate_key)
        )
        .select(dimension.version_columns)
    )


def attributes_as_of(dimension: Dimension, versions: pl.DataFrame, day: date) -> pl.DataFrame:
    """One row per key of which a version has begun by the day: its attributes and `is_valid`.

    The attributes are those of the version valid on the day or, after a departure, of the latest
    one that ended before it; `is_valid` tells the two apart. Ordered by key.
    """
    return (
        versions.filter(pl.col("effective_start_date") <= day)
        .sort(*dimension.key, "effective_start_date")
        .unique(list(dimension.key), keep="last", maintain_order=True)
        .select(
            *dimension.key,
            *dimension.attributes,
            is_valid=pl.col("effective_end_date") >= day,
        )
    )


def begin_of_keys(dimension: Dimension, versions: pl.LazyFrame) -> pl.LazyFrame:
    """One row per `key` of a dimension with one key column: when its first version `begins`."""
    (key,) = dimension.key
    first = versions.group_by(pl.col(key).alias("key")).agg(
        begins=pl.col("effective_start_date").min()
    )
    # Small beside the rows that refer to it, and looked up for each block of them.
    return first.collect(engine="streaming").lazy()


def days_between_versions(
    dimension: Dimension, before: pl.DataFrame, after: pl.DataFrame
) -> list[DayRange]:
    """The days as of which some key's version in one table is another than in the other.

    A version that departed is another one from then on. The last day of what goes on is
    `OPEN_END`; ranges may overlap.
    """
    key = list(dimension.key)
    old, new = (_showings_by_day(dimension, versions) for versions in (before, after))
    columns = old.columns
    different = [
        one.join(other, on=columns, how="anti", nulls_equal=True).select(key)
        for one, other in ((old, new), (new, old))
    ]
    keys = pl.concat(different).unique()
    if keys.is_empty():
        return []
    old, new = (one.join(keys, on=key, how="semi").sort(*key, "day") for one in (old, new))
    days = pl.concat([old, new]).select(*key, "day").unique().sort(*key, "day")
    shown = [days.join_asof(one, on="day", by=key, check_sortedness=False) for one in (old, new)]
    said = [name for name in columns if name not in (*key, "day")]
    differs = pl.any_horizontal(
        shown[0][name].ne_missing(shown[1][name]).alias(name) for name in said
    )
    ranges = (
        days.with_columns(
            until=(pl.col("day").shift(-1).over(key) - pl.duration(days=1)).fill_null(OPEN_END),
            differs=pl.select(differs).to_series(),
        )
        .filter("differs")
        .select("day", "until")
        .unique()
    )
    return [DayRange(first, last) for first, last in ranges.iter_rows()]


def _showings_by_day(dimension: Dimension, versions: pl.DataFrame) -> pl.DataFrame:
    """One row per (key, `day`) from which on, as of a day, a key shows something else."""
    said = [dimension.surrogate_key, *dimension.attributes]
    departed = versions.filter(
        (pl.col("effective_end_date") < OPEN_END)
        & (
            pl.col("effective_start_date").shift(-1).over(dimension.key, order_by=_START)
            > pl.col("effective_end_date") + pl.duration(days=1)
        ).fill_null(True)
    )
    return pl.concat(
        [
            versions.select(*dimension.key, *said, day=pl.col(_START), is_valid=pl.lit(True)),
            departed.select(
                *dimension.key,
                *said,
                day=pl.col("effective_end_date") + pl.duration(days=1),
                is_valid=pl.lit(False),
            ),
        ]
    )


_START: Final = "effective_start_date"


def _require_range(observed: pl.DataFrame, first: date, last: date) -> None:
    if last < first:
        raise ValueError(f"The range ends ({last}) before it starts ({first}).")
    for day, form in observed.select("day", "form").iter_rows():
        if not first <= day <= last:
            raise ValueError(f"Observed day {day} is not within {first} to {last}.")
        if form not in FORMS:
            raise ValueError(f"Form {form!r} of {day} is none of {FORMS}.")
    if observed["day"].is_duplicated().any():
        raise ValueError(f"A day is observed twice within {first} to {last}.")


def _shown_on(shown: pl.LazyFrame, days: Sequence[date]) -> pl.LazyFrame:
    """The rows of these days; the bounds on the day let a scan skip whole files."""
    return shown.filter(pl.col("day").is_between(days[0], days[-1]) & pl.col("day").is_in(days))


def _blocks_of_days(shown: pl.LazyFrame, days: list[date]) -> Iterator[Sequence[date]]:
    """The days in order, in blocks of at most `_BLOCK_ROWS` rows or a single day."""
    if len(days) <= 1:
        yield from ([day] for day in days)
        return
    rows_per_day = dict(
        _shown_on(shown, days).group_by("day").agg(pl.len()).collect(engine="streaming").iter_rows()
    )
    yield from blocks_of_rows(days, rows_per_day, _BLOCK_ROWS)


def _cut_range(intervals: pl.DataFrame, days: pl.Series, first: date, last: date) -> pl.DataFrame:
    """The intervals outside the range; one that spans it leaves a part on either side.

    A part ends on an observed day, as every interval does.
    """
    before = days.filter(days < first).max()
    after = days.filter(days > last).min()
    return pl.concat(
        [
            intervals.filter(pl.col("first_day") < first).with_columns(
                last_day=pl.min_horizontal("last_day", pl.lit(before, dtype=pl.Date))
            ),
            intervals.filter(pl.col("last_day") > last).with_columns(
                first_day=pl.max_horizontal("first_day", pl.lit(after, dtype=pl.Date))
            ),
        ]
    )


def _find_runs(dimension: Dimension, rows: pl.DataFrame, days: pl.Series) -> pl.DataFrame:
    """Intervals of the rows: runs of consecutive observed days on which a key shows the same.

    Nearly every key shows the same throughout, and then the count of its rows is the count of
    observed days between its first and its last: one pass of grouping settles it. Only the rows
    of the others need to be put in order.
    """
    group = [*dimension.key, *dimension.showing]
    runs = rows.group_by(group).agg(
        first_day=pl.col("day").min(), last_day=pl.col("day").max(), shown_days=pl.len()
    )
    observed_days = _place(runs["last_day"], days) - _place(runs["first_day"], days) + 1
    is_solid = runs["shown_days"] == observed_days
    broken = runs.filter(~is_solid).select(group).with_row_index("group")
    shown_again = (
        rows.join(broken, on=group, nulls_equal=True).select("group", "day").sort("group", "day")
    )
    # From row to row the place of the day and the number of the row both grow by one within a
    # run, so their difference is constant in it.
    parts = (
        shown_again.with_columns(place=_place(shown_again["day"], days))
        .with_columns(run=pl.col("place") - pl.int_range(pl.len()))
        .group_by("group", "run")
        .agg(first_day=pl.col("day").min(), last_day=pl.col("day").max())
        .join(broken, on="group")
    )
    return pl.concat(
        [frame.select(dimension.interval_columns) for frame in (runs.filter(is_solid), parts)]
    )


def _merge_neighbours(
    dimension: Dimension, intervals: pl.DataFrame, days: pl.Series
) -> pl.DataFrame:
    """Make one of intervals that show the same with no observed day between them; in order."""
    intervals = intervals.sort(*dimension.key, "first_day")
    intervals = intervals.with_columns(
        first_place=_place(intervals["first_day"], days),
        last_place=_place(intervals["last_day"], days),
    ).with_columns(
        is_same_key=_unchanged(dimension.key),
        step=pl.col("first_place") - pl.col("last_place").shift(1),
    )
    overlapping = intervals.filter(pl.col("is_same_key") & (pl.col("step") < 1))
    if not overlapping.is_empty():
        *names, day = overlapping.select(*dimension.key, "first_day").row(0)
        key = ", ".join(f"{key} {name!r}" for key, name in zip(dimension.key, names, strict=True))
        raise ValueError(f"{key} is shown twice on {day}.")
    continues = (
        pl.col("is_same_key")
        & pl.col("step").eq_missing(1)
        & _unchanged((*dimension.attributes, "is_sighting"))
    )
    return (
        intervals.with_columns(is_start=~continues)
        .with_columns(last_day=_last_of_each_run("last_day"))
        .filter("is_start")
        .select(dimension.interval_columns)
    )


def _place(column: pl.Series, days: pl.Series) -> pl.Series:
    """Position of each day among the observed days, from 0."""
    return days.search_sorted(column).cast(pl.Int64)


def _unchanged(columns: tuple[str, ...]) -> pl.Expr:
    """Whether the columns say the same as in the row before; null is the same as null."""
    return pl.all_horizontal(pl.col(name).eq_missing(pl.col(name).shift(1)) for name in columns)


def _last_of_each_run(column: str) -> pl.Expr:
    """For every row the column's value in the last row of its run; `is_start` opens a run."""
    is_end = pl.col("is_start").shift(-1, fill_value=True)
    return pl.when(is_end).then(column).backward_fill()


def _next_departure_days(snapshots: pl.LazyFrame) -> pl.LazyFrame:
    """One row per observed `day`: the next day on which absence is a departure, `next_drop_day`.

    Null where there is none. `earliest_day` is the earliest observed day.
    """
    drop_day = pl.when(pl.col("form") == "drop").then("day")
    return snapshots.sort("day").select(
        "day",
        next_drop_day=drop_day.shift(-1).backward_fill(),
        earliest_day=pl.col("day").min(),
    )


def _last_valid_day(dimension: Dimension) -> pl.Expr:
    """Last day, inclusive, on which what an interval shows holds; `OPEN_END` if it still does.

    Holds to the day before the key shows something else or is missing from a full snapshot,
    whichever comes first. Expects every interval, sightings too, ordered by key and day.
    """
    goes_on = _unchanged(dimension.key).shift(-1, fill_value=False)
    next_day = pl.when(goes_on).then(pl.col("first_day").shift(-1))
    return (pl.min_horizontal(next_day, "next_drop_day") - pl.duration(days=1)).fill_null(OPEN_END)


def _carry_attributes_into_sightings(intervals: pl.LazyFrame, dimension: Dimension) -> pl.LazyFrame:
    """Give sightings the attributes that the key showed last, be it before a departure.

    A sighting of a key that has shown none yet is left out: the key waits for its first
    acceptable row. Attributes are fetched by row number, for null may be what the key showed.
    """
    source = pl.when(~pl.col("is_sighting")).then(pl.int_range(pl.len())).forward_fill()
    is_known = pl.all_horizontal(
        pl.col(name).eq_missing(pl.col(name).gather("source")) for name in dimension.key
    )
    return (
        intervals.with_columns(source=source)
        .with_columns(pl.col(name).gather("source") for name in dimension.attributes)
        .filter(is_known)
    )
