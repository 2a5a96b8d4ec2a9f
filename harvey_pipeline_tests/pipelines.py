"""A whole pipeline over a landing folder, in process, and its tables as plain rows."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import dagster as dg

from harvey_pipeline import engagement
from harvey_pipeline.definitions import build_definitions, graph_of, tables_of
from harvey_pipeline.graph.calendar import Calendar
from harvey_pipeline.graph.computing import DUE_TAG
from harvey_pipeline.graph.due import DueRange, Graph, Plan, find_due
from harvey_pipeline.graph.partitions import months_touched, range_tags
from harvey_pipeline.landing.raw_store import RawStore
from harvey_pipeline.subject import Subject
from harvey_pipeline.warehouse.days import DayRange
from harvey_pipeline.warehouse.warehouse import Warehouse
from harvey_pipeline_tests.instances import forgetful_instance

Rows = list[dict[str, Any]]

_MOST_RUNS = 60
_OWN_TO_A_RUN = ("loaded_at", "bytes", "fingerprint", "data_file")


def keys_of(subject: Subject) -> Mapping[str, tuple[str, ...]]:
    """The tables that a subject's users see, and what tells their rows apart."""
    return {
        "raw.drops": ("source", "drop_date"),
        "raw.quarantine": ("source", "drop_date", "line_number"),
    } | {
        table.name: tuple(table.key)
        for table in (*subject.raw_tables, *subject.tables)
        if not table.name.startswith("history.") and table.key
    }


def daily_assets_of(subject: Subject) -> tuple[str, ...]:
    """A subject's assets by day, in the order in which they are made."""
    return tuple(table.name for table in (*subject.raw_tables, *subject.daily_tables))


SUBJECT = engagement.SUBJECT
TABLES = tables_of([SUBJECT])
GRAPH = graph_of([SUBJECT])
KEYS = keys_of(SUBJECT)
DAILY_ASSETS = daily_assets_of(SUBJECT)
MONTHLY_ASSETS = tuple(table.name for table in SUBJECT.monthly_tables)
"""Those of the subject that most tests run."""


@dataclass(frozen=True)
class Pipeline:
    """A subject's pipeline whose warehouse stands in `folder`, over the drops in `landing`.

    Its calendar runs from `first` to `last`; without `last` it is open.
    """

    landing: Path
    folder: Path
    first: date
    last: date | None = None
    subject: Subject = SUBJECT

    @property
    def warehouse(self) -> Warehouse:
        return Warehouse(database=str(self.folder / "warehouse.duckdb"))

    @property
    def raw_store(self) -> RawStore:
        return RawStore(
            root=str(self.folder / "warehouse.raw"),
            landing_dir=str(self.landing),
            start_date=str(self.first),
            warehouse=self.warehouse,
        )

    @cached_property
    def definitions(self) -> dg.Definitions:
        calendar = Calendar(self.first, self.last)
        return build_definitions([self.subject], calendar, self.warehouse, self.raw_store)

    def find_due(self, first: date, last: date) -> Plan:
        """What is due of some days and the months that they touch."""
        days = DayRange(first, last)
        months = months_touched(days)
        return find_due(self._graph, self.warehouse, self.raw_store, days, months)

    def months_due(self, first: date, last: date) -> list[date]:
        """The months that are due by the days that were run."""
        days = DayRange(first, last)
        monthly = tuple(asset for asset in self._graph.assets if asset.table.is_monthly)
        months = months_touched(days)
        plan = find_due(Graph((), monthly), self.warehouse, self.raw_store, days, months)
        return sorted({one.day for one in plan})

    def run_due(self, first: date, last: date) -> list[DueRange]:
        """Run what is due until nothing is, and return what was run, in order."""
        done: list[DueRange] = []
        while due := self.find_due(first, last).first_ranges(self.subject.stages):
            assert len(done) < _MOST_RUNS, "what is run stays due"
            for _, some in due:
                self._execute(some.days, tuple(some.tables), False, {DUE_TAG: "true"})
                done.append(some)
        return done

    def run(
        self, first: date, last: date, *assets: str, checks: bool = False
    ) -> dg.ExecuteInProcessResult:
        """Materialise days of some daily assets (of all, if none is named), perhaps with checks."""
        return self._execute(DayRange(first, last), assets or daily_assets_of(self.subject), checks)

    def run_months(
        self, first: date, last: date, *assets: str, checks: bool = False
    ) -> dg.ExecuteInProcessResult:
        """Materialise the months that days touch, of some assets by month or of all of them."""
        months = months_touched(DayRange(first, last))
        by_month = tuple(table.name for table in self.subject.monthly_tables)
        return self._execute(months, assets or by_month, checks)

    def run_all(self, first: date, last: date) -> None:
        """Materialise days of all assets, and the months that they touch."""
        self.run(first, last)
        self.run_months(first, last)

    def _execute(
        self,
        days: DayRange,
        assets: tuple[str, ...],
        checks: bool,
        tags: Mapping[str, str] | None = None,
    ) -> dg.ExecuteInProcessResult:
        job = self._jobs.get((assets, checks)) or self._resolve(assets, checks)
        return job.execute_in_process(
            instance=forgetful_instance(),
            tags={**range_tags(days), **(tags or {})},
            raise_on_error=not checks,
        )

    @cached_property
    def _graph(self) -> Graph:
        return graph_of([self.subject])

    @cached_property
    def _jobs(self) -> dict[tuple[tuple[str, ...], bool], dg.JobDefinition]:
        return {}

    def _resolve(self, assets: tuple[str, ...], checks: bool) -> dg.JobDefinition:
        selection: dg.AssetSelection = dg.AssetSelection.assets(
            *(dg.AssetKey(name.split(".")) for name in assets)
        )
        if not checks:
            selection = selection.without_checks()
        jobs = dg.Definitions(jobs=[dg.define_asset_job("under_test", selection)])
        job = dg.Definitions.merge(self.definitions, jobs).resolve_job_def("under_test")
        self._jobs[assets, checks] = job
        return job

    def tables(self) -> dict[str, Rows]:
        return {name: self.rows(name) for name in keys_of(self.subject)}

    def rows(self, name: str) -> Rows:
        columns = [
            column
            for column in tables_of([self.subject])[name].polars_schema
            if name != "raw.drops" or column not in _OWN_TO_A_RUN
        ]
        listed = ", ".join(f'"{column}"' for column in columns)
        found = self.warehouse.query(f"select {listed} from {name}")
        return [dict(zip(columns, row, strict=True)) for row in found]


def days_between(first: date, last: date) -> list[date]:
    return [first + timedelta(days=offset) for offset in range((last - first).days + 1)]


def assert_same_rows(
    name: str, found: Rows, expected: Rows, key: Sequence[str] | None = None
) -> None:
    """Rows agree whatever their order; numbers up to the last bits of a division."""
    key = key or KEYS[name]
    by_key = {tuple(row[column] for column in key): row for row in found}
    wanted = {tuple(row[column] for column in key): row for row in expected}
    assert len(by_key) == len(found), f"{name}: keys repeat"
    missing, extra = wanted.keys() - by_key.keys(), by_key.keys() - wanted.keys()
    assert not missing, f"{name}: {len(missing)} rows missing, such as {next(iter(missing))}"
    assert not extra, f"{name}: {len(extra)} rows too many, such as {next(iter(extra))}"
    for identity, row in wanted.items():
        different = {
            column: (by_key[identity][column], value)
            for column, value in row.items()
            if not _is_same(column, by_key[identity][column], value)
        }
        assert not different, f"{name} {identity}: found and expected differ: {different}"


def assert_same_tables(found: Mapping[str, Rows], expected: Mapping[str, Rows]) -> None:
    for name in KEYS:
        assert_same_rows(name, found[name], expected[name])


def _is_same(column: str, found: Any, expected: Any) -> bool:
    if column == "record":
        return bool(_read_record(found) == _read_record(expected))
    if isinstance(found, float) and isinstance(expected, int | float):
        return math.isclose(found, expected, rel_tol=1e-12, abs_tol=1e-12)
    return bool(found == expected)


def _read_record(text: str) -> Any:
    """A record's fields; one that is null, empty or not there is all the same."""
    if not text.startswith("{"):
        return text
    try:
        fields = json.loads(text)
    except json.JSONDecodeError:
        return text
    return {name: value for name, value in fields.items() if value not in (None, "")}


def groups_of(days: Sequence[date], sizes: Sequence[int]) -> list[list[date]]:
    """The days cut into groups of these sizes, the last size again and again."""
    groups: list[list[date]] = []
    start = 0
    while start < len(days):
        size = sizes[min(len(groups), len(sizes) - 1)]
        groups.append(list(days[start : start + size]))
        start += size
    return groups
