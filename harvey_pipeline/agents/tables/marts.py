"""Marts by day: drafts, queries and annotations, by agent, shop and annotator, and of the day."""

import dataframely as dy
import polars as pl

from harvey_pipeline.agents.tables.facts import date_sk
from harvey_pipeline.agents.tables.labels import CONFIDENCE_BANDS
from harvey_pipeline.warehouse import columns as c


def _mean_score(what: str) -> dy.Float64:
    return c.number(f"Mean {what} score; null if none.", minimum=1.0, maximum=5.0)


class _OfADay(dy.Schema):
    date = c.day("The day.", key=True)
    date_sk = date_sk()


class _ByAgentAndShop(dy.Schema):
    date = c.day("The day.", key=True)
    agent_type_sk = c.text("Agent type.", key=True)
    shop_sk = c.text("Version of the shop.", key=True)
    date_sk = date_sk()


class _ByAnnotator(dy.Schema):
    date = c.day("The day.", key=True)
    annotator_sk = c.text("Annotator.", key=True)
    date_sk = date_sk()


class _Coverage(_OfADay):
    is_approvals_covered = c.flag("Whether a drop or an export covers the day's drafts.")
    is_queries_covered = c.flag("Whether a drop or an export covers the day's queries.")
    is_feedback_covered = c.flag("Whether a drop or an export covers the day's annotations.")
    active_shops = c.count("Shops with a draft or a query.")


class _Drafts(dy.Schema):
    total_drafts = c.count("Drafts.")
    approved = c.count("Approved drafts.")
    rejected = c.count("Rejected drafts.")
    edited = c.count("Edited drafts.")
    pending = c.count("Pending drafts.")
    other_status = c.count("Drafts with any other status, or none.")
    reviewed = c.count("Approved, rejected and edited drafts.")
    urgent = c.count("Urgent drafts.")
    escalated = c.count("Drafts that the agent recommends to escalate.")
    approval_rate = c.percent("Approved of all drafts")
    rejection_rate = c.percent("Rejected of all drafts")
    edit_rate = c.percent("Edited of all drafts")
    approval_rate_of_reviewed = c.percent("Approved of reviewed drafts")
    avg_confidence = c.number("Mean confidence, percent; null if none.", maximum=100.0)
    avg_review_time_seconds = c.number("Mean review time, seconds; null if none.")
    p50_review_time_seconds = c.number("Median review time, seconds; null if none.")
    p95_review_time_seconds = c.number("95th percentile of review time, seconds; null if none.")
    avg_character_count = c.number("Mean length of a draft, characters; null if none.")

    @dy.rule()
    def drafts_add_up(cls) -> pl.Expr:
        """Drafts are the sum of reviewed, pending and other ones."""
        return (
            pl.col("total_drafts")
            == pl.col("reviewed") + pl.col("pending") + pl.col("other_status")
        ) & (pl.col("reviewed") == pl.sum_horizontal("approved", "rejected", "edited"))


class _Queries(dy.Schema):
    total_queries = c.count("Queries.")
    avg_latency_ms = c.number("Mean latency, ms; null if none.")
    p50_latency_ms = c.number("Median latency, ms; null if none.")
    p95_latency_ms = c.number("95th percentile of latency, ms; null if none.")
    p99_latency_ms = c.number("99th percentile of latency, ms; null if none.")
    errors = c.count("Queries that ended in an error.")
    error_rate = c.percent("Errors of the queries of which it is known")
    approved_queries = c.count("Approved queries.")
    reviewed_queries = c.count("Queries of which it is known whether they are approved.")
    query_approval_rate = c.percent("Approved of all queries")
    query_approval_rate_of_reviewed = c.percent("Approved of reviewed queries")
    human_edited_queries = c.count("Queries whose answer a human edited.")
    avg_result_size_bytes = c.number("Mean size of an answer, bytes; null if none.")


class _Annotations(dy.Schema):
    annotations = c.count("Annotations.")
    avg_clarity_score = _mean_score("clarity")
    avg_accuracy_score = _mean_score("accuracy")
    avg_helpfulness_score = _mean_score("helpfulness")
    avg_tone_score = _mean_score("tone")
    avg_overall_score = _mean_score("overall")
    scored_annotations = c.count("Annotations with a score.")
    safe_annotations = c.count("Annotations of drafts that are safe to send.")
    safety_rate = c.percent("Safe of the annotations of which it is known")
    labelled_annotations = c.count("Annotations with a label.")
    rubric_annotations = c.count("Annotations with a rubric.")
    noted_annotations = c.count("Annotations with notes.")
    avg_draft_length = c.number("Mean length of the drafts, characters; null if none.")


DRAFT_COLUMNS = tuple(_Drafts.columns())
QUERY_COLUMNS = tuple(_Queries.columns())
ANNOTATION_COLUMNS = tuple(_Annotations.columns())


class DailyAgentPerformance(_ByAgentAndShop, _Drafts):
    """One row per (`date`, `agent_type_sk`, `shop_sk`) with a draft."""


class DailyQueryPerformance(_ByAgentAndShop, _Queries):
    """One row per (`date`, `agent_type_sk`, `shop_sk`) with a query."""


class DailyAnnotationQuality(_ByAnnotator, _Annotations):
    """One row per (`date`, `annotator_sk`) with an annotation."""


class DailyConfidenceCalibration(dy.Schema):
    """One row per (`date`, `agent_type_sk`, `confidence_band`) with a draft."""

    date = c.day("The day.", key=True)
    agent_type_sk = c.text("Agent type.", key=True)
    confidence_band = c.label(
        "Band of the confidence, percent; its lower end belongs to it.", CONFIDENCE_BANDS, key=True
    )
    date_sk = date_sk()
    total_drafts = c.count("Drafts.", minimum=1)
    reviewed = c.count("Approved, rejected and edited drafts.")
    approved = c.count("Approved drafts.")
    avg_confidence_of_reviewed = c.number(
        "Mean confidence of reviewed drafts, percent; null if none.", maximum=100.0
    )
    approval_rate_of_reviewed = c.percent("Approved of reviewed drafts")
    calibration_gap = c.number(
        "`avg_confidence_of_reviewed` - `approval_rate_of_reviewed`; above 0: too sure of itself.",
        minimum=-100.0,
        maximum=100.0,
    )


class DailyAgentSummary(_Coverage, _Drafts, _Queries, _Annotations):
    """One row per `date`: drafts, queries and annotations of the day."""
