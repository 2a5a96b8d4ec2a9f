"""Windows that follow each other, against each window counted for itself."""

from datetime import date

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harvey_pipeline.conversations.transforms.running import (
    count_single,
    count_windows,
    sum_windows,
)
from harvey_pipeline_tests.conversations.mart_rows import DAY, before, days_to

Event = tuple[int, str, str, int]
"""Days before the last one, group, user, amount."""

EVENTS = st.lists(
    st.tuples(
        st.integers(-3, 45), st.sampled_from("ab"), st.sampled_from("uvw"), st.integers(1, 2)
    ),
    max_size=30,
)


def frame(events: list[Event]) -> pl.LazyFrame:
    return pl.LazyFrame(
        [(before(ago), group, user, amount) for ago, group, user, amount in events],
        schema={"date": pl.Date, "group": pl.String, "user": pl.String, "amount": pl.Int64},
        orient="row",
    )


def in_window(events: list[Event], day: date, length: int) -> list[Event]:
    return [one for one in events if 0 <= (day - before(one[0])).days < length]


@settings(max_examples=40, deadline=None)
@given(events=EVENTS, length=st.sampled_from([1, 7, 30]), days=st.integers(1, 12))
def test_every_window_is_that_of_its_own_day(events: list[Event], length: int, days: int) -> None:
    rows, told = frame(events), days_to(days)
    sums = sum_windows(rows, ["amount"], told, length).collect()
    users = count_windows(rows, "user", told, length).collect()
    single = count_single(rows, "user", "amount", told, length).collect()
    assert sums["date"].to_list() == users["date"].to_list() == single["date"].to_list() == told
    for place, day in enumerate(told):
        window = in_window(events, day, length)
        amounts: dict[str, int] = {}
        for _, _, user, amount in window:
            amounts[user] = amounts.get(user, 0) + amount
        assert sums["amount"][place] == sum(amounts.values())
        assert users["number"][place] == len(amounts)
        assert single["number"][place] == list(amounts.values()).count(1)


@settings(max_examples=25, deadline=None)
@given(events=EVENTS, days=st.integers(1, 12))
def test_groups_are_followed_each_for_itself(events: list[Event], days: int) -> None:
    rows, told = frame(events), days_to(days)
    sums = sum_windows(rows, ["amount"], told, 7, ["group"]).collect()
    users = count_windows(rows, "user", told, 7, ["group"]).collect()
    found = {
        (day, group): (amount, number)
        for (day, group, amount), (_, _, number) in zip(
            sums.sort("date", "group").rows(), users.sort("date", "group").rows(), strict=True
        )
    }
    met = {group for day in told for _, group, _, _ in in_window(events, day, 7)}
    assert found == {
        (day, group): (
            sum(one[3] for one in in_window(events, day, 7) if one[1] == group),
            len({one[2] for one in in_window(events, day, 7) if one[1] == group}),
        )
        for day in told
        for group in met
    }


@pytest.mark.parametrize(("ago", "counted"), [(0, 1), (6, 1), (7, 0), (-1, 0)])
def test_a_window_ends_on_its_day_and_begins_so_many_days_before(ago: int, counted: int) -> None:
    rows = frame([(ago, "a", "u", 1)])
    assert sum_windows(rows, ["amount"], [DAY], 7).collect().rows() == [(DAY, counted)]
    assert count_windows(rows, "user", [DAY], 7).collect().rows() == [(DAY, counted)]
