"""A schema becomes one check with a rule for every kind of promise that it makes."""

from datetime import timedelta
from typing import Any

import dataframely as dy
import polars as pl
import pytest

from harvey_pipeline.checks import contract
from harvey_pipeline.checks.contract import contract_of, repeated_rows
from harvey_pipeline.checks.report import Report
from harvey_pipeline.definitions import SUBJECTS, check_plans, defs, tables_of
from harvey_pipeline.warehouse import columns as c
from harvey_pipeline.warehouse.table import Table
from harvey_pipeline_tests.places import FIRST

TABLES = tables_of(SUBJECTS)
PLANS = {plan.table.name: plan for plan in check_plans(SUBJECTS)}

SUMMARY = "marts.daily_event_summary"


def test_every_asset_with_a_table_has_its_contract_checked() -> None:
    assets = {".".join(key.path) for key in defs.resolve_asset_graph().get_all_asset_keys()}
    checked = {name: {one.name for one in plan.checks} for name, plan in PLANS.items()}
    assert assets == set(checked)
    for table, names in checked.items():
        assert contract_of(TABLES[table]).check.name in names


def test_the_contract_has_a_rule_for_every_rule_of_the_schema() -> None:
    check = contract_of(TABLES[SUMMARY]).check
    assert list(check.rules) == [
        "key_is_unique",
        "required_columns_present",
        "events_add_up_by_type",
        "uncovered_days_are_not_usual",
        "values_within_bounds",
    ]
    assert check.rules["key_is_unique"] == "One row per `date`."
    assert check.is_blocking


def test_repeated_rows_are_told_by_the_whole_key() -> None:
    rows = pl.DataFrame({"a": [1, 1, 2, 1], "b": ["x", "y", "x", "x"]})
    assert repeated_rows(rows, ["a", "b"]).rows() == [(1, "x"), (1, "x")]
    assert repeated_rows(rows, ["b"]).height == 3
    assert repeated_rows(rows.head(0), ["a"]).is_empty()


class Counted(dy.Schema):
    """Counts of days."""

    date = c.day("Day.", key=True)
    count = c.count("A count.")


@pytest.mark.parametrize("slice_rows", [1, 2, 5])
def test_rows_that_break_a_rule_are_told_whichever_slice_they_lie_in(
    slice_rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contract, "_SLICE_ROWS", slice_rows)
    days = [FIRST + timedelta(days=number) for number in (0, 1, 2, 3, 0)]
    rows = pl.DataFrame({"date": days, "count": [-1, 1, 1, None, -7]}).cast({"count": pl.Int64})
    counted = contract_of(Table("marts.counted", Counted))
    report = Report(counted.table, [counted.check], days[:4])
    counted.judge(rows, report)
    [result] = report.results()
    rules: Any = result.metadata["failing_rules"].value
    told = {rule: (one["failing_count"], one["failing_days"]) for rule, one in rules.items()}
    assert told == {
        "key_is_unique": (2, ["2024-04-01"]),
        "required_columns_present": (1, ["2024-04-04"]),
        "values_within_bounds": (2, ["2024-04-01"]),
    }
