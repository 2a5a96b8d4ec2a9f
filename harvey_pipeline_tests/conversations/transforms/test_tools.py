"""Tools and their failures, by hand."""

import polars as pl
import pytest

from harvey_pipeline.conversations.tables.marts import FAILURE_POINTS, TOOL_USAGE
from harvey_pipeline.conversations.tables.sums import TOOL_DAILY
from harvey_pipeline.conversations.transforms.tools import find_failure_points, tell_tool_usage
from harvey_pipeline_tests.conversations.mart_rows import (
    DAY,
    Row,
    before,
    days_to,
    figures,
    rows_of,
    tool_rows,
)


def usage(rows: pl.LazyFrame, length: int = 1) -> list[Row]:
    return rows_of(tell_tool_usage(rows, days_to(length)), TOOL_USAGE)


def failures(rows: pl.LazyFrame, length: int = 1) -> list[Row]:
    return rows_of(find_failure_points(rows, days_to(length)), FAILURE_POINTS)


def failed(**row: object) -> Row:
    return {"calls": 0, "failures": 1, "error_type": "timeout", **row}


def test_a_tool_of_two_users_on_several_days() -> None:
    rows = tool_rows(
        {"calls": 4, "successes": 3, "credits_used": 8},
        failed(calls=1, failures=2, credits_used=1),
        {"user_id": "v", "calls": 1},
        {"user_id": "w", "calls": 2, "successes": 1, "date": before(29)},
        {"user_id": "x", "calls": 90, "date": before(30)},
        failed(user_id="y", calls=1, failures=1, date=before(3)),
    )
    assert usage(rows) == [
        {
            "date": DAY,
            "tool_name": "search",
            "calls": 6,
            "successes": 3,
            "failures": 2,
            # 3 of 3 + 2
            "success_rate": 60.0,
            "users": 2,
            "credits_used": 9,
            "calls_30d": 9,
            "users_30d": 4,
            # 4 of 4 + 3
            "success_rate_30d": pytest.approx(400 / 7, abs=0, rel=1e-15),
        }
    ]


def test_a_tool_that_only_failed_is_not_used_and_its_users_did_not_call() -> None:
    rows = tool_rows(failed(), {"user_id": "v", "tool_name": "draft"}, failed(tool_name="draft"))
    [row] = usage(rows)
    assert figures(row, "tool_name", "calls", "users", "users_30d") == ["draft", 1, 1, 1]
    assert figures(row, "success_rate", "success_rate_30d") == [0.0, 0.0]


def test_a_rate_without_a_known_outcome_is_null() -> None:
    [row] = usage(tool_rows({"calls": 3}))
    assert figures(row, "success_rate", "success_rate_30d") == [None, None]


def test_a_tool_stays_for_30_days_and_says_nothing_of_the_days_between() -> None:
    found = usage(tool_rows({"date": before(30), "successes": 1}), 32)
    assert [row["date"] for row in found] == days_to(30, before(1))
    assert figures(found[0], "calls", "users", "success_rate") == [1, 1, 100.0]
    assert figures(found[1], "calls", "users", "credits_used", "success_rate") == [0, 0, 0, None]
    assert all(figures(row, "calls_30d", "success_rate_30d") == [1, 100.0] for row in found)


@pytest.mark.parametrize(
    ("agos", "users", "is_repeated"),
    [
        ((0, 1, 2), "uv", True),
        ((0, 1, 29), "uv", True),
        ((0, 1, 30), "uv", False),
        ((0, 1), "uv", False),
        ((0, 1, 2), "u", False),
        ((0, 0, 1), "uv", False),
    ],
)
def test_a_failure_is_repeated_on_three_days_to_two_users(
    agos: tuple[int, ...], users: str, *, is_repeated: bool
) -> None:
    rows = [
        failed(date=before(ago), user_id=users[place % len(users)])
        for place, ago in enumerate(agos)
    ]
    [row] = failures(tool_rows(*rows))
    assert row["is_repeated"] is is_repeated
    in_window = [ago for ago in agos if ago < 30]
    assert figures(row, "failure_count_30d", "days_30d", "failure_count") == [
        len(in_window),
        len(set(in_window)),
        agos.count(0),
    ]


def test_failures_are_told_apart_by_tool_and_type() -> None:
    rows = tool_rows(
        failed(failures=3),
        failed(user_id="v"),
        failed(error_type="no access", date=before(1)),
        failed(tool_name="none"),
        {"calls": 9, "successes": 9},
    )
    found = failures(rows)
    assert [figures(row, "tool_name", "error_type") for row in found] == [
        ["none", "timeout"],
        ["search", "no access"],
        ["search", "timeout"],
    ]
    names = ("failure_count", "affected_users", "failure_count_30d", "affected_users_30d")
    assert [figures(row, *names) for row in found] == [[1, 1, 1, 1], [0, 0, 1, 1], [4, 2, 4, 2]]


def test_many_days_at_once_are_what_each_gives_alone() -> None:
    rows = tool_rows(
        *(
            {
                "date": before(ago),
                "user_id": f"u{ago % 3}",
                "tool_name": f"t{ago % 2}",
                "calls": 1 + ago % 4,
                "successes": 1 if ago % 4 else 0,
                "credits_used": ago,
            }
            for ago in range(0, 100, 3)
        ),
        *(
            failed(date=before(ago), user_id=f"u{ago % 4}", error_type=f"e{ago % 3}")
            for ago in range(0, 100, 7)
        ),
    )
    for tell, table in ((tell_tool_usage, TOOL_USAGE), (find_failure_points, FAILURE_POINTS)):
        together = rows_of(tell(rows, days_to(70)), table)
        alone = [row for day in days_to(70) for row in rows_of(tell(rows, [day]), table)]
        assert together == alone
        assert len({row["date"] for row in together}) == 70


def test_nothing_called() -> None:
    assert usage(TOOL_DAILY.empty(), 40) == []
    assert failures(TOOL_DAILY.empty(), 40) == []
