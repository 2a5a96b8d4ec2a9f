"""What a subject is: one object that says what it brings, and what follows from that.

A subject is one folder with rooms of the same names; its `__init__.py` holds the object `SUBJECT`.
Raw tables and assets, the dimensions' own state, and every check that does not have to be written
follow from what is declared here.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import dagster as dg
import polars as pl

from harvey_pipeline.checks.deliveries import plan_deliveries
from harvey_pipeline.checks.dimensions import dimension_checks
from harvey_pipeline.checks.plan import CheckPlan, Surroundings, TableChecks, plan_checks
from harvey_pipeline.graph.assets import TableAsset
from harvey_pipeline.graph.computing import build_asset
from harvey_pipeline.graph.dimension_assets import dimension_asset
from harvey_pipeline.graph.due import Graph, Stage
from harvey_pipeline.graph.jobs import DAILY, MONTHLY
from harvey_pipeline.graph.lineage import read_lineage
from harvey_pipeline.graph.partitions import Partitions
from harvey_pipeline.graph.raw_assets import raw_asset
from harvey_pipeline.history import Dimension
from harvey_pipeline.landing.source import Source
from harvey_pipeline.warehouse.days import DayRange
from harvey_pipeline.warehouse.table import Table
from harvey_pipeline.warehouse.view import View

SampleWriter = Callable[[Callable[[date], None]], DayRange]
"""Writes synthetic drops, calls the function when a day is done, and returns the days.

It raises OSError if the folder cannot be written.
"""


class PrepareSample(Protocol):
    """Looks whether a subject's synthetic drops can be written into a landing folder."""

    def __call__(self, out: Path, sizes: Mapping[str, Any]) -> SampleWriter:
        """Return what writes them; nothing is written yet.

        Raises:
            ValueError: A size cannot be had.
            FileExistsError: The folder holds drops of the subject already.
        """


@dataclass(frozen=True)
class Volume:
    """By what a day is fit for a headline: a day of which too little came, or too much, is no news.

    Args:
        usual: Column that is false where a day's volume is not usual.
        count: Column with the volume.
        noun: What is counted, one of them.
        expect: How many are usual on a day, by the table's rows; None where nothing says it.
    """

    usual: str
    count: str
    noun: str
    expect: Callable[[pl.DataFrame, date], float | None]


@dataclass(frozen=True)
class Headline:
    """The figures of a day that a terminal shows: a table with one row per day, and its groups."""

    title: str
    table: Table
    groups: Mapping[str, Mapping[str, str]]
    """Labels and the columns behind them, by group."""
    volume: Volume | None = None

    def choose(self, rows: pl.DataFrame) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
        """The row that makes the headline, and the last one, out of all up to the last day run.

        The first is that of the latest day whose volume is not unusual or, where there is none,
        the last one too. There has to be a row.
        """
        by_day = rows.sort(self.table.key)
        last = by_day.row(-1, named=True)
        if self.volume is None:
            return last, last
        fit = by_day.filter(pl.col(self.volume.usual).ne_missing(pl.lit(value=False)))
        return (last if fit.is_empty() else fit.row(-1, named=True)), last


@dataclass(frozen=True)
class Subject:
    """A subject and all that it brings.

    Args:
        name: Its folder, and the beginning of its jobs' names.
        title: What it answers, in one sentence.
        sources: What it reads from the landing folder.
        tables: Its tables beyond the raw ones.
        dimensions: Those of its tables that are histories of a snapshot source.
        assets: What computes its other tables.
        checks: What is particular to its tables.
        archivable: Those of its tables by day of which whole months may be archived.
        views: Queries with names over its tables.
        guide: Markdown file, in its folder, with what a reader of its page has to know first.
        lineage: JSON file, in its folder, with what its tables' columns are made of.
        headline: What a terminal shows at the end of a run.
        prepare_sample: Makes synthetic drops.
        jobs: Names of its jobs, where they are not `<name>_daily` and `<name>_monthly`.
        is_always_run: Whether it has something to compute without any file of its own sources,
            for it rests on other subjects' tables.
        marked: Folders of the landing folder that hold no drops but markers, `<day>.accept`.
    """

    name: str
    title: str
    sources: tuple[Source, ...]
    tables: tuple[Table, ...] = ()
    dimensions: tuple[Dimension, ...] = ()
    assets: tuple[TableAsset, ...] = ()
    checks: tuple[TableChecks, ...] = ()
    archivable: tuple[Table, ...] = ()
    views: tuple[View, ...] = ()
    guide: Path | None = None
    lineage: Path | None = None
    headline: Headline | None = None
    prepare_sample: PrepareSample | None = None
    jobs: Mapping[str, str] = field(default_factory=dict)
    is_always_run: bool = False
    marked: tuple[str, ...] = ()

    @cached_property
    def raw_tables(self) -> tuple[Table, ...]:
        return tuple(source.table for source in self.sources)

    @cached_property
    def state_tables(self) -> tuple[Table, ...]:
        """What the dimensions remember, and nobody else reads."""
        return tuple(
            table
            for dimension in self.dimensions
            for table in (dimension.snapshots, dimension.intervals)
        )

    @cached_property
    def table_assets(self) -> tuple[TableAsset, ...]:
        """What computes its tables, the dimensions first."""
        by_name = {source.name: source for source in self.sources}
        dimensions = (
            dimension_asset(dimension, by_name[dimension.source]) for dimension in self.dimensions
        )
        return (*dimensions, *self.assets)

    @cached_property
    def daily_tables(self) -> tuple[Table, ...]:
        """Its tables by day but the raw ones, in the order of computing."""
        return tuple(table for table in self._computed_tables if not table.is_monthly)

    @cached_property
    def monthly_tables(self) -> tuple[Table, ...]:
        """Its tables by calendar month, in the order of computing."""
        return tuple(table for table in self._computed_tables if table.is_monthly)

    @cached_property
    def _computed_tables(self) -> tuple[Table, ...]:
        return tuple(asset.table for asset in Graph(self.sources, self.table_assets).ordered)

    @cached_property
    def covering(self) -> tuple[Source, ...]:
        """The sources that tell which days there are: those of which a drop is a day's news."""
        return tuple(source for source in self.sources if not source.is_snapshot)

    @property
    def is_optional(self) -> bool:
        """Whether a landing folder may have nothing of it."""
        return all(source.is_optional for source in self.sources)

    def job_name(self, kind: str) -> str:
        """The name of its daily or its monthly job."""
        return self.jobs.get(kind, f"{self.name}_{kind}")

    @cached_property
    def stages(self) -> tuple[Stage, ...]:
        """What its runs compute, one after the other: days of drops, days of events, months."""
        daily, monthly = self.job_name(DAILY), self.job_name(MONTHLY)
        stages = (
            Stage(daily, self.raw_tables, self.is_always_run),
            Stage(daily, self.daily_tables, self.is_always_run),
            Stage(monthly, self.monthly_tables, self.is_always_run),
        )
        return tuple(stage for stage in stages if stage.tables)

    @cached_property
    def job_names(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(stage.job_name for stage in self.stages))

    def build_assets(
        self, partitions: Partitions, tables: Mapping[str, Table], sources: Mapping[str, Source]
    ) -> list[dg.AssetsDefinition]:
        """Dagster's assets, raw ones first.

        `tables` and `sources` are those of all subjects: tables by name, sources by their tables'.
        """
        lineage = read_lineage(self.lineage) if self.lineage is not None else {}
        return [
            *(raw_asset(source, self.name, partitions) for source in self.sources),
            *(
                build_asset(
                    one, self.name, partitions, tables, sources, lineage.get(one.table.name)
                )
                for one in self.table_assets
            ),
        ]

    def plan_checks(self, tables: Mapping[str, Table]) -> tuple[CheckPlan, ...]:
        """All checks, table by table; `tables` are those of all subjects by name."""
        by_source = {source.name: source for source in self.sources}
        particular: dict[str, list[TableChecks]] = {}
        for dimension in self.dimensions:
            of_dimension = dimension_checks(dimension, by_source[dimension.source])
            particular.setdefault(dimension.table.name, []).append(of_dimension)
        for checks in self.checks:
            particular.setdefault(checks.table.name, []).append(checks)
        graph = Graph(self.sources, self.table_assets)
        surroundings = Surroundings(self.covering, graph, tables)
        return (
            *(
                plan_deliveries(source, particular.get(source.table.name, []), tables)
                for source in self.sources
            ),
            *(
                plan_checks(asset, particular.get(asset.table.name, []), surroundings)
                for asset in self.table_assets
            ),
        )
