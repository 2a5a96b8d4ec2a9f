"""Calendar months: hand-worked ranks, firms and cohorts, and a naive count of random histories."""

from bisect import bisect_right
from collections import Counter
from collections.abc import Collection, Sequence
from datetime import date, timedelta
from fractions import Fraction
from itertools import pairwise, product
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harvey_pipeline.engagement.tables import TABLES
from harvey_pipeline.engagement.transforms.months import (
    engagement_level,
    follow_cohorts,
    rank_users,
    summarise_firm_months,
)
from harvey_pipeline.history import OPEN_END
from harvey_pipeline.warehouse.days import last_day, months_of, next_month
from harvey_pipeline_tests.engagement.transforms.usages import usage
from harvey_pipeline_tests.engagement.transforms.versions import firm_version as version

Rows = list[dict[str, Any]]

NOVEMBER = date(2023, 11, 1)
DECEMBER = date(2023, 12, 1)
JANUARY = date(2024, 1, 1)
FEBRUARY = date(2024, 2, 1)
MARCH = date(2024, 3, 1)
APRIL = date(2024, 4, 1)
MAY = date(2024, 5, 1)

EVERY_MONTH = [date(year, month, 1) for year in (2023, 2024, 2025) for month in range(1, 13)]

PERCENT_RANKS = (
    "pr_num_queries",
    "pr_num_docs",
    "pr_avg_feedback_score",
    "engagement_score",
    "pr_engagement_score",
)


def activity_frame(activity: Sequence[dict[str, Any]]) -> pl.LazyFrame:
    return pl.LazyFrame(activity, schema=TABLES["core.user_daily_activity"].polars_schema)


def checked(name: str, rows: pl.DataFrame) -> Rows:
    """The rows of a table, in the order of its key, after a check against its schema."""
    table = TABLES[name]
    assert dict(rows.schema) == table.polars_schema
    table.schema.validate(rows)
    return rows.sort(table.key).rows(named=True)


def users_of(activity: Sequence[dict[str, Any]], *months: date) -> Rows:
    frames = list(rank_users(activity_frame(activity), months))
    assert len(frames) == len(months)
    return checked("months.user_engagement", pl.concat(frames).collect())


def firms_of(
    activity: Sequence[dict[str, Any]],
    versions: Sequence[dict[str, Any]] = (),
    *months: date,
    last_covered: date = date(2025, 12, 31),
) -> Rows:
    dim_firms = pl.LazyFrame(versions, schema=TABLES["core.dim_firms"].polars_schema)
    frames = list(summarise_firm_months(activity_frame(activity), dim_firms, months, last_covered))
    assert len(frames) == len(months)
    return checked("months.firm_usage_summary", pl.concat(frames).collect())


def first_days(activity: Sequence[dict[str, Any]]) -> pl.LazyFrame:
    """`core.first_activity` of the activity."""
    firsts: dict[tuple[str, str], date] = {}
    for row in activity:
        for grain in ("user", "firm"):
            entity = (grain, row[f"{grain}_id"])
            firsts[entity] = min(row["date"], firsts.get(entity, date.max))
    rows = [(*entity, first) for entity, first in firsts.items()]
    return pl.LazyFrame(rows, schema=TABLES["core.first_activity"].polars_schema, orient="row")


def active_months(activity: Sequence[dict[str, Any]]) -> dict[str, pl.LazyFrame]:
    """The keys of `months.user_engagement` and `months.firm_usage_summary`, by grain."""
    frames = {}
    for grain, name in (("user", "user_engagement"), ("firm", "firm_usage_summary")):
        key = f"{grain}_id"
        pairs = {(row["date"].replace(day=1), row[key]) for row in activity}
        rows = [{"activity_month": month, key: entity} for month, entity in sorted(pairs)]
        frames[grain] = pl.LazyFrame(rows, schema=TABLES[f"months.{name}"].polars_schema)
    return frames


def cohorts_after(
    known: Sequence[dict[str, Any]],
    activity: Sequence[dict[str, Any]],
    first_month: date,
    last_covered: date | None,
    *,
    first_covered: date = date(2020, 1, 1),
    active: dict[str, pl.LazyFrame] | None = None,
    counted_months: Collection[date] = EVERY_MONTH,
) -> Rows:
    table = TABLES["months.retention_cohorts"]
    rows = follow_cohorts(
        pl.DataFrame(known, schema=table.polars_schema),
        first_days(activity),
        active_months(activity) if active is None else active,
        counted_months,
        first_month,
        None if last_covered is None else (first_covered, last_covered),
    )
    return checked(table.name, rows.collect())


def cell(
    grain: str, cohort_month: date, activity_month: date, size: int, retained: int | None
) -> dict[str, Any]:
    """One row of `months.retention_cohorts`; `retained` is None while the month is not over."""
    years = activity_month.year - cohort_month.year
    return {
        "grain": grain,
        "cohort_month": cohort_month,
        "months_since": 12 * years + activity_month.month - cohort_month.month,
        "activity_month": activity_month,
        "cohort_size": size,
        "retained": retained,
        "retention_rate": None if retained is None else 100 * retained / size,
        "is_complete": retained is not None,
        "is_first_month": False,
    }


def cells_of(rows: Rows, grain: str = "user") -> list[tuple[date, date, int | None]]:
    names = ("cohort_month", "activity_month", "retained")
    return [tuple(row[name] for name in names) for row in rows if row["grain"] == grain]


def row_of(rows: Rows, key: str = "u1", month: date | None = None) -> dict[str, Any]:
    (row,) = [
        row
        for row in rows
        if key in (row.get("user_id"), row["firm_id"]) and month in (None, row["activity_month"])
    ]
    return row


def column(rows: Rows, name: str) -> list[Any]:
    return [row[name] for row in rows]


# --- months --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "last", "months"),
    [
        pytest.param(MARCH, MARCH, [MARCH], id="one-day"),
        pytest.param(date(2024, 3, 7), date(2024, 3, 31), [MARCH], id="within-a-month"),
        pytest.param(
            date(2024, 3, 31), date(2024, 4, 1), [MARCH, APRIL], id="two-days-over-a-midnight"
        ),
        pytest.param(
            date(2023, 11, 30),
            date(2024, 2, 1),
            [NOVEMBER, DECEMBER, JANUARY, FEBRUARY],
            id="a-year-change",
        ),
        pytest.param(
            date(2024, 1, 31),
            date(2024, 3, 1),
            [JANUARY, FEBRUARY, MARCH],
            id="february-is-not-leapt-over",
        ),
        pytest.param(date(2024, 4, 1), date(2024, 3, 31), [], id="ends-before-it-starts"),
    ],
)
def test_months_of(first: date, last: date, months: list[date]) -> None:
    assert months_of(first, last) == months


@pytest.mark.parametrize(
    ("day", "following", "last"),
    [
        pytest.param(JANUARY, FEBRUARY, date(2024, 1, 31), id="first-of-31-days"),
        pytest.param(date(2024, 1, 31), FEBRUARY, date(2024, 1, 31), id="last-of-31-days"),
        pytest.param(APRIL, MAY, date(2024, 4, 30), id="first-of-30-days"),
        pytest.param(date(2024, 4, 30), MAY, date(2024, 4, 30), id="last-of-30-days"),
        pytest.param(FEBRUARY, MARCH, date(2024, 2, 29), id="february-of-a-leap-year"),
        pytest.param(date(2024, 2, 29), MARCH, date(2024, 2, 29), id="on-the-leap-day"),
        pytest.param(date(2023, 2, 1), date(2023, 3, 1), date(2023, 2, 28), id="february"),
        pytest.param(date(2100, 2, 1), date(2100, 3, 1), date(2100, 2, 28), id="century"),
        pytest.param(DECEMBER, JANUARY, date(2023, 12, 31), id="december"),
        pytest.param(date(2023, 12, 31), JANUARY, date(2023, 12, 31), id="new-year-s-eve"),
    ],
)
def test_next_month_and_last_day(day: date, following: date, last: date) -> None:
    assert next_month(day) == following
    assert last_day(day) == last


# --- users ---------------------------------------------------------------------------------------

OF_MARCH = [
    usage("u1", "a", date(2024, 3, 1), assistant=3, documents=12, scores=[5, 4]),
    usage("u1", "a", date(2024, 3, 31), assistant=0, vault=2, documents=30, scores=[2.5]),
    usage("u1", "b", date(2024, 3, 31), assistant=0, workflow=1),
    usage("u2", "a", date(2024, 3, 10), assistant=0, vault=4, documents=9),
    usage("u3", "b", date(2024, 3, 2), assistant=1, workflow=1, documents=120, scores=[4.5]),
    usage("u3", "b", date(2024, 3, 3), assistant=2),
]
NEXT_TO_MARCH = [
    usage("u1", "c", date(2024, 2, 29), assistant=50, documents=500, scores=[1]),
    usage("u3", "a", date(2024, 4, 1), assistant=0, vault=50, documents=500, scores=[1]),
]


def test_every_column_of_a_month_of_users_is_as_worked_out_by_hand() -> None:
    """Ranks less one of u1, u2, u3: queries 2, 0, 0 of 2; documents 1, 0, 2 of 2; feedback 0, -, 1
    of 1. So the scores are 0.6 + 0.15, 0 and 0.3 + 0.1."""
    assert users_of([*OF_MARCH, *NEXT_TO_MARCH], MARCH) == [
        {
            "activity_month": MARCH,
            "user_id": "u1",
            "firm_id": "a",
            "num_active_days": 2,
            "num_queries": 6,
            "num_workflow_queries": 1,
            "num_vault_queries": 2,
            "num_assistant_queries": 3,
            "avg_queries_per_active_day": 3.0,
            "num_docs": 42,
            "avg_docs_per_query": 7.0,
            "avg_feedback_score": 11.5 / 3,
            "last_active_date": date(2024, 3, 31),
            "unique_event_types": 3,
            "active_days_weight": 20,
            "document_volume_weight": 60,
            "feature_breadth_weight": 100,
            "power_user_score": 56,
            "power_user_tier": "Medium Value User",
            "pr_num_queries": 1.0,
            "pr_num_docs": 0.5,
            "pr_avg_feedback_score": 0.0,
            "engagement_score": 0.75,
            "pr_engagement_score": 1.0,
            "engagement_level": "high",
            "is_power_user": True,
        },
        {
            "activity_month": MARCH,
            "user_id": "u2",
            "firm_id": "a",
            "num_active_days": 1,
            "num_queries": 4,
            "num_workflow_queries": 0,
            "num_vault_queries": 4,
            "num_assistant_queries": 0,
            "avg_queries_per_active_day": 4.0,
            "num_docs": 9,
            "avg_docs_per_query": 2.25,
            "avg_feedback_score": None,
            "last_active_date": date(2024, 3, 10),
            "unique_event_types": 1,
            "active_days_weight": 0,
            "document_volume_weight": 20,
            "feature_breadth_weight": 40,
            "power_user_score": 18,
            "power_user_tier": "Inactive User",
            "pr_num_queries": 0.0,
            "pr_num_docs": 0.0,
            "pr_avg_feedback_score": 0.0,
            "engagement_score": 0.0,
            "pr_engagement_score": 0.0,
            "engagement_level": "low",
            "is_power_user": False,
        },
        {
            "activity_month": MARCH,
            "user_id": "u3",
            "firm_id": "b",
            "num_active_days": 2,
            "num_queries": 4,
            "num_workflow_queries": 1,
            "num_vault_queries": 0,
            "num_assistant_queries": 3,
            "avg_queries_per_active_day": 2.0,
            "num_docs": 120,
            "avg_docs_per_query": 30.0,
            "avg_feedback_score": 4.5,
            "last_active_date": date(2024, 3, 3),
            "unique_event_types": 2,
            "active_days_weight": 20,
            "document_volume_weight": 100,
            "feature_breadth_weight": 70,
            "power_user_score": 59,
            "power_user_tier": "Medium Value User",
            "pr_num_queries": 0.0,
            "pr_num_docs": 1.0,
            "pr_avg_feedback_score": 1.0,
            "engagement_score": 0.4,
            "pr_engagement_score": 0.5,
            "engagement_level": "medium",
            "is_power_user": False,
        },
    ]


def test_no_months_give_no_frames() -> None:
    activity, dim_firms = activity_frame([]), TABLES["core.dim_firms"].empty()

    assert list(rank_users(activity, [])) == []
    assert list(summarise_firm_months(activity, dim_firms, [], MARCH)) == []


def test_a_month_without_activity_has_no_rows() -> None:
    assert users_of(NEXT_TO_MARCH, MARCH) == []


def test_rows_on_either_side_of_midnight_belong_to_two_months() -> None:
    activity = [
        usage(on=date(2024, 3, 31), assistant=1, documents=2, scores=[5]),
        usage(on=date(2024, 4, 1), assistant=0, vault=7, documents=30, scores=[2]),
    ]
    names = ("num_queries", "num_docs", "avg_feedback_score", "num_active_days", "last_active_date")
    expected = {MARCH: (1, 2, 5.0, 1, date(2024, 3, 31)), APRIL: (7, 30, 2.0, 1, date(2024, 4, 1))}
    rows = users_of(activity, MARCH, APRIL)

    assert {row["activity_month"]: tuple(row[name] for name in names) for row in rows} == expected
    assert column(rows, "power_user_score") == [12, 30]


@pytest.mark.parametrize(
    ("month", "days", "last"),
    [
        pytest.param(FEBRUARY, (1, 29), 29, id="leap-february"),
        pytest.param(FEBRUARY, (28, 29), 29, id="leap-day-after-the-28th"),
        pytest.param(date(2023, 2, 1), (1, 28), 28, id="february"),
        pytest.param(APRIL, (1, 30), 30, id="30-days"),
        pytest.param(MARCH, (1, 31), 31, id="31-days"),
        pytest.param(MARCH, (1,), 1, id="only-the-first-of-31-days"),
        pytest.param(MARCH, (31,), 31, id="only-the-last-of-31-days"),
        pytest.param(MARCH, tuple(range(1, 32)), 31, id="all-of-31-days"),
        pytest.param(MARCH, (2, 17, 30), 30, id="neither-first-nor-last"),
    ],
)
def test_days_of_a_month(month: date, days: tuple[int, ...], last: int) -> None:
    """The days next to the month hold activity too, and count in neither."""
    around = [month - timedelta(days=1), (month + timedelta(days=31)).replace(day=1)]
    activity = [usage(on=month.replace(day=day)) for day in days]
    row = row_of(users_of([*activity, *(usage(on=day) for day in around)], month))

    assert row["num_active_days"] == len(days)
    assert row["num_queries"] == len(days)
    assert row["last_active_date"] == month.replace(day=last)


@pytest.mark.parametrize(
    ("activity", "firm_id"),
    [
        pytest.param(
            [
                usage(firm_id="b", on=date(2024, 3, 5), assistant=2),
                usage(firm_id="b", on=date(2024, 3, 6), assistant=2),
                usage(firm_id="a", on=date(2024, 3, 31), assistant=3),
            ],
            "b",
            id="most-queries-of-the-month-win-over-the-latest-day",
        ),
        pytest.param(
            [
                usage(firm_id="a", on=date(2024, 3, 4), assistant=3),
                usage(firm_id="b", on=date(2024, 3, 5), assistant=3),
            ],
            "b",
            id="a-tie-goes-to-the-one-active-latest",
        ),
        pytest.param(
            [
                usage(firm_id="a", on=date(2024, 3, 1), assistant=1),
                usage(firm_id="a", on=date(2024, 3, 9), assistant=1),
                usage(firm_id="b", on=date(2024, 3, 8), assistant=2),
            ],
            "a",
            id="latest-is-the-last-day-not-the-first",
        ),
        pytest.param(
            [
                usage(firm_id="b", on=date(2024, 3, 9), documents=99),
                usage(firm_id="a", on=date(2024, 3, 9)),
            ],
            "a",
            id="a-tie-on-the-same-day-goes-to-the-smallest-id",
        ),
        pytest.param(
            [usage(firm_id="9", on=MARCH), usage(firm_id="10", on=MARCH)],
            "10",
            id="ids-are-ordered-as-text",
        ),
        pytest.param(
            [
                usage(firm_id="a", on=date(2024, 2, 29), assistant=9),
                usage(firm_id="a", on=MARCH, assistant=1),
                usage(firm_id="b", on=MARCH, assistant=2),
                usage(firm_id="a", on=APRIL, assistant=9),
            ],
            "b",
            id="queries-of-other-months-do-not-count",
        ),
    ],
)
def test_firm_id_is_the_firm_with_most_queries_of_the_month(activity: Rows, firm_id: str) -> None:
    assert row_of(users_of(activity, MARCH))["firm_id"] == firm_id
    assert row_of(users_of(activity[::-1], MARCH))["firm_id"] == firm_id


USER_OF_TWO_FIRMS = [
    usage("u1", "a", date(2024, 3, 9), assistant=2, documents=3, scores=[1.1]),
    usage("u1", "b", date(2024, 3, 9), assistant=0, vault=1, documents=4, scores=[2.2]),
    usage("u1", "b", date(2024, 3, 8), assistant=0, workflow=2, scores=[3.3]),
]


def test_a_user_of_two_firms_has_one_row_with_the_sums_of_both() -> None:
    """Guards against adding up the active days of a user's firms: 9 March is one day."""
    (row,) = users_of(USER_OF_TWO_FIRMS, MARCH)

    names = ("firm_id", "num_queries", "num_docs", "num_active_days", "unique_event_types")
    assert [row[name] for name in names] == ["b", 5, 7, 2, 3]
    assert row["avg_feedback_score"] == 2.2
    assert row["avg_queries_per_active_day"] == 2.5
    assert row["avg_docs_per_query"] == 1.4
    assert row["last_active_date"] == date(2024, 3, 9)


@pytest.mark.parametrize(
    ("days", "weight", "score", "tier"),
    [
        pytest.param(1, 0, 12, "Inactive User", id="1-day"),
        pytest.param(2, 20, 20, "Low Value User", id="2-days"),
        pytest.param(4, 20, 20, "Low Value User", id="4-days"),
        pytest.param(5, 40, 28, "Low Value User", id="5-days"),
        pytest.param(9, 40, 28, "Low Value User", id="9-days"),
        pytest.param(10, 60, 36, "Low Value User", id="10-days"),
        pytest.param(14, 60, 36, "Low Value User", id="14-days"),
        pytest.param(15, 80, 44, "Medium Value User", id="15-days"),
        pytest.param(19, 80, 44, "Medium Value User", id="19-days"),
        pytest.param(20, 100, 52, "Medium Value User", id="20-days"),
    ],
)
def test_active_days_weight(days: int, weight: int, score: int, tier: str) -> None:
    """One type without documents earns 12 beside."""
    row = row_of(users_of([usage(on=date(2024, 3, day + 1)) for day in range(days)], MARCH))

    assert row["active_days_weight"] == weight
    assert (row["power_user_score"], row["power_user_tier"]) == (score, tier)


@pytest.mark.parametrize(
    ("documents", "weight", "score"),
    [
        pytest.param(0, 0, 12, id="none"),
        pytest.param(4, 0, 12, id="4"),
        pytest.param(5, 20, 18, id="5"),
        pytest.param(9, 20, 18, id="9"),
        pytest.param(10, 40, 24, id="10"),
        pytest.param(24, 40, 24, id="24"),
        pytest.param(25, 60, 30, id="25"),
        pytest.param(49, 60, 30, id="49"),
        pytest.param(50, 80, 36, id="50"),
        pytest.param(99, 80, 36, id="99"),
        pytest.param(100, 100, 42, id="100"),
    ],
)
def test_document_volume_weight(documents: int, weight: int, score: int) -> None:
    """One type on one day earns 12 beside."""
    row = row_of(users_of([usage(on=MARCH, documents=documents)], MARCH))

    assert (row["document_volume_weight"], row["power_user_score"]) == (weight, score)


@pytest.mark.parametrize(
    ("counts", "types", "weight", "score"),
    [
        pytest.param((9, 0, 0), 1, 40, 12, id="assistant"),
        pytest.param((0, 9, 0), 1, 40, 12, id="vault"),
        pytest.param((0, 0, 9), 1, 40, 12, id="workflow"),
        pytest.param((1, 1, 0), 2, 70, 21, id="all-but-workflow"),
        pytest.param((1, 0, 1), 2, 70, 21, id="all-but-vault"),
        pytest.param((0, 1, 1), 2, 70, 21, id="all-but-assistant"),
        pytest.param((1, 1, 1), 3, 100, 30, id="all"),
    ],
)
def test_feature_breadth_weight(
    counts: tuple[int, int, int], types: int, weight: int, score: int
) -> None:
    assistant, vault, workflow = counts
    activity = [usage(on=MARCH, assistant=assistant, vault=vault, workflow=workflow)]
    row = row_of(users_of(activity, MARCH))

    assert row["unique_event_types"] == types
    assert (row["feature_breadth_weight"], row["power_user_score"]) == (weight, score)


@pytest.mark.parametrize(
    ("days", "documents", "score", "tier"),
    [
        pytest.param(20, 100, 100, "Power User", id="all-top-bands"),
        pytest.param(20, 25, 88, "Power User", id="88"),
        pytest.param(15, 49, 80, "Power User", id="80-is-a-power-user"),
        pytest.param(10, 50, 78, "High Value User", id="78-is-not"),
        pytest.param(10, 5, 60, "High Value User", id="60-is-high-value"),
        pytest.param(5, 10, 58, "Medium Value User", id="58-is-not"),
    ],
)
def test_score_and_tier_of_all_types(days: int, documents: int, score: int, tier: str) -> None:
    activity = [
        usage(on=date(2024, 3, day + 1), vault=1, workflow=1, documents=0 if day else documents)
        for day in range(days)
    ]
    row = row_of(users_of(activity, MARCH))

    assert (row["power_user_score"], row["power_user_tier"]) == (score, tier)


def users_by_queries(*queries: int) -> Rows:
    """One row per user, whose ids are in the order given."""
    return [usage(f"u{place:02}", on=MARCH, assistant=count) for place, count in enumerate(queries)]


@pytest.mark.parametrize(
    ("queries", "ranks"),
    [
        pytest.param((3, 1, 2), [1.0, 0.0, 0.5], id="no-ties"),
        pytest.param((1, 2, 2, 3), [0.0, 1 / 3, 1 / 3, 1.0], id="a-tie-in-the-middle"),
        pytest.param((1, 2, 2, 2), [0.0, 1 / 3, 1 / 3, 1 / 3], id="a-tie-at-the-top"),
        pytest.param((5, 1, 1, 1), [1.0, 0.0, 0.0, 0.0], id="a-tie-at-the-bottom"),
        pytest.param((4, 4, 4), [0.0, 0.0, 0.0], id="all-alike"),
        pytest.param((7,), [0.0], id="a-single-row"),
        pytest.param((1, 1000, 2), [0.0, 1.0, 0.5], id="distance-does-not-count"),
    ],
)
def test_ties_share_the_lowest_percent_rank(queries: tuple[int, ...], ranks: list[float]) -> None:
    rows = users_of(users_by_queries(*queries), MARCH)

    assert column(rows, "pr_num_queries") == ranks
    assert column(rows, "pr_engagement_score") == ranks


def test_a_percent_rank_is_the_quotient_in_double_precision() -> None:
    """Guards against multiplying by a reciprocal, as polars does with one divisor for all rows."""
    rows = users_of(users_by_queries(*range(1, 51)), MARCH)

    assert 49 * (1 / 49) != 1
    assert column(rows, "pr_num_queries") == [rank / 49 for rank in range(50)]
    assert column(rows, "pr_engagement_score") == [rank / 49 for rank in range(50)]


def test_percent_ranks_of_documents() -> None:
    documents = (8, 0, 8, 5, 90)
    activity = [
        usage(f"u{place}", on=MARCH, documents=count) for place, count in enumerate(documents)
    ]
    assert column(users_of(activity, MARCH), "pr_num_docs") == [0.5, 0.0, 0.5, 0.25, 1.0]


def test_a_single_user_ranks_0_and_is_no_power_user_however_much_was_done() -> None:
    activity = [
        usage(on=date(2024, 2, 3)),
        *(
            usage(on=date(2024, 3, day), vault=5, workflow=5, documents=50, scores=[5])
            for day in range(1, 26)
        ),
    ]
    row = row_of(users_of(activity, MARCH))

    assert [row[name] for name in PERCENT_RANKS] == [0.0] * 5
    assert (row["engagement_level"], row["is_power_user"]) == ("low", False)
    assert row["power_user_tier"] == "Power User"


@pytest.mark.parametrize(
    ("scores", "ranks"),
    [
        pytest.param(([2], [3], [4], []), [0.0, 0.5, 1.0, 0.0], id="not-scored-is-no-part-of-it"),
        pytest.param(([4], [], [], []), [0.0] * 4, id="a-single-scored-user"),
        pytest.param(([], [], []), [0.0] * 3, id="nobody-scored"),
        pytest.param(([1], [5], [], [], []), [0.0, 1.0, 0.0, 0.0, 0.0], id="two-scored-users"),
        pytest.param(([1, 5], [3], [3.01], [2.99]), [1 / 3, 1 / 3, 1.0, 0.0], id="by-average"),
        pytest.param(([1.1], [1.1] * 3, [1.2]), [0.0, 0.0, 1.0], id="equal-averages-are-a-tie"),
    ],
)
def test_percent_ranks_of_feedback(scores: tuple[list[float], ...], ranks: list[float]) -> None:
    activity = [
        usage(f"u{place}", on=MARCH, assistant=3, scores=given_scores)
        for place, given_scores in enumerate(scores)
    ]
    rows = users_of(activity, MARCH)

    assert column(rows, "pr_avg_feedback_score") == ranks
    assert column(rows, "engagement_score") == [rank / 10 for rank in ranks]


def test_an_average_is_the_quotient_where_all_users_have_as_many_scores() -> None:
    """Guards against multiplying by the reciprocal of a divisor that all rows share."""
    activity = [
        usage("a", "a", MARCH),
        usage("u2", "a", MARCH, scores=[1]),
        usage("a", "b", MARCH, scores=[1]),
        usage("u1", "a", MARCH, scores=[3.3]),
    ]
    assert column(users_of(activity, MARCH), "avg_feedback_score") == [1.0, 3.3, 1.0]


@pytest.mark.parametrize(
    ("activity", "score"),
    [
        pytest.param([usage(on=MARCH, assistant=2), usage("u2", on=MARCH)], 0.6, id="queries"),
        pytest.param([usage(on=MARCH, documents=1), usage("u2", on=MARCH)], 0.3, id="documents"),
        pytest.param(
            [usage(on=MARCH, scores=[2]), usage("u2", on=MARCH, scores=[1])], 0.1, id="feedback"
        ),
        pytest.param(
            [usage(on=MARCH, assistant=2, documents=1), usage("u2", on=MARCH)],
            0.9,
            id="queries-and-documents",
        ),
        pytest.param(
            [
                usage(on=MARCH, assistant=2, documents=1, scores=[2]),
                usage("u2", on=MARCH, scores=[1]),
            ],
            1.0,
            id="all",
        ),
    ],
)
def test_engagement_score_weighs_the_percent_ranks(activity: Rows, score: float) -> None:
    rows = users_of(activity, MARCH)

    assert column(rows, "engagement_score") == [score, 0.0]
    assert column(rows, "pr_engagement_score") == [1.0, 0.0]


def test_equal_scores_share_a_rank_where_doubles_would_not() -> None:
    """u1 ranks 0, 0, 3 and u2 0, 1, 0 of 3: 3 x 0.1 and 1 x 0.3, which is 1/10 for both."""
    activity = [
        usage("u1", on=MARCH, documents=0, scores=[4]),
        usage("u2", on=MARCH, documents=1, scores=[1]),
        usage("u3", on=MARCH, assistant=2, documents=2, scores=[2]),
        usage("u4", on=MARCH, assistant=2, documents=2, scores=[3]),
    ]
    rows = users_of(activity, MARCH)

    assert 0.6 * 0 + 0.3 * 0 + 0.1 * (3 / 3) > 0.6 * 0 + 0.3 * (1 / 3) + 0.1 * 0
    ranks = [[row[name] for name in PERCENT_RANKS[:3]] for row in rows[:2]]
    assert ranks == [[0.0, 0.0, 1.0], [0.0, 1 / 3, 0.0]]
    assert column(rows, "engagement_score")[:2] == [0.1, 0.1]
    # In doubles u1 is ahead of u2, and so of percent rank 1/3 and level medium.
    assert column(rows, "pr_engagement_score") == [0.0, 0.0, 2 / 3, 1.0]
    assert column(rows, "engagement_level") == ["low", "low", "medium", "high"]


def test_the_exact_rank_weighs_feedback_by_how_many_are_scored() -> None:
    """u1 ranks 0 of 4 twice and 1 of 1 by feedback: 0.1. u2 ranks 1 of 4 by documents: 0.075."""
    activity = [
        usage("u1", on=MARCH, scores=[5]),
        usage("u2", on=MARCH, documents=1),
        usage("u3", on=MARCH, assistant=2, documents=2, scores=[1]),
        usage("u4", on=MARCH, assistant=2, documents=3),
        usage("u5", on=MARCH, assistant=2, documents=4),
    ]
    rows = users_of(activity, MARCH)

    # The others rank 2 of 4 by queries, which is 0.3, and 2, 3, 4 of 4 by documents.
    assert column(rows, "engagement_score") == [0.1, 0.075, 0.45, 0.525, 0.6]
    assert column(rows, "pr_engagement_score") == [0.25, 0.0, 0.5, 0.75, 1.0]


@pytest.mark.parametrize(
    ("users", "levels"),
    [
        pytest.param(11, ["low"] * 3 + ["medium"] * 5 + ["high"] * 3, id="edges-at-3-and-8-of-10"),
        pytest.param(6, ["low"] * 2 + ["medium"] * 2 + ["high"] * 2, id="edge-at-4-of-5"),
        pytest.param(36, ["low"] * 11 + ["medium"] * 17 + ["high"] * 8, id="edge-at-28-of-35"),
        pytest.param(12, ["low"] * 4 + ["medium"] * 5 + ["high"] * 3, id="edges-between-ranks"),
        pytest.param(2, ["low", "high"], id="two-users"),
    ],
)
def test_engagement_level_of_users_in_a_row(users: int, levels: list[str]) -> None:
    rows = users_of(users_by_queries(*range(1, users + 1)), MARCH)

    assert column(rows, "pr_engagement_score") == [rank / (users - 1) for rank in range(users)]
    assert column(rows, "engagement_level") == levels


@pytest.mark.parametrize(
    ("rank", "others", "level"),
    [
        pytest.param(1, 1, "high", id="first-of-two"),
        pytest.param(8, 10, "high", id="8-of-10"),
        pytest.param(800_001, 1_000_000, "high", id="just-above-0.8"),
        pytest.param(800_000, 1_000_000, "high", id="0.8"),
        pytest.param(799_999, 1_000_000, "medium", id="just-below-0.8"),
        pytest.param(7, 10, "medium", id="7-of-10"),
        pytest.param(300_001, 1_000_000, "medium", id="just-above-0.3"),
        pytest.param(300_000, 1_000_000, "medium", id="0.3"),
        pytest.param(3, 10, "medium", id="3-of-10"),
        pytest.param(299_999, 1_000_000, "low", id="just-below-0.3"),
        pytest.param(2, 10, "low", id="2-of-10"),
        pytest.param(0, 1, "low", id="last"),
    ],
)
def test_engagement_level(rank: int, others: int, level: str) -> None:
    assert pl.select(engagement_level(pl.lit(rank), pl.lit(others))).item() == level


AHEAD_IN_APRIL = usage("u1", on=date(2024, 4, 10), assistant=2, vault=1)
BEHIND_IN_APRIL = usage("u2", on=date(2024, 4, 10), assistant=1)


@pytest.mark.parametrize(
    ("other_months", "is_power_user"),
    [
        pytest.param([], False, id="the-first-month-of-data-has-none"),
        pytest.param([usage(on=date(2024, 3, 1))], True, id="previous-month-s-first-day"),
        pytest.param([usage(on=date(2024, 3, 31))], True, id="previous-month-s-last-day"),
        pytest.param([usage(firm_id="z", on=date(2024, 3, 9))], True, id="for-another-firm"),
        pytest.param([usage(on=date(2024, 2, 29))], False, id="last-day-of-two-months-before"),
        pytest.param([usage(on=date(2024, 2, 1))], False, id="two-months-before"),
        pytest.param([usage(on=date(2023, 3, 9))], False, id="the-same-month-a-year-before"),
        pytest.param([usage(on=date(2024, 5, 1))], False, id="the-month-after"),
        pytest.param([usage("u2", on=date(2024, 3, 9))], False, id="someone-else"),
    ],
)
def test_a_power_user_was_active_in_the_previous_month(
    other_months: Rows, is_power_user: bool
) -> None:
    rows = users_of([AHEAD_IN_APRIL, BEHIND_IN_APRIL, *other_months], APRIL)

    assert column(rows, "engagement_level") == ["high", "low"]
    assert column(rows, "is_power_user") == [is_power_user, False]


@pytest.mark.parametrize(
    ("day", "is_power_user"),
    [
        pytest.param(date(2023, 12, 1), True, id="first-of-december"),
        pytest.param(date(2023, 12, 31), True, id="new-year-s-eve"),
        pytest.param(date(2023, 11, 30), False, id="november"),
        pytest.param(date(2022, 12, 31), False, id="december-of-the-year-before"),
        pytest.param(date(2024, 12, 31), False, id="december-to-come"),
    ],
)
def test_december_is_the_month_before_january(day: date, is_power_user: bool) -> None:
    activity = [
        usage("u1", on=day),
        usage("u1", on=date(2024, 1, 10), assistant=2, workflow=1),
        usage("u2", on=date(2024, 1, 10)),
    ]
    for months in [(JANUARY,), (DECEMBER, JANUARY)]:
        row = row_of(users_of(activity, *months), month=JANUARY)
        assert (row["engagement_level"], row["is_power_user"]) == ("high", is_power_user)


@pytest.mark.parametrize(
    ("counts", "types", "is_power_user"),
    [
        pytest.param((9, 0, 0), 1, False, id="one-type"),
        pytest.param((8, 1, 0), 2, True, id="two-types"),
        pytest.param((0, 1, 8), 2, True, id="two-other-types"),
        pytest.param((7, 1, 1), 3, True, id="three-types"),
    ],
)
def test_a_power_user_uses_two_types_in_the_month(
    counts: tuple[int, int, int], types: int, is_power_user: bool
) -> None:
    """The types of the month before do not count."""
    assistant, vault, workflow = counts
    activity = [
        usage(on=date(2024, 3, 9), vault=5, workflow=5),
        usage(on=APRIL, assistant=assistant, vault=vault, workflow=workflow),
        BEHIND_IN_APRIL,
    ]
    row = row_of(users_of(activity, APRIL))

    assert (row["engagement_level"], row["unique_event_types"]) == ("high", types)
    assert row["is_power_user"] is is_power_user


def test_a_power_user_is_of_level_high() -> None:
    """Six users of three types, all active before: the best two of six reach 4 of 5."""
    users = range(6)
    activity = [
        *(usage(f"u{user}", on=date(2024, 3, 9)) for user in users),
        *(usage(f"u{user}", on=APRIL, assistant=1 + user, vault=1, workflow=1) for user in users),
    ]
    rows = users_of(activity, APRIL)

    assert column(rows, "engagement_level")[3:] == ["medium", "high", "high"]
    assert column(rows, "is_power_user") == [False] * 4 + [True] * 2


@pytest.mark.parametrize(
    "groups",
    [
        pytest.param([(FEBRUARY, MARCH, APRIL, MAY)], id="together"),
        pytest.param([(FEBRUARY,), (MARCH,), (APRIL,), (MAY,)], id="alone"),
        pytest.param([(MARCH, APRIL), (MAY,), (FEBRUARY,)], id="in-groups"),
    ],
)
def test_power_users_do_not_depend_on_the_months_asked_for_together(
    groups: list[tuple[date, ...]],
) -> None:
    """u1 is active in February, March and May; nobody is in April."""
    activity = [
        usage(user, on=month.replace(day=9), assistant=assistant, vault=1)
        for month in (FEBRUARY, MARCH, MAY)
        for user, assistant in (("u1", 2), ("u2", 1))
    ]
    rows = [row for months in groups for row in users_of(activity, *months)]

    power_users = [(row["activity_month"], row["user_id"]) for row in rows if row["is_power_user"]]
    assert power_users == [(MARCH, "u1")]
    assert len(rows) == 6


# --- firms ---------------------------------------------------------------------------------------


def test_every_column_of_a_month_of_firms_is_as_worked_out_by_hand() -> None:
    """u1 counts for both firms, each with what was done there."""
    versions = [version("a", firm_size=8, arr_usd=120_000.0), version("z")]
    assert firms_of([*OF_MARCH, *NEXT_TO_MARCH], versions, MARCH) == [
        {
            "activity_month": MARCH,
            "firm_id": "a",
            "num_active_days": 3,
            "num_active_users": 2,
            "num_queries": 9,
            "num_assistant_queries": 3,
            "num_vault_queries": 6,
            "num_workflow_queries": 0,
            "num_docs": 51,
            "avg_feedback_score": 11.5 / 3,
            "queries_per_active_day": 3.0,
            "queries_per_active_user": 4.5,
            "docs_per_query": 51 / 9,
            "firm_size": 8,
            "arr_usd": 120_000.0,
            "arr_per_user": 60_000.0,
            "seat_utilization": 25.0,
        },
        {
            "activity_month": MARCH,
            "firm_id": "b",
            "num_active_days": 3,
            "num_active_users": 2,
            "num_queries": 5,
            "num_assistant_queries": 3,
            "num_vault_queries": 0,
            "num_workflow_queries": 2,
            "num_docs": 120,
            "avg_feedback_score": 4.5,
            "queries_per_active_day": 5 / 3,
            "queries_per_active_user": 2.5,
            "docs_per_query": 24.0,
            "firm_size": None,
            "arr_usd": None,
            "arr_per_user": None,
            "seat_utilization": None,
        },
    ]


def test_a_user_of_two_firms_is_a_user_of_each() -> None:
    rows = firms_of(USER_OF_TWO_FIRMS, [], MARCH)

    names = ("firm_id", "num_active_users", "num_queries", "num_active_days", "num_docs")
    assert [tuple(row[name] for name in names) for row in rows] == [
        ("a", 1, 2, 1, 3),
        ("b", 1, 3, 2, 4),
    ]
    assert column(rows, "avg_feedback_score") == [1.1, 2.75]


def test_a_date_counts_once_for_several_users_and_a_user_once_for_several_dates() -> None:
    """Two users share 1 and 31 March; a third adds 15 March."""
    activity = [
        *(usage(user, on=date(2024, 3, day)) for user in ("u1", "u2") for day in (1, 31)),
        usage("u3", on=date(2024, 3, 15)),
    ]
    row = row_of(firms_of(activity, [version(firm_size=6)], MARCH), "a")

    assert (row["num_active_days"], row["num_active_users"], row["num_queries"]) == (3, 3, 5)
    assert row["queries_per_active_day"] == 5 / 3
    assert row["seat_utilization"] == 50.0


def test_a_firm_s_feedback_adds_up_without_rounding_and_is_null_without_scores() -> None:
    activity = [
        *(usage(user, on=MARCH, scores=[1.1]) for user in ("u1", "u2", "u3")),
        usage("u1", "b", MARCH),
    ]
    assert 1.1 + 1.1 + 1.1 != 3.3
    assert column(firms_of(activity, [], MARCH), "avg_feedback_score") == [1.1, None]


@pytest.mark.parametrize(
    ("changes_on", "last_covered", "size"),
    [
        pytest.param(date(2024, 3, 31), date(2024, 6, 9), 20, id="change-on-the-last-day"),
        pytest.param(date(2024, 4, 1), date(2024, 6, 9), 10, id="change-on-the-day-after"),
        pytest.param(date(2024, 3, 2), date(2024, 6, 9), 20, id="change-within-the-month"),
        pytest.param(date(2024, 3, 31), date(2024, 3, 31), 20, id="covered-to-the-last-day"),
        pytest.param(date(2024, 3, 31), date(2024, 3, 30), 10, id="covered-to-the-day-before-it"),
        pytest.param(date(2024, 3, 20), date(2024, 3, 20), 20, id="change-on-the-last-covered-day"),
        pytest.param(date(2024, 3, 20), date(2024, 3, 19), 10, id="change-after-it"),
        pytest.param(date(2024, 4, 1), date(2024, 4, 1), 10, id="covered-into-the-next-month"),
    ],
)
def test_attributes_are_those_of_the_last_day_that_is_covered(
    changes_on: date, last_covered: date, size: int
) -> None:
    versions = [
        version(firm_size=10, arr_usd=1_000.0, end=changes_on - timedelta(days=1)),
        version(firm_size=20, arr_usd=8_000.0, start=changes_on),
    ]
    activity = [usage("u1", on=MARCH), usage("u2", on=MARCH)]
    row = row_of(firms_of(activity, versions, MARCH, last_covered=last_covered), "a")

    names = ("firm_size", "arr_usd", "arr_per_user", "seat_utilization")
    before, after = (10, 1_000.0, 500.0, 20.0), (20, 8_000.0, 4_000.0, 10.0)
    assert tuple(row[name] for name in names) == (before if size == 10 else after)


def test_each_month_of_several_has_the_attributes_of_its_own_last_day() -> None:
    versions = [
        version(firm_size=1, end=date(2024, 2, 29)),
        version(firm_size=2, start=MARCH, end=date(2024, 3, 31)),
        version(firm_size=3, start=APRIL, end=date(2024, 4, 20)),
        version(firm_size=4, start=date(2024, 4, 21)),
    ]
    months = (FEBRUARY, MARCH, APRIL)
    activity = [usage(on=month) for month in months]
    rows = firms_of(activity, versions, *months, last_covered=date(2024, 4, 20))

    assert column(rows, "firm_size") == [1, 2, 3]
    assert column(rows, "seat_utilization") == [100.0, 50.0, 100 / 3]


@pytest.mark.parametrize(
    ("versions", "size"),
    [
        pytest.param([], None, id="none"),
        pytest.param([version("b")], None, id="of-another-firm"),
        pytest.param([version(start=date(2024, 3, 21))], None, id="begins-later"),
        pytest.param([version(start=date(2024, 3, 20))], 100, id="begins-on-the-last-covered-day"),
        pytest.param([version(end=date(2024, 3, 9))], 100, id="departed-within-the-month"),
        pytest.param([version(end=date(2023, 9, 9))], 100, id="departed-long-before"),
        pytest.param(
            [version(firm_size=7, end=date(2024, 3, 9)), version(start=date(2024, 3, 21))],
            7,
            id="a-return-to-come-is-not-known-yet",
        ),
    ],
)
def test_versions_that_have_begun_by_the_last_covered_day(versions: Rows, size: int | None) -> None:
    row = row_of(firms_of([usage(on=MARCH)], versions, MARCH, last_covered=date(2024, 3, 20)), "a")

    assert row["firm_size"] == size
    arr = None if size is None else 250_000.0
    assert (row["arr_usd"], row["arr_per_user"]) == (arr, arr)
    assert row["seat_utilization"] == (None if size is None else 100 / size)
    assert row["num_queries"] == 1


def test_a_firm_without_seats_has_no_utilization() -> None:
    row = row_of(firms_of([usage(on=MARCH)], [version(firm_size=0)], MARCH), "a")

    assert (row["firm_size"], row["seat_utilization"]) == (0, None)
    assert row["arr_per_user"] == 250_000.0


def test_utilization_exceeds_100_where_more_are_active_than_seats() -> None:
    activity = [usage(f"u{user}", on=date(2024, 3, 3 * user)) for user in (1, 2, 3)]

    assert row_of(firms_of(activity, [version(firm_size=2)], MARCH), "a")["seat_utilization"] == 150


def test_only_firms_with_activity_in_the_month_have_a_row() -> None:
    versions = [version("a"), version("b"), version("c")]
    activity = [
        usage(firm_id="a", on=date(2024, 2, 29)),
        usage(firm_id="b", on=date(2024, 3, 31)),
        usage(firm_id="c", on=date(2024, 4, 1)),
    ]
    rows = firms_of(activity, versions, FEBRUARY, MARCH, APRIL, MAY)

    assert [(row["activity_month"], row["firm_id"]) for row in rows] == [
        (FEBRUARY, "a"),
        (MARCH, "b"),
        (APRIL, "c"),
    ]


# --- cohorts -------------------------------------------------------------------------------------

THREE_MONTHS = [
    usage("u1", "a", date(2024, 1, 31)),
    usage("u2", "a", date(2024, 1, 1)),
    usage("u2", "a", date(2024, 1, 9)),
    usage("u2", "a", date(2024, 2, 9)),
    usage("u2", "c", date(2024, 2, 9)),
    usage("u3", "b", date(2024, 2, 1)),
    usage("u1", "b", date(2024, 3, 31)),
    usage("u3", "b", date(2024, 3, 31)),
    usage("u4", "b", date(2024, 3, 31)),
]


def test_every_cell_of_three_months_is_as_worked_out_by_hand() -> None:
    """u1 and u2 begin in January, u3 in February, u4 in March; firm a in January, b and c in
    February. u2 and firm a are not active in March, nor u1 in February, nor firm c in March."""
    assert cohorts_after([], THREE_MONTHS, JANUARY, date(2024, 3, 31)) == [
        cell("user", JANUARY, JANUARY, 2, 2),
        cell("user", JANUARY, FEBRUARY, 2, 1),
        cell("user", JANUARY, MARCH, 2, 1),
        cell("user", FEBRUARY, FEBRUARY, 1, 1),
        cell("user", FEBRUARY, MARCH, 1, 1),
        cell("user", MARCH, MARCH, 1, 1),
        cell("firm", JANUARY, JANUARY, 1, 1),
        cell("firm", JANUARY, FEBRUARY, 1, 1),
        cell("firm", JANUARY, MARCH, 1, 0),
        cell("firm", FEBRUARY, FEBRUARY, 2, 2),
        cell("firm", FEBRUARY, MARCH, 2, 1),
    ]


def test_a_cell_in_full() -> None:
    """Guards the builder of the other cells."""
    activity = [usage(f"u{user}", on=JANUARY) for user in range(3)]
    activity += [usage("u1", on=MARCH)]
    rows = cohorts_after([], activity, JANUARY, date(2024, 4, 29))

    assert rows[2:4] == [
        {
            "grain": "user",
            "cohort_month": JANUARY,
            "months_since": 2,
            "activity_month": MARCH,
            "cohort_size": 3,
            "retained": 1,
            "retention_rate": 100 / 3,
            "is_complete": True,
            "is_first_month": False,
        },
        {
            "grain": "user",
            "cohort_month": JANUARY,
            "months_since": 3,
            "activity_month": APRIL,
            "cohort_size": 3,
            "retained": None,
            "retention_rate": None,
            "is_complete": False,
            "is_first_month": False,
        },
    ]


@pytest.mark.parametrize(
    ("last_covered", "retained"),
    [
        pytest.param(date(2024, 2, 9), [2, None], id="within-the-second-month"),
        pytest.param(date(2024, 2, 28), [2, None], id="the-day-before-its-last"),
        pytest.param(date(2024, 2, 29), [2, 1], id="its-last-day"),
        pytest.param(MARCH, [2, 1, None], id="the-day-after"),
        pytest.param(date(2024, 3, 30), [2, 1, None], id="30-of-31-days"),
        pytest.param(date(2024, 3, 31), [2, 1, 0], id="31-of-31-days"),
    ],
)
def test_a_month_is_counted_once_its_last_day_is_covered(
    last_covered: date, retained: list[int | None]
) -> None:
    """Two users begin in January; one is active in February, none in March."""
    activity = [
        usage("u1", on=date(2024, 1, 9)),
        usage("u2", on=date(2024, 1, 9)),
        usage("u1", on=date(2024, 2, 3)),
    ]
    rows = cohorts_after([], activity, JANUARY, last_covered)

    months = (JANUARY, FEBRUARY, MARCH)[: len(retained)]
    assert [row for row in rows if row["grain"] == "user"] == [
        cell("user", JANUARY, month, 2, count)
        for month, count in zip(months, retained, strict=True)
    ]


@pytest.mark.parametrize(
    ("last_covered", "retained"),
    [
        pytest.param(date(2024, 3, 5), None, id="on-the-day-itself"),
        pytest.param(date(2024, 3, 30), None, id="the-day-before-the-last"),
        pytest.param(date(2024, 3, 31), 1, id="the-last-day"),
    ],
)
def test_a_cohort_s_own_month_is_null_until_it_is_over(
    last_covered: date, retained: int | None
) -> None:
    rows = cohorts_after([], [usage(on=date(2024, 3, 5))], MARCH, last_covered)

    assert rows == [cell(grain, MARCH, MARCH, 1, retained) for grain in ("user", "firm")]


@pytest.mark.parametrize(
    ("first_covered", "first_cohorts"),
    [
        pytest.param(date(2023, 12, 31), [], id="in-the-month-before-all-of-them"),
        pytest.param(JANUARY, [JANUARY], id="on-the-first-of-a-month"),
        pytest.param(date(2024, 1, 31), [JANUARY], id="on-the-last-of-a-month"),
        pytest.param(FEBRUARY, [FEBRUARY], id="in-the-month-of-the-second-cohort"),
    ],
)
def test_a_cohort_of_the_month_in_which_coverage_begins_is_the_first(
    first_covered: date, first_cohorts: list[date]
) -> None:
    rows = cohorts_after([], THREE_MONTHS, JANUARY, date(2024, 3, 31), first_covered=first_covered)

    assert {row["cohort_month"] for row in rows} == {JANUARY, FEBRUARY, MARCH}
    for row in rows:
        assert row["is_first_month"] == (row["cohort_month"] in first_cohorts)


def test_an_earlier_first_day_makes_another_cohort_the_first_in_every_month() -> None:
    """Coverage turns out to begin in January, after April alone was run: what stays is told so."""
    last_covered = date(2024, 4, 30)
    known = cohorts_after([], THREE_MONTHS, JANUARY, last_covered, first_covered=FEBRUARY)
    rows = cohorts_after(known, THREE_MONTHS, APRIL, last_covered, first_covered=JANUARY)

    assert rows == cohorts_after([], THREE_MONTHS, JANUARY, last_covered, first_covered=JANUARY)
    first = [(row["cohort_month"], row["months_since"]) for row in rows if row["is_first_month"]]
    assert first == [(JANUARY, number) for number in range(4)] * 2


def test_nobody_of_a_cohort_in_a_month_that_is_over_is_0_and_not_null() -> None:
    rows = cohorts_after([], [usage(on=JANUARY)], JANUARY, date(2024, 2, 29))

    assert [(row["retained"], row["retention_rate"]) for row in rows] == [(1, 100.0), (0, 0.0)] * 2


def test_there_are_no_cells_after_the_month_of_the_last_covered_day() -> None:
    """Activity of later months, as a longer history has it, adds neither cells nor cohorts."""
    rows = cohorts_after([], THREE_MONTHS, JANUARY, date(2024, 2, 10))

    assert cells_of(rows) == [
        (JANUARY, JANUARY, 2),
        (JANUARY, FEBRUARY, None),
        (FEBRUARY, FEBRUARY, None),
    ]


def test_cohorts_go_on_over_years() -> None:
    activity = [
        usage("u1", on=date(2023, 11, 30)),
        usage("u1", on=date(2024, 1, 1)),
        usage("u1", on=date(2024, 11, 1)),
        usage("u2", on=date(2023, 12, 31)),
        usage("u2", on=date(2025, 1, 31)),
    ]
    rows = cohorts_after([], activity, NOVEMBER, date(2025, 1, 31))

    found = {
        (row["cohort_month"], row["months_since"]): row["activity_month"]
        for row in rows
        if row["grain"] == "user" and row["retained"] == 1
    }
    assert found == {
        (NOVEMBER, 0): date(2023, 11, 1),
        (NOVEMBER, 2): date(2024, 1, 1),
        (NOVEMBER, 12): date(2024, 11, 1),
        (DECEMBER, 0): date(2023, 12, 1),
        (DECEMBER, 13): date(2025, 1, 1),
    }
    assert [row["months_since"] for row in rows if row["grain"] == "user"] == [
        *range(15),
        *range(14),
    ]


def test_a_month_without_first_activity_has_no_cohort() -> None:
    rows = cohorts_after([], [usage(on=JANUARY), usage("u2", on=MARCH)], JANUARY, date(2024, 3, 31))

    assert {row["cohort_month"] for row in rows if row["grain"] == "user"} == {JANUARY, MARCH}
    assert {row["cohort_month"] for row in rows if row["grain"] == "firm"} == {JANUARY}


def test_a_user_and_a_firm_of_the_same_id_are_counted_apart() -> None:
    activity = [usage("x", "a", JANUARY), usage("u1", "x", JANUARY), usage("u1", "x", FEBRUARY)]

    assert cohorts_after([], activity, JANUARY, date(2024, 2, 29)) == [
        cell("user", JANUARY, JANUARY, 2, 2),
        cell("user", JANUARY, FEBRUARY, 2, 1),
        cell("firm", JANUARY, JANUARY, 2, 2),
        cell("firm", JANUARY, FEBRUARY, 2, 1),
    ]


def test_without_a_covered_day_there_are_no_cells() -> None:
    known = cohorts_after([], THREE_MONTHS, JANUARY, date(2024, 3, 31))

    assert cohorts_after(known, THREE_MONTHS, JANUARY, None) == []


def test_without_activity_there_are_no_cells() -> None:
    assert cohorts_after([], [], JANUARY, date(2024, 3, 31)) == []


KNOWN_OF_JANUARY = [cell("user", JANUARY, JANUARY, 7, 7), cell("firm", JANUARY, JANUARY, 7, 7)]
"""More than the inputs say, which tells cells that are kept from cells that are counted."""


def test_known_cells_of_earlier_months_are_kept_and_later_ones_counted_anew() -> None:
    known = [
        *KNOWN_OF_JANUARY,
        cell("user", JANUARY, FEBRUARY, 7, 5),
        cell("user", JANUARY, MARCH, 7, 5),
        cell("user", FEBRUARY, FEBRUARY, 5, 5),
        cell("user", MARCH, MARCH, 5, 5),
    ]
    rows = cohorts_after(known, THREE_MONTHS, FEBRUARY, date(2024, 3, 31))

    assert [row for row in rows if row["grain"] == "user"] == [
        cell("user", JANUARY, JANUARY, 7, 7),
        cell("user", JANUARY, FEBRUARY, 2, 1),
        cell("user", JANUARY, MARCH, 2, 1),
        cell("user", FEBRUARY, FEBRUARY, 1, 1),
        cell("user", FEBRUARY, MARCH, 1, 1),
        cell("user", MARCH, MARCH, 1, 1),
    ]


def test_an_unfinished_month_is_counted_again_with_all_that_follow_it() -> None:
    known = [
        *KNOWN_OF_JANUARY,
        cell("user", JANUARY, FEBRUARY, 7, None),
        cell("user", FEBRUARY, FEBRUARY, 5, None),
    ]
    rows = cohorts_after(known, THREE_MONTHS, MARCH, date(2024, 3, 30))

    assert [row for row in rows if row["grain"] == "user"] == [
        cell("user", JANUARY, JANUARY, 7, 7),
        cell("user", JANUARY, FEBRUARY, 2, 1),
        cell("user", JANUARY, MARCH, 2, None),
        cell("user", FEBRUARY, FEBRUARY, 1, 1),
        cell("user", FEBRUARY, MARCH, 1, None),
        cell("user", MARCH, MARCH, 1, None),
    ]


def test_a_month_that_is_covered_no_longer_is_counted_again() -> None:
    """A drop that was there is gone: February is not over, and March has not begun."""
    known = [
        *KNOWN_OF_JANUARY,
        cell("user", JANUARY, FEBRUARY, 7, 5),
        cell("user", JANUARY, MARCH, 7, 5),
    ]
    rows = cohorts_after(known, THREE_MONTHS, date(2024, 4, 1), date(2024, 2, 28))

    assert [row for row in rows if row["grain"] == "user"] == [
        cell("user", JANUARY, JANUARY, 7, 7),
        cell("user", JANUARY, FEBRUARY, 2, None),
        cell("user", FEBRUARY, FEBRUARY, 1, None),
    ]


def test_an_unfinished_month_does_not_delay_the_first_month() -> None:
    """The unfinished month comes after the first one that may have changed."""
    known = [*KNOWN_OF_JANUARY, cell("user", JANUARY, MARCH, 7, None)]
    rows = cohorts_after(known, THREE_MONTHS, JANUARY, date(2024, 3, 31))

    assert rows == cohorts_after([], THREE_MONTHS, JANUARY, date(2024, 3, 31))


def test_earlier_months_that_were_never_counted_have_no_cells() -> None:
    rows = cohorts_after([], THREE_MONTHS, MARCH, date(2024, 3, 31))

    assert cells_of(rows) == [(JANUARY, MARCH, 1), (FEBRUARY, MARCH, 1), (MARCH, MARCH, 1)]
    assert cells_of(rows, "firm") == [(JANUARY, MARCH, 0), (FEBRUARY, MARCH, 1)]


def test_a_month_of_which_users_and_firms_were_not_run_has_no_cells() -> None:
    """Nothing is known of who came back in it, whether it is over or not."""
    rows = cohorts_after(
        [], THREE_MONTHS, JANUARY, date(2024, 4, 9), counted_months={JANUARY, MARCH}
    )
    assert cells_of(rows) == [
        (JANUARY, JANUARY, 2),
        (JANUARY, MARCH, 1),
        (FEBRUARY, MARCH, 1),
        (MARCH, MARCH, 1),
    ]


# --- at random -----------------------------------------------------------------------------------

MONTHS = (DECEMBER, JANUARY, FEBRUARY, MARCH)
DAYS = 31 + 31 + 29 + 31
EDGES = (0, 30, 31, 61, 62, 90, 91, 121)
"""First and last days of the months, from 1 December on."""

some_examples = settings(max_examples=30, deadline=None)
few_examples = settings(max_examples=12, deadline=None)

days = (st.integers(0, DAYS - 1) | st.sampled_from(EDGES)).map(
    lambda offset: DECEMBER + timedelta(days=offset)
)


def _activity(
    cells: dict[tuple[str, str, date], tuple[tuple[int, ...], int, list[float]]],
) -> Rows:
    rows = []
    for (user_id, firm_id, day), (counts, documents, scores) in cells.items():
        by_type = dict(zip(("assistant", "vault", "workflow"), counts, strict=True))
        rows.append(usage(user_id, firm_id, day, **by_type, documents=documents, scores=scores))
    return rows


histories = st.dictionaries(
    st.tuples(st.sampled_from(("a", "u1", "u2", "u3", "u4")), st.sampled_from("abc"), days),
    st.tuples(
        st.sampled_from([counts for counts in product(range(3), repeat=3) if any(counts)]),
        st.sampled_from((0, 1, 4, 5, 10, 25, 60)),
        st.lists(st.sampled_from((1.0, 1.1, 2.25, 3.3, 5.0)), max_size=1),
    ),
    max_size=40,
).map(_activity)


def _versions(lives: dict[str, dict[date, tuple[int, int]]]) -> Rows:
    rows = []
    for firm_id, life in lives.items():
        starts = sorted(life)
        for start, following in pairwise([*starts, OPEN_END]):
            length, size = life[start]
            end = min(start + timedelta(days=length), following - timedelta(days=1))
            rows.append(version(firm_id, firm_size=size, arr_usd=size * 7.1, start=start, end=end))
    return rows


dimensions = st.dictionaries(
    st.sampled_from("abc"),
    st.dictionaries(days, st.tuples(st.integers(0, 60), st.integers(0, 9)), max_size=4),
).map(_versions)


def month_number(day: date) -> int:
    return 12 * day.year + day.month - 1


def first_of(number: int) -> date:
    return date(number // 12, number % 12 + 1, 1)


def quotient(numerator: int | Fraction, denominator: int) -> float:
    """The double next to the exact quotient."""
    return float(Fraction(numerator) / denominator)


def sums_of(rows: Rows) -> dict[str, Any]:
    """What the rows of a user, or of a firm, add up to."""
    scored = sum(row["feedback_count"] for row in rows)
    hundredths = sum(round(100 * row["feedback_sum"]) for row in rows)
    return {
        "num_active_days": len({row["date"] for row in rows}),
        "num_queries": sum(row["queries"] for row in rows),
        "num_workflow_queries": sum(row["workflow_queries"] for row in rows),
        "num_vault_queries": sum(row["vault_queries"] for row in rows),
        "num_assistant_queries": sum(row["assistant_queries"] for row in rows),
        "num_docs": sum(row["documents"] for row in rows),
        "feedback": Fraction(hundredths, 100 * scored) if scored else None,
    }


def percent_ranks(values: dict[str, Any]) -> dict[str, Fraction]:
    others = max(len(values) - 1, 1)
    return {
        key: Fraction(sum(other < value for other in values.values()), others)
        for key, value in values.items()
    }


def naive_users(activity: Rows, month: date) -> Rows:
    number = month_number(month)
    of_month: dict[str, Rows] = {}
    for row in sorted(activity, key=lambda row: row["user_id"]):
        if month_number(row["date"]) == number:
            of_month.setdefault(row["user_id"], []).append(row)
    before = {row["user_id"] for row in activity if month_number(row["date"]) == number - 1}
    sums = {user: sums_of(rows) for user, rows in of_month.items()}
    by_queries = percent_ranks({user: one["num_queries"] for user, one in sums.items()})
    by_documents = percent_ranks({user: one["num_docs"] for user, one in sums.items()})
    by_feedback = percent_ranks(
        {user: one["feedback"] for user, one in sums.items() if one["feedback"] is not None}
    )
    scores = {
        user: (6 * by_queries[user] + 3 * by_documents[user] + by_feedback.get(user, 0)) / 10
        for user in sums
    }
    by_score = percent_ranks(scores)
    found = []
    for user, rows in of_month.items():
        one = sums[user]
        feedback = one.pop("feedback")
        queries: Counter[str] = Counter()
        latest: dict[str, date] = {}
        for row in rows:
            queries[row["firm_id"]] += row["queries"]
            latest[row["firm_id"]] = max(row["date"], latest.get(row["firm_id"], date.min))
        firm_id = min(queries, key=lambda firm: (-queries[firm], -latest[firm].toordinal(), firm))
        types = sum(one[f"num_{name}_queries"] > 0 for name in ("assistant", "vault", "workflow"))
        weights = (
            20 * bisect_right((2, 5, 10, 15, 20), one["num_active_days"]),
            20 * bisect_right((5, 10, 25, 50, 100), one["num_docs"]),
            (40, 70, 100)[types - 1],
        )
        score = Fraction(4 * weights[0] + 3 * weights[1] + 3 * weights[2], 10)
        tiers = ("Inactive", "Low Value", "Medium Value", "High Value", "Power", "Power")
        is_high = by_score[user] >= Fraction(8, 10)
        level = "medium" if by_score[user] >= Fraction(3, 10) else "low"
        found.append(
            one
            | {
                "activity_month": month,
                "user_id": user,
                "firm_id": firm_id,
                "avg_queries_per_active_day": quotient(one["num_queries"], one["num_active_days"]),
                "avg_docs_per_query": quotient(one["num_docs"], one["num_queries"]),
                "avg_feedback_score": None if feedback is None else float(feedback),
                "last_active_date": max(latest.values()),
                "unique_event_types": types,
                "active_days_weight": weights[0],
                "document_volume_weight": weights[1],
                "feature_breadth_weight": weights[2],
                "power_user_score": score,
                "power_user_tier": f"{tiers[int(score // 20)]} User",
                "pr_num_queries": float(by_queries[user]),
                "pr_num_docs": float(by_documents[user]),
                "pr_avg_feedback_score": float(by_feedback.get(user, 0)),
                "engagement_score": float(scores[user]),
                "pr_engagement_score": float(by_score[user]),
                "engagement_level": "high" if is_high else level,
                "is_power_user": is_high and types >= 2 and user in before,
            }
        )
    return found


def naive_firms(activity: Rows, versions: Rows, month: date, last_covered: date) -> Rows:
    of_month: dict[str, Rows] = {}
    for row in sorted(activity, key=lambda row: row["firm_id"]):
        if month_number(row["date"]) == month_number(month):
            of_month.setdefault(row["firm_id"], []).append(row)
    end_of_month = first_of(month_number(month) + 1) - timedelta(days=1)
    seen_on = min(end_of_month, last_covered)
    found = []
    for firm, rows in of_month.items():
        one = sums_of(rows)
        feedback = one.pop("feedback")
        users = len({row["user_id"] for row in rows})
        begun = [
            row
            for row in versions
            if row["firm_id"] == firm and row["effective_start_date"] <= seen_on
        ]
        seen = max(begun, key=lambda row: row["effective_start_date"], default=None)
        found.append(
            one
            | {
                "activity_month": month,
                "firm_id": firm,
                "num_active_users": users,
                "avg_feedback_score": None if feedback is None else float(feedback),
                "queries_per_active_day": quotient(one["num_queries"], one["num_active_days"]),
                "queries_per_active_user": quotient(one["num_queries"], users),
                "docs_per_query": quotient(one["num_docs"], one["num_queries"]),
                "firm_size": seen and seen["firm_size"],
                "arr_usd": seen and seen["arr_usd"],
                "arr_per_user": seen and quotient(Fraction(seen["arr_usd"]), users),
                "seat_utilization": (
                    quotient(100 * users, seen["firm_size"]) if seen and seen["firm_size"] else None
                ),
            }
        )
    return found


def naive_cohorts(activity: Rows, last_covered: date) -> Rows:
    rows = []
    over_before = month_number(last_covered + timedelta(days=1))
    for grain in ("user", "firm"):
        active: dict[int, set[str]] = {}
        for row in activity:
            active.setdefault(month_number(row["date"]), set()).add(row[f"{grain}_id"])
        known: set[str] = set()
        for cohort in sorted(active):
            members = active[cohort] - known
            known |= members
            for number in range(cohort, month_number(last_covered) + 1):
                if members:
                    retained = len(members & active.get(number, set()))
                    is_over = number < over_before
                    month = first_of(number)
                    rows.append(
                        cell(
                            grain,
                            first_of(cohort),
                            month,
                            len(members),
                            retained if is_over else None,
                        )
                    )
    return rows


def covered_until(activity: Rows, last_covered: date) -> Rows:
    return [row for row in activity if row["date"] <= last_covered]


@some_examples
@given(activity=histories)
def test_users_are_what_a_naive_count_finds(activity: Rows) -> None:
    expected = [row for month in MONTHS for row in naive_users(activity, month)]

    assert users_of(activity, *MONTHS) == expected


@some_examples
@given(activity=histories, versions=dimensions, last_covered=days)
def test_firms_are_what_a_naive_count_finds(
    activity: Rows, versions: Rows, last_covered: date
) -> None:
    expected = [
        row for month in MONTHS for row in naive_firms(activity, versions, month, last_covered)
    ]
    assert firms_of(activity, versions, *MONTHS, last_covered=last_covered) == expected


@some_examples
@given(history=histories, last_covered=days)
def test_cohorts_are_what_a_naive_count_finds(history: Rows, last_covered: date) -> None:
    activity = covered_until(history, last_covered)

    found = cohorts_after([], activity, DECEMBER, last_covered)
    assert found == naive_cohorts(activity, last_covered)


@few_examples
@given(activity=histories, versions=dimensions, last_covered=days, data=st.data())
def test_months_in_any_order_and_grouping_give_equal_rows(
    activity: Rows, versions: Rows, last_covered: date, data: st.DataObject
) -> None:
    cuts = data.draw(st.sets(st.sampled_from((1, 2, 3))))
    groups = [MONTHS[first:last] for first, last in pairwise([0, *sorted(cuts), 4])]
    users, firms = Rows(), Rows()
    for group in data.draw(st.permutations(groups)):
        rows = data.draw(st.permutations(activity))
        users += users_of(rows, *group)
        firms += firms_of(rows, versions, *group, last_covered=last_covered)

    users.sort(key=lambda row: (row["activity_month"], row["user_id"]))
    firms.sort(key=lambda row: (row["activity_month"], row["firm_id"]))
    assert users == users_of(activity, *MONTHS)
    assert firms == firms_of(activity, versions, *MONTHS, last_covered=last_covered)


@some_examples
@given(history=histories, last_covered=days, data=st.data())
def test_cohorts_month_by_month_in_any_order_end_as_if_counted_at_once(
    history: Rows, last_covered: date, data: st.DataObject
) -> None:
    activity = covered_until(history, last_covered)
    later = data.draw(st.lists(st.sampled_from(MONTHS), max_size=4))
    rows = Rows()
    for month in data.draw(st.permutations([DECEMBER, *later])):
        rows = cohorts_after(rows, activity, month, last_covered)

    assert rows == cohorts_after([], activity, DECEMBER, last_covered)


@some_examples
@given(history=histories, last_covered=days, order=st.permutations(MONTHS))
def test_cohorts_of_months_that_are_run_in_any_order_end_as_if_run_at_once(
    history: Rows, last_covered: date, order: list[date]
) -> None:
    """Users and firms of a month are there from its run on; first activity is there throughout."""
    activity = covered_until(history, last_covered)
    rows = Rows()
    for place, month in enumerate(order):
        run = order[: place + 1]
        active = active_months([row for row in activity if row["date"].replace(day=1) in run])
        rows = cohorts_after(rows, activity, month, last_covered, active=active, counted_months=run)

    assert rows == cohorts_after([], activity, DECEMBER, last_covered)


@some_examples
@given(history=histories, stops=st.lists(days, min_size=1, max_size=4, unique=True))
def test_cohorts_of_a_history_that_grows_end_as_if_counted_at_once(
    history: Rows, stops: list[date]
) -> None:
    """Each time, the first month is that of the first day that came since the time before."""
    rows, first = Rows(), DECEMBER
    for last_covered in sorted(stops):
        activity = covered_until(history, last_covered)
        rows = cohorts_after(rows, activity, first.replace(day=1), last_covered)
        first = last_covered + timedelta(days=1)

    assert rows == naive_cohorts(covered_until(history, max(stops)), max(stops))


@some_examples
@given(history=histories, versions=dimensions, last_covered=days)
def test_retained_over_all_cohorts_are_all_who_are_active_in_a_month(
    history: Rows, versions: Rows, last_covered: date
) -> None:
    """From the months of users and firms as they are published, to the cohorts."""
    activity = covered_until(history, last_covered)
    users = users_of(activity, *MONTHS)
    firms = firms_of(activity, versions, *MONTHS, last_covered=last_covered)
    active = {
        "user": pl.LazyFrame(users, schema=TABLES["months.user_engagement"].polars_schema),
        "firm": pl.LazyFrame(firms, schema=TABLES["months.firm_usage_summary"].polars_schema),
    }
    rows = cohorts_after([], activity, DECEMBER, last_covered, active=active)

    over = [month for month in MONTHS if month_number(month) < month_number(last_covered)]
    for grain, published in (("user", users), ("firm", firms)):
        for month in over:
            retained = [
                row["retained"]
                for row in rows
                if (row["grain"], row["activity_month"]) == (grain, month)
            ]
            assert sum(retained) == sum(row["activity_month"] == month for row in published)
