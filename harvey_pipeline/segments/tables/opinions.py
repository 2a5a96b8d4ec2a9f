"""What a language model says of users, beside what the rules say."""

from typing import Final

import dataframely as dy
import polars as pl

from harvey_pipeline.segments.tables.labels import CHURN_RISKS, SEGMENTS
from harvey_pipeline.warehouse import columns as c
from harvey_pipeline.warehouse.table import Keep, Table

LONGEST_KIND: Final = 60
LONGEST_REASONING: Final = 1_500
MOST_EVIDENCE: Final = 8
LONGEST_TEXT: Final = 500
"""Characters of a text of evidence, and of a recommendation's."""
MOST_RECOMMENDATIONS: Final = 3
MOST_HOURS: Final = 20.0
MOST_USD: Final = 1e9


class LlmOpinions(dy.Schema):
    """One row per (`date`, `user_id`), Mondays, of whom a model was asked and answered.

    Only valid answers of the configured models and prompt versions, to what is known of the user
    on that day. Segments never follow from it.
    """

    date = c.day("The Monday.", key=True)
    user_id = c.text("User.", key=True)
    segment = c.label("Segment that the model would give.", SEGMENTS)
    sub_segment = c.text(f"Kind of user in the model's words, 1 to {LONGEST_KIND} characters.")
    confidence = dy.Float64(
        min=0.0, max=1.0, nullable=False, description="How sure the model is, 0 to 1."
    )
    reasoning = c.text(f"Why, in the model's words, at most {LONGEST_REASONING:,} characters.")
    evidence = dy.List(
        dy.String(nullable=False),
        nullable=False,
        description=f"Figures that it rests on, 1 to {MOST_EVIDENCE} texts.",
    )
    churn_risk = c.label("How likely the model takes it that the user leaves.", CHURN_RISKS)
    recommendations = c.text(
        f"JSON: a list of 1 to {MOST_RECOMMENDATIONS} objects with `category`, `suggestion`, "
        "`reasoning`, `estimated_time_savings_hours_month`, `priority` and "
        "`implementation_cost_usd_year`, all estimated by the model; null where it was asked for "
        "none.",
        nullable=True,
    )
    model = c.text("Model that answered for the segment.")
    prompt_version = c.text("Version of the prompt that it was asked with.")
    agrees = c.flag("Whether its segment is that of `segments.user_segments`.")

    @dy.rule()
    def dated_on_a_monday(cls) -> pl.Expr:
        """Rows are of Mondays."""
        return pl.col("date").dt.weekday() == 1


LLM_OPINIONS: Final = Table(
    "segments.llm_opinions", LlmOpinions, "date", persons=("user_id",), keep=Keep(90)
)

TABLES: Final = (LLM_OPINIONS,)
