"""Each view over a few rows, in DuckDB."""

from datetime import datetime, time
from typing import Any

import duckdb
import polars as pl
import pytest

from harvey_pipeline.conversations.tables.conversations import CONVERSATIONS, INTENTS
from harvey_pipeline.conversations.tables.marts import ACTIVATION_FUNNEL, RETENTION
from harvey_pipeline.conversations.tables.sums import (
    CONVERSATION_DAILY,
    DIM_ACCOUNT,
    TRAIT_DAILY,
    USER_DAILY,
)
from harvey_pipeline.conversations.tables.users import CREDIT_EXHAUSTION, USER_PROFILES
from harvey_pipeline.conversations.views import VIEWS
from harvey_pipeline.warehouse.table import Table
from harvey_pipeline.warehouse.view import View, make_views
from harvey_pipeline_tests.conversations.mart_rows import (
    DAY,
    Row,
    accounts,
    before,
    cells,
    conversation_rows,
    database,
    exhaustions,
    frame,
    user_rows,
)

_READ = (
    *(USER_DAILY, CONVERSATION_DAILY, TRAIT_DAILY, DIM_ACCOUNT, CREDIT_EXHAUSTION, USER_PROFILES),
    *(CONVERSATIONS, INTENTS, ACTIVATION_FUNNEL, RETENTION),
)


def views(tables: dict[Table, pl.LazyFrame] | None = None) -> duckdb.DuckDBPyConnection:
    empty = {table: table.empty() for table in _READ}
    connection = database(empty | (tables or {}))
    make_views(connection, VIEWS)
    return connection


def query(tables: dict[Table, pl.LazyFrame], sql: str) -> list[tuple[Any, ...]]:
    with views(tables) as connection:
        return connection.sql(sql).fetchall()


@pytest.mark.parametrize("view", VIEWS, ids=str)
def test_views_are_empty_over_empty_tables_and_describe_their_columns(view: View) -> None:
    with views() as connection:
        found = connection.sql(f"select * from {view}")
        assert found.fetchall() == []
        assert set(view.columns) <= set(found.columns)
        if ".*" not in view.query:
            assert list(view.columns) == found.columns


def test_totals_of_a_user_are_of_all_days() -> None:
    tables = {
        USER_DAILY: user_rows(
            {"messages": 3, "credits_used": 5},
            {"date": before(400), "messages": 2, "credits_used": 6},
            {"user_id": "v", "messages": 1, "credits_used": 12},
        ),
        CONVERSATION_DAILY: conversation_rows(
            {}, {"date": before(400)}, {"conversation_id": "d"}, {"user_id": "v"}
        ),
        CREDIT_EXHAUSTION: exhaustions(
            {}, {"date": before(200)}, {"date": before(1), "is_exhausted": False}
        ),
    }
    assert query(tables, "select * from conversations.user_totals") == [
        ("v", 1, 1, 12, 0, 1, DAY, DAY),
        ("u", 2, 5, 11, 2, 2, before(400), DAY),
    ]


def profiles(*rows: Row) -> pl.LazyFrame:
    usual: Row = {"date": DAY, "user_id": "u", "preferred_tools": [], "preferences": "{}"}
    return frame(USER_PROFILES, rows, usual)


@pytest.mark.parametrize(
    ("spent", "exhaustions_of_window", "limit", "is_listed"),
    [
        (89, 0, 100, False),
        (90, 0, 100, True),
        (0, 1, 100, True),
        (17, 0, 19, False),
        (18, 0, 20, True),
        (5, 0, 0, False),
        (0, 0, 0, False),
        (5, 1, 0, True),
        (89, 0, None, False),
        (90, 0, None, True),
    ],
)
def test_who_is_out_of_credits(
    spent: int, exhaustions_of_window: int, limit: int | None, *, is_listed: bool
) -> None:
    row = {"total_credits_used": spent, "credit_exhaustion_count": exhaustions_of_window}
    tables = {USER_PROFILES: profiles(row), DIM_ACCOUNT: accounts({"credit_limit": limit})}
    found = query(tables, "select user_id, credit_limit from conversations.credit_exhausted_users")
    assert found == ([("u", 100 if limit is None else limit)] if is_listed else [])


def test_who_is_out_of_credits_is_told_as_of_the_last_day_and_the_limit_then() -> None:
    tables = {
        USER_PROFILES: profiles(
            {"user_id": "a", "total_credits_used": 95, "credit_exhaustion_count": 1},
            {"user_id": "b", "total_credits_used": 95, "credit_exhaustion_count": 3},
            {"user_id": "c", "total_credits_used": 95, "credit_exhaustion_count": 1},
            {"user_id": "d", "total_credits_used": 95},
            {"user_id": "e", "total_credits_used": 999, "date": before(1)},
        ),
        DIM_ACCOUNT: accounts(
            {"user_id": "d"},
            {"user_id": "d", "effective_start_date": before(3), "credit_limit": 200},
            {"user_id": "a"},
            {"user_id": "a", "effective_start_date": before(-1), "credit_limit": 7},
        ),
    }
    sql = "select user_id, credit_limit from conversations.credit_exhausted_users"
    assert query(tables, sql) == [("b", 100), ("a", 100), ("c", 100)]


def test_messages_by_how_often_they_are_sent() -> None:
    def asked(name: str, times: int, **more: Any) -> Row:
        usual = {"date": DAY, "user_id": "u", "kind": "prompt"}
        return {**usual, "name": name, "times": times, **more}

    rows = frame(
        TRAIT_DAILY,
        [
            asked("draft a memo", 2),
            asked("draft a memo", 1, user_id="v"),
            asked("find case law", 3),
            asked("draft a memo", 9, date=before(1)),
            asked("tone=formal", 8, kind="preference"),
        ],
    )
    assert query({TRAIT_DAILY: rows}, "select * from conversations.message_frequency") == [
        (DAY, "draft a memo", 3, 2),
        (DAY, "find case law", 3, 1),
        (before(1), "draft a memo", 9, 1),
    ]


def talks(*rows: Row) -> pl.LazyFrame:
    noon = datetime.combine(DAY, time(12))
    usual: Row = {
        "date": DAY,
        "conversation_id": "c",
        "user_id": "u",
        "started_at": noon,
        "last_event_at": noon,
        "completion_status": "abandoned",
    }
    return frame(CONVERSATIONS, rows, usual)


def intents(*rows: Row) -> pl.LazyFrame:
    usual: Row = {
        "date": DAY,
        "conversation_id": "c",
        "user_id": "u",
        "cluster": "create/drafting",
        "feature_requests": [],
    }
    return frame(INTENTS, rows, usual)


def test_clusters_of_a_day() -> None:
    keys: list[Row] = [
        {},
        {"conversation_id": "d"},
        {"user_id": "v"},
        {"conversation_id": "e"},
        {"date": before(1)},
    ]
    status = ["completed", "abandoned", "blocked_by_credits", "completed", "completed"]
    tables = {
        CONVERSATIONS: talks(
            *(key | {"completion_status": one} for key, one in zip(keys, status, strict=True))
        ),
        INTENTS: intents(
            *(
                key | {"satisfaction_signal": one, "cluster": cluster}
                for key, one, cluster in zip(keys, (8, 5, 3, 10, 7), "aaaba", strict=True)
            )
        ),
    }
    assert query(tables, "select * from conversations.intent_clusters") == [
        (DAY, "a", 3, 2, 100 / 3, 16 / 3),
        (DAY, "b", 1, 1, 100.0, 10.0),
        (before(1), "a", 1, 1, 100.0, 7.0),
    ]


def test_requests_are_a_row_each() -> None:
    rows = intents(
        {"feature_requests": ["more tools", "dark mode"]},
        {"conversation_id": "d"},
        {"date": before(2), "feature_requests": ["tables"]},
    )
    assert query({INTENTS: rows}, "select * from conversations.feature_requests") == [
        (DAY, "u", "c", "more tools"),
        (DAY, "u", "c", "dark mode"),
        (before(2), "u", "c", "tables"),
    ]


def test_a_conversation_over_its_rows() -> None:
    early = datetime.combine(before(20), time(9))
    rows = talks(
        {"message_count": 3, "user_messages": 2, "tool_calls": 4, "credits_used": 5},
        {
            "date": before(20),
            "started_at": early,
            "last_event_at": early,
            "message_count": 1,
            "user_messages": 1,
            "failures": 6,
            "completion_status": "completed",
        },
        {"user_id": "v", "credits_used": 1},
        {"conversation_id": "a", "started_at": early, "last_event_at": early},
    )
    noon = datetime.combine(DAY, time(12))
    assert query({CONVERSATIONS: rows}, "select * from conversations.conversation_totals") == [
        ("c", 3, 2, early, noon, 4, 3, 4, 6, 6, 1),
        ("a", 1, 1, early, early, 0, 0, 0, 0, 0, 0),
    ]


def test_the_funnel_of_the_last_day() -> None:
    steps = {
        "total_users": 8,
        "first_chat": 4,
        "used_tool": 2,
        "first_chat_rate": 50.0,
        "used_tool_rate": 50.0,
        "created_content_rate": 0.0,
    }
    rows = frame(
        ACTIVATION_FUNNEL,
        [
            {"date": DAY, "cohort": "all", **steps},
            {"date": DAY, "cohort": "30d"},
            {"date": before(1), "cohort": "all", **steps},
        ],
    )
    assert query({ACTIVATION_FUNNEL: rows}, "select * from conversations.funnel_today") == [
        (DAY, "all", 1, "total_users", 8, None),
        (DAY, "all", 2, "first_chat", 4, 50.0),
        (DAY, "all", 3, "used_tool", 2, 50.0),
        (DAY, "all", 4, "created_content", 0, 0.0),
        (DAY, "all", 5, "exhausted_credits", 0, None),
        (DAY, "30d", 1, "total_users", 0, None),
        (DAY, "30d", 2, "first_chat", 0, None),
        (DAY, "30d", 3, "used_tool", 0, None),
        (DAY, "30d", 4, "created_content", 0, None),
        (DAY, "30d", 5, "exhausted_credits", 0, None),
    ]


def test_the_triangle_has_a_row_for_each_cohort() -> None:
    rows = cells(
        {"cohort_size": 4, "period": "day_1", "retained": 1, "retention_rate": 25.0},
        {"cohort_size": 4, "period": "day_7"},
        {"date": before(9), "cohort_size": 2, "period": "day_7", "retention_rate": 50.0},
        {"date": before(9), "cohort_size": 2, "period": "week_2", "retention_rate": 0.0},
    )
    assert query({RETENTION: rows}, "select * from conversations.retention_triangle") == [
        (DAY, 4, 25.0, None, None, None, None),
        (before(9), 2, None, 50.0, None, None, 0.0),
    ]
