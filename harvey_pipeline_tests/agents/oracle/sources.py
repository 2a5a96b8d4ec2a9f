"""Section 1: the seven sources, and what a text of theirs means."""

import json
from collections.abc import Callable, Sequence
from datetime import date, datetime
from functools import partial
from typing import Any

from harvey_pipeline_tests.oracle.sources import Consequence, Field, Source
from harvey_pipeline_tests.oracle.values import (
    BLANKS,
    TableRow,
    read_decimal,
    read_timestamp,
    read_whole_number,
)

LONGEST_QUERY = 500
REVIEW_DAYS = 30

# --- Values ---------------------------------------------------------------------------------


def read_key(text: str) -> str | None:
    """A domain or an address, in small letters; `unknown` is none."""
    return None if text.lower() == "unknown" else text.lower()


def read_percent(text: str) -> float | None:
    """A decimal number from 0 to 100."""
    number = read_decimal(text)
    return float(number) if number is not None and number <= 100 else None


def read_amount(text: str) -> float | None:
    """A decimal number."""
    number = read_decimal(text)
    return None if number is None else float(number)


def read_score(text: str) -> int | None:
    """A whole number from 1 to 5."""
    number = read_whole_number(text)
    return number if number is not None and 1 <= number <= 5 else None


def read_flag(text: str) -> bool | None:
    """`true`, `t`, `1` or `false`, `f`, `0`, whatever their case."""
    word = text.lower()
    return True if word in ("true", "t", "1") else False if word in ("false", "f", "0") else None


def refuse(name: str) -> None:
    """`NaN` and `Infinity` are not JSON."""
    raise ValueError(f"{name} is not JSON")


def read_elements(text: str, kind: type[list[Any]] | type[dict[str, Any]]) -> int | None:
    """How many elements a JSON array has, or keys a JSON object; None where text is no such."""
    try:
        value = json.loads(text, parse_int=str, parse_float=str, parse_constant=refuse)
    except (ValueError, RecursionError):
        return None
    return len(value) if isinstance(value, kind) else None


def has_elements(text: str, kind: type[list[Any]] | type[dict[str, Any]]) -> bool | None:
    """Whether a JSON array or object holds anything; None where text is no such."""
    count = read_elements(text, kind)
    return None if count is None else count > 0


def cut(text: str) -> str:
    """The beginning of a query."""
    return text[:LONGEST_QUERY]


def has_content(text: str) -> bool:
    """Whether there is more than blanks, tabs, carriage returns and newlines."""
    return bool(text.strip(BLANKS + "\r\n"))


# --- Columns --------------------------------------------------------------------------------


def opaque(
    column: str, name: str = "", missing: Consequence = "keep", is_required: bool = False
) -> Field:
    """An id."""
    return Field(
        column,
        name or column,
        str,
        missing,
        is_required=is_required,
        is_id=True,
        takes_nested=False,
    )


def natural(
    column: str,
    read: Callable[[str], Any] = read_key,
    missing: Consequence = "keep",
    is_required: bool = True,
    name: str = "",
) -> Field:
    """A domain, an address or an agent's code, which is a key somewhere."""
    return Field(
        column,
        name or column,
        read,
        missing,
        # What reads as `unknown` is as good as missing.
        unreadable=missing,
        unreadable_as=f"missing_{column}",
        is_required=is_required,
        is_id=True,
        takes_nested=False,
    )


def words(
    *columns: str, read: Callable[[str], str] = str, is_required: bool = False
) -> list[Field]:
    """Names or words of any kind."""
    return [
        Field(column, column, read, is_required=is_required, takes_nested=False)
        for column in columns
    ]


def measured(
    column: str, name: str, read: Callable[[str], Any] = len, default: Any = None
) -> Field:
    """A text, of which only something is kept."""
    return Field(
        column,
        name,
        read,
        default=default,
        is_required=False,
        is_verbatim=True,
        takes_nested=False,
    )


def valued(
    read: Callable[[str], Any],
    *columns: str,
    unreadable: Consequence = "repair",
    name: str = "",
    default: Any = None,
) -> list[Field]:
    """Numbers, flags, lists or objects, which may be blank."""
    return [
        Field(
            column,
            name or column,
            read,
            unreadable=unreadable,
            default=default,
            is_required=False,
        )
        for column in columns
    ]


ID = opaque("id", "source_id", "reject", is_required=True)
CREATED = Field("created_at", "created_at", read_timestamp, "reject", noun="timestamp")


def settle_review(
    values: TableRow, created_at: datetime | None, drop_day: date | None
) -> list[str]:
    """A review lies between its draft and the end of the drop's day."""
    reviewed_at = values["reviewed_at"]
    reasons = []
    if reviewed_at is not None and created_at is not None and reviewed_at < created_at:
        reasons.append("reviewed_before_created")
    if reviewed_at is not None and drop_day is not None and reviewed_at.date() > drop_day:
        reasons.append("reviewed_after_drop")
    if reasons:
        values["reviewed_at"] = None
    return reasons


APPROVALS = Source(
    "agent_approvals",
    "changes",
    (
        ID,
        opaque("conversation_id", "", "reject", is_required=True),
        natural("shop_domain"),
        *words("status", read=str.lower, is_required=True),
        CREATED,
        natural("agent_type", str.lower, is_required=False, name="agent_type_code"),
        opaque("chatwoot_conversation_id"),
        opaque("chatwoot_message_id"),
        natural("customer_email", is_required=False),
        *words("customer_name"),
        measured("draft_response", "character_count"),
        *valued(read_percent, "confidence_score"),
        *valued(partial(read_elements, kind=list), "suggested_tags", name="suggested_tags_count"),
        *valued(
            partial(read_elements, kind=list), "knowledge_sources", name="knowledge_sources_count"
        ),
        *words("priority", "recommended_action", read=str.lower),
        *valued(read_timestamp, "reviewed_at"),
    ),
    key=("source_id",),
    at="created_at",
    late_days=REVIEW_DAYS,
    settle=settle_review,
)
QUERIES = Source(
    "agent_queries",
    "changes",
    (
        ID,
        natural("shop_domain"),
        CREATED,
        natural("agent_type", str.lower, is_required=False, name="agent_type_code"),
        opaque("conversation_id"),
        measured("query_text", "query_text", cut),
        *valued(read_whole_number, "latency_ms", "result_size_bytes"),
        *valued(read_flag, "is_approved", "is_human_edited", "is_error"),
    ),
    key=("source_id",),
    at="created_at",
    late_days=1,
)
SCORES = ("clarity_score", "accuracy_score", "helpfulness_score", "tone_score")
NOTES = Field(
    "notes",
    "notes",
    lambda text: (len(text), has_content(text)),
    default=(None, None),
    is_required=False,
    is_verbatim=True,
    takes_nested=False,
)


def settle_notes(values: TableRow, *_: object) -> list[str]:
    """Of one text two things are kept."""
    values["notes_length"], values["has_notes"] = values.pop("notes")
    return []


FEEDBACK = Source(
    "agent_feedback",
    "changes",
    (
        ID,
        natural("annotator_email"),
        natural("shop_domain"),
        CREATED,
        opaque("conversation_id"),
        *valued(read_score, *SCORES),
        *valued(read_flag, "is_safe_to_send"),
        *valued(partial(has_elements, kind=list), "labels", name="has_labels"),
        *valued(partial(has_elements, kind=dict), "rubric", name="has_rubric"),
        NOTES,
        measured("input_text", "input_length"),
        measured("draft_text", "draft_length"),
    ),
    key=("source_id",),
    at="created_at",
    late_days=1,
    settle=settle_notes,
)
SHOPS = Source(
    "shops",
    "snapshot",
    (
        natural("shop_domain", missing="reject"),
        *words("plan_type", read=str.lower, is_required=True),
        *words("shop_name", "shop_owner"),
        *valued(read_flag, "is_active", unreadable="reject"),
        *words("country", "timezone"),
        *valued(read_whole_number, "monthly_orders", "total_products", unreadable="reject"),
    ),
    key=("shop_domain",),
    at=None,
)
CUSTOMERS = Source(
    "customers",
    "snapshot",
    (
        natural("customer_email", missing="reject"),
        natural("shop_domain", missing="reject"),
        *words("customer_name"),
        *words("customer_type", read=str.lower),
        *valued(read_whole_number, "order_count", unreadable="reject"),
        *valued(read_amount, "lifetime_value", unreadable="reject", name="lifetime_value_usd"),
    ),
    key=("customer_email", "shop_domain"),
    at=None,
)
ANNOTATORS = Source(
    "annotators",
    "snapshot",
    (
        natural("annotator_email", missing="reject"),
        *words("annotator_name"),
        *words("role", read=str.lower),
        *words("team"),
        *valued(read_flag, "is_active", unreadable="reject"),
    ),
    key=("annotator_email",),
    at=None,
)
AGENT_TYPES = Source(
    "agent_types",
    "snapshot",
    (
        natural("agent_type_code", str.lower, missing="reject"),
        *words("agent_name", "agent_category", "model_version"),
        *valued(read_flag, "is_active", unreadable="reject"),
        *valued(read_whole_number, "expected_avg_latency_ms", unreadable="reject"),
        *valued(read_percent, "expected_approval_rate", unreadable="reject"),
        *valued(read_flag, "supports_streaming", unreadable="reject"),
    ),
    key=("agent_type_code",),
    at=None,
)
SOURCES: Sequence[Source] = (
    APPROVALS,
    QUERIES,
    FEEDBACK,
    SHOPS,
    CUSTOMERS,
    ANNOTATORS,
    AGENT_TYPES,
)
