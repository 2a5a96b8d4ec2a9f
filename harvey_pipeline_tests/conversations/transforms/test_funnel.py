"""The activation funnel, by hand at every edge, and over any users that there may be."""

from datetime import date, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harvey_pipeline.conversations.tables.labels import STEPS
from harvey_pipeline.conversations.tables.marts import ACTIVATION_FUNNEL
from harvey_pipeline.conversations.transforms.funnel import tell_activation
from harvey_pipeline_tests.conversations.mart_rows import (
    DAY,
    Row,
    accounts,
    before,
    days_to,
    figures,
    rows_of,
    steps,
    user_rows,
)

STEP_COLUMNS = (
    "first_chat_date",
    "first_tool_date",
    "first_creation_date",
    "first_exhaustion_date",
)
LIMIT = 100


def funnel(
    people: pl.LazyFrame,
    used: pl.LazyFrame | None = None,
    held: pl.LazyFrame | None = None,
    days: list[date] | None = None,
) -> dict[tuple[date, str], Row]:
    plans = tell_activation(
        people,
        user_rows() if used is None else used,
        accounts() if held is None else held,
        LIMIT,
        days or [DAY],
    )
    return {(row["date"], row["cohort"]): row for row in rows_of(plans, ACTIVATION_FUNNEL)}


def done(*dates: date | None, **more: Any) -> Row:
    """Somebody who took steps on these dates, in their order."""
    taken = dict(zip(STEP_COLUMNS, dates, strict=False))
    active = [day for day in dates if day is not None]
    return {"first_active_date": min(active, default=None), **taken, **more}


def test_a_journey_of_six() -> None:
    long_ago = before(40)
    rows = funnel(
        steps(
            {"user_id": "silent"},
            done(DAY, user_id="chats"),
            done(DAY, DAY, user_id="calls"),
            done(DAY, DAY, DAY, user_id="creates", first_completion_date=DAY),
            done(
                *(long_ago,) * 4,
                user_id="old",
                signed_up_date=long_ago,
                first_completion_date=before(-1),
            ),
            {"user_id": "future", "signed_up_date": before(-1)},
        )
    )
    assert rows[DAY, "all"] == {
        "date": DAY,
        "cohort": "all",
        "total_users": 5,
        "day_1_active": 4,
        "first_chat": 4,
        "used_tool": 3,
        "created_content": 2,
        "exhausted_credits": 1,
        "first_chat_rate": 80.0,
        "used_tool_rate": 75.0,
        "created_content_rate": 200 / 3,
        "exhausted_credits_rate": 50.0,
        "high_usage": 0,
        "successful_users": 1,
    }
    names = ("total_users", "day_1_active", *STEPS, "exhausted_credits_rate", "successful_users")
    assert figures(rows[DAY, "30d"], *names) == [4, 3, 3, 2, 1, 0, 0.0, 1]


def test_a_step_without_the_one_before_does_not_count() -> None:
    [everyone, recent] = funnel(steps(done(DAY, None, DAY, DAY))).values()
    assert figures(everyone, *STEPS) == figures(recent, *STEPS) == [1, 0, 0, 0]
    rates = [f"{step}_rate" for step in STEPS]
    assert figures(everyone, *rates) == [100.0, 0.0, None, None]


def test_a_step_counts_from_the_latest_of_it_and_those_before() -> None:
    """Who had a tool called first, and wrote two days later."""
    people = steps(done(DAY, before(2), signed_up_date=before(2)))
    rows = funnel(people, days=days_to(3))
    found = [figures(rows[day, "all"], "first_chat", "used_tool") for day in days_to(3)]
    assert found == [[0, 0], [0, 0], [1, 1]]


@pytest.mark.parametrize(("ago", "counted"), [(0, 1), (29, 1), (30, 0), (-1, 0)])
def test_the_recent_cohort_is_of_thirty_days(ago: int, counted: int) -> None:
    rows = funnel(steps(done(before(ago), signed_up_date=before(ago))))
    assert figures(rows[DAY, "30d"], "total_users", "first_chat") == [counted, counted]
    assert rows[DAY, "all"]["total_users"] == (1 if ago >= 0 else 0)


def test_a_step_after_thirty_days_is_never_in_the_recent_cohort() -> None:
    rows = funnel(steps(done(DAY, signed_up_date=before(30))), days=days_to(40))
    assert sum(row["first_chat"] for (_, cohort), row in rows.items() if cohort == "30d") == 0
    assert rows[DAY, "all"]["first_chat"] == 1


@pytest.mark.parametrize(
    ("signed_up", "active", "counted"), [(1, 1, 1), (1, 0, 1), (2, 0, 0), (0, 0, 1), (0, -1, 0)]
)
def test_active_by_the_day_after_signing_up(signed_up: int, active: int, counted: int) -> None:
    """Where both are still to come, the second is not active by the day."""
    people = steps({"signed_up_date": before(signed_up), "first_active_date": before(active)})
    assert funnel(people)[DAY, "all"]["day_1_active"] == counted


@pytest.mark.parametrize(
    ("spent", "limit", "is_high"),
    [(89, 100, 0), (90, 100, 1), (8, 9, 0), (9, 10, 1), (0, 0, 0), (5, 0, 0), (90, None, 1)],
)
def test_high_usage_is_nine_tenths_of_the_limit(
    spent: int, limit: int | None, is_high: int
) -> None:
    rows = funnel(
        steps(done(DAY)),
        user_rows({"credits_used": spent}),
        accounts({"credit_limit": limit}),
    )
    assert [row["high_usage"] for row in rows.values()] == [is_high] * 2


def test_who_has_no_account_has_the_usual_limit() -> None:
    people = steps(done(DAY, user_id="a"), done(DAY, user_id="b"))
    used = user_rows({"user_id": "a", "credits_used": 90}, {"user_id": "b", "credits_used": 89})
    assert funnel(people, used)[DAY, "all"]["high_usage"] == 1


def test_credits_add_up_over_the_calendar_month() -> None:
    """50 on 31 May count nothing in June; 40 on the 1st and 50 on the 10th are 90."""
    used = user_rows(
        {"date": date(2024, 5, 31), "credits_used": 50},
        {"date": date(2024, 6, 1), "credits_used": 40},
        {"date": date(2024, 6, 10), "credits_used": 50},
        {"date": date(2024, 6, 12), "credits_used": 1},
    )
    days = days_to(40, date(2024, 7, 2))
    people = steps(done(date(2024, 5, 31), signed_up_date=date(2024, 5, 31)))
    rows = funnel(people, used, days=days)
    high = {cohort: [d for d in days if rows[d, cohort]["high_usage"]] for cohort in ("all", "30d")}
    assert high["all"] == days_to(21, date(2024, 6, 30))
    # Signed up on 31 May, the user is among those of 30 days until 29 June.
    assert high["30d"] == days_to(20, date(2024, 6, 29))
    alone: dict[tuple[date, str], Row] = {}
    for day in days:
        alone |= funnel(people, used, days=[day])
    assert rows == alone


def test_the_limit_is_that_of_the_day() -> None:
    """90 of 100 until the limit is 200, and 180 of 200 from there on."""
    held = accounts({}, {"effective_start_date": before(2), "credit_limit": 200})
    used = user_rows({"date": before(4), "credits_used": 90}, {"credits_used": 90})
    people = steps(done(before(4), signed_up_date=before(4)))
    rows = funnel(people, used, held, days=days_to(6))
    assert [rows[day, "all"]["high_usage"] for day in days_to(6)] == [0, 1, 1, 0, 0, 1]


def test_a_departed_user_keeps_the_last_limit() -> None:
    held = accounts({"credit_limit": 10, "effective_end_date": before(9), "is_current": False})
    assert (
        funnel(steps(done(DAY)), user_rows({"credits_used": 9}), held)[DAY, "all"]["high_usage"]
        == 1
    )


def test_nobody_has_signed_up() -> None:
    rows = funnel(steps(), days=days_to(3))
    assert len(rows) == 6
    for row in rows.values():
        assert figures(row, "total_users", "first_chat_rate", "high_usage") == [0, None, 0]


DATES = st.none() | st.integers(0, 50).map(before)


@st.composite
def people(draw: st.DrawFn) -> list[Row]:
    rows = []
    for number in range(draw(st.integers(0, 8))):
        taken = [draw(DATES) for _ in (*STEP_COLUMNS, "completion")]
        active = min([day for day in taken if day is not None], default=None)
        earlier = draw(st.integers(0, 40))
        row = done(
            *taken[:4],
            user_id=f"u{number}",
            first_active_date=active,
            first_completion_date=taken[4],
            signed_up_date=(active or DAY) - timedelta(days=earlier),
        )
        rows.append(row)
    return rows


@settings(max_examples=30, deadline=None)
@given(rows=people())
def test_the_funnel_never_widens(rows: list[Row]) -> None:
    days = days_to(35)
    told = funnel(steps(*rows), days=days)
    assert len(told) == 70
    for (day, cohort), row in told.items():
        signed_up = [
            one
            for one in rows
            if one["signed_up_date"] <= day
            and (cohort == "all" or one["signed_up_date"] > before(30, day))
        ]
        reached = signed_up
        expected = [len(signed_up)]
        for column in STEP_COLUMNS:
            reached = [one for one in reached if one[column] is not None and one[column] <= day]
            expected.append(len(reached))
        found = figures(row, "total_users", *STEPS)
        assert found == expected
        assert found == sorted(found, reverse=True)
        assert max(row["day_1_active"], row["successful_users"]) <= row["total_users"]
        everyone = told[day, "all"]
        assert all(row[name] <= everyone[name] for name in ("total_users", *STEPS))
