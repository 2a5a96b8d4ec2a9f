"""Sentences computed from rows, at the edge of every band."""

import re
from bisect import bisect_right
from collections.abc import Mapping
from datetime import date
from itertools import product
from typing import Any, Final

import pytest

from harvey_pipeline.reports.explaining import (
    explain_firm_health,
    explain_growth_trend,
    explain_tier_change,
    explain_user,
    explain_way,
)
from harvey_pipeline.reports.page import Link

DAY = date(2024, 6, 30)
TIERS: Final = (
    "Inactive User",
    "Low Value User",
    "Medium Value User",
    "High Value User",
    "Power User",
)


def weights_of(days: int, documents: int, types: int) -> tuple[int, int, int]:
    """The definition's table, read as columns from the lowest band up."""
    return (
        (0, 20, 40, 60, 80, 100)[bisect_right((2, 5, 10, 15, 20), days)],
        (0, 20, 40, 60, 80, 100)[bisect_right((5, 10, 25, 50, 100), documents)],
        (0, 40, 70, 100)[types],
    )


def score_of(days: int, documents: int, types: int) -> int:
    first, second, third = weights_of(days, documents, types)
    return (4 * first + 3 * second + 3 * third) // 10


def tier_of(score: int) -> str:
    return TIERS[min(score // 20, 4)]


def user(days: int, documents: int, types: int, **values: Any) -> Mapping[str, Any]:
    first, second, third = weights_of(days, documents, types)
    score = score_of(days, documents, types)
    return {
        "date": DAY,
        "user_id": "u1",
        "active_days": days,
        "total_documents_processed": documents,
        "unique_event_types": types,
        "active_days_weight": first,
        "document_volume_weight": second,
        "feature_breadth_weight": third,
        "power_user_score": score,
        "power_user_tier": tier_of(score),
        "total_queries": 10,
        "engagement_level": "Mid Frequency User",
    } | values


# --- a user's score ------------------------------------------------------------------------------


def test_a_score_is_told_with_its_parts() -> None:
    told = explain_user(user(14, 30, 3))[0]
    assert told.sentence == "Score 72 of 100 in the 30 days up to 2024-06-30: High Value User"
    assert told.evidence == (
        "24 for 14 active days + 18 for 30 documents + 30 for 3 event types = 72; "
        "High Value User is from 60 to 79"
    )


@pytest.mark.parametrize(
    ("row", "reach"),
    [
        (user(20, 100, 3), "Power User is from 80 to 100"),
        (user(10, 10, 1), "Medium Value User is from 40 to 59"),
        (user(2, 5, 1), "Low Value User is from 20 to 39"),
        (user(0, 0, 0), "Inactive User is from 0 to 19"),
    ],
)
def test_the_scores_of_each_tier(row: Mapping[str, Any], reach: str) -> None:
    assert explain_user(row)[0].evidence.endswith(f"; {reach}")


@pytest.mark.parametrize(
    ("days", "start", "points", "bands"),
    [
        (0, "0 active days earn 0", 0, "Below 2 nothing, from 2 on 20"),
        (1, "1 active day earns 0", 0, "Below 2 nothing, from 2 on 20"),
        (2, "2 active days earn 20", 8, "From 2 on 20, from 5 on 40"),
        (4, "4 active days earn 20", 8, "From 2 on 20, from 5 on 40"),
        (5, "5 active days earn 40", 16, "From 5 on 40, from 10 on 60"),
        (9, "9 active days earn 40", 16, "From 5 on 40, from 10 on 60"),
        (10, "10 active days earn 60", 24, "From 10 on 60, from 15 on 80"),
        (14, "14 active days earn 60", 24, "From 10 on 60, from 15 on 80"),
        (15, "15 active days earn 80", 32, "From 15 on 80, from 20 on 100"),
        (19, "19 active days earn 80", 32, "From 15 on 80, from 20 on 100"),
        (20, "20 active days earn 100", 40, "From 20 on 100, the most there is"),
        (30, "30 active days earn 100", 40, "From 20 on 100, the most there is"),
    ],
)
def test_active_days_at_every_edge(days: int, start: str, points: int, bands: str) -> None:
    told = explain_user(user(days, 0, 1))[1]
    assert told.sentence == f"{start} of 100 points, weighed 0.4: {points} of the score"
    assert told.evidence == bands


@pytest.mark.parametrize(
    ("documents", "start", "points", "bands"),
    [
        (0, "0 documents earn 0", 0, "Below 5 nothing, from 5 on 20"),
        (1, "1 document earns 0", 0, "Below 5 nothing, from 5 on 20"),
        (4, "4 documents earn 0", 0, "Below 5 nothing, from 5 on 20"),
        (5, "5 documents earn 20", 6, "From 5 on 20, from 10 on 40"),
        (9, "9 documents earn 20", 6, "From 5 on 20, from 10 on 40"),
        (10, "10 documents earn 40", 12, "From 10 on 40, from 25 on 60"),
        (24, "24 documents earn 40", 12, "From 10 on 40, from 25 on 60"),
        (25, "25 documents earn 60", 18, "From 25 on 60, from 50 on 80"),
        (49, "49 documents earn 60", 18, "From 25 on 60, from 50 on 80"),
        (50, "50 documents earn 80", 24, "From 50 on 80, from 100 on 100"),
        (99, "99 documents earn 80", 24, "From 50 on 80, from 100 on 100"),
        (100, "100 documents earn 100", 30, "From 100 on 100, the most there is"),
        (1234, "1,234 documents earn 100", 30, "From 100 on 100, the most there is"),
    ],
)
def test_documents_at_every_edge(documents: int, start: str, points: int, bands: str) -> None:
    told = explain_user(user(1, documents, 1))[2]
    assert told.sentence == f"{start} of 100 points, weighed 0.3: {points} of the score"
    assert told.evidence == bands


@pytest.mark.parametrize(
    ("types", "start", "points", "bands"),
    [
        (0, "0 event types earn 0", 0, "Below 1 nothing, from 1 on 40"),
        (1, "1 event type earns 40", 12, "From 1 on 40, from 2 on 70"),
        (2, "2 event types earn 70", 21, "From 2 on 70, from 3 on 100"),
        (3, "3 event types earn 100", 30, "From 3 on 100, the most there is"),
    ],
)
def test_event_types_at_every_edge(types: int, start: str, points: int, bands: str) -> None:
    told = explain_user(user(1, 0, types))[3]
    assert told.sentence == f"{start} of 100 points, weighed 0.3: {points} of the score"
    assert told.evidence == bands


# --- the way to another tier ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "sentence", "evidence"),
    [
        pytest.param(
            user(14, 30, 3),
            "14 active days earn 60 of 100; one more earns 80 and lifts the score from 72 to 80: "
            "Power User",
            "Or 70 more documents (100 of 100), to 84: Power User",
            id="one more day",
        ),
        pytest.param(
            user(10, 99, 3),
            "99 documents earn 80 of 100; one more earns 100 and lifts the score from 78 to 84: "
            "Power User",
            "Or 5 more active days (80 of 100), to 86: Power User",
            id="one more document",
        ),
        pytest.param(
            user(1, 0, 1),
            # 12 points; a second type makes 21, and 2 active days would make 20.
            "1 active day earns 0 of 100; one more earns 20 and lifts the score from 12 to 20: "
            "Low Value User",
            "Or one more event type (70 of 100), to 21: Low Value User; 10 more documents "
            "(40 of 100), to 24: Low Value User",
            id="of equal changes the first",
        ),
        pytest.param(
            user(5, 21, 1),
            # 16 + 12 + 12: 100 documents make 58, 3 types 58, 15 days 56, 20 days 64.
            "5 active days earn 40 of 100; 15 more earn 100 and lift the score from 40 to 64: "
            "High Value User",
            "No other single change does",
            id="over several bands",
        ),
        pytest.param(
            user(0, 0, 0),
            "0 event types earn 0 of 100; 2 more earn 70 and lift the score from 0 to 21: "
            "Low Value User",
            "Or 10 more active days (60 of 100), to 24: Low Value User; 50 more documents "
            "(80 of 100), to 24: Low Value User",
            id="from nothing",
        ),
        pytest.param(
            user(14, 30, 2),
            # 24 + 18 + 21: all days make 79, all documents 75, all types 72.
            "One more active day (80 of 100 instead of 60) and one more event type (100 of 100 "
            "instead of 70) lift the score from 63 to 80: Power User",
            "No single change does",
            id="two changes",
        ),
        pytest.param(
            user(10, 25, 2),
            # 5 days and a type are 6; 25 documents make 69, too few beside any but days.
            "5 more active days (80 of 100 instead of 60) and one more event type (100 of 100 "
            "instead of 70) lift the score from 63 to 80: Power User",
            "No single change does",
            id="two changes of several",
        ),
    ],
)
def test_what_lifts_a_user_to_the_next_tier(
    row: Mapping[str, Any], sentence: str, evidence: str
) -> None:
    told = explain_way(row)
    assert (told.sentence, told.evidence) == (sentence, evidence)
    assert explain_user(row)[4] == told


@pytest.mark.parametrize(
    ("row", "sentence", "evidence"),
    [
        pytest.param(
            user(20, 30, 2),
            # 40 + 18 + 21.
            "2 event types earn 70 of 100; one more earns 100 and lifts the score from 79 to 88: "
            "Power User",
            "Or 20 more documents (80 of 100), to 85: Power User",
            id="79 is not at the top",
        ),
        pytest.param(
            user(20, 40, 3),
            # 40 + 18 + 30 = 88. 14 days make 72 and 15 make 80; 2 types 79; 9 documents 76, 10 82.
            "3 event types earn 100 of 100; one fewer earns 70 and takes the score from 88 to 79: "
            "High Value User",
            "Or 6 fewer active days (60 of 100), to 72: High Value User; 31 fewer documents "
            "(20 of 100), to 76: High Value User",
            id="one type fewer",
        ),
        pytest.param(
            user(23, 60, 2),
            # 40 + 24 + 21 = 85: 19 days make 77, 49 documents 79, one type 76.
            "2 event types earn 70 of 100; one fewer earns 40 and takes the score from 85 to 76: "
            "High Value User",
            "Or 4 fewer active days (80 of 100), to 77: High Value User; 11 fewer documents "
            "(60 of 100), to 79: High Value User",
            id="four days fewer",
        ),
        pytest.param(
            user(24, 1886, 1),
            # 40 + 30 + 12 = 82. The one event type stays while there is a query.
            "24 active days earn 100 of 100; 5 fewer earn 80 and take the score from 82 to 74: "
            "High Value User",
            "Or 1,787 fewer documents (80 of 100), to 76: High Value User",
            id="the last type stays",
        ),
        pytest.param(
            user(30, 100, 3),
            # Of 100: 9 days leave 76, 9 documents 76, 2 types 91 and one 82.
            "30 active days earn 100 of 100; 21 fewer earn 40 and take the score from 100 to 76: "
            "High Value User",
            "Or 91 fewer documents (20 of 100), to 76: High Value User",
            id="full score",
        ),
        pytest.param(
            user(15, 25, 3),
            "15 active days earn 80 of 100; one fewer earns 60 and takes the score from 80 to 72: "
            "High Value User",
            "Or one fewer document (40 of 100), to 74: High Value User; one fewer event type "
            "(70 of 100), to 71: High Value User",
            id="just there",
        ),
    ],
)
def test_what_it_takes_to_fall_from_the_top(
    row: Mapping[str, Any], sentence: str, evidence: str
) -> None:
    told = explain_way(row)
    assert (told.sentence, told.evidence) == (sentence, evidence)


def test_the_smallest_single_change_is_found_for_every_score() -> None:
    """Against trying one more, two more and so on."""
    edges = (0, 4, 5, 9, 10, 24, 25, 49, 50, 99, 100)
    seen = 0
    for days, documents, types in product(range(1, 22), edges, range(1, 4)):
        now = score_of(days, documents, types)
        wanted = 20 * (now // 20 + 1)
        if now >= 80:
            continue
        amounts = [
            more
            for more in range(1, 101)
            for one in ((more, 0, 0), (0, more, 0), (0, 0, more))
            if types + one[2] <= 3
            and score_of(days + one[0], documents + one[1], types + one[2]) >= wanted
        ]
        sentence = explain_way(user(days, documents, types)).sentence
        found = re.search(r"; (one|\d+) more earns? \d+ and lifts? the score", sentence)
        if not amounts:
            assert found is None
            assert " instead of " in sentence
            continue
        assert found is not None
        assert found[1].replace("one", "1") == str(amounts[0])
        seen += 1
    assert seen > 300


# --- engagement level ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("level", "queries", "days", "sentence", "evidence"),
    [
        (
            "High Frequency User",
            20,
            15,
            "20 queries on 15 active days",
            "High Frequency User takes 20 queries on 15 active days",
        ),
        (
            "Mid Frequency User",
            20,
            14,
            "20 queries on 14 active days; one more active day makes High Frequency User",
            "High Frequency User takes 20 queries on 15 active days",
        ),
        (
            "Mid Frequency User",
            19,
            15,
            "19 queries on 15 active days; one more query makes High Frequency User",
            "High Frequency User takes 20 queries on 15 active days",
        ),
        (
            "Low Frequency User",
            9,
            7,
            "9 queries on 7 active days; one more query and one more active day make "
            "Mid Frequency User",
            "Mid Frequency User takes 10 queries on 8 active days",
        ),
        (
            "Occasional User",
            3,
            1,
            "3 queries on 1 active day; 2 more queries and 2 more active days make "
            "Low Frequency User",
            "Low Frequency User takes 5 queries on 3 active days",
        ),
        (
            "Inactive User",
            0,
            0,
            "0 queries on 0 active days; one more query makes Occasional User",
            "Occasional User takes 1 query",
        ),
    ],
)
def test_the_engagement_level(
    level: str, queries: int, days: int, sentence: str, evidence: str
) -> None:
    told = explain_user(user(days, 0, 1, total_queries=queries, engagement_level=level))[-1]
    assert (told.sentence, told.evidence) == (f"{level}: {sentence}", evidence)


# --- a change of tier ----------------------------------------------------------------------------


def change(**values: Any) -> Mapping[str, Any]:
    return {
        "date": DAY,
        "user_id": "u1",
        "tier_before": "Power User",
        "tier_now": "High Value User",
        "direction": "down",
        "score_before": 82,
        "score_now": 66,
        "active_days_weight_before": 100,
        "active_days_weight_now": 60,
        "document_volume_weight_before": 40,
        "document_volume_weight_now": 40,
        "feature_breadth_weight_before": 100,
        "feature_breadth_weight_now": 100,
        "main_component": "active_days_weight",
        "measure_before": 20,
        "measure_now": 12,
    } | values


def test_a_fall_is_told_by_its_main_component() -> None:
    told = explain_tier_change(change())
    assert told.sentence == (
        "Fell from Power User to High Value User: active days went from 20 to 12 in 30 days, "
        "which took the component from 100 to 60 (score 82 to 66)"
    )
    assert told.evidence == "Points of the score: active days -16"
    assert told.link == Link("u1", "user", "u1")


def test_a_rise_is_told_with_what_went_the_other_way() -> None:
    told = explain_tier_change(
        change(
            tier_before="Medium Value User",
            direction="up",
            score_before=56,
            score_now=60,
            active_days_weight_before=80,
            document_volume_weight_now=60,
            feature_breadth_weight_before=80,
            main_component="document_volume_weight",
            measure_before=24,
            measure_now=1025,
        )
    )
    assert told.sentence == (
        "Rose from Medium Value User to High Value User: documents went from 24 to 1,025 in 30 "
        "days, which took the component from 40 to 60 (score 56 to 60)"
    )
    assert told.evidence == "Points of the score: active days -8, documents +6, event types +6"


# --- a firm's health -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "feedback", "queries", "sentence"),
    [
        ("Excellent", 4.5, 10.0, "mean score 4.5 and 10 queries per active user in 30 days"),
        (
            "Good",
            4.4999,
            10.0,
            "mean score 4.49 and 10 queries per active user in 30 days; Excellent takes a mean "
            "score of 4.5",
        ),
        (
            "Good",
            4.5,
            9.996,
            "mean score 4.5 and 9.99 queries per active user in 30 days; Excellent takes 10 "
            "queries per active user",
        ),
        (
            "Good",
            4.0,
            5.0,
            "mean score 4 and 5 queries per active user in 30 days; Excellent takes a mean score "
            "of 4.5 and 10 queries per active user",
        ),
        (
            "Fair",
            3.999,
            12.0,
            "mean score 3.99 and 12 queries per active user in 30 days; Good takes a mean score "
            "of 4.0",
        ),
        (
            "Fair",
            4.8,
            4.9,
            "mean score 4.8 and 4.9 queries per active user in 30 days; Good takes 5 queries per "
            "active user",
        ),
        (
            "Needs Attention",
            3.4,
            2.0,
            "mean score 3.4 and 2 queries per active user in 30 days; Fair takes a mean score of "
            "3.5",
        ),
        (
            "Needs Attention",
            5.0,
            1.9,
            "mean score 5 and 1.9 queries per active user in 30 days; Fair takes 2 queries per "
            "active user",
        ),
        (
            "Critical",
            2.996,
            1234.5,
            "mean score 2.99 and 1,234.5 queries per active user in 30 days; Needs Attention "
            "takes a mean score of 3.0",
        ),
        (
            "Fair",
            None,
            2.0,
            "2 queries per active user in 30 days, and nothing was scored; Good takes a mean score",
        ),
        (
            "Needs Attention",
            None,
            1.999,
            "1.99 queries per active user in 30 days, and nothing was scored; Fair takes 2",
        ),
    ],
)
def test_a_firms_health_at_every_edge(
    status: str, feedback: float | None, queries: float, sentence: str
) -> None:
    told = explain_firm_health(
        {
            "firm_id": "f1",
            "firm_health_status": status,
            "total_queries_30d": 50,
            "avg_feedback_score_30d": feedback,
            "queries_per_active_user_30d": queries,
        }
    )
    assert told.sentence == f"{status}: {sentence}"
    assert told.link == Link("f1", "firm", "f1")


@pytest.mark.parametrize(
    ("status", "feedback", "rule"),
    [
        ("Excellent", 4.6, "Excellent takes a mean score of 4.5 and 10 queries per active user"),
        ("Good", 4.1, "Good takes a mean score of 4.0 and 5 queries per active user"),
        ("Fair", 3.6, "Fair takes a mean score of 3.5 and 2 queries per active user"),
        ("Needs Attention", 3.1, "Needs Attention takes a mean score of 3.0"),
        ("Critical", 2.9, "Critical is below all others"),
        (
            "Fair",
            None,
            "With no scored event a firm is Fair from 2 queries per active user on, else Needs "
            "Attention",
        ),
    ],
)
def test_the_rule_of_a_health_is_its_evidence(
    status: str, feedback: float | None, rule: str
) -> None:
    told = explain_firm_health(
        {
            "firm_id": "f1",
            "firm_health_status": status,
            "total_queries_30d": 50,
            "avg_feedback_score_30d": feedback,
            "queries_per_active_user_30d": 20.0,
        }
    )
    assert told.evidence == rule


def test_a_firm_without_activity_is_critical_for_that() -> None:
    told = explain_firm_health(
        {
            "firm_id": "f1",
            "firm_health_status": "Critical",
            "total_queries_30d": 0,
            "avg_feedback_score_30d": None,
            "queries_per_active_user_30d": None,
        }
    )
    assert told.sentence == "Critical: nobody was active in 30 days"


# --- the trend -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("trend", "before", "now", "kept", "sentence"),
    [
        ("Strong Growth", 100, 110, 70.0, "from 100 to 110 (+10.0 %) in 30 days, and 70 %"),
        ("Growing", 10_000, 10_999, 69.96, "from 10,000 to 10,999 (+9.9 %) in 30 days, and 69.9 %"),
        ("Growing", 100, 102, 100.0, "from 100 to 102 (+2.0 %) in 30 days, and 100 %"),
        ("Stable", 10_000, 10_199, 90.0, "from 10,000 to 10,199 (+1.9 %) in 30 days, and 90 %"),
        ("Stable", 10_000, 9_801, 90.0, "from 10,000 to 9,801 (-1.9 %) in 30 days, and 90 %"),
        ("Declining", 100, 98, 90.0, "from 100 to 98 (-2.0 %) in 30 days, and 90 %"),
        ("Declining", 10_000, 8_001, 80.0, "from 10,000 to 8,001 (-19.9 %) in 30 days, and 80 %"),
        ("Critical Decline", 100, 80, 80.0, "from 100 to 80 (-20.0 %) in 30 days, and 80 %"),
    ],
)
def test_a_trend_at_every_edge(
    trend: str, before: int, now: int, kept: float, sentence: str
) -> None:
    """No change that misses a bound is written as the bound."""
    told = explain_growth_trend(
        {"date": DAY, "growth_trend": trend, "power_users": now, "power_user_retention": kept},
        {"power_users": before},
    )
    assert told.sentence == f"{trend}: power users went {sentence} of the earlier ones still are"


def test_a_trend_without_power_users_before() -> None:
    now = {
        "date": DAY,
        "growth_trend": "Insufficient Data",
        "power_users": 1,
        "power_user_retention": None,
    }
    rule = "A trend takes 60 covered days in a row, and 20 power users 30 days before"
    told = explain_growth_trend(now, {"power_users": 0})
    assert told.sentence == "Insufficient Data: power users went from 0 to 1 in 30 days"
    assert told.evidence == rule
    told = explain_growth_trend(now, None)
    assert told.sentence == (
        "Insufficient Data: 1 power user on 2024-06-30, and no figures of 30 days before"
    )
    assert told.evidence == rule


@pytest.mark.parametrize(
    ("trend", "rule"),
    [
        (
            "Strong Growth",
            "It takes +10 % or more, with 70 % or more of the earlier power users kept",
        ),
        ("Growing", "It takes +2 % or more; Strong Growth +10 % with 70 % kept"),
        ("Stable", "It is less than 2 % up or down, or one person"),
        ("Declining", "It is -2 % or worse; from -20 % on it is Critical Decline"),
        ("Critical Decline", "It is -20 % or worse"),
    ],
)
def test_the_rule_of_a_trend_is_its_evidence(trend: str, rule: str) -> None:
    now = {"date": DAY, "growth_trend": trend, "power_users": 50, "power_user_retention": 50.0}
    assert explain_growth_trend(now, {"power_users": 50}).evidence == rule
