"""Answers as the page of the service's interface shows them."""

from collections.abc import Mapping
from typing import Any, Final

FAULT: Final[Mapping[str, Any]] = {"detail": "What is wrong, and what to do."}

PROFILE: Final[Mapping[str, Any]] = {
    "date": "2026-11-28",
    "user_id": "ana",
    "created_at": "2026-09-01T08:30:00Z",
    "signed_up_date": "2026-09-01",
    "days_since_signup": 88,
    "total_conversations": 12,
    "total_messages": 96,
    "total_credits_used": 140,
    "active_days": 20,
    "sessions": 31,
    "last_active_at": "2026-11-28T16:05:00Z",
    "last_active_date": "2026-11-28",
    "average_session_length": 14.5,
    "completion_rate": 75.0,
    "primary_use_case": "contract_review",
    "preferred_tools": ["contract_review", "case_search"],
    "frequently_used_prompts": ["review the contract"],
    "preferences": '{"tone":"formal"}',
    "credit_exhaustion_count": 1,
    "retention_cohort": "week_2",
    "activation_status": "power_user",
    "context_summary": (
        "mainly contract review; prefers contract_review, case_search; tone formal; "
        "12 conversations in 90 days, 75 % completed; last active 2026-11-28; status power user"
    ),
}
SUMS: Final[Mapping[str, int]] = {
    "events": 9,
    "messages": 6,
    "user_messages": 3,
    "tool_calls": 3,
    "successful_calls": 2,
    "creations": 1,
    "attempts": 3,
    "failures": 1,
    "refusals": 0,
    "completions": 1,
    "sharing_events": 0,
    "credits_used": 11,
}
CONTEXT: Final[Mapping[str, Any]] = {
    "user_id": "ana",
    "as_of": "2026-11-28",
    "profile": PROFILE,
    "live": {
        **SUMS,
        "first_event_at": "2026-11-29T08:00:00.000000Z",
        "last_event_at": "2026-11-29T08:21:30.250000Z",
        "conversation_id": "c42",
        "tool_name": "case_search",
    },
    "live_status": "ok",
}
TODAY: Final[Mapping[str, Any]] = {"date": "2026-11-29", **SUMS, "users": 4}
HEALTH: Final[Mapping[str, Any]] = {"warehouse": "2026-11-28", "redis": True}
