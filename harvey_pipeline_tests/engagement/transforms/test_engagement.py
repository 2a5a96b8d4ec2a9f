"""Users per day: hand-worked figures, the main firm, and who gets a row."""

from collections import Counter
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harvey_pipeline.engagement.tables import TABLES
from harvey_pipeline.engagement.tables.marts import DailyUserEngagement
from harvey_pipeline.engagement.transforms.engagement import score_engagement
from harvey_pipeline_tests.engagement.transforms.usages import DAY, days_before, usage
from harvey_pipeline_tests.engagement.transforms.versions import user_version as version

Rows = list[dict[str, Any]]


def days_from(first: date, length: int) -> list[date]:
    return [first + timedelta(days=offset) for offset in range(length)]


def engagement(
    activity: Sequence[dict[str, Any]],
    versions: Sequence[dict[str, Any]] = (),
    days: Sequence[date] = (DAY,),
) -> Rows:
    """The table for the days, checked against its schema, ordered by date and user."""
    frames = score_engagement(
        pl.LazyFrame(activity, schema=TABLES["core.user_daily_activity"].polars_schema),
        pl.LazyFrame(versions, schema=TABLES["core.dim_user"].polars_schema),
        days,
    )
    rows = pl.concat(frames).collect()
    assert dict(rows.schema) == TABLES["marts.daily_user_engagement"].polars_schema
    DailyUserEngagement.validate(rows)
    return rows.sort("date", "user_id").rows(named=True)


def row_of(rows: Rows, user_id: str = "u1") -> dict[str, Any]:
    (row,) = [row for row in rows if row["user_id"] == user_id]
    return row


NOTHING_DONE = {
    "user_id": "u1",
    "user_role": "Associate",
    "user_created_date": date(2024, 1, 31),
    "months_since_creation": 1,
    "tenure_band": "1-3 months",
    "firm_id": None,
    "firm_count": 0,
    "total_queries": 0,
    "assistant_queries": 0,
    "vault_queries": 0,
    "workflow_queries": 0,
    "total_documents_processed": 0,
    "active_days": 0,
    "unique_event_types": 0,
    "avg_feedback_score": None,
    "avg_documents_per_query": None,
    "first_activity_date": None,
    "last_activity_date": None,
    "is_active_today": False,
    "active_days_weight": 0,
    "document_volume_weight": 0,
    "feature_breadth_weight": 0,
    "power_user_score": 0,
    "power_user_tier": "Inactive User",
    "engagement_level": "Inactive User",
    "usage_pattern": "No Usage",
    "quality_level": None,
}

AFTER_2_MARCH = NOTHING_DONE | {
    "firm_id": "a",
    "firm_count": 1,
    "total_queries": 3,
    "assistant_queries": 3,
    "total_documents_processed": 12,
    "active_days": 1,
    "unique_event_types": 1,
    "avg_feedback_score": 4.5,
    "avg_documents_per_query": 4.0,
    "first_activity_date": date(2024, 3, 2),
    "last_activity_date": date(2024, 3, 2),
    "document_volume_weight": 40,
    "feature_breadth_weight": 40,
    "power_user_score": 24,
    "power_user_tier": "Low Value User",
    "engagement_level": "Occasional User",
    "usage_pattern": "Assistant-Focused",
    "quality_level": "High Quality",
}

AFTER_4_MARCH = AFTER_2_MARCH | {
    "firm_id": "b",
    "firm_count": 2,
    "total_queries": 7,
    "vault_queries": 4,
    "total_documents_processed": 42,
    "active_days": 2,
    "unique_event_types": 2,
    "avg_documents_per_query": 6.0,
    "last_activity_date": date(2024, 3, 4),
    "active_days_weight": 20,
    "document_volume_weight": 60,
    "feature_breadth_weight": 70,
    "power_user_score": 47,
    "power_user_tier": "Medium Value User",
    "usage_pattern": "Vault-Focused",
}

ON_1_APRIL = NOTHING_DONE | {
    "user_role": "Senior Associate",
    "months_since_creation": 2,
    "firm_id": "b",
    "firm_count": 1,
    "total_queries": 4,
    "vault_queries": 4,
    "total_documents_processed": 30,
    "active_days": 1,
    "unique_event_types": 1,
    "avg_documents_per_query": 7.5,
    "first_activity_date": date(2024, 3, 4),
    "last_activity_date": date(2024, 3, 4),
    "document_volume_weight": 60,
    "feature_breadth_weight": 40,
    "power_user_score": 30,
    "power_user_tier": "Low Value User",
    "engagement_level": "Occasional User",
    "usage_pattern": "Vault-Focused",
}

ON_2_APRIL = ON_1_APRIL | {
    "firm_count": 2,
    "total_queries": 5,
    "workflow_queries": 1,
    "total_documents_processed": 90,
    "active_days": 2,
    "unique_event_types": 2,
    "avg_feedback_score": 2.5,
    "avg_documents_per_query": 18.0,
    "last_activity_date": date(2024, 4, 2),
    "is_active_today": True,
    "active_days_weight": 20,
    "document_volume_weight": 80,
    "feature_breadth_weight": 70,
    "power_user_score": 53,
    "power_user_tier": "Medium Value User",
    "quality_level": "Average Quality",
}

ON_3_APRIL = ON_2_APRIL | {
    "firm_id": "a",
    "firm_count": 1,
    "total_queries": 1,
    "vault_queries": 0,
    "total_documents_processed": 60,
    "active_days": 1,
    "unique_event_types": 1,
    "avg_documents_per_query": 60.0,
    "first_activity_date": date(2024, 4, 2),
    "is_active_today": False,
    "active_days_weight": 0,
    "feature_breadth_weight": 40,
    "power_user_score": 36,
    "power_user_tier": "Low Value User",
    "usage_pattern": "Workflow-Focused",
}


def test_every_column_of_a_user_over_35_days_is_as_worked_out_by_hand() -> None:
    """2 March is in the windows up to 31 March, 4 March in those up to 2 April."""
    activity = [
        usage(firm_id="a", on=date(2024, 3, 2), assistant=3, documents=12, scores=[5, 4]),
        usage(firm_id="b", on=date(2024, 3, 4), assistant=0, vault=4, documents=30),
        usage(
            firm_id="a", on=date(2024, 4, 2), assistant=0, workflow=1, documents=60, scores=[2.5]
        ),
    ]
    versions = [
        version(created=date(2024, 1, 31), start=date(2024, 1, 31), end=date(2024, 3, 31)),
        version(role="Senior Associate", created=date(2024, 1, 31), start=date(2024, 4, 1)),
    ]
    expected = [
        NOTHING_DONE,  # 1 March
        AFTER_2_MARCH | {"is_active_today": True},
        AFTER_2_MARCH,
        AFTER_4_MARCH | {"is_active_today": True},
        *[AFTER_4_MARCH] * 26,  # 5 to 30 March
        AFTER_4_MARCH | {"months_since_creation": 2},  # two months after 31 January
        ON_1_APRIL,
        ON_2_APRIL,
        ON_3_APRIL,
        ON_3_APRIL,  # 4 April
    ]
    days = days_from(date(2024, 3, 1), 35)
    assert engagement(activity, versions, days) == [
        {"date": day} | row for day, row in zip(days, expected, strict=True)
    ]


@pytest.mark.parametrize(
    ("activity", "firm_id"),
    [
        pytest.param(
            [
                usage(firm_id="b", on=days_before(5), assistant=2),
                usage(firm_id="b", on=days_before(6), assistant=2),
                usage(firm_id="a", on=DAY, assistant=3),
            ],
            "b",
            id="most-queries-of-the-window-win-over-the-latest-day",
        ),
        pytest.param(
            [
                usage(firm_id="a", on=days_before(4), assistant=3),
                usage(firm_id="b", on=days_before(3), assistant=3),
            ],
            "b",
            id="a-tie-goes-to-the-one-active-latest",
        ),
        pytest.param(
            [
                usage(firm_id="a", on=days_before(29), assistant=1),
                usage(firm_id="a", on=days_before(2), assistant=1),
                usage(firm_id="b", on=days_before(3), assistant=2),
            ],
            "a",
            id="latest-is-the-last-day-not-the-first",
        ),
        pytest.param(
            [
                usage(firm_id="b", on=DAY, assistant=1, documents=99),
                usage(firm_id="a", on=DAY, vault=1, assistant=0),
            ],
            "a",
            id="a-tie-on-the-same-day-goes-to-the-smallest-id",
        ),
        pytest.param(
            [usage(firm_id="10", on=DAY), usage(firm_id="9", on=DAY)],
            "10",
            id="ids-are-ordered-as-text",
        ),
        pytest.param(
            [usage(firm_id="Z", on=DAY), usage(firm_id="a", on=DAY), usage(firm_id="ä", on=DAY)],
            "Z",
            id="text-is-ordered-by-code-point",
        ),
        pytest.param(
            [
                usage(firm_id="a", on=days_before(30), assistant=100),
                usage(firm_id="b", on=DAY, assistant=1),
            ],
            "b",
            id="queries-before-the-window-do-not-count",
        ),
    ],
)
def test_firm_id_is_the_firm_with_most_queries(activity: Rows, firm_id: str) -> None:
    assert row_of(engagement(activity))["firm_id"] == firm_id
    assert row_of(engagement(activity[::-1]))["firm_id"] == firm_id


def test_a_day_spent_for_two_firms_is_one_active_day() -> None:
    """Guards against adding up the active days of a user's firms."""
    activity = [
        usage(firm_id="a", on=DAY, assistant=2, documents=3, scores=[1.1]),
        usage(firm_id="b", on=DAY, assistant=0, vault=1, documents=4, scores=[2.2]),
        usage(firm_id="b", on=days_before(1), assistant=0, workflow=2, scores=[3.3]),
    ]
    row = row_of(engagement(activity))
    figures = {name: row[name] for name in ("active_days", "total_queries", "unique_event_types")}
    assert figures == {"active_days": 2, "total_queries": 5, "unique_event_types": 3}
    assert row["firm_count"] == 2
    assert row["total_documents_processed"] == 7
    assert row["avg_feedback_score"] == 2.2


@pytest.mark.parametrize(
    ("versions", "activity", "expected"),
    [
        pytest.param([version()], [], ("Associate", 0), id="valid-and-never-active"),
        pytest.param(
            [version()],
            [usage(on=days_before(30))],
            ("Associate", 0),
            id="valid-and-active-before-the-window-only",
        ),
        pytest.param([], [usage()], (None, 1), id="active-and-unknown-to-the-dimension"),
        pytest.param(
            [version(start=days_before(-1))],
            [usage()],
            (None, 1),
            id="active-before-the-first-version-begins",
        ),
        pytest.param([version(start=days_before(-1))], [], None, id="not-begun-and-not-active"),
        pytest.param([version(start=DAY)], [], ("Associate", 0), id="valid-from-the-day-on"),
        pytest.param([version(end=DAY)], [], ("Associate", 0), id="valid-for-the-last-day"),
        pytest.param([version(end=days_before(1))], [], None, id="departed-and-not-active"),
        pytest.param(
            [version(end=days_before(1))],
            [usage(on=days_before(29))],
            ("Associate", 1),
            id="departed-and-active-in-the-window",
        ),
        pytest.param(
            [
                version(role="Associate", end=days_before(10)),
                version(role="Partner", start=days_before(9), end=days_before(5)),
            ],
            [usage(on=days_before(12))],
            ("Partner", 1),
            id="departed-with-the-attributes-of-the-last-version",
        ),
        pytest.param(
            [
                version(role="Associate", end=days_before(10)),
                version(role="Partner", start=days_before(-2)),
            ],
            [usage(on=days_before(12))],
            ("Associate", 1),
            id="a-return-to-come-is-not-known-yet",
        ),
        pytest.param(
            [
                version(role="Associate", end=days_before(1)),
                version(role="Partner", start=DAY),
            ],
            [usage()],
            ("Partner", 1),
            id="the-version-that-begins-on-the-day",
        ),
        pytest.param([version(role=None)], [usage()], (None, 1), id="a-role-that-is-not-known"),
    ],
)
def test_who_has_a_row_and_with_which_attributes(
    versions: Rows, activity: Rows, expected: tuple[str | None, int] | None
) -> None:
    found = [(row["user_role"], row["active_days"]) for row in engagement(activity, versions)]
    assert found == ([] if expected is None else [expected])


def test_a_user_unknown_to_the_dimension_has_no_tenure() -> None:
    row = row_of(engagement([usage()]))
    names = ("user_role", "user_created_date", "months_since_creation", "tenure_band")
    assert [row[name] for name in names] == [None, None, None, None]


def test_no_users_and_no_activity_give_no_rows() -> None:
    assert engagement([], [], days_from(DAY, 3)) == []


def test_a_power_user_reaches_every_top_band() -> None:
    activity = [
        usage(on=days_before(day), assistant=1, vault=1, workflow=1, documents=5)
        for day in range(20)
    ]
    row = row_of(engagement(activity))
    assert (row["power_user_score"], row["power_user_tier"]) == (100, "Power User")
    assert (row["engagement_level"], row["usage_pattern"]) == (
        "High Frequency User",
        "Balanced Usage",
    )


# --- at random -----------------------------------------------------------------------------------

FIRST = date(2024, 2, 1)
SPAN = 45
USERS = ("u1", "u2", "u3")
FIRMS = ("a", "b", "c")


def _rows_of_activity(cells: dict[tuple[str, str, int], tuple[int, int, int, int]]) -> Rows:
    return [
        usage(
            user_id,
            firm_id,
            FIRST + timedelta(days=offset),
            assistant=assistant,
            vault=vault,
            workflow=workflow,
            documents=documents,
        )
        for (user_id, firm_id, offset), (assistant, vault, workflow, documents) in cells.items()
    ]


def _rows_of_versions(lives: dict[str, list[tuple[int, int, str]]]) -> Rows:
    rows = []
    for user_id, life in lives.items():
        start = 0
        for gap, length, role in life:
            start += gap
            first = FIRST + timedelta(days=start)
            start += length
            rows.append(version(user_id, role, start=first, end=FIRST + timedelta(days=start - 1)))
    return rows


activities = st.dictionaries(
    st.tuples(st.sampled_from(USERS), st.sampled_from(FIRMS), st.integers(0, SPAN - 1)),
    st.tuples(st.integers(1, 2), st.integers(0, 2), st.integers(0, 2), st.integers(0, 40)),
    max_size=20,
).map(_rows_of_activity)

dimensions = st.dictionaries(
    st.sampled_from(USERS),
    st.lists(
        st.tuples(st.integers(0, 9), st.integers(1, 20), st.sampled_from(("Associate", "Partner"))),
        max_size=3,
    ),
).map(_rows_of_versions)

ranges = st.tuples(st.integers(0, SPAN), st.integers(1, 20)).map(
    lambda cut: days_from(FIRST + timedelta(days=cut[0]), cut[1])
)


def naive_engagement(activity: Rows, versions: Rows, days: Sequence[date]) -> Rows:
    """What the oracle knows of each row: for every day the 30 days are added up anew."""
    return [
        row
        for day in days
        for user_id in USERS
        if (row := _naive_row(activity, versions, day, user_id)) is not None
    ]


def _naive_row(activity: Rows, versions: Rows, day: date, user_id: str) -> dict[str, Any] | None:
    begun = [
        one for one in versions if one["user_id"] == user_id and one["effective_start_date"] <= day
    ]
    latest = max(begun, key=lambda one: one["effective_start_date"], default=None)
    rows = [
        row for row in activity if row["user_id"] == user_id and 0 <= (day - row["date"]).days <= 29
    ]
    if not rows and (latest is None or latest["effective_end_date"] < day):
        return None
    queries: Counter[str] = Counter()
    for row in rows:
        queries[row["firm_id"]] += row["queries"]
    last_dates = {firm: max(r["date"] for r in rows if r["firm_id"] == firm) for firm in queries}
    firms = sorted(queries, key=lambda firm: (-queries[firm], -last_dates[firm].toordinal(), firm))
    dates = sorted({row["date"] for row in rows})
    return {
        "date": day,
        "user_id": user_id,
        "user_role": latest["user_role"] if latest else None,
        "firm_id": firms[0] if firms else None,
        "firm_count": len(firms),
        "total_queries": sum(row["queries"] for row in rows),
        "assistant_queries": sum(row["assistant_queries"] for row in rows),
        "vault_queries": sum(row["vault_queries"] for row in rows),
        "workflow_queries": sum(row["workflow_queries"] for row in rows),
        "total_documents_processed": sum(row["documents"] for row in rows),
        "active_days": len(dates),
        "first_activity_date": dates[0] if dates else None,
        "last_activity_date": dates[-1] if dates else None,
        "is_active_today": day in dates,
    }


@settings(max_examples=30, deadline=None)
@given(activity=activities, versions=dimensions, days=ranges)
def test_rows_are_what_thirty_days_add_up_to(
    activity: Rows, versions: Rows, days: list[date]
) -> None:
    found = engagement(activity, versions, days)
    expected = naive_engagement(activity, versions, days)
    known = expected[0].keys() if expected else ()
    assert [{name: row[name] for name in known} for row in found] == expected


@settings(max_examples=12, deadline=None)
@given(activity=activities, versions=dimensions, days=ranges, data=st.data())
def test_a_range_at_once_is_its_days_one_by_one_in_whatever_order_rows_come(
    activity: Rows, versions: Rows, days: list[date], data: st.DataObject
) -> None:
    at_once = engagement(
        data.draw(st.permutations(activity)), data.draw(st.permutations(versions)), days
    )
    # A few days suffice: each is computed from nothing.
    for day in {days[0], days[len(days) // 2], days[-1]}:
        alone = engagement(activity, versions, [day])
        assert [row for row in at_once if row["date"] == day] == alone


@settings(max_examples=12, deadline=None)
@given(activity=activities, versions=dimensions, others=activities, days=ranges)
def test_an_unrelated_user_changes_nobody_elses_rows(
    activity: Rows, versions: Rows, others: Rows, days: list[date]
) -> None:
    stranger = [row for row in others if row["user_id"] == "u1"]
    for row in stranger:
        row["user_id"] = "stranger"
    found = engagement([*stranger, *activity], [version("stranger"), *versions], days)
    assert [row for row in found if row["user_id"] != "stranger"] == engagement(
        activity, versions, days
    )
