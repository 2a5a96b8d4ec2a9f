"""The subject's sources: what agents draft and answer, what annotators think, and who they are."""

from collections.abc import Iterable
from functools import partial
from typing import Final

from harvey_pipeline.agents.settings import read_agent_settings
from harvey_pipeline.agents.tables.labels import BUILT_IN_AGENT_TYPES, STATUSES
from harvey_pipeline.landing.measures import (
    HAS_ELEMENTS,
    HAS_KEYS,
    IS_WRITTEN,
    LENGTH,
    LIST_LENGTH,
    NAME,
    PERCENT,
    excerpt,
    whole_score,
    word,
)
from harvey_pipeline.landing.readers import FLAG, ID, TIMESTAMP, WHOLE_NUMBER, Reader, decimal
from harvey_pipeline.landing.source import Column, Consequence, Source

UNKNOWN: Final = "unknown"
"""The key of the member that stands for what is not known, in every dimension."""

QUERY_TEXT_CHARACTERS: Final = 500

KEY: Final = word(UNKNOWN)
WORD: Final = word()
SCORE: Final = whole_score(1, 5)


def _key(name: str, description: str) -> Column:
    """A column that tells the rows of a snapshot apart."""
    return Column(name, name, KEY, description, name)


def _optional(
    delivered: str,
    reader: Reader,
    description: str,
    *,
    unusable: Consequence,
    name: str = "",
    is_required: bool = False,
    follows: str | None = None,
    words: Iterable[str] = (),
) -> Column:
    """A column whose blanks are null."""
    return Column(
        delivered,
        name or delivered,
        reader,
        description,
        delivered,
        missing="keep",
        unusable=unusable,
        is_required=is_required,
        follows=follows,
        words=tuple(words),
    )


_given = partial(_optional, unusable="repair")
"""A column of changes: what is no value of it is null and repaired."""

_attribute = partial(_optional, unusable="reject")
"""A column of a snapshot: what is no value of it rejects the row."""


def _created_at(what: str) -> Column:
    return Column("created_at", "created_at", TIMESTAMP, f"When {what}, UTC.", "timestamp")


_SHOP: Final = "Shop, in lower case."

APPROVALS: Final = Source(
    name="agent_approvals",
    kind="changes",
    row="a draft as a drop shows it",
    key=("source_id",),
    at="created_at",
    late_days=read_agent_settings().review_days,
    persons=("customer_email",),
    columns=(
        Column("id", "source_id", ID, "Draft.", "id"),
        Column("conversation_id", "conversation_id", ID, "Conversation.", "conversation_id"),
        _created_at("it was drafted"),
        _given("shop_domain", KEY, _SHOP, is_required=True),
        _given("status", WORD, "What became of it.", is_required=True, words=STATUSES),
        _given(
            "agent_type",
            WORD,
            "Agent type that drafted it.",
            name="agent_type_code",
            words=BUILT_IN_AGENT_TYPES,
        ),
        _given("chatwoot_conversation_id", ID, "Conversation in Chatwoot."),
        _given("chatwoot_message_id", ID, "Message in Chatwoot."),
        _given("customer_email", KEY, "Customer's e-mail address, in lower case."),
        _given("customer_name", NAME, "Customer's name."),
        _given("draft_response", LENGTH, "Characters of the draft.", name="character_count"),
        _given("confidence_score", PERCENT, "The agent's confidence in it, percent."),
        _given("suggested_tags", LIST_LENGTH, "Suggested tags.", name="suggested_tags_count"),
        _given(
            "knowledge_sources",
            LIST_LENGTH,
            "Knowledge sources used.",
            name="knowledge_sources_count",
        ),
        _given("priority", WORD, "Priority.", words=("urgent",)),
        _given("recommended_action", WORD, "What the agent recommends.", words=("escalate",)),
        _given("reviewed_at", TIMESTAMP, "When it was reviewed, UTC.", follows="created_at"),
    ),
)

QUERIES: Final = Source(
    name="agent_queries",
    kind="changes",
    row="a query as a drop shows it",
    key=("source_id",),
    at="created_at",
    late_days=1,
    columns=(
        Column("id", "source_id", ID, "Query.", "id"),
        _created_at("it was asked"),
        _given("shop_domain", KEY, _SHOP, is_required=True),
        _given(
            "agent_type",
            WORD,
            "Agent type that answered it.",
            name="agent_type_code",
            words=BUILT_IN_AGENT_TYPES,
        ),
        _given("conversation_id", ID, "Conversation."),
        _given(
            "query_text",
            excerpt(QUERY_TEXT_CHARACTERS),
            f"Its text, the first {QUERY_TEXT_CHARACTERS} characters.",
        ),
        _given("latency_ms", WHOLE_NUMBER, "Time to the answer, ms."),
        _given("result_size_bytes", WHOLE_NUMBER, "Size of the answer, bytes."),
        _given("is_approved", FLAG, "Whether the answer was approved."),
        _given("is_human_edited", FLAG, "Whether a human edited the answer."),
        _given("is_error", FLAG, "Whether it ended in an error."),
    ),
)

FEEDBACK: Final = Source(
    name="agent_feedback",
    kind="changes",
    row="an annotation as a drop shows it",
    key=("source_id",),
    at="created_at",
    late_days=1,
    persons=("annotator_email",),
    columns=(
        Column("id", "source_id", ID, "Annotation.", "id"),
        _created_at("it was made"),
        _given(
            "annotator_email", KEY, "Annotator's e-mail address, in lower case.", is_required=True
        ),
        _given("shop_domain", KEY, _SHOP, is_required=True),
        _given("conversation_id", ID, "Conversation."),
        _given("clarity_score", SCORE, "Clarity, 1 to 5."),
        _given("accuracy_score", SCORE, "Accuracy, 1 to 5."),
        _given("helpfulness_score", SCORE, "Helpfulness, 1 to 5."),
        _given("tone_score", SCORE, "Tone, 1 to 5."),
        _given("is_safe_to_send", FLAG, "Whether the draft is safe to send."),
        _given("labels", HAS_ELEMENTS, "Whether it has a label.", name="has_labels"),
        _given("rubric", HAS_KEYS, "Whether it has a rubric.", name="has_rubric"),
        _given("notes", IS_WRITTEN, "Whether it has notes.", name="has_notes"),
        _given("notes", LENGTH, "Characters of the notes.", name="notes_length"),
        _given("input_text", LENGTH, "Characters of the input.", name="input_length"),
        _given("draft_text", LENGTH, "Characters of the draft.", name="draft_length"),
    ),
)

SHOPS: Final = Source(
    name="shops",
    kind="snapshot",
    row="a shop",
    key=("shop_domain",),
    at=None,
    columns=(
        _key("shop_domain", _SHOP),
        _attribute("plan_type", WORD, "Plan.", is_required=True),
        _attribute("shop_name", NAME, "Name."),
        _attribute("shop_owner", NAME, "Owner."),
        _attribute("is_active", FLAG, "Whether it is active."),
        _attribute("country", NAME, "Country."),
        _attribute("timezone", NAME, "Time zone."),
        _attribute("monthly_orders", WHOLE_NUMBER, "Orders a month."),
        _attribute("total_products", WHOLE_NUMBER, "Products."),
    ),
)

CUSTOMERS: Final = Source(
    name="customers",
    kind="snapshot",
    row="a customer of a shop",
    key=("customer_email", "shop_domain"),
    at=None,
    persons=("customer_email",),
    columns=(
        _key("customer_email", "Customer's e-mail address, in lower case."),
        _key("shop_domain", _SHOP),
        _attribute("customer_name", NAME, "Name."),
        _attribute("customer_type", WORD, "Type."),
        _attribute("order_count", WHOLE_NUMBER, "Orders."),
        _attribute(
            "lifetime_value", decimal(), "Value of all orders, USD.", name="lifetime_value_usd"
        ),
    ),
)

ANNOTATORS: Final = Source(
    name="annotators",
    kind="snapshot",
    row="an annotator",
    key=("annotator_email",),
    at=None,
    persons=("annotator_email",),
    columns=(
        _key("annotator_email", "Annotator's e-mail address, in lower case."),
        _attribute("annotator_name", NAME, "Name."),
        _attribute("role", WORD, "Role."),
        _attribute("team", NAME, "Team."),
        _attribute("is_active", FLAG, "Whether the annotator is active; null where blank."),
    ),
)

AGENT_TYPES: Final = Source(
    name="agent_types",
    kind="snapshot",
    row="an agent type",
    key=("agent_type_code",),
    at=None,
    columns=(
        Column("agent_type_code", "agent_type_code", WORD, "Agent type.", "agent_type_code"),
        _attribute("agent_name", NAME, "Name."),
        _attribute("agent_category", NAME, "Category."),
        _attribute("model_version", NAME, "Version of the model."),
        _attribute("is_active", FLAG, "Whether it is in use; null where blank."),
        _attribute("expected_avg_latency_ms", WHOLE_NUMBER, "Expected mean latency, ms."),
        _attribute("expected_approval_rate", PERCENT, "Expected approval rate, percent."),
        _attribute("supports_streaming", FLAG, "Whether it streams its answers."),
    ),
)

SOURCES: Final = (APPROVALS, QUERIES, FEEDBACK, SHOPS, CUSTOMERS, ANNOTATORS, AGENT_TYPES)
