"""Scores, tiers and labels: every band at its edges, and what nulls come to."""

from datetime import date
from typing import Any

import polars as pl
import pytest

from harvey_pipeline.engagement.transforms.scoring import (
    active_days_weight,
    average_score,
    document_volume_weight,
    engagement_level,
    feature_breadth_weight,
    months_since,
    percent,
    power_user_score,
    power_user_tier,
    quality_level,
    ratio,
    tenure_band,
    usage_pattern,
)


def value_of(expression: pl.Expr) -> Any:
    return pl.select(expression).item()


def count(value: int | None) -> pl.Expr:
    return pl.lit(value, dtype=pl.Int64)


def number(value: float | None) -> pl.Expr:
    return pl.lit(value, dtype=pl.Float64)


@pytest.mark.parametrize(
    ("active_days", "weight"),
    [
        pytest.param(0, 0, id="no-day-earns-nothing"),
        pytest.param(1, 0, id="one-day-earns-nothing"),
        pytest.param(2, 20, id="two-days-open-the-first-band"),
        pytest.param(4, 20, id="just-below-the-second-band"),
        pytest.param(5, 40, id="five-days-open-the-second-band"),
        pytest.param(9, 40, id="just-below-the-third-band"),
        pytest.param(10, 60, id="ten-days-open-the-third-band"),
        pytest.param(14, 60, id="just-below-the-fourth-band"),
        pytest.param(15, 80, id="fifteen-days-open-the-fourth-band"),
        pytest.param(19, 80, id="just-below-the-top-band"),
        pytest.param(20, 100, id="twenty-days-earn-all"),
        pytest.param(30, 100, id="a-full-window-earns-no-more"),
    ],
)
def test_active_days_weight(active_days: int, weight: int) -> None:
    assert value_of(active_days_weight(count(active_days))) == weight


@pytest.mark.parametrize(
    ("documents", "weight"),
    [
        pytest.param(0, 0, id="no-document-earns-nothing"),
        pytest.param(4, 0, id="four-documents-earn-nothing"),
        pytest.param(5, 20, id="five-documents-open-the-first-band"),
        pytest.param(9, 20, id="just-below-the-second-band"),
        pytest.param(10, 40, id="ten-documents-open-the-second-band"),
        pytest.param(24, 40, id="just-below-the-third-band"),
        pytest.param(25, 60, id="twenty-five-documents-open-the-third-band"),
        pytest.param(49, 60, id="just-below-the-fourth-band"),
        pytest.param(50, 80, id="fifty-documents-open-the-fourth-band"),
        pytest.param(99, 80, id="just-below-the-top-band"),
        pytest.param(100, 100, id="a-hundred-documents-earn-all"),
        pytest.param(3_000_000_000, 100, id="more-than-32-bits-hold-earns-all"),
    ],
)
def test_document_volume_weight(documents: int, weight: int) -> None:
    assert value_of(document_volume_weight(count(documents))) == weight


@pytest.mark.parametrize(
    ("event_types", "weight"),
    [
        pytest.param(0, 0, id="no-feature"),
        pytest.param(1, 40, id="one-feature"),
        pytest.param(2, 70, id="two-features"),
        pytest.param(3, 100, id="all-features"),
    ],
)
def test_feature_breadth_weight(event_types: int, weight: int) -> None:
    assert value_of(feature_breadth_weight(count(event_types))) == weight


@pytest.mark.parametrize(
    ("active_days", "documents", "breadth", "score"),
    [
        pytest.param(0, 0, 0, 0, id="nothing-at-all"),
        pytest.param(100, 100, 100, 100, id="everything"),
        pytest.param(100, 0, 0, 40, id="active-days-weigh-four-tenths"),
        pytest.param(0, 100, 0, 30, id="documents-weigh-three-tenths"),
        pytest.param(0, 0, 100, 30, id="breadth-weighs-three-tenths"),
        pytest.param(100, 100, 40, 82, id="one-feature-used-heavily"),
        pytest.param(100, 60, 70, 79, id="one-below-a-power-user"),
        pytest.param(80, 80, 80, 80, id="exactly-a-power-user"),
        pytest.param(0, 0, 70, 21, id="two-features-alone"),
        pytest.param(60, 20, 70, 51, id="each-component-of-another-band"),
        pytest.param(20, 20, 40, 26, id="the-lowest-bands"),
    ],
)
def test_power_user_score(active_days: int, documents: int, breadth: int, score: int) -> None:
    weights = [pl.lit(weight, dtype=pl.Int16) for weight in (active_days, documents, breadth)]
    assert value_of(power_user_score(*weights)) == score


@pytest.mark.parametrize(
    ("score", "tier"),
    [
        pytest.param(100, "Power User", id="the-highest-score"),
        pytest.param(80, "Power User", id="eighty-is-a-power-user"),
        pytest.param(79, "High Value User", id="just-below-a-power-user"),
        pytest.param(60, "High Value User", id="sixty-is-high-value"),
        pytest.param(59, "Medium Value User", id="just-below-high-value"),
        pytest.param(40, "Medium Value User", id="forty-is-medium-value"),
        pytest.param(39, "Low Value User", id="just-below-medium-value"),
        pytest.param(20, "Low Value User", id="twenty-is-low-value"),
        pytest.param(19, "Inactive User", id="just-below-low-value"),
        pytest.param(0, "Inactive User", id="nothing-at-all"),
    ],
)
def test_power_user_tier(score: int, tier: str) -> None:
    assert value_of(power_user_tier(pl.lit(score, dtype=pl.Int16))) == tier


@pytest.mark.parametrize(
    ("queries", "active_days", "level"),
    [
        pytest.param(20, 15, "High Frequency User", id="both-thresholds-of-high"),
        pytest.param(19, 15, "Mid Frequency User", id="one-query-short-of-high"),
        pytest.param(20, 14, "Mid Frequency User", id="one-day-short-of-high"),
        pytest.param(500, 14, "Mid Frequency User", id="queries-do-not-make-up-for-days"),
        pytest.param(10, 8, "Mid Frequency User", id="both-thresholds-of-mid"),
        pytest.param(9, 8, "Low Frequency User", id="one-query-short-of-mid"),
        pytest.param(10, 7, "Low Frequency User", id="one-day-short-of-mid"),
        pytest.param(5, 3, "Low Frequency User", id="both-thresholds-of-low"),
        pytest.param(4, 3, "Occasional User", id="one-query-short-of-low"),
        pytest.param(5, 2, "Occasional User", id="one-day-short-of-low"),
        pytest.param(1, 1, "Occasional User", id="a-single-query"),
        pytest.param(900, 1, "Occasional User", id="one-busy-day"),
        pytest.param(0, 0, "Inactive User", id="no-query"),
    ],
)
def test_engagement_level(queries: int, active_days: int, level: str) -> None:
    assert value_of(engagement_level(count(queries), count(active_days))) == level


@pytest.mark.parametrize(
    ("assistant", "vault", "workflow", "pattern"),
    [
        pytest.param(2, 1, 1, "Assistant-Focused", id="assistant-leads-by-one"),
        pytest.param(1, 2, 1, "Vault-Focused", id="vault-leads-by-one"),
        pytest.param(1, 1, 2, "Workflow-Focused", id="workflow-leads-by-one"),
        pytest.param(1, 0, 0, "Assistant-Focused", id="assistant-only"),
        pytest.param(0, 1, 0, "Vault-Focused", id="vault-only"),
        pytest.param(0, 0, 1, "Workflow-Focused", id="workflow-only"),
        pytest.param(3, 3, 2, "Mixed Usage", id="assistant-and-vault-tie-ahead"),
        pytest.param(3, 2, 3, "Mixed Usage", id="assistant-and-workflow-tie-ahead"),
        pytest.param(2, 3, 3, "Mixed Usage", id="vault-and-workflow-tie-ahead"),
        pytest.param(3, 3, 0, "Mixed Usage", id="two-tie-and-one-is-unused"),
        pytest.param(4, 2, 2, "Assistant-Focused", id="a-tie-behind-the-leader-does-not-matter"),
        pytest.param(1, 1, 1, "Balanced Usage", id="all-equal"),
        pytest.param(0, 0, 0, "No Usage", id="all-equal-at-zero-is-no-usage"),
    ],
)
def test_usage_pattern(assistant: int, vault: int, workflow: int, pattern: str) -> None:
    assert value_of(usage_pattern(count(assistant), count(vault), count(workflow))) == pattern


@pytest.mark.parametrize(
    ("average", "level"),
    [
        pytest.param(5.0, "High Quality", id="the-best-score"),
        pytest.param(4.5, "High Quality", id="four-and-a-half-is-high"),
        pytest.param(4.499999999999999, "Good Quality", id="just-below-high"),
        pytest.param(3.5, "Good Quality", id="three-and-a-half-is-good"),
        pytest.param(3.499999999999999, "Average Quality", id="just-below-good"),
        pytest.param(2.5, "Average Quality", id="two-and-a-half-is-average"),
        pytest.param(2.499999999999999, "Needs Improvement", id="just-below-average"),
        pytest.param(1.0, "Needs Improvement", id="the-worst-score"),
        pytest.param(None, None, id="no-feedback-has-no-level"),
    ],
)
def test_quality_level(average: float | None, level: str | None) -> None:
    assert value_of(quality_level(number(average))) == level


@pytest.mark.parametrize(
    ("created", "day", "months"),
    [
        pytest.param(date(2024, 3, 15), date(2024, 3, 15), 0, id="the-day-of-creation"),
        pytest.param(date(2024, 3, 15), date(2024, 4, 14), 0, id="the-day-before-a-month"),
        pytest.param(date(2024, 3, 15), date(2024, 4, 15), 1, id="the-same-day-of-the-next-month"),
        pytest.param(date(2024, 1, 31), date(2024, 2, 28), 0, id="31-january-to-28-february-leap"),
        pytest.param(date(2024, 1, 31), date(2024, 2, 29), 1, id="31-january-to-29-february-leap"),
        pytest.param(date(2023, 1, 31), date(2023, 2, 27), 0, id="31-january-to-27-february"),
        pytest.param(date(2023, 1, 31), date(2023, 2, 28), 1, id="31-january-to-28-february"),
        pytest.param(date(2024, 1, 31), date(2024, 3, 1), 1, id="31-january-to-1-march"),
        pytest.param(date(2024, 1, 31), date(2024, 3, 30), 1, id="clamping-does-not-carry-over"),
        pytest.param(date(2024, 1, 31), date(2024, 3, 31), 2, id="31-january-to-31-march"),
        pytest.param(date(2024, 1, 31), date(2024, 4, 29), 2, id="the-day-before-30-april"),
        pytest.param(date(2024, 1, 31), date(2024, 4, 30), 3, id="30-april-ends-its-month"),
        pytest.param(date(2024, 1, 30), date(2024, 2, 29), 1, id="30-january-to-29-february"),
        pytest.param(date(2024, 2, 29), date(2024, 3, 28), 0, id="29-february-to-28-march"),
        pytest.param(date(2024, 2, 29), date(2024, 3, 29), 1, id="29-february-to-29-march"),
        pytest.param(date(2024, 2, 29), date(2025, 2, 27), 11, id="the-day-before-a-common-year"),
        pytest.param(
            date(2024, 2, 29), date(2025, 2, 28), 12, id="a-common-year-after-29-february"
        ),
        pytest.param(date(2024, 2, 29), date(2028, 2, 28), 47, id="a-leap-year-takes-the-29th"),
        pytest.param(date(2024, 2, 29), date(2028, 2, 29), 48, id="four-years-after-29-february"),
        pytest.param(date(2023, 12, 31), date(2024, 1, 1), 0, id="new-year-is-no-month"),
        pytest.param(date(2000, 5, 20), date(2024, 5, 19), 287, id="more-months-than-8-bits-hold"),
        pytest.param(None, date(2024, 5, 19), None, id="no-creation-date"),
    ],
)
def test_months_since(created: date | None, day: date, months: int | None) -> None:
    """Guards against division by 30 days, and against dates that do not exist."""
    assert value_of(months_since(pl.lit(created, dtype=pl.Date), pl.lit(day))) == months


@pytest.mark.parametrize(
    ("months", "band"),
    [
        pytest.param(0, "0-1 months", id="the-first-month"),
        pytest.param(1, "1-3 months", id="one-month"),
        pytest.param(2, "1-3 months", id="just-below-three-months"),
        pytest.param(3, "3-6 months", id="three-months"),
        pytest.param(5, "3-6 months", id="just-below-half-a-year"),
        pytest.param(6, "6-12 months", id="half-a-year"),
        pytest.param(11, "6-12 months", id="just-below-a-year"),
        pytest.param(12, "12+ months", id="a-year"),
        pytest.param(130, "12+ months", id="many-years"),
        pytest.param(None, None, id="no-creation-date-has-no-band"),
    ],
)
def test_tenure_band(months: int | None, band: str | None) -> None:
    assert value_of(tenure_band(pl.lit(months, dtype=pl.Int32))) == band


@pytest.mark.parametrize(
    ("part", "whole", "expected"),
    [
        pytest.param(1, 4, 25.0, id="a-quarter"),
        pytest.param(0, 4, 0.0, id="none-of-something"),
        pytest.param(4, 4, 100.0, id="all"),
        pytest.param(6, 4, 150.0, id="more-than-all"),
        pytest.param(7, 100, 7.0, id="whole-percents-come-out-whole"),
        pytest.param(1, 3, 100 / 3, id="multiplied-before-it-is-divided"),
        pytest.param(0, 0, None, id="nothing-of-nothing-is-unknown"),
        pytest.param(3, 0, None, id="something-of-nothing-is-unknown"),
        pytest.param(3, None, None, id="of-an-unknown-whole"),
        pytest.param(None, 3, None, id="an-unknown-part"),
    ],
)
def test_percent(part: int | None, whole: int | None, expected: float | None) -> None:
    """Guards against NaN and infinity, which would pass for numbers in every average."""
    assert value_of(percent(count(part), count(whole))) == expected


@pytest.mark.parametrize(
    ("numerator", "denominator", "expected"),
    [
        pytest.param(7, 2, 3.5, id="whole-numbers-are-not-divided-as-such"),
        pytest.param(0, 2, 0.0, id="zero-over-something"),
        pytest.param(2, 0, None, id="something-over-zero"),
        pytest.param(0, 0, None, id="zero-over-zero"),
        pytest.param(2, None, None, id="over-unknown"),
        pytest.param(None, 2, None, id="unknown-over-something"),
    ],
)
def test_ratio(numerator: int | None, denominator: int | None, expected: float | None) -> None:
    assert value_of(ratio(count(numerator), count(denominator))) == expected


@pytest.mark.parametrize("denominator", [7, 35, 49, 55, 100])
def test_a_ratio_by_the_same_denominator_in_all_rows_is_the_nearest_double(
    denominator: int,
) -> None:
    """Multiplying by the denominator's inverse is off by the last bit in some of these rows."""
    numerators = list(range(1, 500))
    frame = pl.DataFrame({"numerator": numerators})
    shared = {
        "a value": pl.lit(denominator),
        "an aggregate": pl.col("numerator").min() * denominator,
        "a column": pl.col("numerator") * 0 + denominator,
    }
    for name, expression in shared.items():
        column = frame.with_columns(shared=expression)
        found = column.select(ratio(pl.col("numerator"), pl.col("shared"))).to_series().to_list()
        assert found == [one / denominator for one in numerators], name


@pytest.mark.parametrize(
    ("hundredths", "scored", "average"),
    [
        pytest.param(660, 3, 2.2, id="scores-of-1.1-2.2-and-3.3-make-2.2"),
        pytest.param(1350, 3, 4.5, id="scores-of-4.4-4.5-and-4.6-reach-high-quality"),
        pytest.param(1000, 3, 10 / 3, id="thirds-are-not-rounded"),
        pytest.param(500, 1, 5.0, id="a-single-score"),
        pytest.param(0, 0, None, id="no-scored-event"),
    ],
)
def test_average_score(hundredths: int, scored: int, average: float | None) -> None:
    """Guards against summing scores as doubles: 1.1 + 2.2 + 3.3 makes 6.6000000000000005."""
    assert value_of(average_score(count(hundredths), count(scored))) == average
