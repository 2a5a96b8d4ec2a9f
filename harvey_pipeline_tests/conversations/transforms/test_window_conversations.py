"""Conversations folded over their days in a window, and the use cases that they are of."""

import random
from collections import defaultdict
from datetime import date, datetime, time

import polars as pl
import pytest

from harvey_pipeline.conversations.tables.marts import USE_CASES
from harvey_pipeline.conversations.tables.sums import CONVERSATION_DAILY
from harvey_pipeline.conversations.transforms import window_conversations
from harvey_pipeline.conversations.transforms.folding import fold
from harvey_pipeline.conversations.transforms.window_conversations import (
    fold_windows,
    tell_use_cases,
    tell_window_conversations,
)
from harvey_pipeline.warehouse.days import is_dated
from harvey_pipeline_tests.cases import quick_and_long
from harvey_pipeline_tests.conversations.mart_rows import (
    DAY,
    Row,
    before,
    conversation_rows,
    days_to,
    figures,
    rows_of,
    talks_of,
)

DRAFTING = {"user_messages": 1, "messages": 1, "use_case_messages": '{"drafting":1}'}
VIDEO = {"user_messages": 1, "messages": 1, "use_case_messages": '{"personal_video":1}'}
KEY = ["conversation_id", "user_id"]
ORDER = ("personal_video", "drafting")


def told(rows: pl.LazyFrame, length: int = 1) -> list[Row]:
    return rows_of([tell_use_cases(talks_of(rows, ORDER, days_to(length)))], USE_CASES)


def spans(rows: pl.LazyFrame, length: int) -> list[tuple[date, date, int]]:
    folds = pl.concat(fold_windows(rows, ORDER, days_to(length)))
    return folds.select("since", "until", "messages").sort("since").rows()


def test_a_conversation_holds_from_its_day_for_thirty_days() -> None:
    rows = conversation_rows({"date": before(40), "messages": 3})
    assert spans(rows, 60) == [(before(40), before(10), 3)]


def test_a_conversation_changes_with_each_day_that_enters_or_leaves() -> None:
    """Days 40 and 35 ago: 1, then 1 + 2, then 2 when the first has left; then a gap, and 4."""
    rows = conversation_rows(
        {"date": before(40), "messages": 1},
        {"date": before(35), "messages": 2},
        {"date": before(1), "messages": 4},
    )
    assert spans(rows, 50) == [
        (before(40), before(35), 1),
        (before(35), before(10), 3),
        (before(10), before(5), 2),
        (before(1), before(-1), 4),
    ]


def test_days_before_the_first_are_there_from_the_first_on() -> None:
    rows = conversation_rows(
        {"date": before(32), "messages": 1},
        {"date": before(31), "messages": 2},
        {"date": before(30), "messages": 4},
        {"date": before(10), "messages": 8},
    )
    assert spans(rows, 2) == [(before(1), DAY, 4 + 8), (DAY, before(-1), 8)]


def test_conversations_of_two_users_are_two() -> None:
    rows = conversation_rows({"messages": 1}, {"messages": 2, "user_id": "v"})
    assert sorted(spans(rows, 1)) == [(DAY, before(-1), 1), (DAY, before(-1), 2)]


MOMENTS = ("last_success_at", "last_failure_at", "last_refusal_at")
COUNTS = (
    "messages",
    "user_messages",
    "tool_calls",
    "creations",
    "failures",
    "refusals",
    "completions",
    "credits_used",
    "positive_messages",
    "loved_messages",
    "negative_messages",
    "repeated_prompts",
)
USE_CASE_TEXTS = (
    "{}",
    '{"drafting":1}',
    '{"drafting":2,"other":9}',
    '{"other":3}',
    '{"personal_video":1}',
    # Of no catalogue any more, and with an escape in it.
    '{"an \\"old\\" one":2}',
    '{"zeal":2}',
)


def random_row(choose: random.Random, ago: int) -> Row:
    """A row whose moments may be at the same time, on few conversations of few users."""
    day = before(ago)
    row: Row = {name: choose.choice((0, 0, 1, 2)) for name in COUNTS}
    row |= {
        name: datetime.combine(day, time(choose.randint(10, 12))) if choose.random() < 0.4 else None
        for name in MOMENTS
    }
    failed = row["last_failure_at"] is not None
    return row | {
        "date": day,
        "conversation_id": f"c{choose.randint(0, 4)}",
        "user_id": f"u{choose.randint(0, 2)}",
        "credits_used": choose.choice((0, 999_999_999)),
        "last_error_type": choose.choice(("credits", "timeout")) if failed else None,
        "use_case_messages": choose.choice(USE_CASE_TEXTS),
        "feature_requests": choose.choice(([], [], ["Can you add it?"])),
    }


@pytest.mark.parametrize(
    "seed",
    quick_and_long(range(3), range(3, 12)),
)
def test_every_window_is_folded_from_its_own_rows(seed: int) -> None:
    choose = random.Random(seed)
    drawn = [random_row(choose, choose.randint(0, 75)) for _ in range(choose.choice((20, 200)))]
    by_key = {(row["date"], row["conversation_id"], row["user_id"]): row for row in drawn}
    rows = conversation_rows(*by_key.values())
    days = days_to(40)
    found = pl.concat(tell_window_conversations(rows, ORDER, days)).collect()
    for day in days:
        whole = fold(rows.filter(is_dated(before(29, day), day)), KEY, ORDER).collect()
        by_case: dict[str, list[Row]] = defaultdict(list)
        for one in whole.rows(named=True):
            by_case[one["extracted_use_case"] or ""].append(one)
        expected = {
            name: (
                len(own),
                len({one["user_id"] for one in own}),
                sum(one["completion_status"] == "completed" for one in own),
                sum(one["credits_used"] for one in own),
                sum(one["user_satisfaction_signal"] for one in own),
                sum(one["messages"] for one in own),
                sum(one["loved_messages"] > 0 for one in own),
                sum(bool(one["feature_requests"]) for one in own),
            )
            for name, own in by_case.items()
        }
        of_day = found.filter(pl.col("date") == day).drop("date")
        assert {name: tuple(figures) for name, *figures in of_day.rows()} == expected


def test_use_cases_of_a_day() -> None:
    rows = conversation_rows(
        DRAFTING | {"completions": 1, "credits_used": 4},
        DRAFTING | {"conversation_id": "d", "credits_used": 2, "date": before(29)},
        DRAFTING | {"conversation_id": "e", "user_id": "v"},
        DRAFTING | {"conversation_id": "f", "date": before(30)},
        VIDEO | {"conversation_id": "g"},
        {"conversation_id": "silent", "credits_used": 9},
    )
    assert told(rows) == [
        {
            "date": DAY,
            "use_case": "drafting",
            "conversations": 3,
            "users": 2,
            "share_percent": 75.0,
            "completion_rate": 100 / 3,
            "credits_used": 6,
            # 7 of the completed one, 4 of both others, for nobody replied
            "avg_satisfaction": 5.0,
        },
        {
            "date": DAY,
            "use_case": "personal_video",
            "conversations": 1,
            "users": 1,
            "share_percent": 25.0,
            "completion_rate": 0.0,
            "credits_used": 0,
            "avg_satisfaction": 4.0,
        },
    ]


def test_a_conversation_is_one_however_many_days_it_has() -> None:
    rows = conversation_rows(
        DRAFTING | {"credits_used": 1}, DRAFTING | {"credits_used": 2, "date": before(3)}
    )
    [row] = told(rows)
    assert figures(row, "conversations", "users", "credits_used") == [1, 1, 3]


def test_a_use_case_is_that_of_the_days_in_the_window() -> None:
    """Equally many of both: the catalogue's first; after the first day has left, the other one."""
    rows = conversation_rows(VIDEO | {"date": before(30)}, DRAFTING | {"date": before(1)})
    assert [row["use_case"] for row in told(rows, 3)] == [
        "personal_video",
        "personal_video",
        "drafting",
    ]


@pytest.mark.parametrize("length", [1, 40])
def test_without_user_messages_there_is_no_use_case(length: int) -> None:
    assert told(conversation_rows({"credits_used": 3}), length) == []
    assert told(CONVERSATION_DAILY.empty(), length) == []


def test_many_days_at_once_are_what_each_gives_alone() -> None:
    rows = conversation_rows(
        *(
            (DRAFTING if ago % 3 else VIDEO)
            | {
                "date": before(ago),
                "conversation_id": f"c{ago % 6}",
                "user_id": f"u{ago % 2}",
                "credits_used": ago,
                "loved_messages": ago % 5 == 0,
            }
            for ago in range(0, 90, 2)
        )
    )
    together = told(rows, 40)
    alone = [
        row
        for day in days_to(40)
        for row in rows_of([tell_use_cases(talks_of(rows, ORDER, [day]))], USE_CASES)
    ]
    assert together == alone
    assert len(together) == 80


def test_users_may_be_folded_some_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = conversation_rows(
        *(
            DRAFTING | {"date": before(ago), "user_id": f"u{ago % 7}", "credits_used": ago}
            for ago in range(40)
        )
    )
    whole = told(rows, 3)
    assert whole[-1]["users"] == 7
    monkeypatch.setattr(window_conversations, "_PART_ROWS", 5)
    assert told(rows, 3) == whole
