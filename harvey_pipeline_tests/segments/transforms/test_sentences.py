"""Reasoning and evidence, in words."""

import pytest

from harvey_pipeline_tests.segments.transforms.weeks import (
    Row,
    only,
    power,
    score,
    silent,
    tenant,
    weekly,
)


def test_reasoning_of_a_user() -> None:
    row = power(earnest_apps=3, trend="increasing", last_access_days_ago=2)
    assert only([row])["reasoning"] == (
        "Power user (Multi-tool Specialist): engagement score 0.900, percentile 90, trend "
        "increasing. 90 accesses of 3 apps on 30 days in 90 days; last access 2 days ago."
    )


def test_reasoning_without_an_access() -> None:
    assert only([silent(auth_successes=3, trend=None)])["reasoning"] == (
        "Casual user (Sign-in Only): engagement score 0.000, not ranked, trend unknown. "
        "0 accesses of 0 apps on 0 days in 90 days; no access."
    )


def test_reasoning_where_the_week_says_another_segment() -> None:
    found = only(weekly(["regular"] * 3 + ["casual"] * 2, total_accesses=1234))
    assert found["reasoning"] == (
        "Regular user (Steady Regular): engagement score 0.100, percentile 5, trend stable. "
        "1234 accesses of 3 apps on 30 days in 90 days; last access 1 days ago. "
        "This week alone says casual (at_risk)."
    )


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        pytest.param({"engagement_score": 0.4505}, "score 0.451,", id="score-half-up"),
        pytest.param({"engagement_score": 0.450499}, "score 0.450,", id="score-down"),
        pytest.param({"engagement_score": 0.9995}, "score 1.000,", id="score-to-a-whole"),
        pytest.param({"engagement_score": 0.0095}, "score 0.010,", id="score-of-hundredths"),
        pytest.param({"percentile": 93.999}, "percentile 93,", id="percentile-down"),
        pytest.param({"percentile": 0.0}, "percentile 0,", id="last"),
        pytest.param({"percentile": 100.0}, "percentile 100,", id="first"),
        pytest.param({"percentile": 28.999999999999996}, "percentile 29,", id="last-bits"),
    ],
)
def test_numbers_in_the_reasoning(changes: Row, told: str) -> None:
    assert told in only([score(**changes)])["reasoning"]


def test_evidence_of_a_user() -> None:
    row = score(total_accesses=1234, earnest_apps=2, unique_apps=4, last_access_days_ago=3)
    assert only([row], [tenant()])["evidence"] == [
        "Frequency: 1234 accesses in 90 days (tenant mean 71)",
        "Diversity: 2 of 4 apps used in earnest (tenant mean 2 apps)",
        "Recency: last access 3 days ago",
        "Consistency: 30 days, 12 of 12 weeks",
        "Depth: 20 minutes a day of use (tenant mean 15)",
    ]


def test_evidence_without_an_access() -> None:
    row = silent(auth_successes=7, auth_failures=2)
    assert only([row], [tenant()])["evidence"] == [
        "No access in 90 days",
        "Sign-ins: 7 successful, 2 failed",
    ]


@pytest.mark.parametrize(
    ("changes", "means", "told"),
    [
        # 30 days of 20.5 minutes, and a second less in all.
        ({"active_seconds": 36_900}, {}, "Depth: 21 minutes a day of use (tenant mean 15)"),
        ({"active_seconds": 36_899}, {}, "Depth: 20 minutes a day of use (tenant mean 15)"),
        ({}, {"mean_session_minutes": 14.5}, "Depth: 20 minutes a day of use (tenant mean 15)"),
        ({}, {"mean_session_minutes": 14.49}, "Depth: 20 minutes a day of use (tenant mean 14)"),
        ({}, {"mean_accesses": 70.49}, "Frequency: 90 accesses in 90 days (tenant mean 70)"),
        ({}, {"tenant_id": "t2"}, "Frequency: 90 accesses in 90 days (tenant mean unknown)"),
    ],
)
def test_numbers_in_the_evidence(changes: Row, means: Row, told: str) -> None:
    assert told in only([score(**changes)], [tenant(**means)])["evidence"]
