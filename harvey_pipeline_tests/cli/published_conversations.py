"""A small published copy of conversations, and what a command prints beside it."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import polars as pl
import pytest

from harvey_pipeline.cli import APP
from harvey_pipeline.cli.app import run_command
from harvey_pipeline.warehouse.warehouse import published_path

LAST = date(2024, 6, 30)
WEEK_BEFORE = LAST - timedelta(days=7)

Values = Mapping[str, Any]
PERIODS = ("day_1", "day_7", "day_30", "week_1", "week_2")


class Told(NamedTuple):
    """What a command ended with, printed and complained of; blanks in lines are single ones."""

    code: int
    lines: list[str]
    error: str


def run_beside(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    *arguments: str,
) -> Told:
    monkeypatch.setenv("HARVEY_WAREHOUSE", str(folder / "warehouse.duckdb"))
    code = run_command(APP, arguments)
    out, error = capsys.readouterr()
    lines = [" ".join(line.split()) for line in out.splitlines()]
    return Told(code, lines, " ".join(error.split()))


def after(told: Told, title: str) -> list[str]:
    """The lines below a title, up to the next empty one."""
    rest = told.lines[told.lines.index(title) + 1 :]
    return rest[: rest.index("")] if "" in rest else rest


def publish(folder: Path, tables: Mapping[str, Sequence[Values]]) -> Path:
    """Write the copy into a folder: a table for each list of rows, with a comment per column."""
    with duckdb.connect(str(published_path(folder / "warehouse.duckdb"))) as connection:
        connection.execute("create schema conversations")
        for name, rows in tables.items():
            frame = pl.DataFrame(rows, infer_schema_length=None)
            connection.register("rows", frame.to_arrow())
            connection.execute(f"create table conversations.{name} as select * from rows")
            for column in frame.columns:
                told = f"What {column} is."
                connection.execute(
                    f"comment on column conversations.{name}.\"{column}\" is '{told}'"
                )
    return folder


# --- rows ----------------------------------------------------------------------------------------


def board(day: date, **values: Any) -> Values:
    periods = {
        f"{period}_{what}": value
        for period in PERIODS
        for what, value in (("users", 10), ("retained", 4), ("retention", 40.0))
    }
    return {
        "date": day,
        "is_covered": True,
        "total_users": 40,
        "dau": 10,
        "wau": 20,
        "mau": 30,
        "dau_rate": 25.0,
        "stickiness": 33.25,
        "new_users": 6,
        "conversations": 12,
        "messages": 1_050,
        "credits_used": 70,
        "exhausted_users": 1,
        "exhausted_users_30d": 4,
        "average_session_length": 7.25,
        "completion_rate": 62.5,
        "avg_satisfaction": 6.4,
        "error_rate": 8.0,
        **periods,
        "top_use_case_1": "contract_review",
        "top_use_case_1_percent": 50.0,
        "top_use_case_2": "drafting",
        "top_use_case_2_percent": 20.0,
        "top_use_case_3": None,
        "top_use_case_3_percent": None,
        "strong_signals": 1,
        "weak_signals": 0,
        "pivot_signals": 1,
    } | values


def funnel(day: date, cohort: str, **values: Any) -> Values:
    return {
        "date": day,
        "cohort": cohort,
        "total_users": 40,
        "day_1_active": 30,
        "first_chat": 36,
        "used_tool": 27,
        "created_content": 9,
        "exhausted_credits": 0,
        "first_chat_rate": 90.0,
        "used_tool_rate": 75.0,
        "created_content_rate": 33.3,
        "exhausted_credits_rate": 0.0,
        "high_usage": 5,
        "successful_users": 20,
    } | values


def signal(name: str, kind: str, day: date = LAST, **values: Any) -> Values:
    return {
        "date": day,
        "signal": name,
        "kind": kind,
        "numerator": 8,
        "denominator": 30,
        "value": 26.7,
        "threshold": 20.0,
        "is_met": True,
        "is_reliable": True,
    } | values


def use_case(name: str, conversations: int, users: int, day: date = LAST) -> Values:
    return {
        "date": day,
        "use_case": name,
        "conversations": conversations,
        "users": users,
        "share_percent": 100.0 * conversations / 20,
        "completion_rate": 50.0,
        "credits_used": 9,
        "avg_satisfaction": 6.0,
    }


def failure(tool: str, error: str, count: int, users: int, **values: Any) -> Values:
    return {
        "date": LAST,
        "tool_name": tool,
        "error_type": error,
        "failure_count": 1,
        "affected_users": 1,
        "failure_count_30d": count,
        "affected_users_30d": users,
        "days_30d": 3,
        "is_repeated": False,
    } | values


def tool(name: str, calls: int, day: date = LAST) -> Values:
    return {"date": day, "tool_name": name, "calls": 1, "calls_30d": calls}


def user_day(user: str, day: date = LAST, **values: Any) -> Values:
    return {
        "date": day,
        "user_id": user,
        "sessions": 1,
        "attempts": 4,
        "failures": 1,
        "credits_used": 10,
    } | values


def conversation(number: int, user: str = "ana", day: date = LAST, **values: Any) -> Values:
    return {
        "date": day,
        "conversation_id": f"c{number}",
        "user_id": user,
        "conversation_key": f"c{number}_{user}_{day:%Y%m%d}",
        "started_at": datetime(day.year, day.month, day.day, 9, number),
        "completion_status": "completed",
        "user_satisfaction_signal": 7,
        "extracted_use_case": "contract_review",
        "blocker_reason": None,
        "first_intent": "Review this",
    } | values


def intent(number: int, user: str = "ana", day: date = LAST, **values: Any) -> Values:
    return {
        "date": day,
        "conversation_id": f"c{number}",
        "user_id": user,
        "cluster": "check/contract_review",
        "feature_requests": [],
        "satisfaction_signal": 7,
        "method": "rules",
    } | values


def asked(day: date, user: str, *texts: str) -> Values:
    return {"date": day, "user_id": user, "feature_requests": list(texts)}


def profile(user: str, **values: Any) -> Values:
    return {
        "date": LAST,
        "user_id": user,
        "email": f"{user}@example.com",
        "created_at": datetime(2024, 4, 1, 8, 30),
        "signed_up_date": date(2024, 4, 1),
        "days_since_signup": 90,
        "total_conversations": 3,
        "total_messages": 21,
        "total_credits_used": 95,
        "active_days": 5,
        "sessions": 6,
        "last_active_at": datetime(2024, 6, 30, 9, 59),
        "last_active_date": LAST,
        "average_session_length": 12.5,
        "completion_rate": 66.7,
        "primary_use_case": "contract_review",
        "preferred_tools": ["contract_review", "case_search"],
        "frequently_used_prompts": ["review the contract"],
        "preferences": '{"style":"formal","tone":"friendly"}',
        "credit_exhaustion_count": 1,
        "retention_cohort": "week_2",
        "activation_status": "first_creation",
        "context_summary": "mainly contract review; status first creation",
    } | values


def steps(user: str, **values: Any) -> Values:
    return {
        "user_id": user,
        "signed_up_date": date(2024, 4, 1),
        "first_active_date": date(2024, 4, 2),
        "first_chat_date": date(2024, 4, 2),
        "first_tool_date": date(2024, 5, 1),
        "first_creation_date": date(2024, 6, 30),
        "first_completion_date": date(2024, 7, 1),
        "first_exhaustion_date": None,
    } | values


def tool_day(user: str, name: str, error: str, day: date = LAST, **values: Any) -> Values:
    return {
        "date": day,
        "user_id": user,
        "tool_name": name,
        "error_type": error,
        "calls": 2,
        "successes": 2,
        "failures": 0,
        "credits_used": 6,
    } | values


def exhaustion(user: str, day: date, *, is_exhausted: bool = True) -> Values:
    return {"date": day, "user_id": user, "is_exhausted": is_exhausted}


def retained(day: date, period: str, size: int, count: int | None) -> Values:
    rate = None if count is None else 100.0 * count / size
    return {
        "date": day,
        "period": period,
        "cohort_size": size,
        "retained": count,
        "retention_rate": rate,
    }
