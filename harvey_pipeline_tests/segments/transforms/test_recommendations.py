"""What is recommended to whom: at most three, in order, with the user's figures."""

from datetime import timedelta
from typing import Any

import pytest

from harvey_pipeline.segments.catalogue import read_catalogue
from harvey_pipeline.segments.tables.outcomes import RECOMMENDATIONS
from harvey_pipeline.segments.tables.scores import ENGAGEMENT_SCORES
from harvey_pipeline.segments.tables.segments import USER_SEGMENTS
from harvey_pipeline.segments.transforms.recommendations import Condition, Field, Rule, recommend
from harvey_pipeline_tests.segments.outcome_rows import MONDAY, Row, rows_of, scores, segments

DEFAULT = read_catalogue(None, (USER_SEGMENTS, ENGAGEMENT_SCORES))


def rule(
    rule_id: str,
    hours: float = 0.0,
    priority: str = "medium",
    *,
    reasoning: tuple[str | Field, ...] = ("Because.",),
    condition: Condition | None = None,
) -> Rule:
    always = Condition("total_accesses", ">=", 0)
    conditions = (condition or always,)
    return Rule(rule_id, "Kind", "Do it.", reasoning, conditions, hours, priority, 10.0)


def recommended(users: Any, figures: Any, rules: Any, days: Any = (MONDAY,)) -> list[Row]:
    return rows_of(recommend(users, figures, rules, days), RECOMMENDATIONS)


def ids(rows: list[Row]) -> set[str]:
    return {row["rule_id"] for row in rows}


def test_a_recommendation_says_what_the_rule_says_with_the_users_figures() -> None:
    users = segments({"segment": "power", "sub_segment": "Multi-tool Specialist"})
    figures = scores({"earnest_apps": 3, "total_accesses": 412, "days_known": 400})
    assert recommended(users, figures, DEFAULT) == [
        {
            "date": MONDAY,
            "user_id": "u",
            "rule_id": "workflow_automation",
            "tenant_id": "t",
            "segment": "power",
            "category": "Workflow Automation",
            "suggestion": "Let recurring steps across your tools run as one automated workflow.",
            "reasoning": "Uses 3 apps in earnest, with 412 accesses in 90 days: steps that recur "
            "between them can be automated.",
            "estimated_time_savings_hours_month": 7.5,
            "priority": "high",
            "implementation_cost_usd_year": 600.0,
        }
    ]


def test_at_most_three_by_priority_then_hours_then_name() -> None:
    """Five rules hold: high 7.5 and 0 hours, medium 5 and twice 2."""
    users = segments(
        {"segment": "power", "sub_segment": "Single-tool Expert", "churn_risk": "high"}
    )
    power = {
        "total_accesses": 500,
        "days_known": 400,
        "auth_success_rate": 99.0,
        "auth_successes": 200,
        "apps_on_offer": 5,
    }
    all_five = scores(power | {"earnest_apps": 3, "depth_score": 0.9})
    expected = {"workflow_automation", "check_in", "advanced_training"}
    assert ids(recommended(users, all_five, DEFAULT)) == expected
    # Without the first of them: of the two with 2 hours the name decides, and both come in.
    four = scores(power | {"earnest_apps": 2, "depth_score": 0.1})
    expected = {"check_in", "fewer_sign_in_steps", "widen_tools"}
    assert ids(recommended(users, four, DEFAULT)) == expected


@pytest.mark.parametrize("turn", [1, -1])
def test_ties_go_by_name_whatever_the_order_of_the_catalogue(turn: int) -> None:
    rules = [rule(name, hours=2.0) for name in ("d", "b", "a", "c")][::turn]
    figures = scores({"total_accesses": 1})
    assert ids(recommended(segments({}), figures, rules)) == {"a", "b", "c"}


def test_priority_goes_before_hours() -> None:
    rules = [
        rule("a", 700.0, "low"),
        rule("b", 1.0, "medium"),
        rule("c", 2.0, "medium"),
        rule("d", 0.0, "high"),
    ]
    figures = scores({"total_accesses": 1})
    assert ids(recommended(segments({}), figures, rules)) == {"b", "c", "d"}


def test_what_does_not_hold_takes_no_place() -> None:
    never = Condition("total_accesses", "<", 0)
    rules = [
        *(rule(name, priority="high", condition=never) for name in ("a", "b", "c")),
        *(rule(name, priority="low") for name in ("d", "e", "f")),
    ]
    figures = scores({"total_accesses": 1})
    assert ids(recommended(segments({}), figures, rules)) == {"d", "e", "f"}


@pytest.mark.parametrize(
    ("minutes", "told"),
    [(12.5, "13"), (12.499, "12"), (0.5, "1"), (0.49, "0"), (None, "unknown")],
)
def test_numbers_are_rounded_half_up(minutes: float | None, told: str) -> None:
    reasoning = (
        Field("avg_session_minutes", is_fraction=True),
        " min, trend ",
        Field("trend", False),
    )
    figures = scores({"total_accesses": 1, "avg_session_minutes": minutes})
    [row] = recommended(segments({"trend": "stable"}), figures, [rule("a", reasoning=reasoning)])
    assert row["reasoning"] == f"{told} min, trend stable"


@pytest.mark.parametrize(("change", "told"), [(-0.5, "0"), (-0.51, "-1"), (-1.5, "-1")])
def test_half_up_is_upwards_below_zero_too(change: float, told: str) -> None:
    reasoning = (Field("score_change_7d", is_fraction=True),)
    users = segments({"score_change_7d": change})
    [row] = recommended(users, scores({"total_accesses": 1}), [rule("a", reasoning=reasoning)])
    assert row["reasoning"] == told


def test_each_user_and_monday_for_itself_and_no_other_day() -> None:
    later = MONDAY + timedelta(days=7)
    tuesday = MONDAY + timedelta(days=1)
    users = segments({}, {"user_id": "v"}, {"date": later})
    figures = scores(
        {"total_accesses": 1},
        {"total_accesses": 0, "user_id": "v"},
        {"total_accesses": 0, "date": later},
        {"total_accesses": 1, "date": tuesday},
    )
    rules = [rule("some", condition=Condition("total_accesses", ">", 0))]
    days = [MONDAY + timedelta(days=number) for number in range(8)]
    found = [(row["date"], row["user_id"]) for row in recommended(users, figures, rules, days)]
    assert found == [(MONDAY, "u")]
    assert recommended(users, figures, rules, [tuesday]) == []


def test_nobody_no_recommendation() -> None:
    assert recommended(segments(), scores(), DEFAULT) == []
