"""A schema becomes one check with a rule for every kind of promise that it makes."""

import polars as pl

from harvey_pipeline.checks.contract import contract_of, repeated_rows
from harvey_pipeline.definitions import SUBJECTS, check_plans, defs, tables_of

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
