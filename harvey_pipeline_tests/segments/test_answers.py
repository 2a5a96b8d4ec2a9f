"""What a model may answer: every field, and no figure that it was not told."""

import json
from typing import Any

import pytest
from pydantic import ValidationError

from harvey_pipeline.segments.answers import Advice, Opinion, find_made_up

OPINION: dict[str, Any] = {
    "segment": "power",
    "sub_segment": "Daily drafter",
    "confidence": 0.85,
    "reasoning": "Works steadily.",
    "evidence": ["Uses the vault."],
    "churn_risk": "very_low",
}
RECOMMENDATION: dict[str, Any] = {
    "category": "Training",
    "suggestion": "Try templates.",
    "reasoning": "Would save time.",
    "estimated_time_savings_hours_month": 2.5,
    "priority": "medium",
    "implementation_cost_usd_year": 100.0,
}
GIVEN = json.dumps(
    {
        "user": {"accesses_30d": 42, "change": -0.25, "share": 12.5, "seconds": 12345},
        "counts": [7, 100],
    },
    separators=(",", ":"),
)


def opinion(**changes: Any) -> Opinion:
    return Opinion.model_validate_json(json.dumps(OPINION | changes))


def advice(*changes: dict[str, Any]) -> Advice:
    some = [RECOMMENDATION | one for one in changes]
    return Advice.model_validate_json(json.dumps({"recommendations": some}))


@pytest.mark.parametrize(
    "changes",
    [
        {"segment": "casual"},
        {"sub_segment": "x" * 60},
        {"confidence": 0},
        {"confidence": 1},
        {"reasoning": "x" * 1500},
        {"evidence": ["x"] * 8},
        {"churn_risk": "high"},
    ],
)
def test_answers_within_bounds_are_opinions(changes: dict[str, Any]) -> None:
    assert opinion(**changes).model_dump() == OPINION | changes


@pytest.mark.parametrize(
    "changes",
    [
        {"segment": "review"},
        {"segment": "Power"},
        {"sub_segment": ""},
        {"sub_segment": "x" * 61},
        {"confidence": -0.1},
        {"confidence": 1.1},
        {"confidence": "0.9"},
        {"confidence": None},
        {"confidence": True},
        {"reasoning": "x" * 1501},
        {"evidence": []},
        {"evidence": ["x"] * 9},
        {"evidence": [""]},
        {"evidence": "x"},
        {"churn_risk": "none"},
        {"user_id": "u"},
    ],
)
def test_answers_beyond_bounds_are_none(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        opinion(**changes)


@pytest.mark.parametrize("name", OPINION)
def test_an_opinion_lacks_no_field(name: str) -> None:
    short = {key: value for key, value in OPINION.items() if key != name}
    with pytest.raises(ValidationError):
        Opinion.model_validate_json(json.dumps(short))


@pytest.mark.parametrize("count", [1, 2, 3])
def test_one_to_three_recommendations_are_advice(count: int) -> None:
    assert len(advice(*[{}] * count).recommendations) == count


@pytest.mark.parametrize(
    "changes",
    [
        [],
        [{}] * 4,
        [{"estimated_time_savings_hours_month": 20.1}],
        [{"estimated_time_savings_hours_month": -1}],
        [{"implementation_cost_usd_year": -1}],
        [{"priority": "urgent"}],
        [{"suggestion": ""}],
        [{"rule_id": "x"}],
    ],
)
def test_advice_beyond_bounds_is_none(changes: list[dict[str, Any]]) -> None:
    with pytest.raises(ValidationError):
        advice(*changes)


@pytest.mark.parametrize(
    "text",
    [
        "No number at all.",
        "42 accesses in 30 days.",
        "It fell by 0.25, or -0.250.",
        "12.5 % of 100.",
        "12345 seconds, written 12,345 too.",
        "42.",
        "7, 42, 100",
        "(42)",
    ],
)
def test_numbers_that_were_given_may_be_told(text: str) -> None:
    assert find_made_up(opinion(reasoning=text), GIVEN) is None


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("43 accesses", "43"),
        ("about 12 %", "12"),
        ("0.3 less", "0.3"),
        ("4 2", "4"),
        ("25 %", "25"),
        ("7,100 accesses", "7,100"),
        ("7e3", "7e3"),
        ("42.5", "42.5"),
        ("2024-06-03", "2024"),
    ],
)
def test_a_number_that_was_not_given_is_made_up(text: str, number: str) -> None:
    found = find_made_up(opinion(reasoning=text), GIVEN)
    assert found == f"the number {number} is not in the input"


@pytest.mark.parametrize("text", ["½ of it", "٤٢", "⁴²"])
def test_numbers_in_other_signs_are_made_up(text: str) -> None:
    assert "signs other than 0 to 9" in str(find_made_up(opinion(reasoning=text), GIVEN))


@pytest.mark.parametrize("field", ["sub_segment", "reasoning"])
def test_every_text_of_an_opinion_is_looked_at(field: str) -> None:
    assert find_made_up(opinion(**{field: "99"}), GIVEN) is not None


def test_every_piece_of_evidence_is_looked_at() -> None:
    assert find_made_up(opinion(evidence=["42", "99"]), GIVEN) is not None


@pytest.mark.parametrize("field", ["category", "suggestion", "reasoning"])
def test_every_text_of_every_recommendation_is_looked_at(field: str) -> None:
    assert find_made_up(advice({}, {field: "99"}), GIVEN) is not None
    assert find_made_up(advice({}, {field: "42"}), GIVEN) is None


def test_estimates_are_the_models_own() -> None:
    assert find_made_up(opinion(confidence=0.777), GIVEN) is None
    assert find_made_up(advice({"estimated_time_savings_hours_month": 3.3}), GIVEN) is None
