"""A small star, made of a few drops in process, whose tables tests read and spoil."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb

from harvey_pipeline.agents import SUBJECT
from harvey_pipeline.checks.declare import evaluate_days
from harvey_pipeline.definitions import build_definitions, check_plans, tables_of, views_of
from harvey_pipeline.graph.calendar import Calendar
from harvey_pipeline.graph.partitions import range_tags
from harvey_pipeline.landing.raw_store import RawStore
from harvey_pipeline.warehouse.days import DayRange
from harvey_pipeline.warehouse.publishing import publish
from harvey_pipeline.warehouse.warehouse import Warehouse
from harvey_pipeline_tests.instances import forgetful_instance

TABLES = tables_of([SUBJECT])
PLANS = {plan.table.name: plan for plan in check_plans([SUBJECT])}

HEADERS: Mapping[str, str] = {
    "agent_approvals": "id,conversation_id,shop_domain,status,created_at,agent_type,"
    "customer_email,customer_name,draft_response,confidence_score,suggested_tags,priority,"
    "recommended_action,reviewed_at",
    "agent_queries": "id,shop_domain,created_at,agent_type,latency_ms,is_approved,is_error",
    "agent_feedback": "id,annotator_email,shop_domain,created_at,clarity_score,accuracy_score,"
    "helpfulness_score,tone_score,is_safe_to_send,labels,rubric,notes",
    "shops": "shop_domain,plan_type,monthly_orders",
    "customers": "customer_email,shop_domain,customer_name,order_count,lifetime_value",
    "annotators": "annotator_email,annotator_name,is_active",
    "agent_types": "agent_type_code,agent_name,is_active,expected_approval_rate,"
    "expected_avg_latency_ms",
}


@dataclass(frozen=True)
class Star:
    """A landing folder and the warehouse made of it."""

    root: Path
    first: date
    last: date

    @property
    def warehouse(self) -> Warehouse:
        return Warehouse(database=str(self.root / "warehouse.duckdb"))

    @property
    def raw_store(self) -> RawStore:
        return RawStore(
            root=str(self.root / "raw"),
            landing_dir=str(self.root / "landing"),
            start_date=str(self.first),
            warehouse=self.warehouse,
        )

    def drop(self, source: str, day: date, *lines: str) -> None:
        path = self.root / "landing" / source / f"{day}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join((HEADERS[source], *lines)) + "\n")

    def run(self) -> list[str]:
        """Materialise all days with their checks; the names of the checks that did not pass."""
        evaluations = self._execute(self.first, self.last, None).get_asset_check_evaluations()
        assert len(evaluations) == sum(len(plan.checks) for plan in PLANS.values())
        return sorted({one.check_name for one in evaluations if not one.passed})

    def materialise(
        self, first: date | None = None, last: date | None = None, tables: Iterable[str] = PLANS
    ) -> None:
        """Materialise days of some tables, or of all, without checks."""
        keys = [dg.AssetKey(table.split(".")) for table in tables]
        self._execute(first or self.first, last or self.last, keys)

    def _execute(
        self, first: date, last: date, assets: list[dg.AssetKey] | None
    ) -> dg.ExecuteInProcessResult:
        calendar = Calendar(self.first, self.last)
        definitions = build_definitions([SUBJECT], calendar, self.warehouse, self.raw_store)
        return definitions.resolve_job_def("agents_daily").execute_in_process(
            instance=forgetful_instance(),
            tags=range_tags(DayRange(first, last)),
            asset_selection=assets,
        )

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        return self.warehouse.query(query)

    def publish(self) -> None:
        publish(self.warehouse, TABLES, views_of([SUBJECT]))

    def spoil(self, *statements: str) -> None:
        with duckdb.connect(self.warehouse.database) as connection:
            for statement in statements:
                connection.execute(statement)

    def evaluate(
        self, table: str, first: date | None = None, last: date | None = None
    ) -> dict[str, dg.AssetCheckResult]:
        """The results of a table's checks, by name."""
        days = DayRange(first or self.first, last or self.last)
        results: Iterable[dg.AssetCheckResult] = evaluate_days(
            PLANS[table], self.warehouse, self.raw_store, days
        )
        return {str(one.check_name): one for one in results}
