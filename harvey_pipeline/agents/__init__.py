"""Agents: what AI agents draft and answer, and what people make of it, as a star schema."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from harvey_pipeline.agents.assets import ASSETS
from harvey_pipeline.agents.checks import CHECKS
from harvey_pipeline.agents.dimensions import DIMENSIONS
from harvey_pipeline.agents.sample import prepare_sample
from harvey_pipeline.agents.sources import SOURCES
from harvey_pipeline.agents.tables import TABLES
from harvey_pipeline.agents.views import VIEWS
from harvey_pipeline.subject import Headline, Subject

FACTS: Final = ("fact_agent_approval", "fact_agent_query", "fact_training_feedback")
"""The largest tables: a row for each record of their source."""

_FIGURES: Final[Mapping[str, Mapping[str, str]]] = {
    "Drafts": {
        "Drafts": "total_drafts",
        "Approved": "approved",
        "Rejected": "rejected",
        "Edited": "edited",
        "Pending": "pending",
        "Approval rate": "approval_rate",
        "Confidence": "avg_confidence",
        "Median review time, s": "p50_review_time_seconds",
    },
    "Queries": {
        "Queries": "total_queries",
        "Mean latency, ms": "avg_latency_ms",
        "P95 latency, ms": "p95_latency_ms",
        "P99 latency, ms": "p99_latency_ms",
        "Errors": "errors",
        "Error rate": "error_rate",
        "Approval rate": "query_approval_rate",
        "Active shops": "active_shops",
    },
    "Annotations": {
        "Annotations": "annotations",
        "Overall score": "avg_overall_score",
        "Clarity": "avg_clarity_score",
        "Accuracy": "avg_accuracy_score",
        "Helpfulness": "avg_helpfulness_score",
        "Tone": "avg_tone_score",
        "Safe to send": "safety_rate",
    },
}

SUBJECT: Final = Subject(
    name="agents",
    title="How good the AI agents' drafts and answers are, how fast, and what annotators think.",
    sources=SOURCES,
    tables=tuple(TABLES.values()),
    dimensions=DIMENSIONS,
    assets=ASSETS,
    checks=CHECKS,
    views=VIEWS,
    archivable=tuple(TABLES[name] for name in FACTS),
    guide=Path(__file__).with_name("guide.md"),
    lineage=Path(__file__).with_name("lineage.json"),
    headline=Headline("AI agents", TABLES["daily_agent_summary"], _FIGURES),
    prepare_sample=prepare_sample,
)
