"""Small warehouses made of a few drops, whose tables tests spoil and whose checks they evaluate."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import dagster as dg
import duckdb
import polars as pl

from harvey_pipeline import engagement
from harvey_pipeline.checks.declare import evaluate_days
from harvey_pipeline.checks.report import ERROR, Check
from harvey_pipeline.definitions import (
    build_definitions,
    check_plans,
    sources_of,
    tables_of,
)
from harvey_pipeline.graph.calendar import Calendar
from harvey_pipeline.graph.partitions import months_touched, range_tags
from harvey_pipeline.landing.raw_store import RawStore
from harvey_pipeline.warehouse.days import DayRange
from harvey_pipeline.warehouse.warehouse import Warehouse
from harvey_pipeline_tests.instances import forgetful_instance

SUBJECTS: Final = (engagement.SUBJECT,)
TABLES: Final = tables_of(SUBJECTS)
SOURCES: Final = {source.name: source for source in sources_of(SUBJECTS)}
PLANS: Final = {plan.table.name: plan for plan in check_plans(SUBJECTS)}
CALENDAR: Final = Calendar(date(2023, 1, 1), None)

FIRST, MIDDLE, LAST = date(2024, 4, 1), date(2024, 4, 2), date(2024, 4, 3)
DAYS: Final = DayRange(FIRST, LAST)

USERS: Final = (
    "id,created,title",
    "u1,2024-01-05,Partner",
    "u2,2024-02-05,Associate",
    "u3,2024-03-05,Senior Associate",
)
FIRMS: Final = (
    "id,created,firm_size,arr_in_thousands",
    "f1,2023-01-01,10,600",
    "f2,2023-02-01,5,90",
)
EVENT_HEADER: Final = "event_id,created,firm_id,user_id,event_type,num_docs,feedback_score"


def events_of(day: date) -> tuple[str, ...]:
    """Events of three users, as a drop."""
    return (
        EVENT_HEADER,
        f"{day}-a,{day} 09:00:00,f1,u1,ASSISTANT,3,5",
        f"{day}-b,{day} 10:00:00,f1,u1,VAULT,2,4",
        f"{day}-c,{day} 11:00:00,f1,u2,WORKFLOW,1,3",
        f"{day}-d,{day} 12:00:00,f2,u3,ASSISTANT,0,2",
    )


@dataclass(frozen=True)
class Runs:
    """The run of some days and, if it succeeded, the one of their months."""

    results: tuple[dg.ExecuteInProcessResult, ...]

    @property
    def success(self) -> bool:
        return all(result.success for result in self.results)

    @property
    def evaluations(self) -> list[dg.AssetCheckEvaluation]:
        return [one for result in self.results for one in result.get_asset_check_evaluations()]

    @property
    def failed_checks(self) -> list[str]:
        """The checks that did not pass, each followed by those of its rules that do not hold."""
        return [
            name
            for one in self.evaluations
            if not one.passed
            for name in (one.check_name, *failing_rules(one.metadata))
        ]

    def steps(self, kind: str) -> set[str]:
        """The steps of which there is an event of a kind."""
        return {
            str(event.step_key)
            for result in self.results
            for event in result.all_events
            if event.event_type_value == kind
        }


@dataclass(frozen=True)
class Place:
    """A landing folder and the warehouse made of it."""

    root: Path

    @property
    def landing(self) -> Path:
        return self.root / "landing"

    @property
    def database(self) -> Path:
        return self.root / "warehouse.duckdb"

    @property
    def warehouse(self) -> Warehouse:
        return Warehouse(database=str(self.database), lock_timeout_seconds=1)

    @property
    def raw_store(self) -> RawStore:
        return RawStore(
            root=str(self.root / "raw"),
            landing_dir=str(self.landing),
            start_date=str(CALENDAR.first),
            warehouse=self.warehouse,
        )

    def drop(self, source: str, day: date, lines: Sequence[str]) -> None:
        folder = self.landing / source
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{day}.csv").write_text("\n".join(lines) + "\n")

    def run(self, days: DayRange = DAYS) -> Runs:
        """Materialise days and then their months, with their checks, in process."""
        daily = self._execute("daily", days)
        if not daily.success:
            return Runs((daily,))
        return Runs((daily, self._execute("monthly", months_touched(days))))

    def run_days(self, days: DayRange) -> Runs:
        """Materialise days with their checks, but not their months."""
        return Runs((self._execute("daily", days),))

    def run_months(self, days: DayRange) -> Runs:
        """Materialise the months of some days with their checks, but not the days."""
        return Runs((self._execute("monthly", months_touched(days)),))

    def run_tables(self, days: DayRange, *tables: str) -> Runs:
        """Materialise some tables of some days, without their checks and what is downstream."""
        keys = [dg.AssetKey(table.split(".")) for table in tables]
        return Runs((self._execute("daily", days, keys),))

    def audit(self) -> Runs:
        """Evaluate the checks of all days, in process."""
        return Runs((self._execute("engagement_audit", None),))

    def _execute(
        self, job: str, partitions: DayRange | None, assets: Sequence[dg.AssetKey] | None = None
    ) -> dg.ExecuteInProcessResult:
        return self._definitions.resolve_job_def(job).execute_in_process(
            instance=forgetful_instance(),
            tags=range_tags(partitions) if partitions else {},
            asset_selection=assets,
            raise_on_error=False,
        )

    @cached_property
    def _definitions(self) -> dg.Definitions:
        return build_definitions(SUBJECTS, CALENDAR, self.warehouse, self.raw_store)

    def ingest(self, source: str, days: DayRange = DAYS) -> None:
        self.raw_store.ingest(SOURCES[source], days)

    def sql(self, *statements: str) -> None:
        with duckdb.connect(str(self.database)) as connection:
            for statement in statements:
                connection.execute(statement)

    def rewrite_raw(self, table: str, day: date, *changes: pl.Expr) -> None:
        """Change the stored rows of a drop behind the ledger's back."""
        [path] = (self.root / "raw" / table).glob(f"{day}-*.parquet")
        pl.read_parquet(path).with_columns(*changes).write_parquet(path)

    def evaluate(
        self, table: str, days: DayRange | None = DAYS
    ) -> Mapping[str, dg.AssetCheckResult]:
        """The results for the days (or for their months, where a table is by month).

        They are by check or, of a check that has rules, by rule.
        """
        plan = PLANS[table]
        if days is not None and TABLES[table].is_monthly:
            days = months_touched(days)
        with self.warehouse.kept_open():
            results = evaluate_days(plan, self.warehouse, self.raw_store, days)
        assert [result.check_name for result in results] == [one.name for one in plan.checks]
        return {
            name: part
            for check, result in zip(plan.checks, results, strict=True)
            for name, part in results_by_rule(check, result).items()
        }

    def failing(self, table: str, days: DayRange | None = DAYS) -> list[str]:
        """The names of the checks, or of their rules, that do not pass."""
        return [name for name, result in self.evaluate(table, days).items() if not result.passed]


def failing_rules(metadata: Mapping[str, dg.MetadataValue]) -> dict[str, dict[str, Any]]:
    """What a check's result says of each rule that does not hold."""
    told = metadata.get("failing_rules")
    assert told is None or isinstance(told, dg.JsonMetadataValue)
    return dict(told.data) if told is not None and isinstance(told.data, dict) else {}


def results_by_rule(check: Check, result: dg.AssetCheckResult) -> dict[str, dg.AssetCheckResult]:
    """What a check's result says of each of its rules; of a check without rules it as a whole."""
    if not check.rules:
        return {check.name: result}
    failing = failing_rules(result.metadata)
    assert set(failing) <= set(check.rules)
    examples = str(getattr(result.metadata.get("examples"), "value", "")).splitlines()
    parts = {}
    for rule in check.rules:
        of_rule = failing.get(rule, {})
        assert not of_rule or f"{rule}: " in str(result.description)
        rows = [line for line in examples if line.endswith(f"| {rule} |")]
        parts[rule] = dg.AssetCheckResult(
            passed=result.passed or (bool(failing) and not of_rule),
            check_name=result.check_name,
            severity=result.severity,
            description=result.description,
            metadata={
                **result.metadata,
                **of_rule,
                "examples": dg.MetadataValue.md("\n".join((*examples[:2], *rows))),
            },
        )
    return parts


def assert_fails(
    result: dg.AssetCheckResult,
    *,
    days: Sequence[date],
    naming: str,
    severity: dg.AssetCheckSeverity = ERROR,
) -> None:
    assert not result.passed
    assert result.severity == severity
    assert result.metadata["failing_days"].value == [str(day) for day in days]
    assert naming in str(result.metadata["examples"].value)


def spoil(table: str, change: str, where: str) -> tuple[str, ...]:
    return (f"update {table} set {change} where {where}",)


def repeat(table: str, where: str) -> tuple[str, ...]:
    return (f"insert into {table} select * from {table} where {where}",)


def blank(table: str, column: str, where: str) -> tuple[str, ...]:
    return (
        f"alter table {table} alter column {column} drop not null",
        f"update {table} set {column} = null where {where}",
    )


def many_users(count: int) -> list[str]:
    """A users drop of so many users, `u0` and on."""
    return [USERS[0], *(f"u{number},2024-01-05,Partner" for number in range(count))]
