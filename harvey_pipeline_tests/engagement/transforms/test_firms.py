"""Firms per day: hand-worked figures, every band's edges, and who gets a row."""

from collections.abc import Sequence
from datetime import date
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harvey_pipeline.engagement.tables import TABLES
from harvey_pipeline.engagement.tables.marts import DailyFirmUsageSummary
from harvey_pipeline.engagement.transforms.firms import (
    adoption_level,
    arr_tier,
    firm_health_status,
    firm_maturity_stage,
    firm_size_category,
    summarise_firms,
)
from harvey_pipeline_tests.engagement.transforms.usages import DAY, days_before, usage
from harvey_pipeline_tests.engagement.transforms.versions import firm_version as version

ATTRIBUTE_COLUMNS = ("firm_size", "arr_usd", "firm_created_date", "days_since_firm_creation")
ATTRIBUTE_LABELS = ("firm_maturity_stage", "firm_size_category", "arr_tier")


def summary(
    activity: Sequence[dict[str, Any]],
    versions: Sequence[dict[str, Any]] = (),
    days: Sequence[date] = (DAY,),
) -> pl.DataFrame:
    """The table for the days, checked against its schema."""
    frames = summarise_firms(
        pl.LazyFrame(activity, schema=TABLES["core.user_daily_activity"].polars_schema),
        pl.LazyFrame(versions, schema=TABLES["core.dim_firms"].polars_schema),
        days,
    )
    rows = pl.concat(frames).collect()
    assert dict(rows.schema) == TABLES["marts.daily_firm_usage_summary"].polars_schema
    DailyFirmUsageSummary.validate(rows)
    return rows


def row_of(rows: pl.DataFrame, firm_id: str = "a") -> dict[str, Any]:
    return rows.row(by_predicate=pl.col("firm_id") == firm_id, named=True)


def value_of(expression: pl.Expr) -> Any:
    return pl.select(expression).item()


def test_every_column_of_a_firm_is_as_worked_out_by_hand() -> None:
    activity = [
        usage("u1", on=DAY, assistant=2, vault=1, documents=6, scores=[4.5]),
        usage("u2", on=DAY, assistant=1, workflow=1, documents=1, scores=[3.25, 4]),
        usage("u4", on=days_before(1), assistant=2, documents=3, scores=[2]),
        usage("u3", on=days_before(29), assistant=0, vault=5, documents=9),
        usage("u1", on=days_before(30), assistant=100, documents=500, scores=[1]),
        usage("u5", on=days_before(-1), assistant=100, documents=500, scores=[1]),
    ]
    firm = version(firm_size=8, arr_usd=120_000.0, created=date(2024, 1, 1))

    assert summary(activity, [firm]).rows(named=True) == [
        {
            "date": DAY,
            "firm_id": "a",
            "active_users": 2,
            "total_queries": 5,
            "assistant_queries": 3,
            "vault_queries": 1,
            "workflow_queries": 1,
            "total_documents_processed": 7,
            "avg_feedback_score": 11.75 / 3,
            "avg_documents_per_query": 1.4,
            "queries_per_active_user": 2.5,
            "firm_usage_pattern": "Assistant-Focused",
            "daily_adoption_rate": 25.0,
            "active_users_30d": 4,
            "total_queries_30d": 12,
            "firm_usage_pattern_30d": "Vault-Focused",
            "avg_feedback_score_30d": 3.4375,
            "queries_per_active_user_30d": 3.0,
            "adoption_rate_30d": 50.0,
            "firm_size": 8,
            "arr_usd": 120_000.0,
            "firm_created_date": date(2024, 1, 1),
            "days_since_firm_creation": 90,
            "arr_per_active_user_30d": 30_000.0,
            "unused_seats_30d": 4,
            "adoption_level": "Moderate Adoption",
            "firm_health_status": "Needs Attention",
            "firm_maturity_stage": "Early Stage",
            "firm_size_category": "Boutique Firm",
            "arr_tier": "Standard Value",
        }
    ]


def test_a_valid_firm_without_activity_has_a_row_of_zeros() -> None:
    row = row_of(summary([], [version(firm_size=40, arr_usd=5.0)]))

    zeros = [name for name, value in row.items() if value == 0]
    assert zeros == [
        "active_users",
        "total_queries",
        "assistant_queries",
        "vault_queries",
        "workflow_queries",
        "total_documents_processed",
        "daily_adoption_rate",
        "active_users_30d",
        "total_queries_30d",
        "adoption_rate_30d",
    ]
    nulls = [name for name, value in row.items() if value is None]
    assert nulls == [
        "avg_feedback_score",
        "avg_documents_per_query",
        "queries_per_active_user",
        "avg_feedback_score_30d",
        "queries_per_active_user_30d",
        "arr_per_active_user_30d",
    ]
    assert row["unused_seats_30d"] == 40
    assert row["firm_usage_pattern"] == "No Usage"
    assert row["adoption_level"] == "Very Low Adoption"
    assert row["firm_health_status"] == "Critical"


def test_a_day_without_activity_leaves_the_figures_of_the_window() -> None:
    row = row_of(summary([usage(on=days_before(1), documents=4, scores=[5])], [version()]))

    assert (row["active_users"], row["total_queries"]) == (0, 0)
    assert row["total_documents_processed"] == 0
    assert row["firm_usage_pattern"] == "No Usage"
    assert row["daily_adoption_rate"] == 0.0
    assert row["avg_feedback_score"] is None
    assert row["queries_per_active_user"] is None
    assert (row["active_users_30d"], row["total_queries_30d"]) == (1, 1)
    assert row["avg_feedback_score_30d"] == 5.0


@pytest.mark.parametrize(
    ("on", "firms"),
    [
        pytest.param(days_before(0), ["a"], id="activity-on-the-day-gives-a-row"),
        pytest.param(days_before(29), ["a"], id="activity-29-days-before-gives-a-row"),
        pytest.param(days_before(30), [], id="activity-30-days-before-gives-no-row"),
        pytest.param(days_before(-1), [], id="activity-on-the-day-after-gives-no-row"),
    ],
)
def test_a_firm_on_no_record_has_a_row_while_active_in_the_window(
    on: date, firms: list[str]
) -> None:
    assert summary([usage(on=on)])["firm_id"].to_list() == firms


def test_a_firm_active_before_its_first_version_has_no_attributes_yet() -> None:
    rows = summary([usage(scores=[5])], [version(start=days_before(-1))])

    row = row_of(rows)
    assert [row[name] for name in (*ATTRIBUTE_COLUMNS, *ATTRIBUTE_LABELS)] == [None] * 7
    assert row["daily_adoption_rate"] is None
    assert row["adoption_rate_30d"] is None
    assert row["adoption_level"] is None
    assert row["arr_per_active_user_30d"] is None
    assert row["unused_seats_30d"] is None
    assert row["active_users_30d"] == 1
    assert row["firm_health_status"] == "Needs Attention"


def test_a_firm_departed_but_active_in_the_window_keeps_its_last_attributes() -> None:
    versions = [
        version(firm_size=10, start=date(2023, 1, 1), end=date(2023, 12, 31)),
        version(firm_size=20, start=date(2024, 1, 1), end=days_before(5)),
    ]
    row = row_of(summary([usage(on=days_before(20))], versions))

    assert row["firm_size"] == 20
    assert row["adoption_rate_30d"] == 5.0
    assert row["unused_seats_30d"] == 19


@pytest.mark.parametrize(
    ("end", "firms"),
    [
        pytest.param(DAY, ["a"], id="last-valid-on-the-day-gives-a-row"),
        pytest.param(days_before(1), [], id="last-valid-the-day-before-gives-no-row"),
    ],
)
def test_a_firm_without_activity_has_a_row_while_valid(end: date, firms: list[str]) -> None:
    assert summary([], [version(end=end)])["firm_id"].to_list() == firms


def test_attributes_are_those_valid_on_the_day() -> None:
    versions = [
        version(firm_size=10, arr_usd=1.0, end=days_before(1)),
        version(firm_size=20, arr_usd=2.0, start=DAY, end=DAY),
        version(firm_size=30, arr_usd=3.0, start=days_before(-1)),
    ]
    days = [days_before(1), DAY, days_before(-1)]
    rows = summary([], versions, days)

    assert rows.select("date", "firm_size", "arr_usd").rows() == [
        (days_before(1), 10, 1.0),
        (DAY, 20, 2.0),
        (days_before(-1), 30, 3.0),
    ]


def test_a_firm_without_seats_has_no_adoption_and_no_unused_seats() -> None:
    row = row_of(summary([usage()], [version(firm_size=0)]))

    assert row["daily_adoption_rate"] is None
    assert row["adoption_rate_30d"] is None
    assert row["adoption_level"] is None
    assert row["unused_seats_30d"] == 0
    assert row["firm_size_category"] == "Boutique Firm"


def test_adoption_exceeds_100_where_more_are_active_than_seats() -> None:
    activity = [usage("u1"), usage("u2"), usage("u3", on=days_before(3))]
    row = row_of(summary(activity, [version(firm_size=2)]))

    assert row["daily_adoption_rate"] == 100.0
    assert row["adoption_rate_30d"] == 150.0
    assert row["adoption_level"] == "High Adoption"
    assert row["unused_seats_30d"] == 0


def test_a_user_of_two_firms_counts_in_each_with_what_was_done_there() -> None:
    activity = [
        usage("u1", "a", vault=2, scores=[5]),
        usage("u1", "b", vault=6, scores=[1]),
        usage("u1", "b", on=days_before(4), vault=1),
    ]
    rows = summary(activity, [version("a"), version("b")])

    columns = ("firm_id", "active_users", "total_queries", "active_users_30d", "total_queries_30d")
    assert rows.select(columns).rows() == [("a", 1, 3, 1, 3), ("b", 1, 7, 1, 9)]
    assert rows["avg_feedback_score_30d"].to_list() == [5.0, 1.0]


def test_a_user_active_on_several_days_counts_once_in_the_window() -> None:
    activity = [usage(on=days_before(days)) for days in (0, 1, 2)]
    row = row_of(summary(activity, [version(firm_size=4)]))

    assert (row["active_users"], row["active_users_30d"]) == (1, 1)
    assert row["queries_per_active_user_30d"] == 3.0
    assert row["adoption_rate_30d"] == 25.0


def test_scores_add_up_without_rounding() -> None:
    activity = [usage(f"u{user}", scores=[1.1]) for user in range(3)]
    row = row_of(summary(activity))

    assert 1.1 + 1.1 + 1.1 != 3.3
    assert row["avg_feedback_score"] == 1.1
    assert row["avg_feedback_score_30d"] == 1.1


@pytest.mark.parametrize(
    ("counts", "pattern"),
    [
        pytest.param((2, 1, 1), "Assistant-Focused", id="assistant-leads"),
        pytest.param((1, 2, 1), "Vault-Focused", id="vault-leads"),
        pytest.param((1, 1, 2), "Workflow-Focused", id="workflow-leads"),
        pytest.param((2, 2, 2), "Balanced Usage", id="all-are-equal"),
        pytest.param((2, 2, 1), "Mixed Usage", id="two-share-the-lead"),
    ],
)
def test_pattern_is_that_of_the_day_and_not_of_the_window(
    counts: tuple[int, int, int], pattern: str
) -> None:
    assistant, vault, workflow = counts
    today = usage(assistant=assistant, vault=vault, workflow=workflow)
    before = usage(on=days_before(1), assistant=0, vault=50)

    assert row_of(summary([today, before]))["firm_usage_pattern"] == pattern


@pytest.mark.parametrize(
    ("counts", "pattern"),
    [
        pytest.param((2, 1, 1), "Assistant-Focused", id="assistant-leads"),
        pytest.param((1, 2, 1), "Vault-Focused", id="vault-leads"),
        pytest.param((1, 1, 2), "Workflow-Focused", id="workflow-leads"),
        pytest.param((2, 2, 2), "Balanced Usage", id="all-are-equal"),
        pytest.param((2, 2, 1), "Mixed Usage", id="two-share-the-lead"),
    ],
)
def test_pattern_of_the_window_sums_its_30_days_and_all_users(
    counts: tuple[int, int, int], pattern: str
) -> None:
    assistant, vault, workflow = counts
    activity = [
        usage("u1", on=days_before(29), assistant=assistant),
        usage("u1", on=days_before(12), assistant=0, vault=vault),
        usage("u2", on=days_before(12), assistant=0, workflow=workflow),
        usage("u1", on=days_before(30), assistant=0, vault=50),
        usage("u1", on=days_before(-1), assistant=0, vault=50),
        usage("u1", "b", on=DAY, assistant=0, vault=50),
    ]
    row = row_of(summary(activity))

    assert row["firm_usage_pattern_30d"] == pattern
    assert row["firm_usage_pattern"] == "No Usage"


def test_a_firm_without_activity_in_the_window_has_no_usage_there() -> None:
    activity = [usage("u1", on=days_before(30))]

    assert row_of(summary(activity, [version()]))["firm_usage_pattern_30d"] == "No Usage"


@pytest.mark.parametrize(
    ("rate", "level"),
    [
        pytest.param(150.0, "High Adoption", id="above-100-is-high"),
        pytest.param(80.001, "High Adoption", id="above-80-is-high"),
        pytest.param(80.0, "High Adoption", id="80-is-high"),
        pytest.param(79.999, "Good Adoption", id="below-80-is-good"),
        pytest.param(60.001, "Good Adoption", id="above-60-is-good"),
        pytest.param(60.0, "Good Adoption", id="60-is-good"),
        pytest.param(59.999, "Moderate Adoption", id="below-60-is-moderate"),
        pytest.param(40.001, "Moderate Adoption", id="above-40-is-moderate"),
        pytest.param(40.0, "Moderate Adoption", id="40-is-moderate"),
        pytest.param(39.999, "Low Adoption", id="below-40-is-low"),
        pytest.param(20.001, "Low Adoption", id="above-20-is-low"),
        pytest.param(20.0, "Low Adoption", id="20-is-low"),
        pytest.param(19.999, "Very Low Adoption", id="below-20-is-very-low"),
        pytest.param(0.0, "Very Low Adoption", id="0-is-very-low"),
        pytest.param(None, None, id="no-rate-has-no-level"),
    ],
)
def test_adoption_level(rate: float | None, level: str | None) -> None:
    assert value_of(adoption_level(pl.lit(rate, pl.Float64))) == level


@pytest.mark.parametrize(
    ("active_users", "seats", "level"),
    [
        pytest.param(4, 5, "High Adoption", id="4-of-5-is-80-percent"),
        pytest.param(79, 99, "Good Adoption", id="79-of-99-is-below-80-percent"),
        pytest.param(21, 35, "Good Adoption", id="21-of-35-is-60-percent"),
        pytest.param(28, 70, "Moderate Adoption", id="28-of-70-is-40-percent"),
        pytest.param(11, 55, "Low Adoption", id="11-of-55-is-20-percent"),
        pytest.param(11, 56, "Very Low Adoption", id="11-of-56-is-below-20-percent"),
    ],
)
def test_adoption_on_an_edge_is_exact(active_users: int, seats: int, level: str) -> None:
    activity = [usage(f"u{user}", on=days_before(9)) for user in range(active_users)]

    assert row_of(summary(activity, [version(firm_size=seats)]))["adoption_level"] == level


@pytest.mark.parametrize(
    ("queries", "feedback", "queries_per_user", "status"),
    [
        pytest.param(0, None, None, "Critical", id="no-activity-is-critical"),
        pytest.param(99, 4.5, 10.0, "Excellent", id="4.5-and-10-queries-is-excellent"),
        pytest.param(99, 4.501, 10.1, "Excellent", id="above-both-edges-is-excellent"),
        pytest.param(99, 4.499, 10.0, "Good", id="below-4.5-is-good"),
        pytest.param(99, 4.5, 9.999, "Good", id="below-10-queries-is-good"),
        pytest.param(99, 4.0, 5.0, "Good", id="4.0-and-5-queries-is-good"),
        pytest.param(99, 4.001, 5.1, "Good", id="above-4.0-and-5-queries-is-good"),
        pytest.param(99, 3.999, 5.0, "Fair", id="below-4.0-is-fair"),
        pytest.param(99, 4.0, 4.999, "Fair", id="below-5-queries-is-fair"),
        pytest.param(99, 3.5, 2.0, "Fair", id="3.5-and-2-queries-is-fair"),
        pytest.param(99, 3.501, 2.1, "Fair", id="above-3.5-and-2-queries-is-fair"),
        pytest.param(99, 3.499, 2.0, "Needs Attention", id="below-3.5-needs-attention"),
        pytest.param(99, 3.5, 1.999, "Needs Attention", id="below-2-queries-needs-attention"),
        pytest.param(99, 5.0, 1.0, "Needs Attention", id="best-score-and-1-query-needs-attention"),
        pytest.param(99, 3.001, 50.0, "Needs Attention", id="above-3.0-needs-attention"),
        pytest.param(99, 3.0, 50.0, "Needs Attention", id="3.0-needs-attention"),
        pytest.param(99, 2.999, 50.0, "Critical", id="below-3.0-is-critical"),
        pytest.param(99, None, 50.0, "Fair", id="unscored-and-many-queries-is-fair"),
        pytest.param(99, None, 2.001, "Fair", id="unscored-above-2-queries-is-fair"),
        pytest.param(99, None, 2.0, "Fair", id="unscored-and-2-queries-is-fair"),
        pytest.param(
            99, None, 1.999, "Needs Attention", id="unscored-below-2-queries-needs-attention"
        ),
    ],
)
def test_firm_health_status(
    queries: int, feedback: float | None, queries_per_user: float | None, status: str
) -> None:
    expression = firm_health_status(
        pl.lit(queries), pl.lit(feedback, pl.Float64), pl.lit(queries_per_user, pl.Float64)
    )

    assert value_of(expression) == status


@pytest.mark.parametrize(
    ("scores", "status"),
    [
        pytest.param([4.3, 4.7, 4.5], "Excellent", id="mean-of-exactly-4.5-is-excellent"),
        pytest.param([4.3, 4.7, 4.49], "Good", id="mean-a-hundredth-short-of-4.5-is-good"),
        pytest.param([3.3, 2.7, 3.0], "Needs Attention", id="mean-of-exactly-3-needs-attention"),
        pytest.param([3.3, 2.7, 2.99], "Critical", id="mean-a-hundredth-short-of-3-is-critical"),
    ],
)
def test_health_reads_the_scores_of_the_window(scores: list[float], status: str) -> None:
    activity = [
        usage(on=days_before(5 * place), assistant=4, scores=[score])
        for place, score in enumerate(scores)
    ]

    assert row_of(summary(activity))["firm_health_status"] == status


@pytest.mark.parametrize(
    ("days", "stage"),
    [
        pytest.param(0, "New", id="the-day-itself-is-new"),
        pytest.param(29, "New", id="29-days-is-new"),
        pytest.param(30, "New", id="30-days-is-new"),
        pytest.param(31, "Early Stage", id="31-days-is-early"),
        pytest.param(89, "Early Stage", id="89-days-is-early"),
        pytest.param(90, "Early Stage", id="90-days-is-early"),
        pytest.param(91, "Growing", id="91-days-is-growing"),
        pytest.param(179, "Growing", id="179-days-is-growing"),
        pytest.param(180, "Growing", id="180-days-is-growing"),
        pytest.param(181, "Established", id="181-days-is-established"),
        pytest.param(364, "Established", id="364-days-is-established"),
        pytest.param(365, "Established", id="365-days-is-established"),
        pytest.param(366, "Mature", id="366-days-is-mature"),
        pytest.param(None, None, id="unknown-creation-has-no-stage"),
    ],
)
def test_firm_maturity_stage(days: int | None, stage: str | None) -> None:
    assert value_of(firm_maturity_stage(pl.lit(days, pl.Int32))) == stage


@pytest.mark.parametrize(
    ("seats", "category"),
    [
        pytest.param(501, "Large Firm", id="501-seats-is-large"),
        pytest.param(500, "Large Firm", id="500-seats-is-large"),
        pytest.param(499, "Medium Firm", id="499-seats-is-medium"),
        pytest.param(101, "Medium Firm", id="101-seats-is-medium"),
        pytest.param(100, "Medium Firm", id="100-seats-is-medium"),
        pytest.param(99, "Small Firm", id="99-seats-is-small"),
        pytest.param(26, "Small Firm", id="26-seats-is-small"),
        pytest.param(25, "Small Firm", id="25-seats-is-small"),
        pytest.param(24, "Boutique Firm", id="24-seats-is-boutique"),
        pytest.param(0, "Boutique Firm", id="no-seats-is-boutique"),
        pytest.param(None, None, id="unknown-seats-have-no-category"),
    ],
)
def test_firm_size_category(seats: int | None, category: str | None) -> None:
    assert value_of(firm_size_category(pl.lit(seats, pl.Int32))) == category


@pytest.mark.parametrize(
    ("arr_usd", "tier"),
    [
        pytest.param(1_000_000.01, "High Value", id="above-a-million-is-high"),
        pytest.param(1_000_000.0, "High Value", id="a-million-is-high"),
        pytest.param(999_999.99, "Medium Value", id="below-a-million-is-medium"),
        pytest.param(500_000.01, "Medium Value", id="above-500000-is-medium"),
        pytest.param(500_000.0, "Medium Value", id="500000-is-medium"),
        pytest.param(499_999.99, "Standard Value", id="below-500000-is-standard"),
        pytest.param(100_000.01, "Standard Value", id="above-100000-is-standard"),
        pytest.param(100_000.0, "Standard Value", id="100000-is-standard"),
        pytest.param(99_999.99, "Entry Level", id="below-100000-is-entry"),
        pytest.param(0.0, "Entry Level", id="nothing-is-entry"),
        pytest.param(None, None, id="unknown-value-has-no-tier"),
    ],
)
def test_arr_tier(arr_usd: float | None, tier: str | None) -> None:
    assert value_of(arr_tier(pl.lit(arr_usd, pl.Float64))) == tier


def test_labels_read_the_attributes_of_the_firm() -> None:
    firm = version(firm_size=500, arr_usd=500_000.0, created=days_before(181))
    row = row_of(summary([], [firm]))

    assert row["days_since_firm_creation"] == 181
    assert [row[name] for name in ATTRIBUTE_LABELS] == ["Established", "Large Firm", "Medium Value"]


def test_days_come_in_order_and_firms_by_code_point() -> None:
    versions = [version(firm_id) for firm_id in ("b", "B", "é", "10", "9")]
    rows = summary([], versions, [DAY, days_before(-1)])

    firms = ["10", "9", "B", "b", "é"]
    assert rows["firm_id"].to_list() == firms * 2
    assert rows["date"].to_list() == [DAY] * 5 + [days_before(-1)] * 5


def test_without_firms_and_activity_every_day_is_an_empty_frame() -> None:
    assert summary([], [], [DAY, days_before(-1)]).is_empty()


def test_no_days_give_no_frames() -> None:
    activity = TABLES["core.user_daily_activity"].empty()

    assert list(summarise_firms(activity, TABLES["core.dim_firms"].empty(), [])) == []


RANGE = [days_before(back) for back in range(11, -1, -1)]

few_examples = settings(max_examples=12, deadline=None)
"""Each example runs a whole transform, some of them once for every day."""


def usages(firm_ids: Sequence[str]) -> st.SearchStrategy[list[dict[str, Any]]]:
    """Rows of activity from 31 days before `RANGE` to its end, one per key."""
    counts = st.integers(0, 5)
    scores = st.lists(st.integers(100, 500).map(lambda hundredths: hundredths / 100), max_size=1)
    rows = st.builds(
        usage,
        user_id=st.sampled_from(["u1", "u2", "u3"]),
        firm_id=st.sampled_from(firm_ids),
        on=st.integers(0, 42).map(lambda back: days_before(back, RANGE[-1])),
        assistant=st.integers(1, 5),
        vault=counts,
        workflow=counts,
        documents=counts,
        scores=scores,
    )
    return st.lists(
        rows, max_size=25, unique_by=lambda row: (row["date"], row["user_id"], row["firm_id"])
    )


VERSIONS = [
    version("a", firm_size=10, end=RANGE[4]),
    version("a", firm_size=20, start=RANGE[5]),
    version("b", end=RANGE[2]),
    version("c", start=RANGE[8]),
]


@few_examples
@given(activity=usages(["a", "b", "c", "d"]))
def test_a_range_at_once_is_the_same_as_day_by_day(activity: list[dict[str, Any]]) -> None:
    some_days = RANGE[::3]
    by_day = [summary(activity, VERSIONS, [day]) for day in some_days]

    at_once = summary(activity, VERSIONS, RANGE).filter(pl.col("date").is_in(some_days))
    assert at_once.equals(pl.concat(by_day))


@few_examples
@given(activity=usages(["a", "b"]), unrelated=usages(["z"]))
def test_an_unrelated_firm_changes_nobody_elses_rows(
    activity: list[dict[str, Any]], unrelated: list[dict[str, Any]]
) -> None:
    days = RANGE[:3]
    alone = summary(activity, VERSIONS, days)

    together = summary(activity + unrelated, [*VERSIONS, version("z")], days)
    assert together.filter(pl.col("firm_id") != "z").equals(alone)


@few_examples
@given(activity=usages(["a", "b", "d"]))
def test_firms_of_a_day_add_up_to_its_activity(activity: list[dict[str, Any]]) -> None:
    rows = summary(activity, VERSIONS, RANGE)

    for day in RANGE:
        of_day = rows.filter(pl.col("date") == day)
        used = [row for row in activity if row["date"] == day]
        assert of_day["total_queries"].sum() == sum(row["queries"] for row in used)
        assert of_day["active_users"].sum() == len(used)
