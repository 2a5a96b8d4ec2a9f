"""Credit exhaustion: near the limit of the calendar month, and what reaches it."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any, Final

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harvey_pipeline.conversations.tables.users import CREDIT_EXHAUSTION, CreditExhaustion
from harvey_pipeline.conversations.transforms.credits import find_exhaustion
from harvey_pipeline_tests.conversations.transforms.sums_of_users import (
    ACCOUNTS,
    DAY,
    USER_DAILY,
    Row,
    Rows,
    account,
    days_before,
    user_day,
)

_ACCOUNT: Final = (account(),)


def found(
    daily: Sequence[Row],
    accounts: Sequence[Row] = _ACCOUNT,
    days: Sequence[date] = (DAY,),
    default: int = 100,
) -> list[Row]:
    """The table of some days, checked by its schema, which is ordered."""
    blocks = find_exhaustion(
        pl.LazyFrame(list(daily), schema=USER_DAILY),
        pl.LazyFrame(list(accounts), schema=ACCOUNTS),
        days,
        default,
    )
    rows = pl.concat([CREDIT_EXHAUSTION.empty(), *blocks]).collect()
    assert rows.schema == CREDIT_EXHAUSTION.empty().collect_schema()
    CreditExhaustion.validate(rows)
    assert rows.equals(rows.sort("date", "user_id"))
    return rows.to_dicts()


@pytest.mark.parametrize(
    ("credits_used", "limit", "is_near"),
    [
        pytest.param(89, 100, False, id="below-90-of-100"),
        pytest.param(90, 100, True, id="90-of-100"),
        pytest.param(13, 15, False, id="130-against-135"),
        pytest.param(14, 15, True, id="140-against-135"),
        pytest.param(9, 10, True, id="exactly"),
        pytest.param(1, 0, True, id="of-nothing"),
    ],
)
def test_near_the_limit(credits_used: int, limit: int, is_near: bool) -> None:
    rows = found([user_day(credits_used=credits_used)], [account(credit_limit=limit)])

    assert bool(rows) is is_near


@pytest.mark.parametrize(
    ("before", "today", "is_reached"),
    [
        pytest.param(0, 99, False, id="one-short"),
        pytest.param(0, 100, True, id="at-once"),
        pytest.param(99, 1, True, id="the-last-one"),
        pytest.param(100, 1, False, id="reached-before"),
        pytest.param(95, 50, True, id="beyond"),
        pytest.param(98, 1, False, id="one-short-in-two-days"),
    ],
)
def test_the_limit_is_reached_on_one_day(before: int, today: int, is_reached: bool) -> None:
    daily = [user_day(1, credits_used=before), user_day(credits_used=today)]
    (row,) = found(daily)

    assert (row["is_limit_reached"], row["is_exhausted"]) == (is_reached, is_reached)
    assert (row["credits_used"], row["credits_used_month"]) == (today, before + today)
    assert row["used_percent"] == before + today


def test_a_refusal_is_exhaustion_whatever_the_credits() -> None:
    (row,) = found([user_day(refusals=2)])

    assert row == {
        "date": DAY,
        "user_id": "u1",
        "credits_used": 0,
        "credits_used_month": 0,
        "credit_limit": 100,
        "used_percent": 0.0,
        "refusals": 2,
        "is_limit_reached": False,
        "is_exhausted": True,
    }


@pytest.mark.parametrize(
    ("refusals", "is_exhausted"), [pytest.param(0, False), pytest.param(1, True)]
)
def test_a_limit_of_0_is_reached_by_refusals_only(refusals: int, is_exhausted: bool) -> None:
    (row,) = found([user_day(credits_used=5, refusals=refusals)], [account(credit_limit=0)])

    assert (row["is_limit_reached"], row["is_exhausted"]) == (False, is_exhausted)
    assert row["used_percent"] is None


def test_without_credits_or_a_refusal_that_day_there_is_no_row() -> None:
    assert found([user_day(1, credits_used=100), user_day(messages=3)]) == []


def test_the_month_begins_anew() -> None:
    first = DAY.replace(day=1)
    daily = [
        user_day(31, credits_used=99),  # the last of April
        user_day(30, credits_used=90),  # the first of May
        user_day(0, credits_used=5),
    ]
    rows = found(daily, days=[first - timedelta(days=1) + timedelta(days=n) for n in range(32)])

    assert [(row["date"], row["credits_used_month"]) for row in rows] == [
        (first - timedelta(days=1), 99),
        (first, 90),
        (DAY, 95),
    ]


@pytest.mark.parametrize(
    ("accounts", "limit"),
    [
        pytest.param([], 70, id="no-account"),
        pytest.param([account()], 70, id="an-account-that-names-none"),
        pytest.param([account(credit_limit=40)], 40, id="its-own"),
        pytest.param([account(0, credit_limit=40)], 40, id="begun-on-the-day"),
        pytest.param([account(-1, credit_limit=40)], 70, id="begins-the-day-after"),
        pytest.param(
            [account(9, 1, credit_limit=40), account(0, credit_limit=50)], 50, id="the-latest"
        ),
        pytest.param([account(9, 5, credit_limit=40)], 40, id="departed"),
        pytest.param([account(user_id="u2", credit_limit=40)], 70, id="another-user"),
    ],
)
def test_the_limit_as_of_the_day(accounts: Rows, limit: int) -> None:
    (row,) = found([user_day(refusals=1)], accounts, default=70)

    assert row["credit_limit"] == limit


def test_each_user_has_a_month_of_its_own() -> None:
    daily = [
        user_day(1, user_id="u2", credits_used=50),
        user_day(user_id="u2", credits_used=40),
        user_day(credits_used=89),
    ]

    assert [(row["user_id"], row["credits_used_month"]) for row in found(daily)] == [("u2", 90)]


def test_the_percentage_is_divided_once() -> None:
    # Multiplied by the inverse of the limit, 43,500 / 10,000 would be off by the last bit.
    (row,) = found([user_day(refusals=1, credits_used=435)], [account(credit_limit=10_000)])

    assert row["used_percent"] == 43_500 / 10_000


def test_of_nothing_there_is_nothing() -> None:
    assert found([], []) == []
    assert found([user_day(refusals=1)], days=[]) == []


_CREDITS = st.lists(
    st.tuples(
        st.integers(0, 45), st.sampled_from(["u1", "u2"]), st.integers(0, 60), st.integers(0, 1)
    ),
    max_size=14,
    unique_by=lambda one: one[:2],
)


@settings(max_examples=12, deadline=None)
@given(_CREDITS, st.integers(0, 120))
def test_a_range_in_one_pass_is_its_days_one_by_one(
    used: list[tuple[int, str, int, int]], limit: int
) -> None:
    daily = [
        user_day(ago, user_id=user, credits_used=number, refusals=refusals)
        for ago, user, number, refusals in used
    ]
    accounts = [account(20, credit_limit=limit)]
    days = [days_before(ago) for ago in range(32, -1, -1)]
    expected = [row for day in days for row in _rows_of(daily, limit, day)]

    assert found(daily, accounts, days) == expected
    assert [row for day in days for row in found(daily, accounts, [day])] == expected


def _rows_of(daily: Rows, own_limit: int, day: date) -> list[dict[str, Any]]:
    """The rows of a day by the rule, row by row."""
    rows = []
    for row in sorted(daily, key=lambda one: one["user_id"]):
        if row["date"] != day or not (row["credits_used"] or row["refusals"]):
            continue
        month = sum(
            one["credits_used"]
            for one in daily
            if one["user_id"] == row["user_id"] and day.replace(day=1) <= one["date"] <= day
        )
        has_account = row["user_id"] == "u1" and day >= days_before(20)
        limit = own_limit if has_account else 100
        if not row["refusals"] and 10 * month < 9 * limit:
            continue
        is_reached = month - row["credits_used"] < limit <= month
        rows.append(
            {
                "date": day,
                "user_id": row["user_id"],
                "credits_used": row["credits_used"],
                "credits_used_month": month,
                "credit_limit": limit,
                "used_percent": 100 * month / limit if limit else None,
                "refusals": row["refusals"],
                "is_limit_reached": is_reached,
                "is_exhausted": is_reached or row["refusals"] > 0,
            }
        )
    return rows
