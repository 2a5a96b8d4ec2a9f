"""Sections 2 and 3: drafts, queries and annotations, with the keys of what surrounds them."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date

from harvey_pipeline_tests.agents.oracle.sources import SCORES
from harvey_pipeline_tests.oracle.history import History, Version, version_on
from harvey_pipeline_tests.oracle.landing import Load, Row
from harvey_pipeline_tests.oracle.values import TableRow

UNKNOWN = "unknown"
BUILT_IN = {
    "cx-agent": ("Customer Experience Agent", "customer-support"),
    "inventory-agent": ("Inventory Query Agent", "operations"),
    "product-agent": ("Product Information Agent", "sales"),
    "analytics-agent": ("Analytics Agent", "business-intelligence"),
    UNKNOWN: ("Unknown Agent Type", "other"),
}
"""Code, name and category of the agent types that are there without being delivered."""


@dataclass(frozen=True)
class Dimensions:
    """The histories of the snapshot sources."""

    shops: History
    customers: History
    annotators: History
    agent_types: History


def date_sk(day: date) -> int:
    return int(f"{day:%Y%m%d}")


def shop_version_sk(version: Version) -> str:
    return f"{version.key}_{version.start:%Y%m%d}"


def shop_sk_on(dimensions: Dimensions, shop_domain: str | None, day: date) -> str:
    """The version that a shop has on a day, `unknown` if none has begun."""
    version = version_on(dimensions.shops, shop_domain, day)
    return UNKNOWN if version is None else shop_version_sk(version)


def agent_type_sk_on(dimensions: Dimensions, code: str, day: date) -> str:
    """The code if it is built in or its first version has begun."""
    if code in BUILT_IN or version_on(dimensions.agent_types, code, day) is not None:
        return code
    return UNKNOWN


def customer_sk_of(values: TableRow) -> str:
    """The pair of customer and shop, `unknown` without a customer."""
    email, shop_domain = values["customer_email"], values["shop_domain"]
    return UNKNOWN if email is None else f"{email}|{shop_domain or UNKNOWN}"


@dataclass(frozen=True)
class Delivered:
    """The row of an id and day that counts, and the day of the drop that brought it."""

    row: Row
    drop_date: date

    @property
    def date(self) -> date:
        assert self.row.created_at is not None
        return self.row.created_at.date()

    def fact(self, key: str) -> TableRow:
        """What all facts have; `key` is the name of the fact's own key."""
        source_id = self.row.values["source_id"]
        return {
            key: f"{source_id}_{date_sk(self.date)}",
            "date": self.date,
            "date_sk": date_sk(self.date),
            "conversation_id": self.row.values["conversation_id"],
            "created_at": self.row.created_at,
            "source_id": source_id,
            "drop_date": self.drop_date,
        }


def deliveries_of(loads: Iterable[Load], days: Collection[date]) -> list[Delivered]:
    """One per id and day of creation among the days run: the latest drop's row counts."""
    latest: dict[tuple[str, date], Delivered] = {}
    for each in sorted(loads, key=lambda each: each.day):
        for row in each.accepted if each.is_observed else []:
            assert row.created_at is not None
            latest[row.values["source_id"], row.created_at.date()] = Delivered(row, each.day)
    return [one for one in latest.values() if one.date in days]


def approval_facts(delivered: Iterable[Delivered], dimensions: Dimensions) -> list[TableRow]:
    """`fact_agent_approval`: one draft and what became of it."""
    return [approval_fact(one, dimensions) for one in delivered]


def approval_fact(one: Delivered, dimensions: Dimensions) -> TableRow:
    values = one.row.values
    code = values["agent_type_code"] or "cx-agent"
    created_at, reviewed_at = values["created_at"], values["reviewed_at"]
    taken = None if reviewed_at is None else reviewed_at - created_at
    return {
        **one.fact("approval_sk"),
        "agent_type_sk": agent_type_sk_on(dimensions, code, one.date),
        "shop_sk": shop_sk_on(dimensions, values["shop_domain"], one.date),
        "customer_sk": customer_sk_of(values),
        "agent_type_code": code,
        "chatwoot_conversation_id": values["chatwoot_conversation_id"],
        "chatwoot_message_id": values["chatwoot_message_id"],
        "status": values["status"],
        "confidence_score": values["confidence_score"],
        "review_time_seconds": None if taken is None else taken.days * 86400 + taken.seconds,
        "character_count": values["character_count"],
        "suggested_tags_count": values["suggested_tags_count"],
        "knowledge_sources_count": values["knowledge_sources_count"],
        "is_approved": values["status"] == "approved",
        "is_rejected": values["status"] == "rejected",
        "is_edited": values["status"] == "edited",
        "is_pending": values["status"] == "pending",
        "is_urgent": values["priority"] == "urgent",
        "is_escalated": values["recommended_action"] == "escalate",
        "reviewed_at": reviewed_at,
    }


def query_facts(delivered: Iterable[Delivered], dimensions: Dimensions) -> list[TableRow]:
    """`fact_agent_query`: one query."""
    return [query_fact(one, dimensions) for one in delivered]


def query_fact(one: Delivered, dimensions: Dimensions) -> TableRow:
    values = one.row.values
    code = values["agent_type_code"] or UNKNOWN
    same = (
        "query_text",
        "latency_ms",
        "result_size_bytes",
        "is_approved",
        "is_human_edited",
        "is_error",
    )
    return {
        **one.fact("query_sk"),
        "agent_type_sk": agent_type_sk_on(dimensions, code, one.date),
        "shop_sk": shop_sk_on(dimensions, values["shop_domain"], one.date),
        "agent_type_code": code,
        **{column: values[column] for column in same},
    }


def feedback_facts(delivered: Iterable[Delivered], dimensions: Dimensions) -> list[TableRow]:
    """`fact_training_feedback`: one annotation."""
    return [feedback_fact(one, dimensions) for one in delivered]


def feedback_fact(one: Delivered, dimensions: Dimensions) -> TableRow:
    values = one.row.values
    scores = [values[column] for column in SCORES if values[column] is not None]
    same = (*SCORES, "is_safe_to_send", "input_length", "draft_length", "notes_length")
    return {
        **one.fact("feedback_sk"),
        "annotator_sk": values["annotator_email"] or UNKNOWN,
        "shop_sk": shop_sk_on(dimensions, values["shop_domain"], one.date),
        "overall_score": sum(scores) / len(scores) if scores else None,
        **{column: values[column] for column in same},
        # What is not given, or cannot be read, does not hold anything.
        **{column: bool(values[column]) for column in ("has_labels", "has_rubric", "has_notes")},
    }
