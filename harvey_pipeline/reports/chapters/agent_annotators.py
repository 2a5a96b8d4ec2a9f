"""Who annotates, what they think, and how far they agree.

Annotators are told by their names: their e-mail addresses are not shown.
"""

from harvey_pipeline.reports.chapters.agent_days import (
    ANNOTATIONS,
    ANNOTATORS,
    GRID_ROWS,
    SEARCHABLE_FROM,
    Seen,
    no_data,
)
from harvey_pipeline.reports.figures import Figures
from harvey_pipeline.reports.page import Block, Column, Entry, Figure, Grid
from harvey_pipeline.reports.wording import counted


def _difference(value: float | None) -> Figure:
    # As it is written, lest a difference of next to nothing reads as -0.0.
    return Figure(None if value is None else round(value, 1) + 0.0, "number")


def annotators(figures: Figures, seen: Seen) -> Block:
    """What each annotator thinks, and how far from the others that is."""
    found = figures.rows(
        f"""
        with of_conversation as (
            select conversation_id, annotator_sk, avg(overall_score) as score
            from {ANNOTATIONS}
            where date between $first and $shown and conversation_id is not null
                and overall_score is not null
            group by all
        ), against_others as (
            select annotator_sk, score,
                sum(score) over annotators - score as of_others,
                count(*) over annotators - 1 as others
            from of_conversation
            window annotators as (partition by conversation_id)
        ), agreement as (
            select annotator_sk, count(*) as shared, avg(abs(score - of_others / others)) as apart
            from against_others where others > 0 group by annotator_sk
        ), sums as (
            select annotator_sk, count(*) as annotations, avg(overall_score) as overall,
                avg(clarity_score) as clarity, avg(accuracy_score) as accuracy,
                avg(helpfulness_score) as helpfulness, avg(tone_score) as tone,
                100.0 * count(*) filter (is_safe_to_send) / nullif(count(is_safe_to_send), 0)
                    as safe
            from {ANNOTATIONS} where date between $first and $shown group by annotator_sk
        )
        select annotator_name, role, team, sums.*, shared, apart,
            overall - (
                select avg(overall_score) from {ANNOTATIONS}
                where date between $first and $shown
            ) as difference,
            count(*) over () as found, sum(annotations) over ()::bigint as everything
        from sums join {ANNOTATORS} using (annotator_sk)
            left join agreement using (annotator_sk)
        order by annotations desc, annotator_name, annotator_sk limit {GRID_ROWS}
        """,
        first=seen.first,
        shown=seen.day,
    ).to_dicts()
    if not found:
        return no_data("Annotators", f"nothing was annotated in the 30 days to {seen.day}.")
    # A column of dashes would say nothing.
    has_shared = any(row["shared"] for row in found)
    rows: list[list[Entry]] = [
        [
            row["annotator_name"] or "without a name",
            row["role"] or "",
            row["team"] or "",
            Figure(row["annotations"]),
            Figure(row["overall"], "number"),
            _difference(row["difference"]),
            *([Figure(row["shared"] or 0), Figure(row["apart"], "number")] if has_shared else []),
            Figure(row["clarity"], "number"),
            Figure(row["accuracy"], "number"),
            Figure(row["helpfulness"], "number"),
            Figure(row["tone"], "number"),
            Figure(row["safe"], "percent"),
        ]
        for row in found
    ]
    agreement = (
        Column("Shared", "count", "Conversations that others scored too."),
        Column("Apart", "number", "Mean distance from the others' mean score of the same ones."),
    )
    return Grid(
        f"{counted(found[0]['found'], 'annotator')} made "
        f"{counted(found[0]['everything'], 'annotation')} in 30 days",
        (
            Column("Annotator"),
            Column("Role"),
            Column("Team"),
            Column("Annotations", "count"),
            Column("Score", "number", "Mean overall score, 1 to 5."),
            Column("Against all", "number", "Their mean score less that of all annotations."),
            *(agreement if has_shared else ()),
            Column("Clarity", "number"),
            Column("Accuracy", "number"),
            Column("Helpfulness", "number"),
            Column("Tone", "number"),
            Column("Safe", "percent", "Of the drafts of which it is told: safe to send."),
        ),
        rows,
        f"Annotations of the 30 days to {seen.day} by annotator. "
        + (
            ""
            if has_shared
            else "No conversation was scored by two annotators: how far they agree is not known. "
        )
        + f"From {ANNOTATIONS} and {ANNOTATORS}.",
        left_out=found[0]["found"] - len(found),
        is_searchable=len(found) > SEARCHABLE_FROM,
    )
