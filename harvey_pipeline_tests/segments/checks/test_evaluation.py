"""The checks of what judges the segments fail for the reason that they are there for."""

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any, Final

import dagster as dg
import polars as pl
import pytest

from harvey_pipeline.checks.contract import contract_of
from harvey_pipeline.checks.plan import Judging
from harvey_pipeline.checks.report import WARN, Check, Report
from harvey_pipeline.segments.checks.evaluation import CHECKS
from harvey_pipeline.segments.tables.evaluation import (
    AB_READOUT,
    CHURN_BACKTEST,
    EVALUATION,
    STABILITY,
    TABLES,
)
from harvey_pipeline.warehouse.days import DayRange
from harvey_pipeline.warehouse.table import Table
from harvey_pipeline_tests.builders import raw_store

MONDAY, MONTH = date(2024, 6, 3), date(2024, 6, 1)
OF_TABLE = {checks.table: checks for checks in CHECKS}

Row = Mapping[str, Any]

JUDGED: Final[Row] = {
    "date": MONDAY,
    "tenant_id": "t",
    "labelled_users": 200,
    "unmatched_labels": 0,
    "power_as_power": 160,
    "power_as_casual": 40,
    "correct": 160,
    "accuracy": 80.0,
    "is_reliable": True,
    "is_met": False,
}
READ_OUT: Final[Row] = {
    "activity_month": MONTH,
    "kind": "training",
    "segment": "all",
    "metric": "satisfaction",
    "contaminated_users": 0,
    "treatment_n": 2,
    "treatment_value": 3.5,
    "control_n": 0,
    "target": 3.5,
    "is_met": True,
    "is_reliable": False,
}
FOLLOWED: Final[Row] = {
    "activity_month": MONTH,
    "tenant_id": "t",
    "segment": "power",
    "months_after": 1,
    "cohort_size": 2,
    "same_segment": 1,
    "in_top_quartile": 1,
    "inactive": 0,
    "same_segment_rate": 50.0,
    "top_quartile_rate": 50.0,
    "inactive_rate": 0.0,
}
TESTED: Final[Row] = {
    "date": MONDAY,
    "tenant_id": "t",
    "churn_risk": "high",
    "users": 2,
    "churned": 1,
    "precision": 50.0,
    "recall": 100.0,
    "lift": 1.0,
}
USUAL: Final = {EVALUATION: JUDGED, AB_READOUT: READ_OUT, STABILITY: FOLLOWED}
USUAL[CHURN_BACKTEST] = TESTED


def frame(table: Table, rows: Sequence[Row]) -> pl.DataFrame:
    """Rows of a table; counts that nothing is said of are 0, where they must be there."""
    columns = table.schema.columns()
    zeros = {
        name: 0
        for name, dtype in table.polars_schema.items()
        if dtype == pl.Int64 and not columns[name].nullable
    }
    usual = USUAL[table]
    return pl.DataFrame([{**zeros, **usual, **row} for row in rows], schema=table.polars_schema)


def failing(root: Path, table: Table, *rows: Row) -> dict[str, dg.AssetCheckResult]:
    """The checks that do not pass where a table holds these rows, by name."""
    store = raw_store(root)
    days = [MONTH] if table.is_monthly else [MONDAY]
    store.warehouse.write({table: frame(table, rows).lazy()}, DayRange(days[0], days[-1]))
    checks = OF_TABLE[table]
    report = Report(table, checks.checks, days)
    with store.warehouse.connect() as connection:
        checks.judge(Judging(connection, store.warehouse, store, days, report))
    results = {str(one.check_name): one for one in report.results()}
    assert set(results) == {check.name for check in checks.checks}
    return {name: result for name, result in results.items() if not result.passed}


def assert_warns(
    found: Mapping[str, dg.AssetCheckResult], check: str, day: date, naming: str
) -> None:
    assert set(found) == {check}
    assert found[check].severity == WARN
    assert found[check].metadata["failing_days"].value == [str(day)]
    assert naming in str(found[check].metadata["examples"].value)


def test_all_is_well(tmp_path: Path) -> None:
    assert failing(tmp_path, EVALUATION, JUDGED) == {}
    assert failing(tmp_path, AB_READOUT, READ_OUT) == {}


def test_without_rows_all_is_well(tmp_path: Path) -> None:
    assert failing(tmp_path, EVALUATION) == failing(tmp_path, AB_READOUT) == {}


@pytest.mark.parametrize("tenant_id", ["t", "all"])
def test_labels_do_not_agree(tmp_path: Path, tenant_id: str) -> None:
    row = {"tenant_id": tenant_id, "power_as_power": 159, "power_as_casual": 41, "correct": 159}
    assert_warns(failing(tmp_path, EVALUATION, row), "labels_agree", MONDAY, tenant_id)


def test_few_labels_need_not_agree(tmp_path: Path) -> None:
    row = {"labelled_users": 199, "power_as_power": 0, "power_as_casual": 199, "correct": 0}
    assert failing(tmp_path, EVALUATION, row | {"is_reliable": False}) == {}


def test_a_user_is_in_both_groups_of_a_kind(tmp_path: Path) -> None:
    found = failing(tmp_path, AB_READOUT, {"contaminated_users": 7})
    assert_warns(found, "experiment_groups_are_clean", MONTH, "training")
    # Once, and not for each metric and segment.
    cells = [
        {"contaminated_users": 7, "segment": segment, "metric": metric}
        for segment in ("casual", "all")
        for metric in ("hours_saved", "satisfaction")
    ]
    found = failing(tmp_path, AB_READOUT, *cells)
    assert found["experiment_groups_are_clean"].metadata["failing_count"].value == 1


@pytest.mark.parametrize(
    "change",
    [
        # A treatment of one kind is no treatment of another.
        {"contaminated_users": 7, "kind": "all"},
        {"treatment_value": 3.4, "kind": "all"},
        {"treatment_value": 3.4, "segment": "casual"},
        {"treatment_value": 3.4, "metric": "hours_saved"},
        {"treatment_value": None, "treatment_n": 0},
        {"control_value": 1.0, "control_n": 1},
        # A mean that is 3.5 but for the last bit.
        {"treatment_value": 3.4999999999999996},
    ],
)
def test_what_is_no_finding(tmp_path: Path, change: Row) -> None:
    assert failing(tmp_path, AB_READOUT, change) == {}


def test_users_are_not_satisfied(tmp_path: Path) -> None:
    found = failing(tmp_path, AB_READOUT, {"treatment_value": 3.49})
    assert_warns(found, "satisfaction_holds", MONTH, "3.49")


RULES = [
    (EVALUATION, {"date": date(2024, 6, 4)}, "is_monday"),
    (EVALUATION, {"power_as_power": 159}, "cells_add_up"),
    (EVALUATION, {"correct": 161}, "cells_add_up"),
    (EVALUATION, {"unmatched_labels": 1}, "unmatched_in_all_only"),
    (EVALUATION, {"accuracy": 100.1}, "values_within_bounds"),
    (STABILITY, {"activity_month": MONDAY}, "month_starts_on_its_first"),
    (STABILITY, {"months_after": 4}, "values_within_bounds"),
    (STABILITY, {"inactive": 3}, "counts_within_cohort"),
    (STABILITY, {"inactive": None}, "figures_are_known_together"),
    (STABILITY, {"cohort_size": 0}, "values_within_bounds"),
    (CHURN_BACKTEST, {"date": date(2024, 6, 4)}, "is_monday"),
    (CHURN_BACKTEST, {"churned": 3}, "churned_within_users"),
    (CHURN_BACKTEST, {"churned": None}, "rates_where_churn_is_known"),
    (AB_READOUT, {"activity_month": MONDAY}, "month_starts_on_its_first"),
    (AB_READOUT, {"treatment_value": None}, "values_where_there_are_users"),
    (AB_READOUT, {"difference": 1.0, "ci_low": 1.1, "ci_high": 2}, "interval_holds_the_difference"),
    (AB_READOUT, {"difference": 1.0, "ci_low": 0.9}, "interval_holds_the_difference"),
    (AB_READOUT, {"p_value": 1.1}, "values_within_bounds"),
]


@pytest.mark.parametrize(("table", "change", "rule"), RULES)
def test_a_row_breaks_a_rule_of_its_table(table: Table, change: Row, rule: str) -> None:
    def broken(row: Row) -> set[str]:
        contract = contract_of(table)
        report = Report(table, [contract.check], [MONDAY])
        contract.judge(frame(table, [row]), report)
        [result] = report.results()
        rules = result.metadata.get("failing_rules")
        if rules is None:
            return set()
        assert isinstance(rules, dg.JsonMetadataValue)
        assert isinstance(rules.data, dict)
        return set(rules.data)

    assert broken({}) == set()
    assert rule in broken(change)


def test_checks_stand_on_tables_of_this_part_and_have_advice() -> None:
    told: list[Check] = [check for checks in CHECKS for check in checks.checks]
    assert {checks.table for checks in CHECKS} <= set(TABLES)
    assert len({check.name for check in told}) == len(told) == 3
    assert not any(check.is_blocking for check in told)
