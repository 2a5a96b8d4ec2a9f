"""Sums per date, user and firm: what counts on which date, and repeats across drops."""

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harvey_pipeline.engagement.sources import EVENTS
from harvey_pipeline.engagement.tables import TABLES
from harvey_pipeline.engagement.tables.core import UserDailyActivity
from harvey_pipeline.engagement.transforms.activity import (
    ACTIVITY_SUMS,
    sum_activity_by_week,
    tell_activity,
)
from harvey_pipeline.landing.repeats import repeated_deliveries
from harvey_pipeline.landing.sums import SumsOfRows
from harvey_pipeline_tests.landing.division import assert_merges

DAY = date(2024, 4, 10)
DAY_AFTER = date(2024, 4, 11)

Rows = list[dict[str, Any]]


def event(
    on: date = DAY,
    *,
    drop: date | None = None,
    line: int = 2,
    event_id: str | None = None,
    at: time = time(9, 0),
    user_id: str = "u",
    firm_id: str = "f",
    event_type: str = "ASSISTANT",
    num_docs: int = 0,
    score: float | None = None,
) -> dict[str, Any]:
    """One row of `raw.raw_events`, of its own day's drop unless another is given."""
    return {
        "drop_date": drop or on,
        "line_number": line,
        "event_id": event_id,
        "created_at": datetime.combine(on, at),
        "event_date": on,
        "user_id": user_id,
        "firm_id": firm_id,
        "event_type": event_type,
        "num_docs": num_docs,
        "feedback_score": score,
    }


def frame(events: Sequence[dict[str, Any]]) -> pl.LazyFrame:
    return pl.LazyFrame(events, schema=EVENTS.table.polars_schema)


def checked(plan: pl.LazyFrame) -> Rows:
    rows = plan.collect()
    assert dict(rows.schema) == TABLES["core.user_daily_activity"].polars_schema
    UserDailyActivity.validate(rows)
    assert rows["date"].is_sorted()
    return rows.sort("date", "user_id", "firm_id").rows(named=True)


def activity(events: Sequence[dict[str, Any]]) -> Rows:
    """The table of all events, checked against its schema, ordered by date, user and firm."""
    return checked(tell_activity(ACTIVITY_SUMS.of_drops(frame(events))))


def activity_of_days(events: Sequence[dict[str, Any]], days: Sequence[date]) -> Rows:
    """The table of some days, a week at a time."""
    sums = SumsOfRows(ACTIVITY_SUMS, frame(events))
    return [row for part in sum_activity_by_week(sums, days) for row in checked(part)]


def days_from(first: date, length: int) -> list[date]:
    return [first + timedelta(days=offset) for offset in range(length)]


def test_every_column_is_as_worked_out_by_hand() -> None:
    events = [
        event(at=time(14, 30), event_type="ASSISTANT", num_docs=3, score=4.0),
        event(at=time(8, 15), event_type="ASSISTANT", num_docs=2, score=2.0),
        event(at=time(23, 59, 59, 999_999), event_type="VAULT", num_docs=40, score=3.99),
        event(at=time(9, 0), event_type="WORKFLOW", num_docs=0),
        event(at=time(9, 0), event_type="VAULT", num_docs=5, score=2.01),
    ]
    assert activity(events) == [
        {
            "date": DAY,
            "user_id": "u",
            "firm_id": "f",
            "queries": 5,
            "assistant_queries": 2,
            "vault_queries": 2,
            "workflow_queries": 1,
            "documents": 50,
            "feedback_sum": 12.0,
            "feedback_count": 4,
            "high_feedback": 1,
            "low_feedback": 1,
            "first_event_at": datetime(2024, 4, 10, 8, 15),
            "last_event_at": datetime(2024, 4, 10, 23, 59, 59, 999_999),
        }
    ]


def test_dates_users_and_firms_are_kept_apart() -> None:
    events = [
        event(DAY_AFTER, user_id="u"),
        event(DAY, user_id="v", firm_id="g"),
        event(DAY, user_id="v", firm_id="f"),
        event(DAY, user_id="u"),
        event(DAY, user_id="v", firm_id="g"),
    ]
    assert [
        (row["date"], row["user_id"], row["firm_id"], row["queries"]) for row in activity(events)
    ] == [(DAY, "u", "f", 1), (DAY, "v", "f", 1), (DAY, "v", "g", 2), (DAY_AFTER, "u", "f", 1)]


@pytest.mark.parametrize(
    ("scores", "feedback_sum"),
    [
        pytest.param([1.1, 2.2, 3.3], 6.6, id="doubles-would-make-6.6000000000000005"),
        pytest.param([1.1] * 10, 11.0, id="ten-times-the-same"),
        pytest.param([4.35, 4.35], 8.7, id="hundredths-are-rounded-not-cut-off"),
        pytest.param([None, 5.0, None], 5.0, id="events-without-a-score-add-nothing"),
        pytest.param([None, None], 0.0, id="no-score-at-all-is-zero"),
    ],
)
def test_feedback_is_summed_exactly(scores: list[float | None], feedback_sum: float) -> None:
    (row,) = activity([event(score=score) for score in scores])
    assert row["feedback_sum"] == feedback_sum
    assert row["feedback_count"] == sum(score is not None for score in scores)


def test_feedback_is_as_exact_in_many_rows_as_in_one() -> None:
    """Guards against dividing a whole column by 100, which is done by multiplying with 0.01."""
    scores = [1.1, 2.17, 4.35, 4.41, 4.7]
    events = [event(user_id=str(place), score=score) for place, score in enumerate(scores)]
    assert [row["feedback_sum"] for row in activity(events)] == scores


@pytest.mark.parametrize(
    ("score", "high", "low"),
    [
        pytest.param(5.0, 1, 0, id="the-best-score"),
        pytest.param(4.0, 1, 0, id="four-is-high"),
        pytest.param(3.99, 0, 0, id="just-below-high"),
        pytest.param(2.01, 0, 0, id="just-above-low"),
        pytest.param(2.0, 0, 1, id="two-is-low"),
        pytest.param(1.0, 0, 1, id="the-worst-score"),
        pytest.param(None, 0, 0, id="no-score-is-neither"),
    ],
)
def test_high_and_low_feedback(score: float | None, high: int, low: int) -> None:
    (row,) = activity([event(score=score)])
    assert (row["high_feedback"], row["low_feedback"]) == (high, low)


def test_documents_add_up_beyond_what_one_event_can_hold() -> None:
    """Guards against summing in the 32 bits of `num_docs`."""
    (row,) = activity([event(num_docs=999_999_999)] * 5)
    assert row["documents"] == 4_999_999_995


def test_a_late_event_counts_on_its_own_date() -> None:
    events = [event(DAY, num_docs=1), event(DAY, drop=DAY_AFTER, num_docs=10)]
    (row,) = activity(events)
    assert (row["date"], row["queries"], row["documents"]) == (DAY, 2, 11)


@pytest.mark.parametrize(
    ("events", "documents"),
    [
        pytest.param(
            [
                event(DAY, event_id="e", num_docs=1),
                event(DAY, drop=DAY_AFTER, event_id="e", num_docs=10),
            ],
            {DAY: 1},
            id="of-an-id-in-two-drops-the-earlier-drop's-counts",
        ),
        pytest.param(
            [
                event(DAY, event_id="e", num_docs=1),
                event(DAY, drop=DAY_AFTER, line=2, event_id="d", num_docs=10),
                event(DAY, drop=DAY_AFTER, line=3, event_id="e", num_docs=100),
                event(DAY_AFTER, line=4, event_id="e", num_docs=1000),
            ],
            {DAY: 11, DAY_AFTER: 1000},
            id="only-the-repeat-itself-is-left-out",
        ),
        pytest.param(
            [
                event(DAY, event_id="e", num_docs=1),
                event(DAY_AFTER, event_id="e", num_docs=10),
            ],
            {DAY: 1, DAY_AFTER: 10},
            id="the-same-id-on-another-date-is-another-event",
        ),
        pytest.param(
            [event(DAY, drop=DAY_AFTER, event_id="e", num_docs=10)],
            {DAY: 10},
            id="late-and-never-delivered-before",
        ),
        pytest.param(
            [
                event(DAY, num_docs=1),
                event(DAY, drop=DAY_AFTER, num_docs=10),
            ],
            {DAY: 11},
            id="without-an-id-alike-events-are-all-kept",
        ),
        pytest.param(
            [
                event(DAY, event_id="e", user_id="u", num_docs=1),
                event(DAY, drop=DAY_AFTER, event_id="e", user_id="v", num_docs=10),
            ],
            {DAY: 1},
            id="an-id-is-the-same-event-whatever-else-changed",
        ),
    ],
)
def test_an_event_delivered_twice_counts_once(events: Rows, documents: dict[date, int]) -> None:
    for delivered in (events, events[::-1]):
        found: dict[date, int] = {}
        for row in activity(delivered):
            found[row["date"]] = found.get(row["date"], 0) + row["documents"]
        assert found == documents


def test_of_three_drops_the_first_counts() -> None:
    drops = [DAY, DAY_AFTER, date(2024, 4, 12)]
    events = [
        event(DAY, drop=drop, event_id="e", num_docs=10**place) for place, drop in enumerate(drops)
    ]
    assert [row["documents"] for row in activity(events)] == [1]


def test_repeats_are_named_by_drop_and_line() -> None:
    events = [
        event(DAY, event_id="e", line=2),
        event(DAY, drop=DAY_AFTER, event_id="e", line=7),
        event(DAY, drop=DAY_AFTER, event_id="d", line=8),
        event(DAY, drop=DAY_AFTER, line=9),
    ]
    assert repeated_deliveries(EVENTS, frame(events)).collect().rows() == [(DAY_AFTER, 7)]


def test_no_events_give_no_rows() -> None:
    assert activity([]) == []


def test_dates_without_events_have_no_rows() -> None:
    assert activity_of_days([event(DAY)], days_from(DAY - timedelta(days=10), 30)) == activity(
        [event(DAY)]
    )


@pytest.mark.parametrize(
    ("on", "drop", "counts"),
    [
        pytest.param(DAY, DAY, True, id="of-the-day"),
        pytest.param(DAY, DAY_AFTER, True, id="of-the-day-with-the-next-day's-drop"),
        pytest.param(DAY - timedelta(days=1), DAY, False, id="late-and-of-the-day-before"),
        pytest.param(DAY_AFTER, DAY_AFTER, False, id="of-the-day-after"),
    ],
)
def test_a_day_takes_the_events_of_its_date_alone(on: date, drop: date, counts: bool) -> None:
    rows = activity_of_days([event(on, drop=drop)], [DAY])
    assert [row["date"] for row in rows] == ([DAY] if counts else [])


@settings(max_examples=25, deadline=None)
@given(
    cells=st.lists(
        st.tuples(
            st.integers(0, 24),
            st.booleans(),
            st.sampled_from([None, "e1", "e2"]),
            st.sampled_from(["u", "v"]),
            st.sampled_from(["ASSISTANT", "VAULT", "WORKFLOW"]),
            st.sampled_from([None, 1.1, 2.2, 4.35]),
        ),
        max_size=20,
    ),
    start=st.integers(0, 10),
    length=st.integers(1, 18),
)
def test_a_range_at_once_is_its_days_one_by_one(
    cells: list[tuple[int, bool, str | None, str, str, float | None]], start: int, length: int
) -> None:
    """Guards against a repeat whose first delivery lies in another week or block."""
    first = date(2024, 4, 1)
    events: Rows = []
    seen = set()
    for line, (offset, is_late, event_id, user_id, event_type, score) in enumerate(cells):
        on = first + timedelta(days=offset)
        drop = on + timedelta(days=is_late)
        if event_id is not None and (on, drop, event_id) in seen:
            continue  # parsing settles an id repeated within one drop
        seen.add((on, drop, event_id))
        events.append(
            event(
                on,
                drop=drop,
                line=line,
                event_id=event_id,
                user_id=user_id,
                event_type=event_type,
                num_docs=line,
                score=score,
            )
        )
    days = days_from(first + timedelta(days=start), length)
    one_by_one = [row for day in days for row in activity_of_days(events, [day])]
    assert activity_of_days(events, days) == one_by_one
    assert [row for row in activity(events) if row["date"] in days] == one_by_one


@settings(max_examples=50, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([DAY, DAY_AFTER]),
            st.sampled_from(["u", "v"]),
            st.sampled_from(["f", "g"]),
            st.sampled_from(["ASSISTANT", "VAULT", "WORKFLOW"]),
            st.integers(0, 999_999_999),
            st.sampled_from([None, 1.0, 1.1, 2.2, 4.35, 5.0]),
            st.integers(0, 23),
        ),
        max_size=20,
    ),
    st.data(),
)
def test_sums_of_parts_merge_to_those_of_all(
    cells: list[tuple[date, str, str, str, int, float | None, int]], draw: st.DataObject
) -> None:
    events = [
        event(
            on,
            line=line,
            user_id=user_id,
            firm_id=firm_id,
            event_type=event_type,
            num_docs=num_docs,
            score=score,
            at=time(hour),
        )
        for line, (on, user_id, firm_id, event_type, num_docs, score, hour) in enumerate(cells)
    ]
    key = ["date", "user_id", "firm_id"]
    assert_merges(ACTIVITY_SUMS, key, frame(events).collect(), draw)
