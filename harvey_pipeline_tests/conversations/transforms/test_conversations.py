"""Conversations cut into rows: where a row begins, how far it goes, whichever days are computed."""

import random
from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from itertools import pairwise
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harvey_pipeline.conversations.tables.conversations import CONVERSATIONS
from harvey_pipeline.conversations.transforms.conversations import (
    DAYS_AFTER,
    DAYS_BEFORE,
    cut_conversations,
)
from harvey_pipeline.warehouse.days import DayRange
from harvey_pipeline_tests.conversations.dailies import MONDAY, Row, at, dailies, daily

Cut = tuple[date, bool, int, date]
"""Where a row begins, whether it goes on from another, its active days and the last of them."""

YEARS_END = date(2024, 12, 30)
"""A Monday; the year's last day is the Tuesday."""


def cut(rows: Sequence[Row], days: Sequence[date]) -> pl.DataFrame:
    """The rows of some days, from as many days of sums as an asset reads."""
    first, last = days[0] - timedelta(days=DAYS_BEFORE), days[-1] + timedelta(days=DAYS_AFTER)
    read = dailies([row for row in rows if first <= row["date"] <= last])
    return pl.concat(cut_conversations(read, days, ())).collect()


def rows_from(monday: date, *offsets: int) -> list[Cut]:
    """The rows of a conversation that is active so many days after a Monday."""
    active = [daily(monday + timedelta(days=offset)) for offset in offsets]
    days = DayRange(monday + timedelta(days=offsets[0]), monday + timedelta(days=offsets[-1])).days
    return sorted(as_cuts(cut(active, days)))


def as_cuts(found: pl.DataFrame) -> Iterable[Cut]:
    return found.select(
        "date", "is_continuation", "active_days", pl.col("last_event_at").dt.date()
    ).iter_rows()


@pytest.mark.parametrize("monday", [MONDAY, YEARS_END])
@pytest.mark.parametrize(
    ("active", "begins"),
    [
        # Offsets from a Monday; with each beginning whether it goes on from the row before.
        ([0], {0: False}),
        ([0, 6], {0: False}),
        ([0, 7], {0: False}),
        ([0, 8], {0: False, 8: False}),
        ([2, 9], {2: False}),
        ([2, 10], {2: False, 10: False}),
        # The Monday two weeks on: first of its week, active 14 days before.
        ([0, 7, 14], {0: False, 14: True}),
        # 15 days before is too far back, and 7 days before is not far enough.
        ([-1, 7, 14], {-1: False, 7: False}),
        # Eight days back, but not the first of its week.
        ([0, 7, 8], {0: False}),
        # Eight days back, and the first of its week: Tuesday after the Monday of the week before.
        ([0, 1, 8], {0: False, 8: True}),
        # Silent for 6 days before Sunday; on Monday the Sunday before is 8 days back, and so on.
        ([-1, 6, 7], {-1: False, 7: True}),
        # Every Monday.
        ([0, 7, 14, 21, 28], {0: False, 14: True, 21: True, 28: True}),
        # Every day of two weeks is one row; it ends with the second Sunday.
        (list(range(15)), {0: False, 14: True}),
        ([5, *range(6, 15)], {5: False, 14: True}),
        # Begun on a Sunday: the week after holds no day that is 8 back but its own end.
        ([6, 13, 14], {6: False, 14: True}),
    ],
)
def test_a_row_begins(monday: date, active: list[int], begins: dict[int, bool]) -> None:
    found = rows_from(monday, *active)
    assert [(each[0] - monday).days for each in found] == list(begins)
    assert [each[1] for each in found] == list(begins.values())
    starts = [*begins, active[-1] + 1]
    for place, (_, _, active_days, last) in enumerate(found):
        own = [offset for offset in active if starts[place] <= offset < starts[place + 1]]
        assert active_days == len(own)
        assert (last - monday).days == own[-1]


def test_figures_are_those_of_the_fold() -> None:
    tuesday = MONDAY + timedelta(days=1)
    rows = [
        daily(
            conversation="c_1",
            messages=2,
            user_messages=1,
            credits_used=3,
            tool_calls=1,
            tools_used='{"draft":1}',
            use_case_messages='{"drafting":1}',
            last_message_at=at(700),
            first_message="draft it",
            feature_requests=["dark mode"],
        ),
        daily(
            tuesday,
            conversation="c_1",
            failures=1,
            attempts=1,
            last_failure_at=at(720, tuesday),
            last_error_type="timeout",
        ),
    ]
    [found] = cut(rows, [MONDAY]).to_dicts()
    assert found == {
        "date": MONDAY,
        "conversation_id": "c_1",
        "user_id": "u1",
        "conversation_key": "c_1_u1_20240422",
        "is_continuation": False,
        "started_at": at(720),
        "last_message_at": at(700),
        "last_event_at": at(720, tuesday),
        "active_days": 2,
        "message_count": 2,
        "user_messages": 1,
        "credits_used": 3,
        "first_intent": "draft it",
        "tools_used": '{"draft":1}',
        "tool_calls": 1,
        "failures": 1,
        "completion_status": "abandoned",
        # 5, less 1 for the failure and 1 for what it blocks.
        "user_satisfaction_signal": 3,
        "extracted_use_case": "drafting",
        "blocker_reason": "timeout",
        "feature_requests": ["dark mode"],
    }


def test_rows_are_as_the_table_says() -> None:
    found = cut([daily(), daily(user="u2"), daily(conversation="c2")], [MONDAY])
    assert found.height == 3
    assert dict(found.schema) == CONVERSATIONS.polars_schema


def test_users_of_a_conversation_are_apart() -> None:
    """One is silent where the other is not."""
    rows = [daily(), daily(MONDAY + timedelta(days=4), user="u2")]
    rows.append(daily(MONDAY + timedelta(days=8)))
    found = cut(rows, DayRange(MONDAY, MONDAY + timedelta(days=8)).days)
    assert sorted(found.select("user_id", "date", "is_continuation").iter_rows()) == [
        ("u1", MONDAY, False),
        ("u1", MONDAY + timedelta(days=8), False),
        ("u2", MONDAY + timedelta(days=4), False),
    ]


def test_days_without_events_have_no_rows() -> None:
    found = cut([], DayRange(MONDAY, MONDAY + timedelta(days=70)).days)
    assert found.is_empty()
    assert dict(found.schema) == CONVERSATIONS.polars_schema


def test_a_row_goes_on_beyond_the_days_that_are_computed() -> None:
    rows = [daily(MONDAY + timedelta(days=offset)) for offset in range(14)]
    assert list(as_cuts(cut(rows, [MONDAY]))) == [(MONDAY, False, 14, MONDAY + timedelta(days=13))]
    assert cut(
        rows, DayRange(MONDAY + timedelta(days=1), MONDAY + timedelta(days=13)).days
    ).is_empty()


# --- against the rule in plain words -------------------------------------------------------------

Conversation = tuple[str, str]


def reference(active: set[date]) -> list[Cut]:
    """The rows of one conversation, by the rule as it is stated."""
    begins: dict[date, bool] = {}
    for day in sorted(active):
        near = [day - timedelta(days=back) for back in range(1, 8)]
        old = [day - timedelta(days=back) for back in range(8, 15)]
        of_week = [one for one in active if one.isocalendar()[:2] == day.isocalendar()[:2]]
        if not active.intersection(near):
            begins[day] = False
        elif day == min(of_week) and active.intersection(old):
            begins[day] = True
    rows: list[Cut] = []
    for day, is_continuation in begins.items():
        until = min((one for one in begins if one > day), default=date.max)
        own = [one for one in sorted(active) if day <= one < until]
        rows.append((day, is_continuation, len(own), own[-1]))
    return rows


ACTIVE = st.dictionaries(
    st.tuples(st.sampled_from(["c1", "c2"]), st.sampled_from(["u1", "u2"])),
    st.frozensets(st.integers(0, 69), min_size=1, max_size=40),
    max_size=4,
)


@settings(max_examples=40, deadline=None)
@given(ACTIVE, st.lists(st.integers(1, 69), max_size=4), st.randoms(use_true_random=False))
def test_every_active_day_is_in_one_row_whatever_is_computed_together(
    active: dict[Conversation, frozenset[int]], cuts: list[int], chance: random.Random
) -> None:
    first = YEARS_END - timedelta(days=30)
    rows: list[dict[str, Any]] = [
        daily(first + timedelta(days=offset), *conversation)
        for conversation, offsets in active.items()
        for offset in offsets
    ]
    chance.shuffle(rows)
    bounds = sorted({0, 70, *cuts})
    days = DayRange(first, first + timedelta(days=69)).days
    found = pl.concat(cut(rows, days[one:other]) for one, other in pairwise(bounds))
    for (conversation, user), offsets in active.items():
        dates = {first + timedelta(days=offset) for offset in offsets}
        own = found.filter(conversation_id=conversation, user_id=user)
        cuts_found = sorted(as_cuts(own))
        assert cuts_found == reference(dates)
        assert sum(active_days for _, _, active_days, _ in cuts_found) == len(dates)
        for begins, _, _, last in cuts_found:
            assert last <= begins + timedelta(days=13 - begins.weekday())
    assert found.select("conversation_id", "user_id").n_unique() == len(active)
