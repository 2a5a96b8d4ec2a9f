"""The catalogue: what stands in it, and what is refused in one."""

import re
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from harvey_pipeline.segments.catalogue import (
    DEFAULT,
    CatalogueError,
    parse_condition,
    parse_reasoning,
    read_catalogue,
)
from harvey_pipeline.segments.tables.scores import ENGAGEMENT_SCORES
from harvey_pipeline.segments.tables.segments import USER_SEGMENTS
from harvey_pipeline.segments.transforms.recommendations import Condition, Field

TABLES = (USER_SEGMENTS, ENGAGEMENT_SCORES)
KINDS: dict[str, pl.DataType] = {
    "visits": pl.Int64(),
    "share": pl.Float64(),
    "word": pl.Enum(["low", "Very High"]),
    "text": pl.String(),
    "is_idle": pl.Boolean(),
    "since": pl.Date(),
    "list": pl.List(pl.String()),
}
RULES = {rule.rule_id: rule for rule in read_catalogue(None, TABLES)}


def conditions_of(rule_id: str) -> list[str]:
    found = []
    for one in RULES[rule_id].conditions:
        value = str(one.value).lower() if isinstance(one.value, bool) else str(one.value)
        found.append(f"{one.column} {one.comparison} {value}")
    return found


@pytest.mark.parametrize(
    ("rule_id", "category", "conditions", "hours", "priority", "cost"),
    [
        (
            "workflow_automation",
            "Workflow Automation",
            ["segment = power", "earnest_apps >= 3"],
            7.5,
            "high",
            600,
        ),
        (
            "advanced_training",
            "Advanced Training",
            ["segment = power", "depth_score >= 0.5"],
            5,
            "medium",
            200,
        ),
        (
            "fewer_sign_in_steps",
            "Authentication",
            ["segment = power", "auth_success_rate >= 95", "auth_successes >= 100"],
            2,
            "medium",
            0,
        ),
        (
            "widen_tools",
            "Guided Workflows",
            ["sub_segment = Single-tool Expert", "apps_on_offer >= 3"],
            2,
            "medium",
            0,
        ),
        (
            "guided_workflows",
            "Guided Workflows",
            ["segment = regular", "trend != increasing"],
            1,
            "low",
            0,
        ),
        ("check_in", "Retention", ["churn_risk = high"], 0, "high", 0),
        ("onboarding", "Onboarding", ["sub_segment = New"], 1, "medium", 50),
        (
            "simplified_start",
            "Simplified Experience",
            ["segment = casual", "is_dormant = false", "days_known >= 30"],
            1,
            "medium",
            25,
        ),
        (
            "re_engagement",
            "Re-engagement",
            ["is_dormant = true", "total_accesses > 0"],
            0,
            "medium",
            0,
        ),
        ("review_licence", "Licence", ["total_accesses = 0", "days_known >= 90"], 0, "high", 0),
    ],
)
def test_what_comes_with_the_package(
    rule_id: str, category: str, conditions: list[str], hours: float, priority: str, cost: float
) -> None:
    rule = RULES[rule_id]
    assert rule.category == category
    assert conditions_of(rule_id) == conditions
    assert rule.estimated_time_savings_hours_month == hours
    assert rule.priority == priority
    assert rule.implementation_cost_usd_year == cost
    assert rule.suggestion.endswith(".")
    assert len(RULES) == 10


POWER = {"segment": "power"}
SIGNED_IN = POWER | {"auth_success_rate": 95.0, "auth_successes": 100}
CASUAL = {"segment": "casual", "is_dormant": False, "days_known": 30}
EXPERT = {"sub_segment": "Single-tool Expert", "apps_on_offer": 3}
STEADY = {"segment": "regular", "trend": "stable"}
GONE = {"is_dormant": True, "total_accesses": 1}
IDLE = {"total_accesses": 0, "days_known": 90}


@pytest.mark.parametrize(
    ("rule_id", "figures", "holds"),
    [
        ("workflow_automation", POWER | {"earnest_apps": 3}, True),
        ("workflow_automation", POWER | {"earnest_apps": 2}, False),
        ("workflow_automation", {"segment": "regular", "earnest_apps": 3}, False),
        ("advanced_training", POWER | {"depth_score": 0.5}, True),
        ("advanced_training", POWER | {"depth_score": 0.499999}, False),
        ("advanced_training", {"segment": "regular", "depth_score": 0.5}, False),
        ("fewer_sign_in_steps", SIGNED_IN, True),
        ("fewer_sign_in_steps", SIGNED_IN | {"auth_success_rate": 94.999}, False),
        ("fewer_sign_in_steps", SIGNED_IN | {"auth_success_rate": None}, False),
        ("fewer_sign_in_steps", SIGNED_IN | {"auth_successes": 99}, False),
        ("fewer_sign_in_steps", SIGNED_IN | {"segment": "casual"}, False),
        ("widen_tools", EXPERT, True),
        ("widen_tools", EXPERT | {"apps_on_offer": 2}, False),
        ("widen_tools", EXPERT | {"sub_segment": "Power Generalist"}, False),
        ("guided_workflows", STEADY, True),
        ("guided_workflows", STEADY | {"trend": "decreasing"}, True),
        ("guided_workflows", STEADY | {"trend": "increasing"}, False),
        ("guided_workflows", STEADY | {"trend": None}, False),
        ("guided_workflows", STEADY | {"segment": "power"}, False),
        ("check_in", {"churn_risk": "high"}, True),
        ("check_in", {"churn_risk": "medium"}, False),
        ("check_in", {"churn_risk": None}, False),
        ("onboarding", {"sub_segment": "New"}, True),
        ("onboarding", {"sub_segment": "Occasional"}, False),
        ("simplified_start", CASUAL, True),
        ("simplified_start", CASUAL | {"days_known": 29}, False),
        ("simplified_start", CASUAL | {"is_dormant": True}, False),
        ("simplified_start", CASUAL | {"segment": "regular"}, False),
        ("re_engagement", GONE, True),
        ("re_engagement", GONE | {"total_accesses": 0}, False),
        ("re_engagement", GONE | {"is_dormant": False}, False),
        ("review_licence", IDLE, True),
        ("review_licence", IDLE | {"days_known": 89}, False),
        ("review_licence", IDLE | {"total_accesses": 1}, False),
    ],
)
def test_both_sides_of_every_condition(rule_id: str, figures: dict[str, Any], holds: bool) -> None:
    schema = ENGAGEMENT_SCORES.polars_schema | USER_SEGMENTS.polars_schema
    user = pl.DataFrame([dict.fromkeys(schema) | figures], schema=schema)
    assert user.select(RULES[rule_id].holds).item() is holds


@pytest.mark.parametrize(
    ("text", "condition"),
    [
        ("visits >= 3", Condition("visits", ">=", 3)),
        ("  visits<-3 ", Condition("visits", "<", -3)),
        ("share <= 0.5", Condition("share", "<=", 0.5)),
        ("share > 1", Condition("share", ">", 1)),
        ("word = Very High", Condition("word", "=", "Very High")),
        ('text != it\'s "odd" = so', Condition("text", "!=", 'it\'s "odd" = so')),
        ("is_idle = false", Condition("is_idle", "=", False)),
        ("since < 2024-05-06", Condition("since", "<", date(2024, 5, 6))),
    ],
)
def test_a_condition_is_column_op_and_value(text: str, condition: Condition) -> None:
    found = parse_condition(text, KINDS)
    assert found == condition
    assert type(found.value) is type(condition.value)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "is no condition"),
        ("visits", "is no condition"),
        ("visits >=", "is no condition"),
        ("visits is 3", "is no condition"),
        ("= 3", "is no condition"),
        ("visit >= 3", "column 'visit' is unknown; there are is_idle, list"),
        ("visits == 3", "== is unknown; there are = != < <= > >="),
        ("visits ~ 3", "~ is unknown"),
        ("visits = three", "'three' is no number"),
        ("visits = 1e3", "'1e3' is no number"),
        ("visits = 1,000", "'1,000' is no number"),
        ("share = nan", "'nan' is no number"),
        ("visits = 3 or 1 = 1", "'3 or 1 = 1' is no number"),
        ("visits = __import__('os')", "is no number"),
        ("word = high", "'high' is none of low, Very High"),
        ("word > low", "word has no order, so only = and != fit"),
        ("text < b", "text has no order"),
        ("is_idle = yes", "'yes' is neither true nor false"),
        ("is_idle >= true", "is_idle has no order"),
        ("since = 2024-02-30", "'2024-02-30' is no day"),
        ("since = 20240205", "'20240205' is no day"),
        ("list = a", "column 'list' is a list or a time"),
    ],
)
def test_what_is_no_condition_says_why(text: str, told: str) -> None:
    with pytest.raises(ValueError, match=re.escape(told)):
        parse_condition(text, KINDS)


@pytest.mark.parametrize(
    ("comparison", "holds"),
    [
        ("=", [False, True, False]),
        ("!=", [True, False, True]),
        ("<", [True, False, False]),
        ("<=", [True, True, False]),
        (">", [False, False, True]),
        (">=", [False, True, True]),
    ],
)
def test_comparisons_and_null_that_holds_never(comparison: str, holds: list[bool]) -> None:
    visits = pl.DataFrame({"visits": [2, 3, 4, None]})
    condition = Condition("visits", comparison, 3)
    assert visits.select(condition.holds).to_series().to_list() == [*holds, False]


def test_a_whole_number_column_against_a_fraction() -> None:
    visits = pl.DataFrame({"visits": [2, 3]})
    found = visits.select(Condition("visits", ">", 2.5).holds).to_series()
    assert found.to_list() == [False, True]


def test_the_parts_of_a_reasoning() -> None:
    parts = parse_reasoning("{visits} visits, {share}% by {word}", KINDS)
    assert parts == (
        Field("visits", is_fraction=False),
        " visits, ",
        Field("share", is_fraction=True),
        "% by ",
        Field("word", is_fraction=False),
    )


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{visit} visits", "column 'visit' is unknown"),
        ("{} visits", "column '' is unknown"),
        ("{visits.real}", "column 'visits.real' is unknown"),
        ("{visits} of {", "brace that stands alone"),
        ("{{visits}}", "brace that stands alone"),
        ("{list}", "column 'list' is a list or a time"),
    ],
)
def test_a_reasoning_that_cannot_be_told(text: str, told: str) -> None:
    with pytest.raises(ValueError, match=re.escape(told)):
        parse_reasoning(text, KINDS)


RULE = """
[call]
category = "Talk"
conditions = ["segment = power"]
suggestion = "Call."
reasoning = "Rank {percentile}."
estimated_time_savings_hours_month = 1.5
priority = "high"
implementation_cost_usd_year = 10
"""


def catalogue(folder: Path, text: str) -> Path:
    path = folder / "mine.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_another_catalogue_takes_the_place_of_the_default(tmp_path: Path) -> None:
    [rule] = read_catalogue(catalogue(tmp_path, RULE), TABLES)
    assert (rule.rule_id, rule.estimated_time_savings_hours_month) == ("call", 1.5)
    assert rule.conditions == (Condition("segment", "=", "power"),)
    assert rule.columns == {"segment", "percentile"}


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('category = "Talk"', "", "field category is missing"),
        ('category = "Talk"', 'category = " "', "field category is ' '; give a text"),
        ('category = "Talk"', "category = 3", "field category is 3; give a text"),
        ('category = "Talk"', 'category = "Talk"\ncost = 3', "field cost is unknown"),
        ('["segment = power"]', "[]", "field conditions is []; give a list"),
        ('["segment = power"]', '"segment = power"', "field conditions is 'segment = power'"),
        ('["segment = power"]', "[3]", "field conditions is [3]"),
        ("segment = power", "segment = strong", "field conditions: 'segment = strong'"),
        ("segment = power", "evidence = a", "field conditions: column 'evidence' is a list"),
        ("{percentile}", "{rank}", "field reasoning: column 'rank' is unknown"),
        (
            "1.5",
            "-1",
            "field estimated_time_savings_hours_month is -1; give a number from 0 to 744",
        ),
        ("1.5", "745", "field estimated_time_savings_hours_month is 745"),
        ("1.5", "nan", "field estimated_time_savings_hours_month is nan"),
        ("1.5", "true", "field estimated_time_savings_hours_month is True"),
        ("1.5", '"1.5"', "field estimated_time_savings_hours_month is '1.5'"),
        ("year = 10", "year = inf", "field implementation_cost_usd_year is inf"),
        ('"high"', '"urgent"', "field priority is 'urgent'; it is one of high, medium, low"),
        ('"high"', "1", "field priority is 1"),
    ],
)
def test_a_rule_that_is_none_names_file_rule_and_field(
    tmp_path: Path, old: str, new: str, told: str
) -> None:
    assert old in RULE
    path = catalogue(tmp_path, RULE.replace(old, new))
    with pytest.raises(CatalogueError) as error:
        read_catalogue(path, TABLES)
    assert str(error.value).startswith(f"The catalogue {path}, rule call: ")
    assert told in str(error.value)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "has no rule"),
        ("[call", "is no TOML"),
        (RULE + RULE, "is no TOML"),
        ("call = 3", "rule call: it is 3; a rule is a table with category"),
        ('["Call me"]\na = 1', "rule Call me: a rule is named by"),
    ],
)
def test_a_file_that_is_no_catalogue(tmp_path: Path, text: str, told: str) -> None:
    path = catalogue(tmp_path, text)
    with pytest.raises(CatalogueError) as error:
        read_catalogue(path, TABLES)
    assert str(path) in str(error.value)
    assert told in str(error.value)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match=r"none\.toml cannot be read: No such file"):
        read_catalogue(tmp_path / "none.toml", TABLES)
    path = tmp_path / "latin.toml"
    path.write_bytes("# Café".encode("latin-1"))
    with pytest.raises(CatalogueError, match=r"latin\.toml is not UTF-8"):
        read_catalogue(path, TABLES)


def test_the_default_stands_in_the_package() -> None:
    assert DEFAULT.parent.name == "segments"
    assert DEFAULT.exists()
