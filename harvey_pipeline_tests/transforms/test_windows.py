"""Trailing windows: what enters and leaves on which day, however the days are asked for."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harvey_pipeline.tables import TABLES
from harvey_pipeline.transforms.windows import (
    SUMS,
    from_hundredths,
    to_hundredths,
    trailing_windows,
)

FIRST = date(2024, 2, 1)
DAY = date(2024, 3, 31)
"""The window of this day is 2 to 31 March."""

Rows = list[dict[str, Any]]


def days_from(first: date, length: int) -> list[date]:
    return [first + timedelta(days=offset) for offset in range(length)]


def usage(
    user_id: str,
    firm_id: str,
    on: date,
    *,
    assistant: int = 1,
    vault: int = 0,
    workflow: int = 0,
    documents: int = 0,
    feedback_sum: float = 0.0,
    feedback_count: int = 0,
) -> dict[str, Any]:
    """One row of `core.user_daily_activity`."""
    return {
        "date": on,
        "user_id": user_id,
        "firm_id": firm_id,
        "queries": assistant + vault + workflow,
        "assistant_queries": assistant,
        "vault_queries": vault,
        "workflow_queries": workflow,
        "documents": documents,
        "feedback_sum": feedback_sum,
        "feedback_count": feedback_count,
        "high_feedback": 0,
        "low_feedback": 0,
    }


def windows(
    activity: Sequence[dict[str, Any]], days: Sequence[date], sums: Sequence[str] = SUMS
) -> dict[date, tuple[Rows, Rows]]:
    """Pairs and today's rows of each day, ordered by user and firm."""
    frame = pl.LazyFrame(activity, schema=TABLES["core.user_daily_activity"].polars_schema)
    held = list(trailing_windows(frame, days, sums))
    assert [window.day for window in held] == list(days)
    key = ["user_id", "firm_id"]
    return {
        window.day: (
            window.pairs.sort(key).rows(named=True),
            window.today.sort(key).drop("pair", strict=False).rows(named=True),
        )
        for window in held
    }


def naive_windows(activity: Rows, days: Sequence[date]) -> dict[date, tuple[Rows, Rows]]:
    """The same, by adding up 30 days of rows for every day anew."""
    return {day: (_naive_pairs(activity, day), _naive_today(activity, day)) for day in days}


def _naive_pairs(activity: Rows, day: date) -> Rows:
    pairs: dict[tuple[str, str], dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for row in activity:
        days_before = (day - row["date"]).days
        if 0 <= days_before < 30:
            pair = pairs[row["user_id"], row["firm_id"]]
            for name in SUMS:
                pair[name] += _naive_sum(row, name)
            pair["active_dates"] += 2**days_before
    return [
        {"user_id": user_id, "firm_id": firm_id, **sums}
        for (user_id, firm_id), sums in sorted(pairs.items())
    ]


def _naive_today(activity: Rows, day: date) -> Rows:
    rows = sorted(
        (row for row in activity if row["date"] == day),
        key=lambda row: (row["user_id"], row["firm_id"]),
    )
    return [
        {
            "user_id": row["user_id"],
            "firm_id": row["firm_id"],
            **{name: _naive_sum(row, name) for name in SUMS},
        }
        for row in rows
    ]


def _naive_sum(row: dict[str, Any], name: str) -> int:
    if name == "feedback_hundredths":
        return round(float(row["feedback_sum"]) * 100)
    return int(row[name])


@pytest.mark.parametrize(
    ("days_before", "is_inside"),
    [
        pytest.param(-1, False, id="tomorrow-is-not-known-yet"),
        pytest.param(0, True, id="the-day-itself"),
        pytest.param(29, True, id="the-window's-first-day"),
        pytest.param(30, False, id="the-day-before-the-window"),
    ],
)
@pytest.mark.parametrize(
    "asked",
    [
        pytest.param([DAY], id="asked-alone"),
        pytest.param(days_from(DAY - timedelta(days=40), 41), id="asked-after-forty-days"),
        pytest.param(days_from(DAY - timedelta(days=7), 20), id="asked-in-the-middle"),
    ],
)
def test_a_window_is_the_day_and_the_29_before_it(
    asked: list[date], days_before: int, is_inside: bool
) -> None:
    on = DAY - timedelta(days=days_before)
    pairs, _ = windows([usage("u", "f", on, documents=7)], asked)[DAY]
    assert [row["documents"] for row in pairs] == ([7] if is_inside else [])


def test_a_pair_is_followed_from_its_first_day_in_the_window_to_its_last() -> None:
    """2 March leaves on 1 April, 4 March on 3 April; 2 April enters in a later block of days."""
    activity = [
        usage("u", "f", date(2024, 3, 2), assistant=3, documents=12),
        usage("u", "f", date(2024, 3, 4), assistant=0, vault=4, documents=30),
        usage("u", "f", date(2024, 4, 2), assistant=0, workflow=1, documents=60),
    ]
    found = windows(activity, days_from(date(2024, 3, 1), 35))
    followed = {
        day: [(row["queries"], row["documents"], row["active_dates"].bit_count()) for row in pairs]
        for day, (pairs, _) in found.items()
    }
    expected: list[list[tuple[int, int, int]]] = (
        [[]]
        + [[(3, 12, 1)]] * 2  # 2 and 3 March
        + [[(7, 42, 2)]] * 28  # 4 to 31 March
        + [[(4, 30, 1)]]  # 1 April
        + [[(5, 90, 2)]]  # 2 April
        + [[(1, 60, 1)]] * 2  # 3 and 4 April
    )
    assert list(followed.values()) == expected


def test_active_dates_hold_one_bit_a_day_counted_back_from_the_day() -> None:
    activity = [usage("u", "f", DAY - timedelta(days=before)) for before in (0, 3, 29)]
    pairs, _ = windows(activity, [DAY])[DAY]
    assert pairs[0]["active_dates"] == 0b10_0000_0000_0000_0000_0000_0000_1001


def test_a_pair_that_left_and_came_back_starts_from_nothing() -> None:
    activity = [
        usage("u", "f", FIRST, documents=100, feedback_sum=4.5, feedback_count=1),
        usage("u", "f", FIRST + timedelta(days=45), documents=1),
    ]
    found = windows(activity, days_from(FIRST, 50))
    assert found[FIRST + timedelta(days=44)] == ([], [])
    pairs, _ = found[FIRST + timedelta(days=45)]
    assert pairs == [
        {
            "user_id": "u",
            "firm_id": "f",
            "queries": 1,
            "assistant_queries": 1,
            "vault_queries": 0,
            "workflow_queries": 0,
            "documents": 1,
            "feedback_hundredths": 0,
            "feedback_count": 0,
            "active_dates": 1,
        }
    ]


def test_today_holds_the_day_alone() -> None:
    activity = [usage("u", "f", DAY, documents=2), usage("v", "f", DAY - timedelta(days=1))]
    _, today = windows(activity, days_from(DAY - timedelta(days=1), 2))[DAY]
    assert [(row["user_id"], row["documents"]) for row in today] == [("u", 2)]


def test_sums_can_be_chosen() -> None:
    pairs, _ = windows([usage("u", "f", DAY, documents=2)], [DAY], ["documents"])[DAY]
    assert pairs == [{"user_id": "u", "firm_id": "f", "documents": 2, "active_dates": 1}]


def test_days_without_any_activity_have_empty_windows() -> None:
    assert windows([], days_from(DAY, 12)) == {day: ([], []) for day in days_from(DAY, 12)}


def test_no_days_give_no_windows() -> None:
    assert windows([usage("u", "f", DAY)], []) == {}


@pytest.mark.parametrize(
    ("score", "hundredths"),
    [
        pytest.param(1.1, 110, id="a-score-that-doubles-cannot-hold"),
        pytest.param(4.35, 435, id="just-below-its-hundredths-as-a-double"),
        pytest.param(1.15 + 2.01, 316, id="a-sum-of-two"),
        pytest.param(29_999_999.97, 2_999_999_997, id="more-than-32-bits-hold"),
        pytest.param(None, None, id="no-score"),
    ],
)
def test_hundredths_are_exact(score: float | None, hundredths: int | None) -> None:
    """Guards against cutting off instead of rounding: 4.35 x 100 is 434.99999999999994."""
    assert pl.select(to_hundredths(pl.lit(score, dtype=pl.Float64))).item() == hundredths


def test_hundredths_come_back_as_the_scores_they_were() -> None:
    """Guards against 435 x 0.01, which is 4.3500000000000005, in place of 435 / 100."""
    hundredths = pl.Series(range(100, 10_000))
    scores = pl.select(from_hundredths(pl.lit(hundredths))).to_series().to_list()
    assert scores == [value / 100 for value in range(100, 10_000)]


SPAN = 60
PAIRS = [("u", "f"), ("u", "g"), ("v", "f"), ("w", "h")]


def rows_of_cells(cells: dict[tuple[tuple[str, str], int], dict[str, Any]]) -> Rows:
    return [
        usage(user_id, firm_id, FIRST + timedelta(days=offset), **values)
        for ((user_id, firm_id), offset), values in cells.items()
    ]


activities = st.dictionaries(
    st.tuples(st.sampled_from(PAIRS), st.integers(0, SPAN - 1)),
    st.fixed_dictionaries(
        {
            "assistant": st.integers(0, 3),
            "vault": st.integers(0, 3),
            "workflow": st.integers(1, 3),
            "documents": st.integers(0, 200),
            "feedback_sum": st.integers(0, 500).map(lambda hundredths: hundredths / 100),
            "feedback_count": st.integers(0, 1),
        }
    ),
    max_size=25,
).map(rows_of_cells)


@settings(max_examples=30, deadline=None)
@given(activity=activities, start=st.integers(0, SPAN), length=st.integers(1, 40), data=st.data())
def test_windows_are_the_sums_of_their_days_whatever_days_and_rows_come_first(
    activity: Rows, start: int, length: int, data: st.DataObject
) -> None:
    days = days_from(FIRST + timedelta(days=start), length)
    expected = naive_windows(activity, days)
    assert windows(data.draw(st.permutations(activity)), days) == expected
    some_day = data.draw(st.sampled_from(days))
    assert windows(activity, [some_day]) == {some_day: expected[some_day]}
