"""Rows of `core.user_daily_activity`, and the day around which tests of windows place them."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any, Final

DAY: Final = date(2024, 3, 31)
"""The window of this day is 2 to 31 March."""


def days_before(days: int, day: date = DAY) -> date:
    return day - timedelta(days=days)


def usage(
    user_id: str = "u1",
    firm_id: str = "a",
    on: date = DAY,
    *,
    assistant: int = 1,
    vault: int = 0,
    workflow: int = 0,
    documents: int = 0,
    scores: Sequence[float] = (),
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
        "feedback_sum": float(sum(scores)),
        "feedback_count": len(scores),
        "high_feedback": sum(score >= 4 for score in scores),
        "low_feedback": sum(score <= 2 for score in scores),
    }
