"""Who of those at risk left."""

from collections.abc import Collection, Sequence
from datetime import date, timedelta

import pytest

from harvey_pipeline.segments.tables.evaluation import CHURN_BACKTEST
from harvey_pipeline.segments.transforms.backtest import backtest_churn
from harvey_pipeline_tests.segments.verdicts import (
    Row,
    accesses,
    by_key,
    days_from,
    rows_of,
    segments,
)

MONDAY = date(2024, 6, 3)
AFTER = days_from(MONDAY + timedelta(days=1), 30)
FIGURES = ("churned", "precision", "recall", "lift")


def user(user_id: str, churn_risk: str | None, tenant_id: str = "t", day: date = MONDAY) -> Row:
    return {"date": day, "user_id": user_id, "tenant_id": tenant_id, "churn_risk": churn_risk}


def access(user_id: str, day: date = AFTER[0], accesses: int = 1) -> Row:
    return {"date": day, "user_id": user_id, "accesses": accesses}


def leavers(
    users: Sequence[Row],
    used: Sequence[Row],
    run_days: Collection[date] = AFTER,
    covered: Collection[date] = AFTER,
) -> dict[tuple[str, str], Row]:
    """The rows of a Monday by tenant and risk."""
    frames = backtest_churn(segments(users), accesses(used), run_days, covered, [MONDAY])
    return by_key(CHURN_BACKTEST, frames)


def figures(row: Row) -> list[float | None]:
    return [row[name] for name in FIGURES]


def test_precision_recall_and_lift() -> None:
    """Of 4 at high risk 3 leave, of 2 medium 1, of none low, of 4 very low 1.

    5 of 10 leave: half. So high is 75 % precise, finds 3 of 5, and 1.5 times as many as chance.
    """
    users = [
        *(user(f"h{number}", "high") for number in range(4)),
        *(user(f"m{number}", "medium") for number in range(2)),
        *(user(f"v{number}", "very_low") for number in range(4)),
    ]
    stayed = ("h0", "m0", "v0", "v1", "v2")
    rows = leavers(users, [access(name) for name in stayed])
    assert {tenant for tenant, _ in rows} == {"t", "all"}
    expected = {
        "high": (4, [3, 75.0, 60.0, 1.5]),
        "medium": (2, [1, 50.0, 20.0, 1.0]),
        "low": (0, [0, None, 0.0, None]),
        "very_low": (4, [1, 25.0, 20.0, 0.5]),
    }
    for tenant in ("t", "all"):
        for risk, (count, told) in expected.items():
            row = rows[tenant, risk]
            assert (row["date"], row["users"]) == (MONDAY, count)
            assert figures(row) == told


def test_tenants_are_judged_by_themselves() -> None:
    rows = leavers([user("u", "high", "one"), user("v", "high", "two")], [access("u")])
    assert len(rows) == 12
    assert figures(rows["one", "high"]) == [0, 0.0, None, None]
    assert figures(rows["two", "high"]) == [1, 100.0, 100.0, 1.0]
    assert figures(rows["all", "high"]) == [1, 50.0, 100.0, 1.0]


def test_where_nobody_leaves_there_is_no_recall_and_no_lift() -> None:
    rows = leavers([user("u", "high")], [access("u")])
    assert figures(rows["t", "high"]) == [0, 0.0, None, None]
    assert figures(rows["t", "low"]) == [0, None, None, None]


@pytest.mark.parametrize(
    ("used", "churned"),
    [
        (access("u", MONDAY), 1),
        (access("u", MONDAY + timedelta(days=1)), 0),
        (access("u", MONDAY + timedelta(days=30)), 0),
        (access("u", MONDAY + timedelta(days=31)), 1),
        (access("u", accesses=0), 1),  # a sign-in is no use
        (access("u") | {"tenant_id": "other"}, 0),  # in whichever tenant
        (access("v"), 1),
    ],
)
def test_who_has_left(used: Row, churned: int) -> None:
    assert leavers([user("u", "high")], [used])["t", "high"]["churned"] == churned


def test_users_without_a_risk_are_left_out() -> None:
    rows = leavers([user("u", "low"), user("v", None), user("w", None, "silent")], [])
    assert {tenant for tenant, _ in rows} == {"t", "all"}
    assert sum(row["users"] for row in rows.values()) == 2
    assert leavers([user("v", None)], []) == {}


@pytest.mark.parametrize(
    ("run_days", "covered", "is_known"),
    [
        (AFTER, AFTER[:24], True),
        (AFTER, AFTER[:23], False),
        (AFTER, [*AFTER[:23], MONDAY, AFTER[-1] + timedelta(days=1)], False),
        (AFTER[:-1], AFTER, False),
        ([AFTER[-1]], AFTER, True),
        ([], [], False),
    ],
)
def test_figures_wait_for_the_last_day_and_for_coverage(
    run_days: list[date], covered: list[date], is_known: bool
) -> None:
    rows = leavers([user("u", "high")], [], run_days, covered)
    assert rows["t", "high"]["users"] == 1
    known = [1, 100.0, 100.0, 1.0]
    assert figures(rows["t", "high"]) == (known if is_known else [None] * 4)
    assert figures(rows["all", "low"]) == ([0, None, 0.0, None] if is_known else [None] * 4)


def test_a_range_of_days_is_tested_monday_by_monday() -> None:
    days = days_from(MONDAY, 70)
    run_days = days_from(MONDAY, 80)
    users = [
        user(f"u{number}", ("high", "low")[number % 2], f"t{number % 3}", day)
        for day in days
        if day.weekday() == 0
        for number in range(6)
    ]
    used = [access(f"u{place % 5}", day) for place, day in enumerate(run_days[::11])]

    def backtest(some: Sequence[date]) -> list[Row]:
        frames = backtest_churn(segments(users), accesses(used), run_days, run_days, some)
        return rows_of(CHURN_BACKTEST, frames)

    together = backtest(days)
    assert together == [row for day in days for row in backtest([day])]
    # Ten Mondays, of which the last that is known lies 30 days before the end of day 79.
    assert len(together) == 10 * 4 * 4
    known = {row["date"] for row in together if row["churned"] is not None}
    assert known == {MONDAY + timedelta(weeks=week) for week in range(8)}


def test_no_users_and_no_days() -> None:
    assert leavers([], [access("u")]) == {}
    frames = backtest_churn(segments([]), accesses([]), [], [], [])
    assert rows_of(CHURN_BACKTEST, frames) == []
