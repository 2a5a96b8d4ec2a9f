"""Column lineage found by experiment: what of a table changes where a column that it reads does.

Transforms collect, carry numbers from day to day and count in Python, so no query plan says what
their columns are made of. What they compute does: a transform is given made-up rows, then the same
rows with one column changed, and the columns whose values are others then are made of it. Rows are
drawn several times, so that thresholds are met, and by a seed, so that the same code gives the
same lineage.
"""

import inspect
import random
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from functools import cached_property
from typing import Any, Final

import dataframely as dy
import polars as pl

from harvey_pipeline.graph.assets import Reads, ReadsSums, TableAsset
from harvey_pipeline.graph.calendar import Calendar
from harvey_pipeline.landing.source import EVENT_DATE, Source
from harvey_pipeline.landing.sums import SumsOfRows
from harvey_pipeline.warehouse.days import DayRange
from harvey_pipeline.warehouse.table import Table
from harvey_pipeline.warehouse.warehouse import Deferred, Pieces

_LAST_DAY: Final = date(2024, 5, 31)
"""The last day that is computed; of a table by months, the end of the month that is."""

_DRAWS: Final = 8
_CROWDED_DRAWS: Final = 2
_NEARLY: Final = 0.75
"""More than this share of columns is nearly all."""

_ENTITIES: Final = 40
"""How many things the text of a key names, so that rows of several tables meet."""

_WORDS: Final = 5
"""How many of them other text names."""

_ROWS: Final = 60
"""Rows of a table, and no fewer than `_ROWS_A_DAY` of each day that is read."""

_ROWS_A_DAY: Final = 5
_FAVOURED: Final = 0.6
"""How many rows of a crowded draw have one and the same label."""

_DAYS_AT_ONCE: Final = 10
"""Days that are computed of a table that holds all days together."""

_DAYS_BEFORE: Final = 100
"""How far back dates lie that are not the days of partitions."""

_LARGEST_SHORT: Final = 100
_LARGEST: Final = (20, 500, 20_000, 2_000_000)
"""Numbers are at most so large, in one draw after the other."""


def find_lineage(
    asset: TableAsset, tables: Mapping[str, Table], sources: Mapping[str, Source]
) -> dict[str, list[str]]:
    """The columns that each column of an asset's table is made of, `<schema>.<table>.<column>`.

    Of a table that is read, a column that changes nearly all that is made of that table only finds
    rows, as keys of joins and groups do: it is left out where a column is made of others too. What
    is made of nothing but a key, or parts of it, counts rows: it is made of the whole key. A column
    of the table's own key is made of those of its name, and the day of a partition of the days
    that are read.

    Of a draw of which nothing comes, and for columns that have one value in all draws, there is a
    crowded draw, with a row a day of nearly every key and one label in most of them: some figures
    ask for many that are alike.

    `tables` are all tables by name, `sources` the sources by the names of their raw tables.
    """
    upstream = {one.table: tables[one.table] for one in asset.upstream}
    found: dict[str, dict[str, set[str]]] = {
        table: {name: set() for name in asset.table.polars_schema} for table in upstream
    }
    varying: set[str] = set()
    values: dict[str, set[Any]] = {name: set() for name in asset.table.polars_schema}
    for draw in range(_DRAWS):
        experiment = _Experiment(asset, tables, sources, draw)
        before = experiment.result()
        if before.is_empty():
            experiment = replace(experiment, is_crowded=True)
            before = experiment.result()
        varying |= {name for name in before.columns if before[name].n_unique() > 1}
        for name in before.columns:
            values[name].update(before[name])
        _experiment_on(experiment, before, found)
    constant = {name for name, some in values.items() if len(some) == 1} - set(asset.table.key)
    for draw in range(_CROWDED_DRAWS) if constant else ():
        experiment = _Experiment(asset, tables, sources, draw, is_crowded=True)
        _experiment_on(experiment, experiment.result().select(*asset.table.key, *constant), found)
    lineage: dict[str, list[str]] = {name: [] for name in asset.table.polars_schema}
    for name, table in upstream.items():
        for column, made_of in _without_finding(asset.table, table, found[name]).items():
            lineage[column] += [f"{name}.{one}" for one in table.polars_schema if one in made_of]
    for name in asset.table.key:
        # Where few things have a name, all of them are there whichever rows there are.
        if asset.table.polars_schema[name] == pl.String and not lineage[name]:
            lineage[name] = [
                f"{one}.{name}" for one, table in upstream.items() if name in table.polars_schema
            ]
    of_key = {one for name in asset.table.key for one in lineage[name]}
    for name in varying.difference(asset.table.key):
        lineage[name] = lineage[name] or [one for one in _columns_of(upstream) if one in of_key]
    inputs = (tables[one.table] for one in asset.inputs.values())
    days = [f"{table}.{_day_of_rows(table)}" for table in inputs if table.day_column is not None]
    if asset.table.day_column is not None and days:
        lineage[asset.table.day_column] = days
    return lineage


def _experiment_on(
    experiment: "_Experiment", before: pl.DataFrame, found: Mapping[str, Mapping[str, set[str]]]
) -> None:
    """Change each column that is read, and note of which columns it changes values."""
    for name, changing in found.items():
        for column in experiment.tables[name].polars_schema:
            after = experiment.result(name, column)
            for other in _differing(experiment.asset.table, before, after):
                changing[other].add(column)


def _day_of_rows(table: Table) -> str | None:
    """The column that dates a table's rows, also where a drop holds those of several days."""
    return EVENT_DATE if EVENT_DATE in table.polars_schema else table.day_column


def _columns_of(tables: Mapping[str, Table]) -> list[str]:
    return [f"{name}.{column}" for name, table in tables.items() for column in table.polars_schema]


def _differing(table: Table, before: pl.DataFrame, after: pl.DataFrame) -> list[str]:
    """The columns of which a row has another value; of the key, those of which rows are others."""
    others = [name for name in before.columns if name not in table.key]
    rows = before.join(after, on=table.key, nulls_equal=True, suffix=" after")
    found = [name for name in others if rows[name].ne_missing(rows[f"{name} after"]).any()]
    if rows.height == before.height == after.height:
        return found
    return found + [name for name in table.key if Counter(before[name]) != Counter(after[name])]


def _without_finding(own: Table, read: Table, found: Mapping[str, set[str]]) -> dict[str, set[str]]:
    """What each column is made of in one table, but for columns that only find rows."""
    values = [made_of for name, made_of in found.items() if made_of and name not in own.key]
    # What tells the rows of a raw table apart says nothing that a drop does.
    of_rows = read.key if read.schema_name == "raw" else ()
    finding = {
        one
        for one in read.polars_schema
        if (one in own.key or one in of_rows or one not in found)
        and sum(one in made_of for made_of in values) > _NEARLY * len(values)
    }
    made = {}
    for name, made_of in found.items():
        if name in own.key:
            made[name] = {name} & made_of or made_of
            continue
        listed = made_of - finding or made_of
        made[name] = set(read.key) if listed and listed <= set(read.key) else listed
    return made


@dataclass(frozen=True)
class _Experiment:
    """An asset over rows that were drawn once, computed of them or of slightly different ones."""

    asset: TableAsset
    tables: Mapping[str, Table]
    sources: Mapping[str, Source]
    draw: int
    is_crowded: bool = False

    def result(self, table: str = "", column: str = "") -> pl.DataFrame:
        """What comes out where a column of one of the upstream tables is changed."""
        rows = dict(self._drawn)
        if column:
            changed = _change(self.tables[table], rows[table], column, self._draws(column))
            words = self._words(table).get(column)
            if words and column not in self.tables[table].key:
                changed = _with_words(changed, column, words, self._draws(f"{column} words"))
            rows[table] = changed
        frames = {name: self._as_read(name, frame) for name, frame in rows.items()}
        inputs = {
            name: SumsOfRows(one.sums, frames[one.table])
            if isinstance(one, ReadsSums)
            else frames[one.table]
            for name, one in self.asset.inputs.items()
        }
        stores = {
            "warehouse": _StandInWarehouse(frames, {name: self._days(name) for name in frames}),
            "raw_store": _StandInRawStore(),
            "calendar": Calendar(_LAST_DAY - timedelta(days=_DAYS_BEFORE), _LAST_DAY),
        }
        parameters = inspect.signature(self.asset.compute).parameters
        given = {name: store for name, store in stores.items() if name in parameters}
        made = self.asset.compute(days=self._partitions, **inputs, **given)
        if isinstance(made, Deferred):
            made = made.plan()[self.asset.table]
        plans = list(made.plans) if isinstance(made, Pieces) else [made]
        return pl.concat(pl.collect_all(plans))

    @cached_property
    def _partitions(self) -> list[date]:
        """The partitions computed: one, or several days of a table that holds them together."""
        if self.asset.table.is_monthly:
            return [_LAST_DAY.replace(day=1)]
        days = 1 if self.asset.table.day_column is not None else _DAYS_AT_ONCE
        return DayRange(_LAST_DAY - timedelta(days=days - 1), _LAST_DAY).days

    @cached_property
    def _drawn(self) -> Mapping[str, pl.DataFrame]:
        drawn = {}
        for one in self.asset.upstream:
            days, draws = self._days(one.table), self._draws(one.table)
            rows_a_day = _ENTITIES if self.is_crowded else _ROWS_A_DAY
            rows = _draw(self.tables[one.table], days, draws, rows_a_day)
            for column, words in self._words(one.table).items():
                rows = _with_words(rows, column, words, draws)
            source = self.sources.get(one.table)
            if source is not None and source.kind == "changes":
                rows = _as_changes(source, rows, days[0], draws)
            drawn[one.table] = rows
        return drawn

    def _words(self, table: str) -> Mapping[str, tuple[str, ...]]:
        """The words that have a meaning in columns of a raw table."""
        source = self.sources.get(table)
        columns = () if source is None else source.columns
        return {column.name: column.words for column in columns if column.words}

    def _days(self, table: str) -> list[date]:
        """The partitions of an upstream table of which there are rows."""
        [one, *_] = [one for one in self.asset.upstream if one.table == table]
        window = _window(one, self._partitions, is_monthly=self.asset.table.is_monthly)
        return self.tables[table].partitions(window)

    def _as_read(self, table: str, rows: pl.DataFrame) -> pl.LazyFrame:
        """As the raw store, or the warehouse, hands out rows."""
        source = self.sources.get(table)
        if source is not None and source.kind == "changes":
            # A drop holds an id once, and nothing of days to come.
            rows = rows.with_columns(pl.min_horizontal(EVENT_DATE, "drop_date").alias(EVENT_DATE))
            rows = rows.unique(["drop_date", *source.key], keep="first", maintain_order=True)
        is_snapshot = source is not None and source.is_snapshot
        return rows.with_columns(is_sighting=pl.lit(False)).lazy() if is_snapshot else rows.lazy()

    def _draws(self, purpose: str) -> "_Draws":
        return _Draws(self.draw, f"{self.asset.table} {purpose}", is_crowded=self.is_crowded)


def _window(one: Reads, partitions: list[date], *, is_monthly: bool) -> DayRange:
    first, last = (
        one.days_of_month(day) if is_monthly else one.days_of(day)
        for day in (partitions[0], partitions[-1])
    )
    return DayRange(first.first, last.last)


@dataclass(frozen=True)
class _StandInWarehouse:
    """What a transform may ask of the warehouse; tables that it does not depend on are empty."""

    frames: Mapping[str, pl.LazyFrame]
    days: Mapping[str, list[date]]

    def read(self, table: Table, days: DayRange | None = None) -> pl.LazyFrame:
        frame = self.frames.get(table.name)
        if frame is None:
            return table.empty()
        if days is None or table.day_column is None:
            return frame
        return frame.filter(pl.col(table.day_column).is_between(days.first, days.last))

    def days_written(self, table: Table) -> set[date]:
        return set(self.days.get(table.name, ()))


@dataclass(frozen=True)
class _StandInRawStore:
    """What a transform may ask of the raw store: every day has its drop."""

    def observed_days(self, _source: Source, days: DayRange) -> pl.DataFrame:
        schema = {"day": pl.Date, "form": pl.String}
        return pl.DataFrame([(day, "drop") for day in days.days], schema=schema, orient="row")

    def first_covered_day(self, _source: Source) -> date:
        return _LAST_DAY - timedelta(days=_DAYS_BEFORE)

    def last_covered_day(self, _source: Source) -> date:
        return _LAST_DAY


class _Draws(random.Random):
    """What the values of one draw are drawn by."""

    def __init__(self, draw: int, purpose: str, *, is_crowded: bool) -> None:
        super().__init__(f"{draw} {purpose}")
        self.draw = draw
        self.is_crowded = is_crowded
        self.largest = _LARGEST[draw % len(_LARGEST)]
        self.share_true = 0.5 if draw % 2 else 1.0


def _draw(table: Table, days: list[date], draws: _Draws, rows_a_day: int) -> pl.DataFrame:
    """Rows of a table with distinct keys."""
    columns = table.schema.columns()
    rows: dict[tuple[Any, ...], tuple[Any, ...]] = {}
    for _ in range(max(_ROWS, rows_a_day * len(days))):
        row = {
            name: draws.choice(_pool(table, name, days))
            if name in table.key
            else _value(column, draws, days)
            for name, column in columns.items()
        }
        if table.day_column is not None:
            row[table.day_column] = draws.choice(days)
        rows[tuple(row[name] for name in table.key)] = tuple(row.values())
    return pl.DataFrame(list(rows.values()), schema=table.polars_schema, orient="row")


def _as_changes(source: Source, rows: pl.DataFrame, day: date, draws: _Draws) -> pl.DataFrame:
    """Rows of changes of which most concern one day, by some drop, so that ids come again."""
    ids = [
        pl.Series(name, [f"e{draws.randrange(_ENTITIES)}" for _ in range(rows.height)])
        for name in source.key
    ]
    dates = [draws.choice([day, day, drop]) for drop in rows["drop_date"]]
    return rows.with_columns(pl.Series(EVENT_DATE, dates), *ids)


def _with_words(
    rows: pl.DataFrame, column: str, words: tuple[str, ...], draws: _Draws
) -> pl.DataFrame:
    """The rows with words that have a meaning in most places of a column."""
    values = [
        draws.choice(words) if value is not None and draws.random() < 0.8 else value
        for value in rows[column]
    ]
    return rows.with_columns(pl.Series(column, values, dtype=pl.String))


def _change(table: Table, rows: pl.DataFrame, column: str, draws: _Draws) -> pl.DataFrame:
    """The rows with other values in a column, with distinct keys as before.

    Within the rows that share the rest of the key, the values of a column of the key are replaced
    one to one, among all that it may have.
    """
    days = sorted(set(rows[table.day_column])) if table.day_column is not None else []
    if column not in table.key:
        declared = table.schema.columns()[column]
        values = [_value(declared, draws, days) for _ in range(rows.height)]
    else:
        pool = _pool(table, column, days)
        others = [name for name in table.key if name != column]
        steps: dict[tuple[Any, ...], int] = {}
        values = [
            pool[
                (pool.index(value) + steps.setdefault(rest, draws.randrange(len(pool)))) % len(pool)
            ]
            for value, rest in zip(rows[column], _keys(rows, others), strict=True)
        ]
    if isinstance(table.schema.columns()[column], dy.Bool):
        values = [draws.random() < 0.5 for _ in values]
    changed = pl.Series(column, values, dtype=table.polars_schema[column])
    return rows.with_columns(changed)


def _keys(rows: pl.DataFrame, names: list[str]) -> Iterable[tuple[Any, ...]]:
    return rows.select(names).iter_rows() if names else [()] * rows.height


def _pool(table: Table, column: str, days: list[date]) -> list[Any]:
    """What a column of a key may hold."""
    declared = table.schema.columns()[column]
    if isinstance(declared, dy.Enum):
        return list(declared.categories)
    if isinstance(declared, dy.Date):
        return days if column == table.day_column else _days_before()
    if isinstance(declared, dy.String):
        return [f"e{number}" for number in range(_ENTITIES)]
    return list(getattr(declared, "is_in", None) or range(1, 10 * _ROWS))


def _value(column: dy.Column, draws: _Draws, days: list[date]) -> Any:
    """What a column may hold that is no key."""
    if column.nullable and draws.random() < 0.1:
        return None
    match column:
        case dy.Bool():
            return draws.random() < draws.share_true
        case dy.Enum():
            labels = list(column.categories)
            if draws.is_crowded and draws.random() < _FAVOURED:
                return labels[draws.draw % len(labels)]
            return draws.choice(labels)
        case dy.String():
            return f"e{draws.randrange(_WORDS)}"
        case dy.Date():
            return draws.choice(draws.choice([days or _days_before(), _days_before()]))
        case dy.Datetime():
            second = timedelta(seconds=draws.randrange(24 * 3600))
            return datetime.combine(draws.choice(_days_before()), time()) + second
    if allowed := getattr(column, "is_in", None):
        return draws.choice(list(allowed))
    return _number(column, draws)


def _number(column: dy.Column, draws: _Draws) -> float:
    """A number between a column's bounds, as often small as large."""
    lower, upper = (getattr(column, name, None) for name in ("min", "max"))
    least = 0.0 if lower is None else float(lower)
    most = max(draws.largest, least) if upper is None else float(upper)
    number: float = least - 1 + (most - least + 1) ** draws.random()
    if isinstance(column, dy.Float64):
        return number
    whole = int(number)
    return min(whole, _LARGEST_SHORT) if isinstance(column, dy.Int8 | dy.Int16) else whole


def _days_before() -> list[date]:
    return DayRange(_LAST_DAY - timedelta(days=_DAYS_BEFORE), _LAST_DAY).days
