"""The facts, at the grain of their sources."""

import dataframely as dy
import polars as pl

from harvey_pipeline.warehouse import columns as c


def _whole(description: str) -> dy.Int32:
    return dy.Int32(min=0, nullable=True, description=description)


def _score(what: str) -> dy.Int32:
    return dy.Int32(min=1, max=5, nullable=True, description=f"{what}, 1 to 5; null if not given.")


def _answer(description: str) -> dy.Bool:
    return dy.Bool(nullable=True, description=f"{description}; null where not given.")


def date_sk() -> dy.Int32:
    return dy.Int32(nullable=False, description="Key of `date` in `agents.dim_date`: YYYYMMDD.")


_AGENT_TYPE_SK = "Key in `agents.dim_agent_type`; `unknown` if no version has begun by `date`."
_SHOP_SK = "Key in `agents.dim_shop` of the version of `date`; `unknown` if none has begun."
_DROP_DATE = "Day of the drop whose row counts."


class FactAgentApproval(dy.Schema):
    """One row per (`date`, `source_id`): a draft and what became of it."""

    approval_sk = c.text("Key: `<source_id>_<date_sk>`.")
    date = c.day("Day on which it was drafted.", key=True)
    date_sk = date_sk()
    agent_type_sk = c.text(_AGENT_TYPE_SK)
    shop_sk = c.text(_SHOP_SK)
    customer_sk = c.text(
        "Key in `agents.dim_customer`: `<customer_email>|<shop_domain>`; `unknown` without e-mail."
    )
    agent_type_code = c.text("Agent type that drafted it; `cx-agent` where not given.")
    conversation_id = c.text("Conversation.")
    chatwoot_conversation_id = c.text("Conversation in Chatwoot.", nullable=True)
    chatwoot_message_id = c.text("Message in Chatwoot.", nullable=True)
    status = c.text("What became of it, as delivered.", nullable=True)
    confidence_score = c.number("The agent's confidence, percent.", maximum=100.0)
    review_time_seconds = dy.Int64(
        min=0,
        nullable=True,
        description="Whole seconds from creation to review; null without a review.",
    )
    character_count = _whole("Characters of the draft; null without one.")
    suggested_tags_count = _whole("Suggested tags; null without a list.")
    knowledge_sources_count = _whole("Knowledge sources used; null without a list.")
    is_approved = c.flag("Whether `status` is approved.")
    is_rejected = c.flag("Whether `status` is rejected.")
    is_edited = c.flag("Whether `status` is edited.")
    is_pending = c.flag("Whether `status` is pending.")
    is_urgent = c.flag("Whether its priority is urgent.")
    is_escalated = c.flag("Whether the agent recommends to escalate.")
    created_at = c.moment("When it was drafted, UTC.")
    reviewed_at = c.moment("When it was reviewed, UTC.", nullable=True)
    source_id = c.text("Draft, as its source names it.", key=True)
    drop_date = c.day(_DROP_DATE)

    @dy.rule()
    def flags_exclude_each_other(cls) -> pl.Expr:
        """A draft is at most one of approved, rejected, edited and pending."""
        flags = ("is_approved", "is_rejected", "is_edited", "is_pending")
        return pl.sum_horizontal(pl.col(flag).cast(pl.Int8) for flag in flags) <= 1

    @dy.rule()
    def created_on_its_date(cls) -> pl.Expr:
        """`date` is the day of `created_at`."""
        return pl.col("created_at").dt.date() == pl.col("date")

    @dy.rule()
    def reviewed_after_created(cls) -> pl.Expr:
        """No draft is reviewed before it was created."""
        return pl.col("reviewed_at").is_null() | (pl.col("reviewed_at") >= pl.col("created_at"))


class FactAgentQuery(dy.Schema):
    """One row per (`date`, `source_id`): a query and how it was answered."""

    query_sk = c.text("Key: `<source_id>_<date_sk>`.")
    date = c.day("Day on which it was asked.", key=True)
    date_sk = date_sk()
    agent_type_sk = c.text(_AGENT_TYPE_SK)
    shop_sk = c.text(_SHOP_SK)
    agent_type_code = c.text("Agent type that answered it; `unknown` where not given.")
    conversation_id = c.text("Conversation.", nullable=True)
    query_text = c.text("The first 500 characters of its text.", nullable=True)
    latency_ms = _whole("Time to the answer, ms.")
    result_size_bytes = _whole("Size of the answer, bytes.")
    is_approved = _answer("Whether the answer was approved")
    is_human_edited = _answer("Whether a human edited the answer")
    is_error = _answer("Whether it ended in an error")
    created_at = c.moment("When it was asked, UTC.")
    source_id = c.text("Query, as its source names it.", key=True)
    drop_date = c.day(_DROP_DATE)

    @dy.rule()
    def created_on_its_date(cls) -> pl.Expr:
        """`date` is the day of `created_at`."""
        return pl.col("created_at").dt.date() == pl.col("date")


class FactTrainingFeedback(dy.Schema):
    """One row per (`date`, `source_id`): an annotation of a draft."""

    feedback_sk = c.text("Key: `<source_id>_<date_sk>`.")
    date = c.day("Day on which it was made.", key=True)
    date_sk = date_sk()
    annotator_sk = c.text("Key in `agents.dim_annotator`: the e-mail address, or `unknown`.")
    shop_sk = c.text(_SHOP_SK)
    conversation_id = c.text("Conversation.", nullable=True)
    clarity_score = _score("Clarity")
    accuracy_score = _score("Accuracy")
    helpfulness_score = _score("Helpfulness")
    tone_score = _score("Tone")
    overall_score = c.number(
        "Mean of those of the four scores that are given; null if none.", minimum=1.0, maximum=5.0
    )
    is_safe_to_send = _answer("Whether the draft is safe to send")
    has_labels = c.flag("Whether it has a label.")
    has_rubric = c.flag("Whether it has a rubric.")
    has_notes = c.flag("Whether its notes hold more than blanks and line ends.")
    input_length = _whole("Characters of the input; null without one.")
    draft_length = _whole("Characters of the draft; null without one.")
    notes_length = _whole("Characters of the notes; null without any.")
    created_at = c.moment("When it was made, UTC.")
    source_id = c.text("Annotation, as its source names it.", key=True)
    drop_date = c.day(_DROP_DATE)

    @dy.rule()
    def created_on_its_date(cls) -> pl.Expr:
        """`date` is the day of `created_at`."""
        return pl.col("created_at").dt.date() == pl.col("date")

    @dy.rule()
    def overall_score_where_any_is_given(cls) -> pl.Expr:
        """`overall_score` is null exactly where all four scores are."""
        scores = ("clarity_score", "accuracy_score", "helpfulness_score", "tone_score")
        return pl.col("overall_score").is_null() == pl.all_horizontal(
            pl.col(score).is_null() for score in scores
        )
