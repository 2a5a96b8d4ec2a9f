"""Trailing windows: what enters and leaves on which day, however the days are asked for."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harvey_pipeline.engagement.tables import TABLES
from harvey_pipeline.engagement.transforms.windows import (
    SUMS,
    from_hundredths,
    sum_window,
    to_hundredths,
    trailing_dates,
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
            window.today.sort(key).drop("number").rows(named=True),
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


# --- dates of users and of firms ------------------------------------------------------------------


def frame_of(activity: Rows) -> pl.LazyFrame:
    return pl.LazyFrame(activity, schema=TABLES["core.user_daily_activity"].polars_schema)


def dates_of(
    activity: Rows,
    days: Sequence[date],
    length: int,
    keys: Sequence[str] = ("user_id", "firm_id"),
) -> dict[date, dict[str, dict[str, int]]]:
    """By day and key the active dates of everybody active in the window.

    Checks that rows keep their place, and that everybody active by then has one.
    """
    found: dict[date, dict[str, dict[str, int]]] = {}
    places: dict[str, list[str]] = {key: [] for key in keys}
    first = days[0] - timedelta(days=length - 1)
    for day, frames in trailing_dates(frame_of(activity), days, keys, length):
        assert list(frames) == list(keys)
        found[day] = {}
        for key, rows in frames.items():
            assert rows.schema == {key: pl.String, "active_dates": pl.Int64}
            entities = rows[key].to_list()
            assert entities[: len(places[key])] == places[key]
            assert len(set(entities)) == len(entities)
            assert {row[key] for row in activity if first <= row["date"] <= day} <= set(entities)
            places[key] = entities
            found[day][key] = dict(rows.filter(pl.col("active_dates") != 0).iter_rows())
    assert list(found) == list(days)
    return found


def naive_dates(activity: Rows, day: date, length: int) -> dict[str, dict[str, int]]:
    """The same, by looking at every row for every day anew."""
    found: dict[str, dict[str, int]] = {"user_id": {}, "firm_id": {}}
    for row in activity:
        days_before = (day - row["date"]).days
        if 0 <= days_before < length:
            for key, dates in found.items():
                dates[row[key]] = dates.get(row[key], 0) | 2**days_before
    return found


@pytest.mark.parametrize("length", [1, 7, 8, 9, 28, 56, 62])
@pytest.mark.parametrize(
    "asked",
    [
        pytest.param([DAY], id="asked-alone"),
        pytest.param(days_from(DAY - timedelta(days=40), 41), id="asked-after-forty-days"),
        pytest.param(days_from(DAY - timedelta(days=7), 20), id="asked-in-the-middle"),
    ],
)
def test_dates_are_those_of_a_window_of_any_length(asked: list[date], length: int) -> None:
    """Active from tomorrow back to the day before the window; `v` on the two outermost only."""
    activity = [
        *(usage("u", "f", DAY - timedelta(days=before)) for before in range(-1, length + 1)),
        *(usage("v", "g", DAY - timedelta(days=before)) for before in (-1, length)),
        usage("w", "g", DAY - timedelta(days=length - 1)),
        usage("x", "g", DAY),
    ]
    found = dates_of(activity, asked, length)[DAY]

    assert found["user_id"] == {"u": 2**length - 1, "w": 2 ** (length - 1), "x": 1}
    assert found["firm_id"] == {"f": 2**length - 1, "g": 2 ** (length - 1) | 1}


def test_a_day_of_several_firms_or_users_is_one_bit() -> None:
    activity = [usage("u", "f", DAY), usage("u", "g", DAY), usage("v", "f", DAY)]

    assert dates_of(activity, [DAY], 28)[DAY] == {
        "user_id": {"u": 1, "v": 1},
        "firm_id": {"f": 1, "g": 1},
    }


def test_dates_handed_out_stay_as_they_are_while_the_days_go_on() -> None:
    activity = [usage("u", "f", DAY), usage("u", "f", DAY + timedelta(days=1))]
    days = days_from(DAY, 3)
    held = [
        frames["user_id"] for _, frames in trailing_dates(frame_of(activity), days, ["user_id"], 28)
    ]

    assert [rows["active_dates"].to_list() for rows in held] == [[0b1], [0b11], [0b110]]


def test_only_the_keys_asked_for_are_followed() -> None:
    found = dates_of([usage("u", "f", DAY)], [DAY], 28, ["user_id"])

    assert found == {DAY: {"user_id": {"u": 1}}}


def test_dates_of_days_without_any_activity_are_none() -> None:
    days = days_from(DAY, 12)

    assert dates_of([], days, 56) == {day: {"user_id": {}, "firm_id": {}} for day in days}


def test_no_days_give_no_dates() -> None:
    assert list(trailing_dates(frame_of([usage("u", "f", DAY)]), [], ["user_id"], 28)) == []


@settings(max_examples=30, deadline=None)
@given(
    activity=activities,
    start=st.integers(0, SPAN),
    days=st.integers(1, 40),
    length=st.sampled_from([28, 56]),
    data=st.data(),
)
def test_dates_are_those_of_all_rows_looked_at_on_every_day(
    activity: Rows, start: int, days: int, length: int, data: st.DataObject
) -> None:
    asked = days_from(FIRST + timedelta(days=start), days)
    expected = {day: naive_dates(activity, day, length) for day in asked}

    assert dates_of(data.draw(st.permutations(activity)), asked, length) == expected


# --- one window at once ---------------------------------------------------------------------------


def window_sums(activity: Rows, first: date, last: date) -> Rows:
    """The pairs, ordered by user and firm."""
    rows = sum_window(frame_of(activity), first, last)
    assert list(rows.schema) == ["user_id", "firm_id", *SUMS, "active_dates"]
    assert set(rows.dtypes[2:]) == {pl.Int64}
    return rows.sort("user_id", "firm_id").rows(named=True)


def test_a_window_summed_at_once_is_from_its_first_day_to_its_last() -> None:
    """Of February 2024, with 29 days; the days next to it do not count."""
    first, last = date(2024, 2, 1), date(2024, 2, 29)
    activity = [
        usage("u", "f", date(2024, 1, 31), assistant=100, documents=500),
        usage("u", "f", first, assistant=2, vault=1, documents=4, feedback_sum=4.35),
        usage("u", "f", last, workflow=5, feedback_sum=1.1, feedback_count=1),
        usage("u", "f", date(2024, 3, 1), assistant=100, documents=500),
        usage("u", "g", date(2024, 2, 27)),
        usage("v", "g", date(2024, 3, 1)),
    ]

    assert [list(row.values()) for row in window_sums(activity, first, last)] == [
        ["u", "f", 9, 3, 1, 5, 4, 545, 1, 2**28 + 1],
        ["u", "g", 1, 1, 0, 0, 0, 0, 0, 2**2],
    ]


def test_the_dates_of_62_days_are_exact() -> None:
    """A double holds 53 bits, so of 2 to the power of 61 and 1 it would lose the 1."""
    first = DAY - timedelta(days=61)
    activity = [usage("u", "f", day) for day in (first, DAY - timedelta(days=1), DAY)]

    assert [row["active_dates"] for row in window_sums(activity, first, DAY)] == [2**61 + 0b11]


def test_a_window_without_activity_is_empty() -> None:
    assert window_sums([], FIRST, DAY) == []


@settings(max_examples=60, deadline=None)
@given(activity=activities, start=st.integers(0, SPAN), length=st.integers(1, 62))
def test_a_window_summed_at_once_is_the_sum_of_its_days(
    activity: Rows, start: int, length: int
) -> None:
    first = FIRST + timedelta(days=start)
    last = first + timedelta(days=length - 1)
    inside = [row for row in activity if first <= row["date"] <= last]
    sums: dict[tuple[str, str], dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for row in inside:
        pair = sums[row["user_id"], row["firm_id"]]
        for name in SUMS:
            pair[name] += _naive_sum(row, name)
        pair["active_dates"] |= 2 ** (last - row["date"]).days

    assert window_sums(activity, first, last) == [
        {"user_id": user_id, "firm_id": firm_id, **pair}
        for (user_id, firm_id), pair in sorted(sums.items())
    ]
